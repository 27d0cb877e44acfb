"""Microseconds a task where a run is kept in SQLite: orch beside LangGraph's checkpointer and DBOS. Medians of rounds.

Each opens a file of its own for each round; only the run is timed. What a task takes without a store is not taken off.

`python benches/python/durable.py [rounds]`
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from peers import version
from shapes import SHAPES, Shape

import orch

COUNT = 1_000
LARGE = 10_000
Sync = Literal["normal", "full"]


async def noop() -> None:
    pass


async def kept(shape: Shape, folder: Path, sync: Sync) -> float:
    """A run of orch whose events are stored before they are told."""
    graph = orch.Graph("bench")
    for place, parents in enumerate(shape):
        graph.add(noop, id=f"t{place}", after=[f"t{parent}" for parent in parents])
    graph.ready().plan()
    store = orch.Store(folder / "orch.db", sync=sync)
    began = time.perf_counter()
    report = await orch.run(graph, store=store)
    took = time.perf_counter() - began
    assert report.state == "succeeded", "every task ran"
    return took


async def langgraph(shape: Shape, folder: Path) -> float:
    """A compiled `StateGraph` with `AsyncSqliteSaver`."""
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
    from langgraph.graph import END, START, StateGraph
    from typing_extensions import TypedDict

    class State(TypedDict):
        done: Annotated[int, lambda one, other: one + other]

    async def body(state: State) -> dict[str, Any]:
        return {"done": 1}

    graph: Any = StateGraph(State)
    has_children = {parent for parents in shape for parent in parents}
    for place, parents in enumerate(shape):
        graph.add_node(f"t{place}", body)
        if len(parents) > 1:
            graph.add_edge([f"t{parent}" for parent in parents], f"t{place}")
        else:
            graph.add_edge(f"t{parents[0]}" if parents else START, f"t{place}")
        if place not in has_children:
            graph.add_edge(f"t{place}", END)
    async with AsyncSqliteSaver.from_conn_string(str(folder / "langgraph.db")) as saver:
        compiled = graph.compile(checkpointer=saver)
        options = {"configurable": {"thread_id": "one"}, "recursion_limit": len(shape) + 10}
        began = time.perf_counter()
        made = await compiled.ainvoke({"done": 0}, options)
        took = time.perf_counter() - began
    assert made["done"] == len(shape), "every task ran once"
    return took


async def dbos(shape: Shape, folder: Path) -> float:
    """A workflow of DBOS on SQLite whose steps wait for the steps of their parents."""
    from dbos import DBOS

    url = f"sqlite:///{folder / 'dbos.db'}"
    DBOS(config={"name": "bench", "system_database_url": url, "run_admin_server": False, "log_level": "ERROR"})

    @DBOS.step()
    async def body() -> None:
        pass

    @DBOS.workflow()
    async def whole() -> int:
        tasks: list[asyncio.Task[None]] = []

        async def after(parents: list[int]) -> None:
            for parent in parents:
                await tasks[parent]
            await body()

        tasks.extend(asyncio.create_task(after(parents)) for parents in shape)
        await asyncio.gather(*tasks)
        return len(tasks)

    DBOS.launch()
    try:
        began = time.perf_counter()
        assert await whole() == len(shape), "every step ran"
        return time.perf_counter() - began
    finally:
        DBOS.destroy(destroy_registry=True)


Way = Callable[[Shape, Path], Awaitable[float]]


def once(way: Way, shape: Shape) -> tuple[float, int]:
    """Seconds, and bytes on the disk afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        took = asyncio.run(way(shape, folder))  # type: ignore[arg-type]
        return took, bytes_in(folder)


def bytes_in(folder: Path) -> int:
    """What the files below it hold. One that goes while they are counted, as the log of a database that is being closed, makes it
    begin anew."""
    while True:
        try:
            return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        except FileNotFoundError:
            continue


def row(name: str, shape: Shape, ways: dict[str, Way], rounds: int) -> None:
    """One line of the table: the medians, and how many times more the peers take."""
    made: dict[str, list[tuple[float, int]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, call in ways.items():
            made[way].append(once(call, shape))
    cells = []
    for way in ways:
        micros = statistics.median(took for took, _ in made[way]) / len(shape) * 1e6
        size = statistics.median(size for _, size in made[way]) / len(shape)
        cells.append(f"{micros:,.1f} µs, {size:,.0f} B")
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    orch_ways: dict[str, Way] = {
        "orch, `normal`": lambda shape, folder: kept(shape, folder, "normal"),
        "orch, `full`": lambda shape, folder: kept(shape, folder, "full"),
    }
    peers: dict[str, Way] = {}
    if version("langgraph-checkpoint-sqlite"):
        peers[f"LangGraph {version('langgraph')}, SQLite"] = langgraph
    if version("dbos"):
        peers[f"DBOS {version('dbos')}, SQLite"] = dbos
    ways = orch_ways | peers
    print(f"Kept in SQLite: microseconds and bytes of disk a task that does nothing, median of {rounds} rounds.\n")
    print(f"| graph | {' | '.join(ways)} |\n|---|{'--:|' * len(ways)}")
    for name, make in SHAPES.items():
        row(f"{name}, {COUNT:,}", make(COUNT), ways, rounds)
    for name, make in SHAPES.items():
        row(f"{name}, {LARGE:,}", make(LARGE), orch_ways, rounds)


if __name__ == "__main__":
    main()
