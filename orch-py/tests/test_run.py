"""Runs: values, states, reports, events."""

from __future__ import annotations

import asyncio
import json

import pytest

import orch


def small() -> orch.Graph:
    graph = orch.Graph("small")

    @graph.task
    async def one() -> int:
        return 1

    @graph.task
    def two(one: int) -> int:
        return one + 1

    @graph.task
    async def three(one: int, *, two: int) -> int:
        await asyncio.sleep(0)
        return one + two

    return graph


def test_results_are_passed_on():
    report = orch.run_sync(small())
    assert [result.value for result in report] == [1, 2, 3]
    assert (report["three"], report.state, report.counts.succeeded) == (3, "succeeded", 3)
    assert report.errors == {}
    with pytest.raises(orch.NotFound, match="there is no task `four`"):
        report["four"]


def test_a_run_is_awaited():
    async def main() -> orch.Report:
        return await orch.run(small(), max_parallel=1)

    report = asyncio.run(main())
    assert (report.peak, report["three"]) == (1, 3)


def test_an_empty_graph_is_done_at_once():
    assert orch.run_sync(orch.Graph()).state == "succeeded"


def test_a_graph_runs_often_and_at_once():
    graph = small()

    async def main() -> list[orch.Report]:
        return await asyncio.gather(*(orch.run(graph) for _ in range(20)))

    reports = asyncio.run(main())
    assert {report["three"] for report in reports} == {3}
    assert len({report.run for report in reports}) == 20


def test_any_value_travels_and_is_the_same_object():
    graph, made = orch.Graph(), object()
    graph.add(lambda: made, id="make")
    take = graph.add(lambda make: make, id="take")
    assert orch.run_sync(graph)[take] is made


def test_falsy_values_travel():
    for value in (0, "", [], False, None):
        graph = orch.Graph()
        graph.add(lambda value=value: value, id="make")
        take = graph.add(lambda make: (make,), id="take")
        assert orch.run_sync(graph)[take] == (value,)


def test_inputs_of_the_run_are_parameters():
    graph = orch.Graph()
    greet = graph.add(lambda name, greeting="hello": f"{greeting} {name}", id="greet")
    assert orch.run_sync(graph, inputs={"name": "you"})[greet] == "hello you"
    with pytest.raises(orch.InvalidValue, match="the parameter `name` of task `greet` is neither a task nor an input"):
        orch.run_sync(graph)
    with pytest.raises(orch.InvalidValue, match="did you mean `nane`"):
        orch.run_sync(graph, inputs={"nane": "you"})


def test_args_are_fixed():
    graph = orch.Graph()
    add = graph.add(lambda a, b, c: (a, b, c), id="add", args={"b": 2}, after=graph.add(lambda: 0, id="a"))
    graph.add(lambda: 3, id="c")
    assert orch.run_sync(graph)[add] == (0, 2, 3)


def test_conditions_read_results():
    graph = orch.Graph()
    graph.add(lambda: {"count": 3, "skip": {1, 2}}, id="find")
    graph.add(lambda find: "many", id="many", when="context.find.count > 2")
    graph.add(lambda find: "few", id="few", when="context.find.count <= 2")
    last = graph.add(lambda many, few: (many, few), id="last")
    report = orch.run_sync(graph)
    assert report[last] == ("many", None)
    assert (report.task("few").state, report["few"]) == ("skipped", None)
    assert report.task("few").message == "not context.find.count <= 2"


def test_outputs_are_inputs_of_others():
    graph = orch.Graph()
    graph.add(lambda: {"map": [1, 2]}, id="make", outputs=["map"])
    take = graph.add(lambda map: sum(map), id="take", inputs=["map"], after="make")
    assert orch.run_sync(graph)[take] == 3


def test_an_output_without_a_json_form_fails_its_task():
    graph = orch.Graph()
    graph.add(lambda: {"map": object()}, id="make", outputs=["map"])
    with pytest.raises(orch.RunFailed, match=r"the result cannot be shared: a `builtins\.object` has no JSON form"):
        orch.run_sync(graph)


def test_models_and_data_classes_have_a_json_form():
    import dataclasses
    import enum

    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):
        count: int = 3

    @dataclasses.dataclass
    class Data:
        count: int = 3
        kind: object = dataclasses.field(default_factory=lambda: enum.Enum("Kind", "A B")["B"])

    for value in (Model(), Data()):
        graph = orch.Graph()
        graph.add(lambda value=value: value, id="find")
        graph.add(lambda: "ran", id="then", when="context.find.count == 3", after="find")
        report = orch.run_sync(graph)
        assert report["then"] == "ran"
        assert report["find"] is value


