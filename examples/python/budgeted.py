"""Agents within a budget: what a run will cost before it starts, what each agent really cost, and what is refused.

python examples/python/budgeted.py [runs.db]

The agents answer what Anthropic and OpenAI answered, without a network; models, tokens and prices are real.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from decimal import Decimal
from typing import Any

import orch

SONNET, MINI = "claude-3-5-sonnet-20241022", "gpt-4o-mini"
AREAS = ("api", "parser", "store", "docs")


def anthropic(tokens: tuple[int, int]) -> dict[str, Any]:
    """An answer of the Messages API."""
    taken, made = tokens
    return {"type": "message", "model": SONNET, "usage": {"input_tokens": taken, "output_tokens": made}}


def openai(tokens: tuple[int, int]) -> dict[str, Any]:
    """An answer of chat completions."""
    taken, made = tokens
    usage = {"prompt_tokens": taken, "completion_tokens": made, "total_tokens": taken + made}
    return {"object": "chat.completion", "model": MINI, "usage": usage}


def flow() -> orch.Graph:
    """A specification and code for each area, by two agents, as the scripts did it that orch replaces."""
    graph = orch.Graph("four features")
    for area in AREAS:

        async def specify(context: orch.Context, area: str) -> str:
            # Longer where there is more to say: not what was expected, and never more.
            context.charge(anthropic((1_900, 900 + 100 * len(area))))
            return f"specification of {area}"

        async def code(context: orch.Context) -> str:
            context.charge(openai((2_400, 3_900)))
            return "code"

        specified = graph.add(
            specify,
            id=f"specify-{area}",
            args={"area": area},
            agent="analyst",
            expects={SONNET: (2_000, 1_500)},
        )
        graph.add(code, id=f"code-{area}", after=specified, agent="coder", expects={MINI: (2_500, 4_000)})
    return graph


def main(path: str) -> None:
    graph, month = flow(), orch.Limit(usd="0.15", per="month", name="month", milestones=["0.05", "0.10"])
    plan = graph.plan()
    print(f"before it runs: ${plan.cost.usd} at most")
    ledger = orch.Ledger(path, month)
    for nth in (1, 2):
        report = orch.run_sync(graph, store=path, budget=ledger, on_failure="continue", check=False)
        print(f"\nrun {nth} {report.state}: {report.counts.succeeded} of {len(report)} tasks, ${report.cost_usd:.6f}")
        expected: defaultdict[str, Decimal] = defaultdict(Decimal)
        for task in report:
            if task.state == "succeeded":
                expected["analyst" if task.id.startswith("specify") else "coder"] += plan.cost_of(task.id) or 0
        for cost in ledger.costs(by="agent", only={"run": str(report.run)}):
            agent = str(cost.of["agent"])
            print(f"  {agent:8} ${cost.usd:<10} expected ${expected[agent]}, {cost.charges} charges")
        refused = [task for task in report if task.state == "failed"]
        if refused:
            print(f"  {len(refused)} refused: {refused[0].message}")
    (state,) = ledger.budgets()
    told = ", ".join(f"${usd}" for usd in state.reached)
    print(f"\nthe month: ${state.spent} of ${state.usd} spent, ${state.left} left, milestones {told}")
    print(f"the plan now, by what runs cost: ${graph.plan(store=path).cost.usd}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(f"{folder}/runs.db")
