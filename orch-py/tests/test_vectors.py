"""The conformance vectors, as the package reaches the engine.

`test_the_engine` gives each vector to the function of the engine that answers vectors in every language
(`orch_core::testing::vectors`), through the native module and its conversions. So it proves that the engine inside this package
follows the vectors, and that values cross the border both ways as they are; it proves nothing of the code in Python. That is
proved beside it where the package has the behaviour: definitions by `orch.loads`, and runs by the real driver on a loop of
asyncio, whose time is virtual and passes only where the loop would wait.

No vector is left out: a file that is no vector, an area or a version that is not known here, and an area without files fail.
"""

from __future__ import annotations

import asyncio
import json
import pathlib
import selectors

import pytest

import orch
from orch import _orch
from orch._load import LoadedGraph

FOLDER = pathlib.Path(__file__).parents[2] / "orch-core" / "tests" / "vectors"
AREAS = ["actions", "assign", "badges", "cache", "command", "condition", "cost", "expand", "inferred", "locks"]
AREAS += ["metrics", "money", "recovery", "run", "worktrees"]
FILES = sorted(path for path in FOLDER.rglob("*") if not path.is_dir())


def name(path):
    return str(path.relative_to(FOLDER))


def read(path):
    assert path.suffix == ".json", f"`{name(path)}` is no vector, and a skipped file would look like a passed one"
    vector = json.loads(path.read_text(encoding="utf-8"))
    assert set(vector) == {"version", "note", "input", "want"}
    assert vector["version"] == 1, "a version that this test does not know"
    assert vector["note"]
    return vector


def strict(value):
    """Python takes 1, 1.0 and True for equal, and JSON does not: the type beside each number."""
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [strict(item) for item in value]
    return (type(value).__name__, value)


def test_every_area_is_known():
    assert sorted(path.name for path in FOLDER.iterdir()) == AREAS
    assert _orch.vector_areas() == AREAS
    for area in AREAS:
        assert any(path.parent.name == area for path in FILES), f"no vector in `{area}`"
    with pytest.raises(orch.NotFound, match="there is no area `weather` of vectors"):
        _orch.vector("weather", None)


def test_an_unknown_field_is_refused():
    for area in AREAS:
        with pytest.raises(orch.InvalidValue, match="the vector is wrong: "):
            _orch.vector(area, {"weather": 1})


@pytest.mark.parametrize("path", FILES, ids=name)
def test_the_engine(path):
    vector = read(path)
    got = _orch.vector(path.relative_to(FOLDER).parts[0], vector["input"])
    assert strict(got) == strict(vector["want"]), vector["note"]


COMMANDS = [path for path in FILES if path.parent.name == "command"]


@pytest.mark.parametrize("path", COMMANDS, ids=name)
def test_definitions(path):
    """What `orch.loads` makes of them: the graph and its plan, or every problem that stops it."""
    vector = read(path)
    source, want = vector["input"], vector["want"]
    text = source["text"] if "text" in source else json.dumps(source["definition"])
    options = dict(source.get("options", {}))
    barriers = options.pop("phase_order", "dag") == "barrier"
    inputs = options.pop("inputs", [])
    strict_reads = options.pop("strict", False)
    assert not options, "options that this test does not know"

    def load():
        if strict_reads:
            # The package does not offer it; the native module does.
            return _orch.Graph.parse(text, None, source["options"])
        return orch.loads(text, {"*": lambda _: None}, barriers=barriers, inputs=inputs)

    stops = [problem for problem in want.get("problems", ()) if problem["severity"] == "error"]
    if path.name == "text-markdown.json":
        # What is no JSON is read as Markdown here, as by the command line.
        assert isinstance(load(), orch.Graph)
        return
    if "graph" in want:
        graph = load()
        assert json.loads(graph.to_json()) == want["graph"]
        plan = graph.plan()
        assert {
            "levels": len(plan.levels),
            "widest": plan.widest,
            "serial_ms": round(plan.serial * 1000),
            "critical_path_ms": round(plan.critical * 1000),
        } == want["plan"]
        return
    with pytest.raises(orch.OrchError) as raised:
        load()
    if stops:
        assert isinstance(raised.value, orch.InvalidDefinition)
        said = [(problem.code, problem.severity, problem.path, problem.message) for problem in raised.value.problems]
        for problem in stops:
            assert (problem["code"], "error", problem["path"], problem["message"]) in said
    else:
        assert raised.value.code == want["error"]["code"]


class Virtual(asyncio.SelectorEventLoop):
    """A loop of asyncio whose time passes only where it would wait, and that of its runs with it."""

    def __init__(self) -> None:
        self.micros = 0
        self.runs: list[orch.Run] = []
        super().__init__(Selector(self))

    def time(self) -> float:
        return self.micros / 1e6

    def pass_until(self, micros: int) -> None:
        for run in self.runs:
            run._driver.session.advance((micros - self.micros) / 1e6)
        self.micros = micros


