"""Bad input: clear errors, no hang, no crash of the interpreter."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import threading
import types
import weakref
from concurrent.futures import Executor, Future

import pytest

import orch


async def one() -> int:
    return 1


def test_a_coroutine_that_is_answered_twice():
    async def work() -> int:
        raise ConnectionError("refused")

    made = work()
    graph = orch.Graph()
    graph.add(lambda: made, id="again", retries=orch.Retry(attempts=2, backoff="immediate"))
    result = orch.run_sync(graph, check=False).task("again")
    assert (result.state, result.attempts) == ("failed", 2)
    assert result.message == "RuntimeError: cannot reuse already awaited coroutine"

    shared = one()
    graph = orch.Graph()
    graph.add(lambda: shared, id="first")
    graph.add(lambda: shared, id="second", after="first")
    report = orch.run_sync(graph, check=False)
    assert (report["first"], report.task("second").state) == (1, "failed")


class Odd(BaseException):
    pass


@pytest.mark.parametrize("kind", ["at once", "later", "plain"])
def test_a_task_that_raises_what_is_no_exception(kind):
    def plain() -> None:
        raise Odd("odd")

    async def body() -> None:
        if kind == "later":
            await asyncio.sleep(0)
        plain()

    graph = orch.Graph()
    graph.add(plain if kind == "plain" else body, id="odd")
    graph.add(one, after="odd")
    graph.add(one, id="other")
    report = orch.run_sync(graph, on_failure="continue", check=False)
    assert [result.state for result in report] == ["failed", "cancelled", "succeeded"]
    assert isinstance(report.task("odd").error, Odd)


NEVER = """
import signal, orch
async def spins():
    # asyncio asks the first time, and insists the second.
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    while True:
        pass
graph = orch.Graph()
graph.add(spins)
try:
    orch.run_sync(graph)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_task_that_never_yields_is_interrupted():
    process = subprocess.run([sys.executable, "-c", NEVER], capture_output=True, text=True, timeout=30, check=False)
    assert (process.stdout, process.stderr, process.returncode) == ("interrupted\n", "", 0)


def test_a_task_that_mutates_what_it_is_given():
    async def shared() -> list[int]:
        return [1]

    async def mutates(shared: list[int], extra: dict[str, int]) -> None:
        shared.append(2)
        given.clear()
        extra["x"] = 9

    async def reads(shared: list[int], extra: dict[str, int]) -> tuple[list[int], dict[str, int]]:
        return shared, extra

    given = {"extra": {"x": 1}}
    graph = orch.Graph()
    graph.add(shared)
    graph.add(mutates)
    graph.add(reads, after="mutates")
    # Values are the same object for everybody; which values there are is not for a task to change.
    assert orch.run_sync(graph, inputs=given)["reads"] == ([1, 2], {"x": 9})


def generator():
    yield 1


async def async_generator():
    yield 1


class Generates:
    def __call__(self):
        yield 1


@pytest.mark.parametrize("fn", [generator, async_generator, Generates(), functools.partial(generator)])
def test_a_generator_is_refused(fn):
    graph = orch.Graph()
    with pytest.raises(orch.InvalidValue, match="is a generator, which makes many values; a task makes one"):
        graph.add(fn)
    assert len(graph) == 0


def test_generators_that_are_results_or_old_coroutines():
    @types.coroutine
    def old():
        yield
        return 7

    graph = orch.Graph()
    graph.add(old)
    graph.add(lambda: generator(), id="makes")
    graph.add(lambda makes: list(makes), id="reads")
    report = orch.run_sync(graph)
    assert (report["old"], report["reads"]) == (7, [1])


class Owner:
    async def method(self) -> int:
        return 6


def test_a_method_keeps_its_object():
    graph = orch.Graph()
    graph.add(Owner().method)
    assert orch.run_sync(graph)["method"] == 6


