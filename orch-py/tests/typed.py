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
