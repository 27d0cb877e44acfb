"""Microseconds a task: orch beside what is done by hand and beside other engines. Medians of rounds in which each runs once.

Other engines run fewer rounds, and not those of 10,000: they take too long.

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
from peers import MAKES, PEERS, version
from shapes import SHAPES, Shape

import orch

PEER_ROUNDS = 3


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


async def bare_tasks(count: int) -> None:
    """A Task of asyncio each, all of which suspend once: nothing decides, nothing waits for anything."""
    for task in [asyncio.create_task(suspends()) for _ in range(count)]:
        await task


def timed(make: Callable[[], Awaitable[object]]) -> float:
    """Seconds that it takes on a loop that runs already."""

    async def whole() -> float:
        began = time.perf_counter()
        await make()
        return time.perf_counter() - began

    gc.collect()
    return asyncio.run(whole())


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    peers = [name for name in PEERS if version(name) is not None]
    print(
        f"Microseconds a task, median of {rounds} rounds (other engines: {PEER_ROUNDS}), Python {sys.version.split()[0]}; in "
        "brackets how often as much as orch.\n"
    )
    heads = [*WAYS, *(f"{name} {version(name)}" for name in peers)]
    print(f"| body | shape | tasks | orch | {' | '.join(heads)} |")
    print(f"|---|---|--:|--:|{'--:|' * len(heads)}")
    for body in (noop, suspends):
        for name, make in SHAPES.items():
            for count in (1_000, 10_000):
                row(body, name, make(count), rounds, peers)
    bare = statistics.median(timed(partial(bare_tasks, 1_000)) for _ in range(rounds)) / 1_000 * 1e6
    print(f"\nA bare Task of asyncio that suspends once, here and now: {bare:.2f} µs.")
    for name in PEERS:
        if name not in peers:
            print(f"Not measured, since it is not installed: {name}.")


def row(body: Callable[[], Coroutine[Any, Any, None]], name: str, shape: Shape, rounds: int, peers: list[str]) -> None:
    count = len(shape)
    calls: dict[str, Callable[[], Awaitable[object]]] = {"orch": partial(orch.run, graph_of(shape, body))}
    calls |= {way: partial(run, shape, body) for way, run in WAYS.items()}
    times: dict[str, list[float]] = {way: [] for way in calls}
    for _ in range(rounds):
        for way, call in calls.items():
            times[way].append(timed(call))
    for peer in peers:
        if body is noop and count == 1_000:
            run = MAKES[peer](shape)
            times[peer] = [timed(run) for _ in range(PEER_ROUNDS)]
        else:
            times[peer] = []
    own = statistics.median(times.pop("orch")) / count * 1e6
    each = [statistics.median(took) / count * 1e6 if took else None for took in times.values()]
    cells = " | ".join("" if micros is None else f"{micros:.2f} ({micros / own:.1f})" for micros in each)
    print(f"| {body.__name__} | {name} | {count:,} | {own:.2f} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
