"""What type checkers know: checked by mypy and pyright in `test_types.py`, not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orch  # noqa: TC001 - as in a program

if TYPE_CHECKING:
    from decimal import Decimal

    from typing_extensions import assert_type

    graph = orch.Graph("typed")

    @graph.task
    async def numbers() -> list[int]:
        return [1]

    @graph.task(retries=2, timeout=1.5, claims=["file", orch.Claim("db", mode="shared")])
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @graph.task(after=[numbers, "total"])
    async def last() -> None:
        pass

    named = graph.add(lambda: "text", id="named", after=total)

    spent = graph.add(lambda: 1, id="spent", agent="a", expects={"sonnet": (4_000, 800)})
    careful = graph.add(lambda: 1, id="careful", expects=[orch.ModelUsage("sonnet", input=1)])
    assert_type(graph.plan(store="runs.db").cost.usd, Decimal)
    assert_type(orch.Prices().price("sonnet", {"input": 1}, at="2026-02-01").usd, Decimal)
    assert_type(orch.usage("{}").models, tuple[orch.ModelUsage, ...])
    ledger = orch.Ledger("runs.db", [{"usd": 15, "per": "month", "milestones": [5, Decimal(10), "15"]}])
    assert_type(ledger.costs(by="agent")[0].usd, Decimal)
    assert_type(ledger.reserve(0.5, agent="a").settle("0.4"), orch.Booked)
    assert_type(orch.Notices(slack="https://example.org").send("hello"), orch.Delivery)
    for budget in (2.5, "2.50", Decimal("2.5"), ledger):
        orch.run_sync(graph, budget=budget, labels={"branch": "main"})
    orch.run_sync(graph, budget={"usd": 15, "each": ["branch"]})
    limit: orch.Limit = {"usd": 1}
    orch.run_sync(graph, budget=[limit])

    async def main() -> None:
        report = await orch.run(graph, max_parallel=6)
        assert_type(report, orch.Report)
        assert_type(report[numbers], list[int])
        assert_type(report[total], int)
        assert_type(report[named], str)
        assert_type(report.task(total).attempts, int)
        run = orch.start(graph)
        async for event in run:
            assert_type(event, orch.Event)
        assert_type(await run, orch.Report)
        assert_type(graph.plan().levels, list[list[str]])

    @orch.cached(ttl=3600)
    async def read(path: str, *, depth: int = 1) -> list[str]:
        return [path]

    @orch.cached
    def plain(number: int) -> str:
        return str(number)

    class Reader:
        @orch.cached
        def read(self, path: str) -> bytes:
            return path.encode()

    async def use(cache: orch.Cache) -> None:
        assert_type(await read("a", depth=2), list[str])
        assert_type(plain(1), str)
        assert_type(Reader().read("a"), bytes)
        assert_type(plain.invalidate(1), int)
        assert_type(plain.cache_info(), orch.CacheInfo)
        assert_type(cache.get_or_make("a", lambda: 1), int)
        plain("1")  # type: ignore[arg-type]
        await read(1)  # type: ignore[arg-type]
        await orch.run(graph, cache=cache)
