"""Cancellation, from every side, and what is left behind: nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import orch


async def sleeps() -> None:
    await asyncio.sleep(10)


async def one() -> int:
    return 1


def waiting(count: int = 3) -> orch.Graph:
    graph = orch.Graph("waiting")
    for nth in range(count):
        graph.add(sleeps, id=f"t{nth}")
    graph.add(one, after=[f"t{nth}" for nth in range(count)])
    return graph


def test_a_run_is_cancelled():
    async def main() -> None:
        run = orch.start(waiting())
        await asyncio.sleep(0.001)
        run.cancel("enough")
        run.cancel("again")
        with pytest.raises(orch.RunCancelled, match=r"was cancelled \(enough\)") as caught:
            await run
        assert (caught.value.code, run.state) == ("CANCELLED", "cancelled")
        assert caught.value.report.counts.cancelled == 4
        assert asyncio.all_tasks() == {asyncio.current_task()}
        run.cancel("too late")

    asyncio.run(main())


def test_a_run_is_cancelled_before_it_begins():
    async def main() -> orch.Report:
        run = orch.start(waiting())
        run.cancel()
        return await run.report()

    report = asyncio.run(main())
    assert (report.state, report.counts.cancelled) == ("cancelled", 4)


def test_whoever_waits_is_cancelled():
    ends: list[str] = []

    async def careful() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(0.002)
            ends.append("cleaned up")

    async def main() -> None:
        graph = orch.Graph()
        graph.add(careful)
        task = asyncio.create_task(orch.run(graph))
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ends == ["cleaned up"], "the run had ended by then"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_a_timeout_around_a_run():
    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(orch.run(waiting()), 0.005)

    asyncio.run(main())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup came with 3.11")
def test_a_run_in_a_group_that_fails():
    async def main() -> None:
        async def fail() -> None:
            await asyncio.sleep(0.001)
            raise ValueError("group")

        async with asyncio.TaskGroup() as group:
            group.create_task(orch.run(waiting()))
            group.create_task(fail())

    with pytest.raises(BaseException) as caught:  # noqa: PT011
        asyncio.run(main())
    assert [str(error) for error in caught.value.exceptions] == ["group"]  # type: ignore[attr-defined]


def test_what_runs_is_told_and_what_waits_never_begins():
    begun: list[int] = []

    def body(nth: int):
        async def run() -> None:
            begun.append(nth)
            await asyncio.sleep(0.001 if nth == 0 else 10)
            if nth == 0:
                raise ValueError("first")

        return run

    graph = orch.Graph()
    for nth in range(10):
        graph.add(body(nth), id=f"t{nth}")
    report = orch.run_sync(graph, max_parallel=3, check=False)
    assert begun == [0, 1, 2]
    assert report.counts == (0, 1, 0, 9, 0, 0, 0)


def test_a_plain_function_is_not_waited_for():
    free = threading.Event()

    async def main() -> float:
        graph = orch.Graph()
        graph.add(lambda: free.wait(10), id="plain")
        run = orch.start(graph)
        await asyncio.sleep(0.01)
        run.cancel()
        began = time.perf_counter()
        await run.report()
        return time.perf_counter() - began

    assert asyncio.run(main()) < 5
    free.set()


def test_the_answer_of_a_function_that_nobody_waits_for_is_not_heard():
    begun, free, ended = threading.Event(), threading.Event(), threading.Event()

    def late() -> str:
        begun.set()
        free.wait(10)
        ended.set()
        return "late"

    async def listen() -> None:
        free.set()
        # On a busy machine it may not have begun in time; then it never does.
        while begun.is_set() and not ended.is_set():  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)

    graph = orch.Graph()
    graph.add(late, timeout=0.005, allow_failure=True)
    graph.add(listen, after="late")
    graph.add(lambda late: [late], id="last", after="listen")
    assert orch.run_sync(graph)["last"] == [None]


def test_the_loop_is_closed_in_the_middle_of_a_run():
    loop = asyncio.new_event_loop()
    graph = waiting()
    graph.add(lambda: time.sleep(0.01), id="plain")

    async def main() -> orch.Run:
        run = orch.start(graph)
        for _ in range(5):
            await asyncio.sleep(0)
        return run

    run = loop.run_until_complete(main())
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    time.sleep(0.03)
    assert run.state == "running"
    del run


def test_a_loop_that_ends_cancels_the_run():
    states = []

    async def body() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            states.append("cancelled")
            raise

    async def main() -> None:
        graph = orch.Graph()
        graph.add(body)
        orch.start(graph)
        await asyncio.sleep(0.001)

    asyncio.run(main())
    assert states == ["cancelled"]


INTERRUPTED = """
import asyncio, sys, threading, time, orch
graph = orch.Graph()
async def sleeps(): await asyncio.sleep(30)
for nth in range(20): graph.add(sleeps, id=f"t{nth}")
PLAIN
print("ready", flush=True)
try:
    orch.run_sync(graph)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("plain", ["", "graph.add(lambda: time.sleep(30), id='plain')"])
def test_ctrl_c_ends_a_run(plain):
    code = INTERRUPTED.replace("PLAIN", plain)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert (out, process.returncode) == ("interrupted\n", 0)


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_goes_through(kind, wait):
    async def body() -> None:
        if wait:
            await asyncio.sleep(0)
        raise kind(3)

    graph = waiting()
    graph.add(body)
    with pytest.raises(kind):
        orch.run_sync(graph)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_was_forked_runs_its_own():
    graph = orch.Graph()
    graph.add(lambda: 7, id="plain")
    orch.run_sync(graph)
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(orch.run_sync(graph)["plain"])
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def resident() -> int:
    """Bytes of memory of the process, those of the engine included, which Python does not trace."""
    if sys.platform != "linux":
        return 0
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_many_runs_are_cancelled_and_leave_nothing():
    import gc
    import tracemalloc

    async def main(rounds: int) -> None:
        for nth in range(rounds):
            graph = waiting(5)
            graph.add(lambda: None, id="plain")
            run = orch.start(graph)
            for _ in range(nth % 4):
                await asyncio.sleep(0)
            run.cancel()
            await run.report()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main(1000))
    threads = threading.active_count()
    gc.collect()
    before = resident()
    asyncio.run(main(1000))
    gc.collect()
    assert resident() - before < 4_000_000
    tracemalloc.start()
    try:
        asyncio.run(main(300))
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        asyncio.run(main(1000))
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert threading.active_count() <= threads + 64
    assert after - before < 100_000
