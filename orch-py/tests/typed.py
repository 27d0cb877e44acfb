"""What type checkers know: checked by mypy and pyright in `test_types.py`, not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orch  # noqa: TC001 - as in a program

if TYPE_CHECKING:
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