@pytest.mark.parametrize("partial", [True, False])
@pytest.mark.parametrize("dead", [True, False])
@pytest.mark.parametrize("kind", [weakref.WeakMethod, weakref.ref, weakref.proxy])
def test_a_method_of_an_object_that_may_die_is_refused(kind, dead, partial):
    owner = Owner()
    method = owner.method
    fn = kind(method)
    if dead:
        del owner, method
    graph = orch.Graph()
    with pytest.raises(orch.InvalidValue, match="is a weak reference, whose object may be gone"):
        graph.add(functools.partial(fn) if partial else fn, id="x")
    assert len(graph) == 0


def test_a_cycle_through_parameters_is_named():
    graph = orch.Graph("round")
    graph.add(lambda c: c, id="a")
    graph.add(lambda a: a, id="b")
    graph.add(lambda b: b, id="c")
    graph.add(lambda c: c, id="innocent")
    with pytest.raises(orch.InvalidDefinition) as caught:
        orch.run_sync(graph)
    text = str(caught.value)
    assert "error[CIRCULAR_DEPENDENCY] tasks.a: these tasks wait for each other: a → b → c → a" in text
    assert "innocent" not in text


def endless() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


def deep() -> list[object]:
    value: list[object] = []
    for _ in range(200_000):
        value = [value]
    return value


class Raises:
    def isoformat(self) -> str:
        raise ZeroDivisionError("no form")


class Own:
    """Plainer in name only."""

    def isoformat(self) -> Own:
        return self


@pytest.mark.parametrize("where", ["outputs", "inputs"])
@pytest.mark.parametrize(
    "make",
    [
        object,
        endless,
        deep,
        Raises,
        Own,
        lambda: {(1, 2): 3},
        lambda: b"\xff",
        lambda: "\ud800",
        lambda: 10**40,
        lambda: float("nan"),
    ],
    ids=["object", "endless", "deep", "raises", "own", "key", "bytes", "surrogate", "long", "nan"],
)
def test_what_has_no_json_form_where_it_must(make, where):
    async def makes() -> dict[str, object]:
        return {"x": make()}

    graph = orch.Graph()
    if where == "outputs":
        graph.add(makes, outputs=["x"])
        graph.add(one, after="makes")
        report = orch.run_sync(graph, check=False)
        assert [result.state for result in report] == ["failed", "cancelled"], report
        assert report.task("makes").message
    else:
        graph.add(one, inputs=["x"])
        with pytest.raises((ValueError, ZeroDivisionError)):
            orch.run_sync(graph, inputs={"x": make()})


class Refuses(Executor):
    def submit(self, fn, /, *args, **kwargs):
        raise RuntimeError("no room")


class AnswersNothing(Executor):
    def submit(self, fn, /, *args, **kwargs):
        return None


class CallsTwice(Future):
    """Calls back more than once, and late."""

    def add_done_callback(self, fn):
        super().add_done_callback(fn)
        super().add_done_callback(fn)


class Twice(Executor):
    def submit(self, fn, /, *args, **kwargs):
        future = CallsTwice()
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.parametrize(
    ("executor", "state", "message"),
    [
        (Refuses(), "failed", "no room"),
        (AnswersNothing(), "failed", "`AnswersNothing.submit` answered a `NoneType`"),
        (Twice(), "succeeded", ""),
    ],
)
def test_an_executor_that_misbehaves(executor, state, message):
    graph = orch.Graph()
    graph.add(lambda: 3, id="x", executor=executor)
    result = orch.run_sync(graph, check=False).task("x")
    assert result.state == state
    assert message in str(result.message)


def test_a_callback_of_the_task_that_raises():
    told: list[str] = []

    async def body() -> int:
        task = asyncio.current_task()
        assert task is not None

        def raises(_: object) -> None:
            raise ZeroDivisionError("callback")

        task.add_done_callback(raises)
        return 1

    async def main() -> orch.Report:
        asyncio.get_running_loop().set_exception_handler(lambda _, told_of: told.append(str(told_of["exception"])))
        graph = orch.Graph()
        graph.add(body, id="x")
        graph.add(one, after="x")
        return await orch.run(graph)

    assert asyncio.run(main()).state == "succeeded"
    assert told == ["callback"]


