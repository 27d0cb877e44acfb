"""Ways to run a graph of coroutines by hand, with what comes with Python."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from graphlib import TopologicalSorter

from shapes import Shape

Body = Callable[[], Awaitable[object]]


async def awaits_parents(shape: Shape, body: Body) -> None:
    """A Task of asyncio each, which awaits those of its parents."""
    tasks: list[asyncio.Task[None]] = []

    async def one(parents: list[asyncio.Task[None]]) -> None:
        for parent in parents:
            await parent
        await body()

    for parents in shape:
        tasks.append(asyncio.create_task(one([tasks[parent] for parent in parents])))
    for task in tasks:
        await task


async def graphlib_queue(shape: Shape, body: Body) -> None:
    """The sorter of the standard library, and a queue of what is done."""
    sorter = TopologicalSorter(dict(enumerate(shape)))
    sorter.prepare()
    done: asyncio.Queue[int] = asyncio.Queue()

    async def one(place: int) -> None:
        await body()
        done.put_nowait(place)

    running = set()
    while sorter.is_active():
        for place in sorter.get_ready():
            task = asyncio.create_task(one(place))
            running.add(task)
            task.add_done_callback(running.discard)
        sorter.done(await done.get())


async def gather_by_level(shape: Shape, body: Body) -> None:
    """`asyncio.gather` for each level, which waits for its slowest task."""
    levels: dict[int, list[int]] = {}
    level_of: list[int] = []
    for place, parents in enumerate(shape):
        level = max((level_of[parent] + 1 for parent in parents), default=0)
        level_of.append(level)
        levels.setdefault(level, []).append(place)
    for level in levels.values():
        await asyncio.gather(*(body() for _ in level))


WAYS = {
    "tasks that await": awaits_parents,
    "graphlib + queue": graphlib_queue,
    "gather by level": gather_by_level,
}
