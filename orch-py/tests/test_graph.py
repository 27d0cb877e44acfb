"""Graphs: what is inferred from parameters, what is refused, and how."""

from __future__ import annotations

import functools

import pytest

import orch


async def nothing() -> None:
    pass


def problems(graph: orch.Graph) -> str:
    with pytest.raises(orch.InvalidDefinition) as caught:
        graph.plan()
    assert caught.value.code == "INVALID_DEFINITION"
    return str(caught.value)


def test_parameters_that_name_tasks_are_dependencies():
    graph = orch.Graph()
    graph.add(lambda a, b_c: None, id="last")
    graph.add(nothing, id="a")
    graph.add(nothing, id="b-c", after="a")
    assert graph.plan().levels == [["a"], ["b-c"], ["last"]]


def test_tasks_and_names_are_the_same_in_after():
    graph = orch.Graph()
    a = graph.add(nothing, id="a")
    b = graph.add(nothing, id="b", after=a)
    graph.add(nothing, id="c", after=[b, "a"])
    assert graph.plan().critical_path == ["a", "b", "c"]
    graph.add(nothing, id="d", after=[3])  # type: ignore[list-item]
    with pytest.raises(orch.InvalidValue, match="`after` of task `d` holds 3"):
        graph.plan()


def test_every_problem_is_named_at_once():
    graph = orch.Graph("broken")
    graph.add(nothing, id="a", after="missing")
    graph.add(lambda c: None, id="b")
    graph.add(lambda b: None, id="c")
    said = problems(graph)
    assert "the graph `broken` has 2 problems" in said
    assert "missing" in said
    assert "b → c" in said or "c → b" in said


def test_a_task_that_waits_for_itself_is_refused():
    graph = orch.Graph()
    graph.add(lambda own: None, id="own")
    assert "own" in problems(graph)


def test_problems_are_data():
    graph = orch.Graph()
    graph.add(nothing, id="a", after="b")
    with pytest.raises(orch.InvalidDefinition) as caught:
        graph.ready()
    [problem] = caught.value.problems
    assert (problem.code, problem.severity, problem.path) == ("MISSING_REFERENCE", "error", "tasks.a")


def test_names_are_taken_once():
    graph = orch.Graph("g")
    graph.add(nothing)
    with pytest.raises(orch.InvalidDefinition, match="`g` has a task `nothing` already"):
        graph.add(nothing)


def generator():
    yield 1


async def async_generator():
    yield 1


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (generator, "`generator` is a generator"),
        (functools.partial(async_generator), "`async_generator` is a generator"),
        (3, "a task is a function; got a `int`"),
        (None, "a task is a function; got a `NoneType`"),
    ],
)
def test_what_cannot_be_a_task_is_refused(what, message):
    with pytest.raises(orch.InvalidValue, match=message):
        orch.Graph().add(what, id="x")


def test_a_call_instead_of_a_function_is_recognised():
    coroutine = nothing()
    with pytest.raises(orch.InvalidValue, match="add the function itself, without calling it"):
        orch.Graph().add(coroutine)  # type: ignore[call-overload]
    coroutine.close()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"timeout": -1}, orch.InvalidValue, "`timeout` is -1; give seconds"),
        ({"timeout": float("inf")}, orch.InvalidValue, "`timeout` is inf"),
        ({"timeout": "3"}, orch.InvalidValue, "`timeout` is '3'"),
        ({"retries": -1}, orch.InvalidValue, "`retries` is -1"),
        ({"retries": 1.5}, orch.InvalidValue, "`retries` is 1.5"),
        ({"retry": 1}, TypeError, "a task has no option `retry`"),
    ],
)
def test_options_are_checked_where_they_are_given(options, error, message):
    with pytest.raises(error, match=message):
        orch.Graph().add(nothing, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"when": "a =="}, "the options of task `x`"),
        ({"priority": "high"}, "the options of task `x`"),
        ({"args": {"y": 1}}, "task `x` has no parameter `y`"),
        ({"after": [None]}, "`after` of task `x` holds None"),
        ({"claims": [orch.Claim("r", mode="mine")]}, "unknown variant `mine`"),  # type: ignore[arg-type]
    ],
)
def test_the_rest_is_checked_with_the_whole_graph(options, message):
    graph = orch.Graph()
    graph.add(lambda z=1: None, id="x", **options)
    with pytest.raises(orch.InvalidValue, match=message):
        graph.ready()


def test_options_cross_to_the_core():
    import json

    graph = orch.Graph("g")
    graph.resource("db", capacity=2)
    graph.quorum("votes", 1)
    graph.add(
        nothing,
        id="a",
        retries=orch.Retry(attempts=5, backoff="linear", delay=0.5, jitter=False, on=("timeout",)),
        timeout=1.5,
        idle_timeout=0.0001,
        estimate=2,
        claims=["file", orch.Claim("db", mode="shared", units=2)],
        priority=3,
        when="inputs.ready == true",
        group="votes",
        allow_failure=True,
        critical=True,
        description="collects",
        phase="one",
    )
    data = json.loads(graph.to_json())
    assert data["resources"] == [{"name": "db", "capacity": 2}]
    assert data["quorums"] == {"votes": 1}
    [task] = data["tasks"]
    assert task["retry"] == {
        "max_attempts": 5,
        "strategy": "linear",
        "initial_delay_ms": 500,
        "max_delay_ms": 30_000,
        "multiplier": 2.0,
        "jitter": False,
        "on": ["timeout"],
    }
    assert (task["timeout_ms"], task["idle_timeout_ms"], task["estimate_ms"]) == (1_500, 1, 2_000)
    assert [claim["resource"] for claim in task["claims"]] == ["file", "db"]
    assert task["conditions"] == [{"test": {"expression": "inputs.ready == true"}, "run_when": True}]


def test_a_graph_shows_itself():
    graph = orch.Graph("notes")
    graph.add(nothing, id="a")
    graph.add(nothing, id="b", after="a")
    assert "flowchart" in graph.to_mermaid()
    assert "digraph" in graph.to_dot()
    bundle = graph._repr_mimebundle_(exclude=["text/html"])
    assert set(bundle) == {"text/plain", "text/vnd.mermaid"}
    assert graph._repr_html_().startswith("<iframe srcdoc=")
    assert (len(graph), "a" in graph, "c" in graph) == (2, True, False)
    assert repr(graph) == "<orch.Graph 'notes', 2 tasks>"


def test_a_plan_tells_what_follows():
    graph = orch.Graph()
    a = graph.add(nothing, id="a", estimate=1)
    graph.add(nothing, id="b", after=a, estimate=2)
    graph.add(nothing, id="c", after=a, estimate=5)
    plan = graph.plan(max_parallel=1)
    assert (plan.widest, plan.serial, plan.critical, plan.critical_path) == (2, 8.0, 6.0, ["a", "c"])
    assert plan.forecast().makespan == 8.0
    assert plan.forecast(max_parallel=2) == (6.0, 8 / 12)
    step = plan.step("b")
    assert (step.level, step.earliest, step.slack) == (1, 1.0, 3.0)
    assert "critical path 6.0 s" in repr(plan)
    with pytest.raises(orch.NotFound):
        plan.step("d")


def test_a_task_is_still_a_function():
    graph = orch.Graph()

    @graph.task(retries=1)
    def double(x: int = 2) -> int:
        return 2 * x

    assert double(4) == 8
    assert (double.id, double.__name__, repr(double)) == ("double", "double", "<orch.Task 'double'>")
    assert graph.task_named("double") is double
    assert graph.tasks == (double,)
