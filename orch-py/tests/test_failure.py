"""Tasks that fail: exceptions, causes, tracebacks, retries, timeouts, undo."""

from __future__ import annotations

import asyncio
import logging
import traceback

import pytest

import orch


async def fails() -> None:
    raise ValueError("no luck")


async def one() -> int:
    return 1


def test_the_exception_of_a_task_is_the_cause():
    graph = orch.Graph("g")
    graph.add(fails)
    graph.add(one, after="fails")
    with pytest.raises(orch.RunFailed, match="the run of `g` failed") as caught:
        orch.run_sync(graph)
    error = caught.value
    assert (error.code, isinstance(error, orch.OrchError)) == ("RUN_FAILED", True)
    assert isinstance(error.__cause__, ValueError)
    assert error.errors == {"fails": error.__cause__}
    frames = traceback.extract_tb(error.__cause__.__traceback__)
    assert [frame.name for frame in frames] == ["fails"], "no frame of orch"
    assert error.report.task("one").state == "cancelled"
    with pytest.raises(ValueError, match="no luck"):
        error.report["fails"]
    with pytest.raises(orch.TaskFailed, match="task `one` made nothing: it is cancelled"):
        error.report["one"]


def test_tracebacks_are_kept_from_every_kind_of_task():
    async def waits() -> None:
        await asyncio.sleep(0)
        await fails()

    def plain() -> None:
        raise KeyError("plain")

    async def named(*, one: int) -> None:
        raise ValueError(one)

    for body, names in [(waits, ["waits", "fails"]), (plain, ["plain"]), (named, ["named"])]:
        graph = orch.Graph()
        graph.add(one)
        graph.add(body, id="x")
        report = orch.run_sync(graph, check=False)
        error = report.task("x").error
        assert error is not None
        names_of_frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        assert names_of_frames[-len(names) :] == names


def test_a_run_may_answer_instead_of_raising():
    graph = orch.Graph()
    graph.add(fails)
    report = orch.run_sync(graph, check=False)
    assert (report.state, list(report.errors)) == ("failed", ["fails"])
    assert report.task("fails").message == "ValueError: no luck"


def test_going_on_after_failures():
    graph = orch.Graph()
    graph.add(fails)
    graph.add(one, after="fails", id="after")
    graph.add(one, id="other")
    report = orch.run_sync(graph, on_failure="continue", check=False)
    assert [result.state for result in report] == ["failed", "cancelled", "succeeded"]


def test_a_failure_that_is_allowed():
    graph = orch.Graph()
    graph.add(fails, allow_failure=True)
    last = graph.add(lambda fails: [fails], id="last")
    report = orch.run_sync(graph)
    assert (report[last], report.errors) == ([None], {})
    assert isinstance(report.task("fails").error, ValueError)


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("plain", [True, False])
def test_failed_attempts_are_repeated(wait, plain):
    tries = []

    async def body() -> int:
        tries.append(1)
        if wait:
            await asyncio.sleep(0)
        if len(tries) < 3:
            raise ConnectionError("refused")
        return 7

    def plain_body() -> int:
        return asyncio.run(body())

    graph = orch.Graph()
    graph.add(plain_body if plain else body, id="x", retries=orch.Retry(attempts=3, backoff="immediate"))
    last = graph.add(lambda x: x, id="last")
    report = orch.run_sync(graph)
    assert (report[last], report.task("x").attempts, report.task("x").error) == (7, 3, None)


def test_no_retry_helps_against_what_is_fatal():
    tries = []

    async def body() -> None:
        tries.append(1)
        raise orch.Fatal("wrong key")

    graph = orch.Graph()
    graph.add(body, id="x", retries=orch.Retry(backoff="immediate"))
    with pytest.raises(orch.RunFailed) as caught:
        orch.run_sync(graph)
    assert isinstance(caught.value.__cause__, orch.Fatal)
    assert len(tries) == 1


def test_only_some_errors_are_repeated():
    graph = orch.Graph()
    graph.add(fails, retries=orch.Retry(backoff="immediate", on=("ConnectionError",)))
    assert orch.run_sync(graph, check=False).task("fails").attempts == 1


@pytest.mark.parametrize("plain", [True, False])
def test_a_late_task_is_stopped(plain):
    import threading

    stop, stopped = threading.Event(), []

    async def body() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            stopped.append(1)
            raise

    graph = orch.Graph()
    graph.add((lambda: stop.wait(10)) if plain else body, id="x", timeout=0.01)
    with pytest.raises(orch.RunFailed) as caught:
        orch.run_sync(graph)
    stop.set()
    assert isinstance(caught.value.__cause__, orch.TaskTimeout)
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert str(caught.value.__cause__) == "task `x` took longer than 10ms"
    assert stopped == ([] if plain else [1])


def test_timers_may_be_early(monkeypatch):
    later = asyncio.BaseEventLoop.call_later

    def early(loop, delay, *args, **options):
        return later(loop, delay * 0.7, *args, **options)

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_later", early)

    async def body() -> None:
        await asyncio.Event().wait()

    graph = orch.Graph()
    graph.add(body, timeout=0.02)

    async def main() -> orch.Report:
        return await asyncio.wait_for(orch.run(graph, check=False), 10)

    assert asyncio.run(main()).task("body").message == "took longer than 20ms"


