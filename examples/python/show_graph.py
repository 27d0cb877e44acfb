"""What a notebook shows of a graph: cells that end in a graph, a plan or a report draw it. As a script it writes a page.

python examples/python/show_graph.py [page.html]
"""

# %% A graph: parameters that are called like tasks are given their results.
from __future__ import annotations

import asyncio
import sys

import orch

graph = orch.Graph("release-notes")


@graph.task(retries=2, timeout=30, estimate=2)
async def collect() -> list[str]:
    await asyncio.sleep(0.02)
    return ["faster", "smaller"]


@graph.task(estimate=5)
async def draft(collect: list[str]) -> str:
    await asyncio.sleep(0.03)
    return " and ".join(collect)


@graph.task(estimate=1)
def links(collect: list[str]) -> int:
    return len(collect)


@graph.task(claims="site")
async def publish(draft: str, links: int) -> str:
    return f"{draft}, {links} links"


# %% In a notebook this cell draws the graph.
graph

# %% The plan: what follows from the graph alone.
plan = graph.plan(max_parallel=2)
print(plan)
print("critical path:", " → ".join(plan.critical_path))
print(f"two at once: {plan.forecast().makespan:.0f} s")

# %% A run. In a notebook it is `await orch.run(graph)`.
report = orch.run_sync(graph, max_parallel=2)
print(report[publish])
print(report.to_text())

# %% The same as Mermaid, for a README, and as a page.
print(graph.to_mermaid())
if len(sys.argv) > 1:
    report.to_html(sys.argv[1])