def test_a_reader_of_events_that_raises():
    async def read(run: orch.Run) -> None:
        async for _ in run:
            raise ZeroDivisionError

    async def main() -> None:
        graph = orch.Graph()
        for nth in range(50):
            graph.add(one, id=f"t{nth}")
        run = orch.start(graph)
        with pytest.raises(ZeroDivisionError):
            await read(run)
        assert (await run).counts.succeeded == 50

    asyncio.run(main())


def test_a_graph_that_runs_again_meanwhile_and_grows():
    gone_on: list[int] = []
    graph = orch.Graph()

    async def again(depth: int = 0) -> int:
        graph.add(one, id=f"added{len(gone_on)}")
        gone_on.append(1)
        if len(gone_on) < 5:
            await orch.run(graph)
        return len(gone_on)

    graph.add(again)
    report = orch.run_sync(graph)
    assert [result.id for result in report] == ["again"], "a run has the tasks that the graph had when it began"
    assert len(gone_on) == 5


def test_one_graph_in_many_threads_at_once():
    graph = orch.Graph()
    graph.add(one)
    graph.add(lambda one: one + 1, id="two")
    graph.add(lambda two: two + 1, id="three")
    made: list[int] = []
    start = threading.Barrier(8, timeout=10)

    def run() -> None:
        start.wait()
        made.extend(orch.run_sync(graph)["three"] for _ in range(10))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert made == [3] * 80


def test_a_run_of_a_loop_that_was_closed():
    async def sleeps() -> None:
        await asyncio.sleep(10)

    loop = asyncio.new_event_loop()
    graph = orch.Graph()
    graph.add(sleeps)
    graph.add(one, after="sleeps")

    async def main() -> orch.Run:
        run = orch.start(graph)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return run

    async def read(run: orch.Run) -> None:
        async for _ in run:
            pass

    run = loop.run_until_complete(main())
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]

    async def wait() -> orch.Report:
        return await run

    with pytest.raises(orch.Misuse, match="belongs to another loop"):
        asyncio.run(wait())
    with pytest.raises(orch.Misuse, match="belongs to another loop"):
        asyncio.run(read(run))
    loop.close()
    with pytest.raises(orch.Misuse, match="the loop of the run is closed"):
        run.cancel()
    with pytest.raises(orch.Misuse, match="the loop of the run is closed"):
        asyncio.run(wait())


HALF = "\ud800"


def test_half_a_character_where_it_is_kept():
    def graph(**options: object) -> orch.Graph:
        graph = orch.Graph(str(options.pop("name", "graph")))
        graph.add(lambda: 1, **{"id": "x", **options})  # type: ignore[arg-type]
        return graph

    for wrong in (graph(name=HALF), graph(id=HALF), graph(after=[HALF]), graph(description=HALF), graph(claims=HALF)):
        with pytest.raises(orch.InvalidValue, match="half a character") as caught:
            orch.run_sync(wrong)
        assert caught.value.code == "INVALID_VALUE"
    cache = orch.Cache()
    assert HALF not in cache
    for call in (lambda: cache.get(HALF), lambda: cache.set(HALF, 1), lambda: cache.set("x", 1, tags=[HALF])):
        with pytest.raises(orch.InvalidValue, match="half a character"):
            call()
    for call in (lambda: orch.loads(HALF), lambda: orch.load("/tmp/\ud8ff")):
        with pytest.raises(orch.InvalidValue, match="half a character"):
            call()


def test_half_a_character_where_it_is_only_shown():
    graph = orch.Graph()

    @graph.task(allow_failure=True)
    def raises() -> None:
        raise ValueError(HALF)

    @graph.task
    async def says(context: orch.Context) -> int:
        context.say(HALF)
        return 1

    report = orch.run_sync(graph)
    assert (report[says], report.task("raises").message) == (1, "ValueError: ���")


def test_a_dict_that_changes_while_it_is_read():
    class Changes:
        def isoformat(self) -> str:
            held[f"new-{len(held)}"] = 1
            return "x"

    held: dict[str, object] = {f"key-{nth}": Changes() for nth in range(5)}
    graph = orch.Graph()

    @graph.task(outputs=["x"])
    async def makes() -> dict[str, object]:
        return {"x": held}

    assert orch.run_sync(graph)["makes"] == {"x": held}
    assert len(held) == 10
