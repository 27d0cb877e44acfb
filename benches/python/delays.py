"""Graphs that wait: how far from the ideal a run ends. `python benches/python/delays.py [rounds]`"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable

import orch


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


CASES = [
    ("100 of 50 ms, 6 at once", wide(100, 0.05), 6, 17 * 0.05),
    ("1,000 of 10 ms, 100 at once", wide(1_000, 0.01), 100, 0.1),
    ("two lanes", lanes(), None, 5 * 0.05 + 5 * 0.005),
]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print("| graph | ideal | median | over |\n|---|--:|--:|--:|")
    for name, graph, most, ideal in CASES:
        took = []
        for _ in range(rounds):
            began = time.perf_counter()
            orch.run_sync(graph, max_parallel=most)
            took.append(time.perf_counter() - began)
        median = statistics.median(took)
        print(f"| {name} | {ideal * 1e3:.0f} ms | {median * 1e3:.1f} ms | {(median / ideal - 1) * 100:.1f} % |")


if __name__ == "__main__":
    main()
