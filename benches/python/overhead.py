"""Microseconds a task: no-op coroutines, orch beside what can be done by hand. Medians of rounds in which each runs once.

`python benches/python/overhead.py [rounds]`
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

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


def timed(make: Callable[[], Awaitable[object]]) -> float:
    """Seconds that it takes on a loop that runs already."""

    async def whole() -> float:
        began = time.perf_counter()
        await make()
        return time.perf_counter() - began

    gc.collect()
    return asyncio.run(whole())


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    for body in (noop, suspends):
        for name, make in SHAPES.items():
            for count in (1_000, 10_000):
                shape = make(count)
                graph = graph_of(shape, body)
                ways = {"orch": lambda: orch.run(graph)}
                ways |= {way: (lambda run=run: run(shape, body)) for way, run in WAYS.items()}
                times: dict[str, list[float]] = {way: [] for way in ways}
                for _ in range(rounds):
                    for way, run in ways.items():
                        times[way].append(timed(run))
                each = {way: statistics.median(list_) / count * 1e6 for way, list_ in times.items()}
                row = "  ".join(f"{way} {micros:6.2f}" for way, micros in each.items())
                print(f"{body.__name__:8} {name:8} {count:6}  {row}", flush=True)


if __name__ == "__main__":
    main()
