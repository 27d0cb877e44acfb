"""Tasks that a running task adds."""

from __future__ import annotations

import asyncio

import pytest

import orch


def test_a_task_adds_others_that_are_given_results():
    graph = orch.Graph("pages")

    @graph.task
    async def find(context: orch.Context) -> list[int]:
        async def read(find: list[int], number: int) -> int:
            await asyncio.sleep(0)
            return find[number] * 10

        for nth in range(3):
            context.add(read, id=f"read-{nth}", args={"number": nth})

        @undone
        def total(read_0: int, read_1: int, read_2: int) -> int:
            return read_0 + read_1 + read_2

        context.add(total, id="total", timeout=30)
        return [1, 2, 3]

    def undone(fn):
        return fn

    @graph.task
    async def last(find: list[int]) -> int:
        return len(find)

    report = orch.run_sync(graph)
    assert [(result.id, result.value) for result in report][1:] == [
        ("last", 3),
        ("read-0", 10),
        ("read-1", 20),
        ("read-2", 30),
        ("total", 60),
    ]
    # The graph itself is as it was.
    assert (len(graph), len(orch.run_sync(graph))) == (2, 6)


def test_an_added_task_adds_tasks():
    graph = orch.Graph()

    async def down(left: int, context: orch.Context) -> int:
        if left:
            context.add(down, id=f"down-{left - 1}", args={"left": left - 1})
        return left

    graph.add(down, args={"left": 20}, id="down")
    report = orch.run_sync(graph)
    assert [result.value for result in report] == list(range(20, -1, -1))


def test_from_a_thread_with_retries_and_undo():
    graph, seen = orch.Graph(), []

    @graph.task(retries=orch.Retry(attempts=2, delay=0))
    def find(context: orch.Context) -> None:
        def shaky(context: orch.Context) -> str:
            if context.attempt == 1:
                raise OSError("once")
            return "made"

        def fails(shaky: str) -> None:
            raise ValueError(shaky)

        context.add(shaky, id="shaky", retries=orch.Retry(attempts=2, delay=0), undo=seen.append)
        if context.attempt == 1:
            raise OSError("what this attempt added is forgotten")
        context.add(fails, id="fails")

    report = orch.run_sync(graph, check=False)
    assert [(result.id, result.state, result.attempts) for result in report] == [
        ("find", "succeeded", 2),
        ("shaky", "undone", 2),
        ("fails", "failed", 1),
    ]
    assert seen == ["made"]
    assert str(report.errors["fails"]) == "made"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"id": "find"}, orch.InvalidDefinition, "has a task `find` already"),
        ({"id": "twice"}, orch.InvalidDefinition, "has a task `twice` already"),
        ({"id": "x", "when": "true"}, orch.InvalidValue, "no `when`"),
        ({"id": "x", "retries": -1}, orch.InvalidValue, "`retries` is -1"),
        ({"id": "\ud800"}, orch.InvalidValue, "half a character"),
        ({"id": "x", "fn": lambda nobody: 1}, orch.InvalidValue, "`nobody` of task `x` is neither a task nor an input"),
        ({"id": "x", "fn": 3}, orch.InvalidValue, "a task is a function"),
    ],
)
def test_what_cannot_be_added_is_an_error_where_it_is_added(options, error, message):
    graph = orch.Graph()
    options = dict(options)
    fn = options.pop("fn", lambda: 1)

    @graph.task
    async def find(context: orch.Context) -> None:
        context.add(lambda: 2, id="twice")
        with pytest.raises(error, match=message):
            context.add(fn, **options)

    assert [result.value for result in orch.run_sync(graph)] == [None, 2]


def test_a_dependency_that_nobody_knows_fails_who_adds():
    graph = orch.Graph()

    @graph.task
    async def find(context: orch.Context) -> None:
        context.add(lambda: 1, id="x", after="nobody")

    with pytest.raises(orch.RunFailed, match="the added tasks are refused"):
        orch.run_sync(graph)


def test_definitions_add_by_what_they_make():
    phases = [{"id": "one", "name": "One", "agents": [{"id": "a", "agentId": "a", "task": "x", "dependencies": []}]}]
    import json

    text = json.dumps({"version": "2.0.0", "name": "/x", "description": "x", "phases": phases})

    def adds(context: orch.Context) -> None:
        with pytest.raises(orch.Misuse, match="by what they make"):
            context.add(lambda: 1, id="b")

    assert len(orch.run_sync(orch.loads(text, {"a": adds}))) == 1
