"""One computation for all who want the same, across tasks, threads and loops."""

from __future__ import annotations

import asyncio
import threading

import pytest

import orch


class Thing:
    pass


def test_threads_wait_for_one():
    calls, begun, go = [], threading.Event(), threading.Event()

    @orch.cached
    def slow(number):
        calls.append(number)
        begun.set()
        assert go.wait(10)
        return Thing()

    answers = []
    threads = [threading.Thread(target=lambda: answers.append(slow(1))) for _ in range(8)]
    threads[0].start()
    assert begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert len(answers) == 8
    assert len(set(map(id, answers))) == 1
    assert calls == [1]
    assert slow.cache.stats.hits >= 7


def test_a_thread_takes_over_from_one_that_fails():
    calls, begun, go = [], threading.Event(), threading.Event()

    @orch.cached
    def shaky(number):
        calls.append(number)
        if len(calls) == 1:
            begun.set()
            assert go.wait(10)
            raise ValueError("first")
        return number

    answers: list = []
    errors: list = []

    def call():
        try:
            answers.append(shaky(1))
        except ValueError as error:
            answers.append(str(error))
            # Its traceback holds all that the call knew.
            errors.append(error)

    threads = [threading.Thread(target=call) for _ in range(4)]
    threads[0].start()
    assert begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert sorted(answers, key=str) == [1, 1, 1, "first"]
    assert calls == [1, 1]


def test_tasks_wait_for_one():
    calls = []

    @orch.cached
    async def slow(number):
        calls.append(number)
        await asyncio.sleep(0)
        return Thing()

    async def main():
        answers = await asyncio.gather(*(slow(1) for _ in range(50)))
        assert await slow(1) is answers[0]
        assert len(set(map(id, answers))) == 1

    asyncio.run(main())
    assert calls == [1]
    assert asyncio.iscoroutinefunction(slow)


def test_a_task_takes_over_from_one_that_fails_or_is_cancelled():
    calls = []

    @orch.cached
    async def shaky(how):
        calls.append(how)
        await asyncio.sleep(0)
        if len(calls) == 1:
            if how == "fail":
                raise ValueError
            await asyncio.Event().wait()
        return how

    async def main(how):
        calls.clear()
        tasks = [asyncio.create_task(shaky(how)) for _ in range(5)]
        for _ in range(5):
            await asyncio.sleep(0)
        if how == "cancel":
            tasks[0].cancel()
            # One in the line goes away too.
            tasks[1].cancel()
        answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        kinds = [type(answer) for answer in answers]
        gone = asyncio.CancelledError
        assert kinds == ([ValueError, *[str] * 4] if how == "fail" else [gone, gone, str, str, str])
        assert len(calls) == 2

    asyncio.run(main("fail"))
    asyncio.run(main("cancel"))


def test_who_was_handed_the_lead_and_is_cancelled_hands_it_on():
    calls = []

    @orch.cached
    async def shaky():
        calls.append(1)
        await asyncio.sleep(0)
        if len(calls) == 1:
            raise ValueError("first")
        return "made"

    async def main():
        tasks = [asyncio.create_task(shaky()) for _ in range(3)]
        with pytest.raises(ValueError, match="first"):
            await tasks[0]
        # It has the lead by now, and does not know it.
        tasks[1].cancel()
        assert await asyncio.wait_for(tasks[2], 10) == "made"

    asyncio.run(main())


def test_loops_wait_for_each_other():
    calls, begun, joined = [], threading.Event(), threading.Event()

    @orch.cached
    async def slow():
        calls.append(1)
        begun.set()
        while not joined.is_set():  # noqa: ASYNC110 - it is set by another thread
            await asyncio.sleep(0.001)
        return Thing()

    answers = []
    first = threading.Thread(target=lambda: answers.append(asyncio.run(slow())))
    first.start()
    assert begun.wait(10)

    async def second():
        task = asyncio.create_task(slow())
        await asyncio.sleep(0)
        joined.set()
        return await asyncio.wait_for(task, 10)

    answers.append(asyncio.run(second()))
    first.join(10)
    assert answers[0] is answers[1]
    assert calls == [1]


def test_a_loop_that_was_closed_keeps_nobody_waiting():
    calls = []

    @orch.cached
    async def slow():
        calls.append(1)
        if len(calls) == 1:
            await asyncio.Event().wait()
        return "made"

    leader, follower = slow(), slow()
    leads, follows = asyncio.new_event_loop(), asyncio.new_event_loop()
    task = leads.create_task(leader)
    leads.run_until_complete(asyncio.sleep(0))
    waiting = follows.create_task(follower)
    follows.run_until_complete(asyncio.sleep(0))
    follows.close()

    async def third():
        own = asyncio.create_task(slow())
        await asyncio.sleep(0)
        task.get_loop().call_soon_threadsafe(task.cancel)
        ends = threading.Thread(target=lambda: leads.run_until_complete(asyncio.gather(task, return_exceptions=True)))
        ends.start()
        try:
            return await asyncio.wait_for(own, 10)
        finally:
            ends.join(10)

    assert asyncio.run(third()) == "made"
    leads.close()
    waiting._log_destroy_pending = False
    follower.close()


def test_what_waits_for_itself_is_told_so():
    @orch.cached
    def own(number):
        return own(number)

    @orch.cached
    async def own_async(number):
        return (await asyncio.gather(own_async(number)))[0]

    @orch.cached
    def factorial(number):
        return number * factorial(number - 1) if number else 1

    assert factorial(20) == 2432902008176640000
    with pytest.raises(orch.Misuse, match="waits for itself"):
        own(1)
    with pytest.raises(orch.Misuse, match="waits for itself"):
        asyncio.run(own_async(1))


def test_get_or_make():
    cache = orch.Cache()
    assert cache.get_or_make("a", lambda: None, ttl=60, tags=["t"]) is None
    assert cache.get_or_make("a", lambda: 1) is None
    with pytest.raises(ZeroDivisionError):
        cache.get_or_make("b", lambda: 1 // 0)

    async def make():
        await asyncio.sleep(0)
        return Thing()

    async def main():
        return await asyncio.gather(*(cache.get_or_make_async("c", make) for _ in range(5)))

    assert len(set(map(id, asyncio.run(main())))) == 1
    assert cache.invalidate(tag="t") == 1
    # What is too large or good for no time is answered, to those who wait too.
    assert orch.Cache(max_bytes=0).get_or_make("a", lambda: 5) == 5
