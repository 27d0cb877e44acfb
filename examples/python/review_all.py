"""The review of examples/commands/review-all.json with coroutines instead of programs: one map, five reviews, one list.

python examples/python/review_all.py [folder]
"""

from __future__ import annotations

import asyncio
import pathlib
import sys

import orch

COMMAND = pathlib.Path(__file__).parents[1] / "commands" / "review-all.json"

Map = list[str]


async def lines_of(path: str) -> list[str]:
    """Stands in for the call of a model: something to wait for."""
    text = await asyncio.to_thread(pathlib.Path(path).read_text, encoding="utf-8", errors="replace")
    return text.splitlines()


def analyzer(folder: str) -> Map:
    """Plain functions run on threads."""
    return sorted(str(path) for path in pathlib.Path(folder).rglob("*.py") if ".venv" not in path.parts)


async def longest(code_map: Map) -> str:
    """A parameter that is called like an input of the definition is given its value."""
    sizes = [(len(await lines_of(path)), path) for path in code_map]
    size, path = max(sizes, default=(0, "nothing"))
    return f"{path} has {size} lines"


def mentions(word: str) -> object:
    """A reviewer that counts lines with a word."""

    async def review(code_map: Map) -> str:
        count = 0
        for path in code_map:
            count += sum(word in line for line in await lines_of(path))
        return f"{count} lines mention {word!r}"

    return review


async def rank(context: orch.Context) -> list[str]:
    """What is asked for by nobody else is the context: here all results of the tasks before."""
    return [f"{task}: {finding}" for task, finding in context.results.items()]


async def main() -> None:
    folder = sys.argv[1] if len(sys.argv) > 1 else str(pathlib.Path(__file__).parents[1])
    agents = {
        "codebase-analyzer": lambda: analyzer(folder),
        "senior-reviewer": reviewer,
        "security-specialist": mentions("eval"),
        "performance-optimizer": mentions("sleep"),
        "frontend-engineer": mentions("html"),
        "documentation-expert": mentions('"""'),
    }
    graph = orch.load(COMMAND, agents)  # type: ignore[arg-type]
    run = orch.start(graph, max_parallel=4)
    async for event in run:
        if event.name == "task_finished":
            print(f"{event.at * 1000:6.1f} ms  {event.task}")
    report = await run
    for finding in report["rank-findings"]:
        print(finding)
    print(report)


async def reviewer(context: orch.Context) -> object:
    """One agent may do several tasks."""
    if context.id == "rank-findings":
        return await rank(context)
    return await longest(context.inputs["code_map"])


if __name__ == "__main__":
    asyncio.run(main())
