"""What asyncio means inside a task: its Task, timeouts, cancellation, context variables, fairness."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import sys
import weakref

import pytest

import orch

needs_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout and TaskGroup came with 3.11")


def run_bodies(*bodies, **options) -> orch.Report:
    """Runs the bodies one after the other, in one chain."""
    graph = orch.Graph()
    for nth, body in enumerate(bodies):
        graph.add(body, id=f"t{nth}", after=f"t{nth - 1}" if nth else ())
    return orch.run_sync(graph, **options)


def test_every_task_has_a_task_of_asyncio():
    async def body() -> bool:
        return isinstance(asyncio.current_task(), asyncio.Task)

    assert all(result.value for result in run_bodies(*[body] * 5))


def test_a_task_that_is_remembered_is_the_tasks_own():
    seen = []

    async def body() -> None:
        seen.append(asyncio.current_task())

    run_bodies(*[body] * 5)
    assert len(set(seen)) == 5


def test_a_weak_reference_is_a_memory_too():
    seen: weakref.WeakKeyDictionary[asyncio.Task[object], int] = weakref.WeakKeyDictionary()
    found = []

    async def body() -> None:
        task = asyncio.current_task()
        assert task is not None
        found.append(seen.get(task))
        seen[task] = 1

    run_bodies(*[body] * 5)
    assert found == [None] * 5


def test_callbacks_of_a_task_are_called_with_its_end():
    ends: list[int] = []

    def body(nth: int):
        async def run() -> None:
            # One that suspended tells its dependants first, and ends then.
            assert nth == 0 or nth % 2 == 0 or nth - 1 in ends
            task = asyncio.current_task()
            assert task is not None
            task.add_done_callback(lambda _: ends.append(nth))
            if nth % 2:
                await asyncio.sleep(0)

        return run

    run_bodies(*[body(nth) for nth in range(6)])
    assert sorted(ends) == list(range(6))


def test_the_task_is_the_same_before_and_after_a_wait():
    async def body() -> bool:
        before = asyncio.current_task()
        await asyncio.sleep(0)
        between = asyncio.current_task()
        await asyncio.sleep(0.001)
        return before is between is asyncio.current_task()

    graph = orch.Graph()
    for nth in range(20):
        graph.add(body, id=f"t{nth}")
    assert all(result.value for result in orch.run_sync(graph))


def test_tasks_that_run_at_once_have_different_tasks():
    seen = []

    async def body() -> None:
        seen.append(id(asyncio.current_task()))
        while len(seen) < 20:  # noqa: ASYNC110 - an event belongs to one loop on Python 3.10
            await asyncio.sleep(0.001)

    graph = orch.Graph()
    for nth in range(20):
        graph.add(body, id=f"t{nth}")
    orch.run_sync(graph)
    assert len(set(seen)) == 20


def test_context_variables_come_from_the_caller_and_stay_inside():
    variable = contextvars.ContextVar("variable", default="default")
    other = contextvars.ContextVar("other", default=0)

    async def changes() -> str:
        before = variable.get()
        variable.set("changed")
        assert other.get() == 0
        other.set(1)
        return before

    def changes_in_a_thread() -> str:
        return asyncio.run(changes())

    async def waits() -> str:
        before = variable.get()
        variable.set("waits")
        await asyncio.sleep(0)
        assert variable.get() == "waits"
        return before

    async def main() -> list[object]:
        variable.set("caller")
        graph = orch.Graph()
        for nth, body in enumerate([changes, waits, changes_in_a_thread] * 3):
            graph.add(body, id=f"t{nth}", after=f"t{nth - 1}" if nth else ())
        report = await orch.run(graph)
        assert variable.get() == "caller"
        return [result.value for result in report]

    assert asyncio.run(main()) == ["caller"] * 9


def test_a_task_that_cancels_itself_is_cancelled_at_its_next_wait():
    async def itself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        del task
        await asyncio.sleep(10)

    async def fine() -> int:
        return 1

    graph = orch.Graph()
    graph.add(itself, id="itself", allow_failure=True)
    graph.add(fine, id="fine")
    graph.add(fine, id="after", after="itself")
    report = orch.run_sync(graph)
    assert (report["fine"], report["after"], report.task("itself").state) == (1, 1, "cancelled")


def test_a_cancellation_that_a_task_leaves_behind_does_not_reach_the_next():
    async def leaves() -> int:
        asyncio.current_task().cancel()  # type: ignore[union-attr]
        return 1

    async def waits() -> int:
        await asyncio.sleep(0)
        return 2

    report = run_bodies(leaves, waits, leaves, waits)
    assert [result.value for result in report] == [1, 2, 1, 2]


@needs_3_11
def test_a_cancellation_that_a_task_swallowed_is_not_counted_for_the_next():
    counts = []

    async def swallows() -> None:
        task = asyncio.current_task()
        assert task is not None
        counts.append(task.cancelling())
        asyncio.get_running_loop().call_soon(task.cancel)
        del task
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(10)

    run_bodies(*[swallows] * 5)
    assert counts == [0] * 5


def test_a_chain_of_tasks_that_suspend_has_few_tasks_of_asyncio():
    made = []

    def factory(loop, coroutine, **options):
        made.append(1)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def waits() -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(factory)
        graph = orch.Graph()
        for nth in range(1_000):
            graph.add(waits, id=f"t{nth}", after=f"t{nth - 1}" if nth else ())
        await orch.run(graph)

    asyncio.run(main())
    assert len(made) < 500


@needs_3_11
def test_timeouts_of_asyncio():
    async def late() -> str:
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(10)
        except TimeoutError:
            return "late"
        return "never"

    async def in_time() -> str:
        async with asyncio.timeout(10):  # noqa: ASYNC100 - it is to be left without a wait
            return "in time"

    report = run_bodies(in_time, late, in_time)
    assert [result.value for result in report] == ["in time", "late", "in time"]


@needs_3_11
def test_groups_of_tasks():
    async def child(value: int) -> int:
        await asyncio.sleep(0)
        return value

    async def group() -> int:
        async with asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(child(value)) for value in range(3)]
        return sum(task.result() for task in made)

    async def broken() -> None:
        async def fail() -> None:
            raise ValueError("child")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())
            await asyncio.sleep(10)

    graph = orch.Graph()
    graph.add(group)
    graph.add(broken, allow_failure=True)
    report = orch.run_sync(graph)
    assert report["group"] == 3
    error = report.task("broken").error
    assert type(error).__name__ == "ExceptionGroup"
    assert str(error.exceptions[0]) == "child"  # type: ignore[union-attr]


def test_a_run_inside_a_task():
    async def inner() -> int:
        return (await orch.run(graph_of(one)))["one"]

    assert run_bodies(inner, inner)["t1"] == 1


async def one() -> int:
    return 1


def graph_of(body) -> orch.Graph:
    graph = orch.Graph()
    graph.add(body)
    return graph


def test_others_on_the_loop_have_their_turn():
    async def main() -> int:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(other())
        graph = orch.Graph()
        for nth in range(20_000):
            graph.add(one, id=f"t{nth}", after=f"t{nth - 1}" if nth else ())
        report = await orch.run(graph)
        beside.cancel()
        return turns if report.makespan > 0.01 else 5

    assert asyncio.run(main()) >= 4


def test_debug_mode_of_asyncio():
    async def main() -> orch.Report:
        return await orch.run(graph_of(one))

    assert asyncio.run(main(), debug=True)["one"] == 1


def test_a_task_factory_of_the_program_is_used():
    made = []

    def factory(loop, coroutine, **options):
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def main() -> orch.Report:
        asyncio.get_running_loop().set_task_factory(factory)
        return await orch.run(graph_of(one))

    assert asyncio.run(main())["one"] == 1
    assert made


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="eager tasks came with 3.12")
def test_eager_tasks():
    async def waits() -> int:
        await asyncio.sleep(0)
        return 1

    async def main() -> orch.Report:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        graph = orch.Graph()
        for nth in range(100):
            graph.add(waits if nth % 3 else one, id=f"t{nth}", after=f"t{nth // 2}" if nth > 1 else ())
        return await orch.run(graph)

    assert asyncio.run(main()).state == "succeeded"


def test_uvloop():
    uvloop = pytest.importorskip("uvloop")
    loop = uvloop.new_event_loop()

    async def waits(one: int) -> int:
        await asyncio.sleep(0.001)
        return one + 1

    graph = graph_of(one)
    graph.add(waits)
    graph.add(lambda waits: waits + 1, id="plain")
    try:
        assert loop.run_until_complete(orch.run(graph))["plain"] == 3
    finally:
        loop.close()


def test_nothing_of_a_run_is_left():
    class Value:
        pass

    async def make() -> Value:
        await asyncio.sleep(0)
        return Value()

    seen: list[weakref.ref[Value]] = []

    async def take(make: Value) -> None:
        seen.append(weakref.ref(make))

    async def main() -> None:
        graph = graph_of(make)
        graph.add(take)
        for _ in range(3):
            await orch.run(graph)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    gc.disable()
    try:
        asyncio.run(main())
        assert [reference() for reference in seen] == [None] * 3, "without the collector of cycles"
    finally:
        gc.enable()