def test_a_late_attempt_is_repeated():
    tries = []

    async def body() -> int:
        tries.append(1)
        if len(tries) == 1:
            await asyncio.sleep(10)
        return 1

    graph = orch.Graph()
    graph.add(body, id="x", timeout=0.01, retries=orch.Retry(backoff="immediate"))
    assert orch.run_sync(graph)["x"] == 1


def test_what_an_earlier_attempt_raised_is_not_why_a_later_one_was_late():
    import threading

    free = threading.Event()

    def body(context: orch.Context) -> None:
        if context.attempt == 1:
            raise ValueError("first")
        free.wait(10)

    graph = orch.Graph()
    graph.add(body, timeout=0.02, retries=orch.Retry(attempts=2, backoff="immediate"))
    report = orch.run_sync(graph, check=False)
    free.set()
    assert isinstance(report.task("body").error, orch.TaskTimeout)


def test_a_task_that_works_although_it_was_late_has_worked():
    async def body() -> int:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return 5
        return 0

    graph = orch.Graph()
    graph.add(body, id="x", timeout=0.01)
    assert orch.run_sync(graph)["x"] == 5


def test_silence_and_signs_of_life():
    async def silent() -> None:
        await asyncio.sleep(10)

    async def lively(context: orch.Context) -> str:
        for _ in range(8):
            await asyncio.sleep(0.01)
            context.heartbeat()
        context.say("done")
        return "lively"

    graph = orch.Graph()
    graph.add(silent, idle_timeout=0.04, allow_failure=True)
    graph.add(lively, idle_timeout=0.06)

    async def main() -> tuple[list[str], orch.Report]:
        run = orch.start(graph)
        lines = [event.data["text"] async for event in run if event.name == "task_output"]
        return lines, await run

    lines, report = asyncio.run(main())
    assert (report["lively"], lines) == ("lively", ["done"])
    assert report.task("silent").message == "was silent for 40ms"


def test_a_deadline_ends_the_run():
    async def body() -> None:
        await asyncio.sleep(10)

    graph = orch.Graph()
    graph.add(body, id="x")
    graph.add(one, after="x")
    with pytest.raises(orch.RunFailed, match="the deadline of 10ms passed"):
        orch.run_sync(graph, deadline=0.01)


def test_what_was_done_is_undone_in_reverse_order():
    undone = []

    async def undo_first(result: str) -> None:
        await asyncio.sleep(0)
        undone.append(result)

    def undo_second(result: str) -> None:
        undone.append(result)

    graph = orch.Graph()
    graph.add(lambda: "first", id="first", undo=undo_first)
    graph.add(lambda: "second", id="second", undo=undo_second, after="first")
    graph.add(lambda: "third", id="third", undo=lambda: undone.append("third"), after="second")
    graph.add(fails, after="third")
    with pytest.raises(orch.RunFailed, match="undo") as caught:
        orch.run_sync(graph)
    assert undone == ["third", "second", "first"]
    assert caught.value.report.counts.undone == 3
    undone.clear()
    orch.run_sync(graph, undo=False, check=False)
    assert undone == []


def test_an_undo_that_fails_is_repeated_and_told():
    tries = []

    def undo() -> None:
        tries.append(1)
        raise OSError("stuck")

    graph = orch.Graph()
    graph.add(one, undo=undo, id="x")
    graph.add(fails, after="x")

    async def main() -> list[orch.Event]:
        return [event async for event in orch.start(graph, deadline=60, seed=1)]

    events = asyncio.run(main())
    [finished] = [event for event in events if event.name == "undo_finished"]
    assert (finished.data["state"], finished.data["error"], len(tries)) == ("failed", "OSError: stuck", 3)


class Silent(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class OwnBase(BaseException):
    pass


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (Silent(), "Silent: its message could not be made"),
        (ValueError(), "ValueError"),
        (OwnBase("base"), "OwnBase: base"),
        (StopIteration(3), "RuntimeError: coroutine raised StopIteration"),
        (asyncio.CancelledError("mine"), "CancelledError: mine"),
        (asyncio.InvalidStateError("x"), "InvalidStateError: x"),
    ],
)
@pytest.mark.parametrize("wait", [True, False])
def test_odd_exceptions(error, message, wait):
    async def body() -> None:
        if wait:
            await asyncio.sleep(0)
        raise error

    graph = orch.Graph()
    graph.add(body, id="x", allow_failure=True)
    graph.add(one)
    report = orch.run_sync(graph)
    assert (report.task("x").message, report["one"]) == (message, 1)


def test_a_body_that_is_called_wrongly_fails_as_a_task():
    def wrong(*args: object) -> object:
        raise TypeError("called wrongly")

    async def fine() -> int:
        return 1

    fine_but = orch.Graph()
    fine_but.add(wrong, id="x")
    report = orch.run_sync(fine_but, check=False)
    assert report.task("x").message == "TypeError: called wrongly"


def test_failures_are_logged(caplog):
    graph = orch.Graph("g")
    graph.add(fails)
    with caplog.at_level(logging.DEBUG, logger="orch"):
        orch.run_sync(graph, check=False)
    said = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "orch"]
    assert ("WARNING", "task `fails` of `g` failed: ValueError: no luck") in said
    assert any(level == "INFO" and "g: failed" in message for level, message in said)
