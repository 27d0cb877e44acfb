"""Plain functions: threads, pools, processes."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import os
import threading
import time

import pytest

import orch
from orch._pool import Threads


def square(x: int = 3) -> int:
    return x * x


def where() -> int:
    return os.getpid()


def test_plain_functions_run_beside_each_other():
    meet = threading.Barrier(4, timeout=10)
    graph = orch.Graph()
    for nth in range(4):
        graph.add(meet.wait, id=f"t{nth}")
    assert sorted(result.value for result in orch.run_sync(graph)) == [0, 1, 2, 3]


def test_the_loop_goes_on_meanwhile():
    async def ticks() -> None:
        free.set()

    free = threading.Event()
    graph = orch.Graph()
    graph.add(lambda: free.wait(10), id="plain")
    graph.add(ticks)
    assert orch.run_sync(graph)["plain"] is True


def test_what_answers_something_to_await_is_awaited():
    async def coroutine() -> int:
        await asyncio.sleep(0)
        return 4

    class Callable:
        async def __call__(self) -> int:
            return 5

    class Method:
        async def method(self) -> int:
            return 6

    graph = orch.Graph()
    graph.add(lambda: coroutine(), id="plain")
    graph.add(functools.partial(coroutine), id="partial")
    graph.add(Callable(), id="callable")
    graph.add(Method().method, id="method")
    assert [result.value for result in orch.run_sync(graph)] == [4, 4, 5, 6]


def test_a_coroutine_that_answers_a_coroutine_is_awaited_once():
    async def inner() -> int:
        return 1

    async def outer():
        return inner()

    graph = orch.Graph()
    graph.add(outer)
    made = orch.run_sync(graph)["outer"]
    assert asyncio.iscoroutine(made)
    made.close()


@pytest.mark.parametrize("kind", [concurrent.futures.ThreadPoolExecutor, concurrent.futures.ProcessPoolExecutor])
def test_any_executor(kind):
    with kind(2) as executor:
        graph = orch.Graph()
        graph.add(square, id="one", executor=executor)
        graph.add(square, id="two", executor=executor, args={"x": 5})
        graph.add(where, executor=executor)
        report = orch.run_sync(graph)
    assert (report["one"], report["two"]) == (9, 25)
    assert (report["where"] == os.getpid()) == (kind is concurrent.futures.ThreadPoolExecutor)


def test_a_pool_that_breaks_fails_its_tasks():
    with concurrent.futures.ProcessPoolExecutor(1) as executor:
        graph = orch.Graph()
        graph.add(os._exit, id="dies", args={"status": 3}, executor=executor)
        graph.add(square, executor=executor, after="dies")
        report = orch.run_sync(graph, on_failure="continue", check=False)
        assert [result.state for result in report] == ["failed", "cancelled"]
        again = orch.Graph()
        again.add(square, executor=executor)
        assert "BrokenProcessPool" in str(orch.run_sync(again, check=False).task("square").message)


def test_a_coroutine_takes_no_executor():
    async def body() -> None:
        pass

    graph = orch.Graph()
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        graph.add(body, executor=executor)
        with pytest.raises(orch.InvalidValue, match="task `body` is a coroutine, which runs on the loop"):
            graph.ready()


def test_threads_are_bounded_and_reused():
    threads = Threads(3)
    most, running, lock = 0, 0, threading.Lock()

    def body() -> str:
        nonlocal most, running
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001)
        with lock:
            running -= 1
        return threading.current_thread().name

    futures = [threads.submit(body) for _ in range(40)]
    names = {future.result(timeout=10) for future in futures}
    assert most == 3
    assert len(names) == 3
    assert threads.submit(body).result(timeout=10) in names


def test_threads_end_when_they_are_idle(monkeypatch):
    monkeypatch.setattr("orch._pool._IDLE", 0.01)
    threads = Threads(2)
    for _ in range(3):
        assert threads.submit(square).result(timeout=10) == 9
        time.sleep(0.03)
    deadline = time.monotonic() + 10
    while threads._threads and time.monotonic() < deadline:
        time.sleep(0.005)
    assert (threads._threads, threads._idle) == (0, 0)
    assert threads.submit(square).result(timeout=10) == 9


def test_threads_hold_no_values():
    import weakref

    class Value:
        pass

    value = Value()
    seen = weakref.ref(value)
    threads = Threads(1)
    assert threads.submit(lambda kept: kept is not None, value).result(timeout=10)
    del value
    deadline = time.monotonic() + 10
    while seen() is not None and time.monotonic() < deadline:
        time.sleep(0.001)
    assert seen() is None


def test_a_call_that_was_cancelled_does_not_begin():
    threads, free, ran = Threads(1), threading.Event(), []
    threads.submit(free.wait, 10)
    second = threads.submit(ran.append, 1)
    assert second.cancel()
    free.set()
    threads.submit(square).result(timeout=10)
    assert ran == []


def test_importing_starts_no_thread_and_is_quick():
    import subprocess
    import sys

    code = "import sys, threading; import orch; print(threading.active_count(), *(it for it in sys.modules if 'orch' in it))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "1 orch\n", "its parts are imported when they are asked for"


def test_no_function_waits_for_another_while_threads_may_start():
    from orch._pool import Threads

    # A thread that has just taken its work is not idle, whenever the next function comes.
    for _ in range(1000):
        pool = Threads(4)
        both = threading.Barrier(2, timeout=10)
        for future in [pool.submit(both.wait) for _ in range(2)]:
            future.result()
        meet = threading.Barrier(4, timeout=10)
        assert sorted(future.result() for future in [pool.submit(meet.wait) for _ in range(4)]) == [0, 1, 2, 3]
