"""Other engines that run graphs, where they are installed: each is given a shape and answers what runs it once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import metadata
from typing import Annotated, Any

from shapes import Shape

Run = Callable[[], Awaitable[object]]

PEERS = ("langgraph", "dask")


def version(name: str) -> str | None:
    """The version that is installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def langgraph(shape: Shape) -> Run:
    """A compiled `StateGraph`, by `ainvoke`."""
    from langgraph.graph import END, START, StateGraph
    from typing_extensions import TypedDict

    class State(TypedDict):
        done: Annotated[int, lambda one, other: one + other]

    async def noop(state: State) -> dict[str, Any]:
        return {"done": 1}

    graph: Any = StateGraph(State)
    has_children = {parent for parents in shape for parent in parents}
    for place, parents in enumerate(shape):
        graph.add_node(f"t{place}", noop)
        if len(parents) > 1:
            graph.add_edge([f"t{parent}" for parent in parents], f"t{place}")
        else:
            graph.add_edge(f"t{parents[0]}" if parents else START, f"t{place}")
        if place not in has_children:
            graph.add_edge(f"t{place}", END)
    compiled = graph.compile()

    async def run() -> object:
        made = await compiled.ainvoke({"done": 0}, {"recursion_limit": len(shape) + 10})
        assert made["done"] == len(shape), "every task ran once"
        return made

    return run


def dask(shape: Shape) -> Run:
    """Plain functions on the threads of Dask: it has no coroutines."""
    from dask.threaded import get

    def noop(*parents: object) -> None:
        return None

    graph = {f"t{place}": (noop, *(f"t{parent}" for parent in parents)) for place, parents in enumerate(shape)}
    has_children = {parent for parents in shape for parent in parents}
    last = [f"t{place}" for place in range(len(shape)) if place not in has_children]

    async def run() -> object:
        return get(graph, last)

    return run


MAKES = {"langgraph": langgraph, "dask": dask}
