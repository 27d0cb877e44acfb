"""What runs share: locks, circuit breakers, prices."""

from __future__ import annotations

import asyncio
import threading

import pytest

import orch


async def running(run: orch.Run) -> list[orch.Event]:
    return [event async for event in run]


def test_runs_of_one_engine_claim_by_the_same_locks():
    order: list[str] = []
    inside = asyncio.Event()

    def graph(name: str, then: asyncio.Event | None) -> orch.Graph:
        graph = orch.Graph(name)

        async def deploy(context: orch.Context) -> int | None:
            order.append(f"{name} begins")
            inside.set()
            if then is not None:
                await then.wait()
            order.append(f"{name} ends")
            return context.fence

        graph.add(deploy, claims="site")
        return graph

    async def main() -> None:
        engine, go = orch.Engine(), asyncio.Event()
        first = orch.start(graph("first", go), engine=engine)
        await inside.wait()
        second = orch.start(graph("second", None), engine=engine)
        async for event in second:
            if event.name == "task_waits":
                assert event.data["resource"] == "site"
                assert engine.resource("site")[1] == 1
                go.set()
        one, two = await first, await second
        assert order == ["first begins", "first ends", "second begins", "second ends"]
        assert one["deploy"] < two["deploy"]

    asyncio.run(main())


def test_a_caller_holds_what_a_task_waits_for():
    graph = orch.Graph()

    @graph.task(claims="site")
    async def deploy() -> int:
        return 1

    async def main() -> None:
        engine = orch.Engine()
        async with engine.lock("site", owner="an operator") as held:
            assert held.fence > 0
            assert engine.resource("site") == (["an operator"], 0)
            run = orch.start(graph, engine=engine)
            async for event in run:
                if event.name == "task_waits":
                    assert event.data["holder"] == "an operator"
                    break
        assert (await run)[deploy] == 1
        with pytest.raises(orch.Misuse, match="nothing is held"):
            _ = held.fence

    asyncio.run(main())


def test_callers_wait_for_each_other():
    engine = orch.Engine()
    got: list[str] = []

    async def main() -> None:
        async def second() -> None:
            async with engine.lock("a", orch.Claim("b")):
                got.append("second")

        async with engine.lock("b"):
            waits = asyncio.create_task(second())
            while engine.resource("b")[1] == 0:  # noqa: ASYNC110 - it waits without telling anybody
                await asyncio.sleep(0)
            assert got == []
        await waits
        # Who gives up waiting is out of the queue.
        async with engine.lock("b"):
            waits = asyncio.create_task(second())
            while engine.resource("b")[1] == 0:  # noqa: ASYNC110 - it waits without telling anybody
                await asyncio.sleep(0)
            waits.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waits
            assert engine.resource("b")[1] == 0
        with pytest.raises(orch.LockTimeout):
            async with engine.lock("b"), engine.lock("b", wait=0, owner="another"):
                pass

    asyncio.run(main())
    assert got == ["second"]
    assert engine.resource("a") == ([], 0)


def test_threads_wait_too():
    engine, got = orch.Engine(), []

    def wants() -> None:
        with engine.lock("a", wait=None):
            got.append(threading.current_thread().name)

    with engine.lock("a") as held:
        thread = threading.Thread(target=wants, name="the other")
        thread.start()
        while engine.resource("a")[1] == 0:
            pass
        with pytest.raises(orch.Misuse, match="held already"), held:
            pass
        held.renew()
        assert got == []
    thread.join(10)
    assert got == ["the other"]


def test_claims_that_no_lock_can_grant():
    engine = orch.Engine()
    with pytest.raises(orch.InvalidValue, match="units"), engine.lock(orch.Claim("a", units=0)):
        pass
    with pytest.raises(orch.InvalidValue, match="half a character"), engine.lock("\ud800"):
        pass
    with pytest.raises(orch.InvalidValue, match="`lease` is -1"):
        engine.lock(orch.Claim("a", lease=-1))


def broken(breaker: str, **options: object) -> orch.Graph:
    graph = orch.Graph("calls")
    graph.breaker(breaker, failures=1, **options)  # type: ignore[arg-type]

    @graph.task(breaker=breaker)
    async def fetch() -> None:
        raise OSError("503")

    return graph


def test_runs_of_one_engine_share_circuit_breakers():
    engine = orch.Engine()
    assert engine.breakers == {}
    orch.run_sync(broken("crm"), engine=engine, check=False)
    stands = engine.breakers["crm"]
    assert (stands.state, stands.why) == ("open", "OSError: 503")
    assert stands.probe_in is not None
    assert 0 < stands.probe_in <= 60

    second = orch.run_sync(broken("crm", when_open="fail"), engine=engine, check=False)
    assert "circuit breaker `crm` is open" in str(second.task("fetch").message)
    assert engine.reset_breaker("crm")
    assert not engine.reset_breaker("erp")
    assert engine.breakers["crm"].state == "closed"
    # Without the engine a run has breakers of its own.
    assert orch.run_sync(broken("crm", when_open="fail"), check=False).task("fetch").message == "OSError: 503"


def test_usage_is_added_up_and_priced():
    graph = orch.Graph()

    @graph.task(retries=orch.Retry(attempts=2, delay=0))
    async def draft(context: orch.Context) -> None:
        context.used("house", input=1_000_000, cache_read=500_000)
        context.used("house", output=1_000, requests=0)
        if context.attempt == 1:
            raise ValueError("a failed attempt costs too")

    @graph.task
    def plain(context: orch.Context) -> str:
        context.used("other", input=1, billed_usd=0.25)
        return "text"

    engine = orch.Engine(
        prices={"house-model": {"input": 3.0, "output": 15.0, "cache_read": 0.5}}, aliases={"house": "house-model"}
    )
    report = orch.run_sync(graph, engine=engine)
    house = orch.ModelUsage("house", input=2_000_000, output=2_000, cache_read=1_000_000, requests=2)
    assert report.task("draft").usage == (house,)
    assert report.task("draft").cost_usd == pytest.approx(2 * (1.5 + 0.25 + 0.015))
    assert report.task("plain").usage == (orch.ModelUsage("other", input=1, requests=1, billed_usd=0.25),)
    assert set(report.usage) == {house, *report.task("plain").usage}
    assert report.cost_usd == pytest.approx(3.78)
    assert "2002001 tokens" in str(report)


def test_published_prices_are_known():
    graph = orch.Graph()

    @graph.task
    async def draft(context: orch.Context) -> None:
        context.used("claude-sonnet-4-5", input=4_000, output=800)

    assert orch.run_sync(graph).cost_usd == pytest.approx(0.024)


@pytest.mark.parametrize(
    "wrong", [{"input": -1}, {"input": 1.5}, {"output": "many"}, {"model": "\ud800"}, {"model": 3}, {"billed_usd": "free"}]
)
def test_usage_that_is_none_is_an_error_where_it_is_said(wrong):
    graph = orch.Graph()

    @graph.task
    async def draft(context: orch.Context) -> None:
        with pytest.raises((orch.InvalidValue, TypeError)):
            context.used(**{"model": "m", **wrong})

    report = orch.run_sync(graph)
    assert report.usage == ()


def test_usage_of_an_attempt_that_is_over_is_nobodys():
    graph, contexts = orch.Graph(), []

    @graph.task
    async def first(context: orch.Context) -> None:
        contexts.append(context)

    @graph.task(after=first)
    async def second() -> None:
        contexts[0].used("m", input=5)

    assert orch.run_sync(graph).usage == ()