def test_at_most_so_many_at_once():
    running, most = 0, 0

    async def body() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1

    graph = orch.Graph()
    for nth in range(40):
        graph.add(body, id=f"t{nth}")
    report = orch.run_sync(graph, max_parallel=6)
    assert (most, report.peak) == (6, 6)


def test_what_one_made_is_told_before_another_waits():
    free = []

    async def quick() -> None:
        pass

    async def waits() -> None:
        while not free:  # noqa: ASYNC110 - an event belongs to one loop on Python 3.10
            await asyncio.sleep(0)

    async def frees() -> None:
        free.append(1)

    async def main() -> None:
        graph = orch.Graph()
        graph.add(quick, estimate=100)
        graph.add(waits, estimate=10)
        graph.add(frees, after="quick", estimate=1)
        await asyncio.wait_for(orch.run(graph), 10)

    asyncio.run(main())


def test_claims_exclude_each_other():
    held: set[str] = set()

    async def body() -> None:
        assert not held
        held.add("x")
        await asyncio.sleep(0)
        held.clear()

    graph = orch.Graph()
    for nth in range(10):
        graph.add(body, id=f"t{nth}", claims="file")
    orch.run_sync(graph)


def test_a_report_has_every_form(tmp_path):
    report = orch.run_sync(small())
    assert json.loads(report.to_json())["state"] == "succeeded"
    assert report.to_html(tmp_path / "report.html").startswith("<!")
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!")
    assert report.to_junit().startswith("<?xml")
    assert json.loads(report.to_trace())
    assert "one" in report.to_text()
    assert str(report).startswith("small: succeeded")
    assert repr(report) == "<orch.Report of 'small', succeeded>"
    assert report._repr_html_().startswith("<iframe")
    assert list(report.tasks) == ["one", "two", "three"]
    assert report.tasks["two"].attempts == 1


def test_events_tell_everything_in_order():
    async def main() -> list[orch.Event]:
        return [event async for event in orch.start(small())]

    events = asyncio.run(main())
    assert [event.seq for event in events] == list(range(len(events)))
    assert events[0].name == "run_started"
    assert events[-1].name == "run_finished"
    finished = [(event.task, event.value) for event in events if event.name == "task_finished"]
    assert finished == [("one", 1), ("two", 2), ("three", 3)]
    assert events[1].data["v"] == 1
    assert sorted(events, key=lambda event: event.at) == events


def test_a_report_after_some_events():
    async def main() -> orch.Report:
        run = orch.start(small())
        async for event in run:
            if event.name == "task_started":
                break
        return await run

    assert asyncio.run(main())["three"] == 3


def test_events_are_told_once_and_only_where_asked_for():
    async def main() -> None:
        run = orch.start(small())
        await run
        assert [event async for event in run] == []
        assert (await run.report())["three"] == 3
        assert run.state == "succeeded"

    asyncio.run(main())


def test_a_slow_reader_slows_the_start_of_tasks():
    count = 30_000

    async def main() -> None:
        graph = orch.Graph()
        for nth in range(count):
            graph.add(nothing, id=f"t{nth}")
        run = orch.start(graph)
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert 4_096 < len(run._reader.events) < count
        assert len([event async for event in run]) == 2 * count + 2

    asyncio.run(main())


async def nothing() -> None:
    pass


def test_options_of_a_run_are_checked():
    for options, message in [
        ({"max_parallel": 0}, "`max_parallel` is 0"),
        ({"max_parallel": 1.5}, "`max_parallel` is 1.5"),
        ({"on_failure": "ignore"}, "`on_failure` is 'ignore'"),
    ]:
        with pytest.raises(orch.InvalidValue, match=message):
            orch.run_sync(small(), **options)


def test_where_a_loop_is_needed_and_where_not():
    with pytest.raises(orch.Misuse, match="needs a running loop"):
        orch.start(small())

    async def main() -> None:
        with pytest.raises(orch.Misuse, match=r"`await orch.run\(...\)` instead"):
            orch.run_sync(small())

    asyncio.run(main())


def test_all_that_waited_for_a_task_begins_when_it_ends():
    """A chain that turns wide: each of the two goes on only when the other has begun."""

    async def main() -> orch.Report:
        graph, begun = orch.Graph("chain"), [asyncio.Event(), asyncio.Event()]

        async def first() -> None:
            await asyncio.sleep(0)

        async def meet(nth: int) -> None:
            begun[nth].set()
            await begun[1 - nth].wait()

        chain = graph.add(first, id="first")
        for nth in range(2):
            graph.add(meet, id=f"meet {nth}", args={"nth": nth}, after=chain, timeout=5)
        return await orch.run(graph)

    assert asyncio.run(main()).peak == 2
