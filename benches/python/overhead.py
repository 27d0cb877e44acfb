"""Microseconds a task: no-op coroutines, orch beside what can be done by hand. Medians of rounds in which each runs once.

`python benches/python/overhead.py [rounds]`
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from by_hand import WAYS
from shapes import SHAPES, Shape

import orch


async def noop() -> None:
    pass


async def suspends() -> None:
    await asyncio.sleep(0)


def graph_of(shape: Shape, body: Callable[[], Awaitable[None]]) -> orch.Graph:
    graph = orch.Graph("bench")
    for place, parents in enumerate(shape):
        graph.add(body, id=f"t{place}", after=[f"t{parent}" for parent in parents])
    graph.ready().plan()
    return graph


def timed(make: Callable[[], Coroutine[Any, Any, object]]) -> float:
    """Seconds that it takes on a loop that runs already."""

    async def whole() -> float:
        began = time.perf_counter()
        await make()
        return time.perf_counter() - began

    gc.collect()
    return asyncio.run(whole())


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    print(f"µs a task, median of {rounds} rounds, Python {sys.version.split()[0]}; in brackets how often as much as orch\n")
    print(f"| body | shape | tasks | orch | {' | '.join(WAYS)} |")
    print(f"|---|---|--:|--:|{'--:|' * len(WAYS)}")
    for body in (noop, suspends):
        for name, make in SHAPES.items():
            for count in (1_000, 10_000):
                shape = make(count)
                calls = {"orch": partial(orch.run, graph_of(shape, body))}
                calls |= {way: partial(run, shape, body) for way, run in WAYS.items()}
                times: dict[str, list[float]] = {way: [] for way in calls}
                for _ in range(rounds):
                    for way, call in calls.items():
                        times[way].append(timed(call))
                own, *others = (statistics.median(took) / count * 1e6 for took in times.values())
                cells = " | ".join(f"{micros:.2f} ({micros / own:.1f})" for micros in others)
                print(f"| {body.__name__} | {name} | {count} | {own:.2f} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