class Selector(selectors.SelectSelector):
    def __init__(self, loop: Virtual) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout=None):
        if timeout is None:
            raise AssertionError("the run waits for nothing and would never end")
        if timeout > 0:
            self.loop.pass_until(self.loop.micros + round(timeout * 1e6))
        return super().select(0)


class Scripted(Exception):
    """What an attempt of a script fails with."""


async def play(source, stopped):
    """The run of a vector by the driver, as the runner of the engine tells it."""
    graph = _orch.Graph.of_json(json.dumps(source["graph"]))
    loop = asyncio.get_running_loop()

    async def body(context: orch.Context):
        script = source.get("script", {}).get(context.id) or [{"ms": 1000}]
        attempt = script[min(context.attempt, len(script)) - 1]
        for usage in attempt.get("usage", ()):
            context.used(**{"requests": 0, **usage})
        try:
            await asyncio.sleep(attempt["ms"] / 1000)
        except asyncio.CancelledError:
            stopped.append(context.id)
            raise
        if attempt.get("error") is not None:
            raise Scripted(attempt["error"])
        return attempt.get("output")

    loaded = LoadedGraph(graph, {"*": body}, _orch.Programs({}, [], [{"name": "*"}], None))
    run = orch.start(
        loaded,
        max_parallel=source.get("max_parallel"),
        on_failure=source.get("on_failure", "fail_fast"),
        deadline=source["deadline_ms"] / 1000 if "deadline_ms" in source else None,
        inputs=source.get("inputs"),
        check=False,
    )
    loop.runs.append(run)
    if "cancel_at_ms" in source:
        loop.call_later(source["cancel_at_ms"] / 1000, run.cancel, "cancelled by the vector")
    events = [event async for event in run]
    return events, await run.report()


def held(session):
    """Sessions whose time stands still."""

    def make(*args):
        made = session(*args)
        made.hold()
        return made

    return make


def tell(event, ids):
    """An event of a task in the words of the vectors; an exception is told with its type here."""
    data = event.data
    failure = {"kind": data.get("error_kind"), "error": str(data.get("error")).removeprefix("Scripted: ")}
    if event.name == "task_started":
        return {"started": data["attempt"]}
    if event.name == "task_retrying":
        return {"retrying": {"in_ms": data["delay_ms"], **failure}}
    if event.name == "task_finished":
        return {"failed": failure} if "error" in data else {"done": event.value}
    if event.name == "task_skipped":
        reasons = {"condition": lambda: data["message"], "upstream": lambda: ids.index(data["upstream"])}
        reason = data["reason"]
        return {"skipped": {reason: reasons[reason]()} if reason in reasons else reason}
    return None


RUNS = [path for path in FILES if path.parent.name == "run"]
WITHOUT_DRIVER = {
    # A cache answers some tasks there, and what the context spared is told; runs of Python have no cache yet.
    "context.json",
}


def test_the_driver_plays_all_but_those_that_say_why():
    for path in RUNS:
        assert ("context" in read(path)["input"]) == (path.name in WITHOUT_DRIVER), name(path)


@pytest.mark.parametrize("path", [path for path in RUNS if path.name not in WITHOUT_DRIVER], ids=name)
def test_the_driver(path, monkeypatch):
    """The driver on a loop of asyncio, in virtual time: what began, ended and was tried again, when, and the report."""
    source, want = (vector := read(path))["input"], vector["want"]
    monkeypatch.setattr(_orch, "Session", held(_orch.Session))
    loop, stopped = Virtual(), []
    try:
        events, report = loop.run_until_complete(play(source, stopped))
    finally:
        loop.close()
    ids = [task["id"] for task in source["graph"]["tasks"]]
    stories: dict[str, list[object]] = {}
    for event in events:
        word = tell(event, ids)
        if word is not None:
            stories.setdefault(event.task, []).append([round(event.at * 1000), word])
    assert stories == want["tasks"], vector["note"]
    got = json.loads(report.to_json())
    counts = report.counts
    assert {
        "tokens": sum(used.input + used.output for used in report.usage),
        "state": report.state,
        "stopped": report.stopped,
        "makespan_ms": got["makespan_ms"],
        "serial_ms": got["serial_ms"],
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "cancelled": counts.cancelled,
        "warnings": [warning["message"] for warning in got["warnings"]],
    } == want["report"]
    # Whatever was stopped was cancelled, and nothing else was.
    kinds = ("cancelled", "timeout")
    assert len(stopped) == sum(event.data.get("error_kind") in kinds for event in events)
