"""What is kept of functions: looked at anew each time, made anew only where it has changed."""

from __future__ import annotations

import orch
from orch._content import content, contents


def test_a_graph_to_keep_is_made_once_for_the_same_functions() -> None:
    graph = orch.Graph()
    by = 2

    def scale() -> int:
        return 7 * by

    graph.add(scale, id="a")
    graph.add(scale, id="b", args={})
    first = graph.ready_to_keep()
    assert graph.ready_to_keep() is first
    assert first.graph.hash != graph.ready().graph.hash, "a run without a store does not ask what functions are"
    assert first.graph.task(0)["sources"] == first.graph.task(1)["sources"]

    by = 3
    edited = graph.ready_to_keep()
    assert edited.graph.hash != first.graph.hash

    graph.add(scale, id="c")
    assert len(graph.ready_to_keep().graph) == 3


def test_many_are_told_apart_as_one_by_one() -> None:
    graph = orch.Graph()

    def given(x: int) -> int:
        return x

    tasks = [graph.add(given, id=f"t{place}", args={"x": place % 2}) for place in range(4)]
    tasks.append(graph.add(len, id="len", args={"obj": "x"}))
    tasks.append(graph.add(lambda: 1, id="one"))
    found = contents(tasks)
    assert found == [content(task) for task in tasks]
    assert len(set(found)) == 4
