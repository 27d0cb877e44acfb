"""Graphs that wait: how far from the ideal a run ends, and what asyncio reaches by hand.

`python benches/python/delays.py [rounds]`
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial

import orch

Way = Callable[[], Awaitable[object]]


def sleeping(seconds: float) -> Callable[[], object]:
    async def body() -> None:
        await asyncio.sleep(seconds)

    return body


def wide(count: int, seconds: float) -> orch.Graph:
    graph = orch.Graph("wide")
    for nth in range(count):
        graph.add(sleeping(seconds), id=f"t{nth}")
    return graph


def lanes() -> orch.Graph:
    """Two lanes of ten tasks, slow where the other is quick: a barrier a level would take twice as long."""
    graph = orch.Graph("lanes")
    for lane in range(2):
        for nth in range(10):
            seconds = 0.05 if nth % 2 == lane else 0.005
            graph.add(sleeping(seconds), id=f"l{lane}-{nth}", after=f"l{lane}-{nth - 1}" if nth else ())
    return graph


async def workers(count: int, most: int, seconds: float) -> None:
    """So many loops that take the next one: nothing else is decided, and no Task is made for a task."""
    places = iter(range(count))

    async def work() -> None:
        for _ in places:
            await asyncio.sleep(seconds)

    await asyncio.gather(*(work() for _ in range(most)))


async def semaphore(count: int, most: int, seconds: float) -> None:
    """A Task each, held up by a semaphore."""
    places = asyncio.Semaphore(most)

    async def one() -> None:
        async with places:
            await asyncio.sleep(seconds)

    await asyncio.gather(*(one() for _ in range(count)))


def by_hand(count: int, most: int, seconds: float) -> list[Way]:
    return [partial(workers, count, most, seconds), partial(semaphore, count, most, seconds)]


async def two_lanes() -> None:
    """The lanes as two loops that sleep: no task waits for another's."""

    async def lane(number: int) -> None:
        for nth in range(10):
            await asyncio.sleep(0.05 if nth % 2 == number else 0.005)

    await asyncio.gather(lane(0), lane(1))


CASES: list[tuple[str, orch.Graph, int | None, float, list[Way]]] = [
    ("100 of 50 ms, 6 at once", wide(100, 0.05), 6, 17 * 0.05, by_hand(100, 6, 0.05)),
    ("1,000 of 10 ms, 100 at once", wide(1_000, 0.01), 100, 0.1, by_hand(1_000, 100, 0.01)),
    ("two lanes", lanes(), None, 5 * 0.05 + 5 * 0.005, [two_lanes]),
]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print(f"How much longer than the ideal, median of {rounds} rounds.\n")
    print("| graph | ideal | orch | asyncio: loops that take the next | asyncio: a semaphore |\n|---|--:|--:|--:|--:|")
    for name, graph, most, ideal, others in CASES:
        ways: list[Way] = [partial(orch.run, graph, max_parallel=most), *others]
        took: list[list[float]] = [[] for _ in ways]
        for _ in range(rounds):
            for way, times in zip(ways, took, strict=True):
                times.append(timed(way))
        cells = [f"+{(statistics.median(times) / ideal - 1) * 100:.1f} %" for times in took]
        print(f"| {name} | {ideal * 1e3:.0f} ms | {' | '.join(cells + [''] * (3 - len(cells)))} |", flush=True)


def timed(way: Way) -> float:
    async def whole() -> float:
        began = time.perf_counter()
        await way()
        return time.perf_counter() - began

    return asyncio.run(whole())


if __name__ == "__main__":
    main()
