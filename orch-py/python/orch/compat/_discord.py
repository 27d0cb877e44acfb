"""What Discord is told of executions and the budget."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from orch import _orch
from orch._errors import OrchError

if TYPE_CHECKING:
    from collections.abc import Mapping

_BUDGET: float = _orch.BudgetFile("token_budget.json").options()["budget"]
"""The scripts' budget of a month, in dollars."""


class DiscordNotifier:
    """Tells a Discord channel how executions and the budget go. Each method answers whether the message was taken.

    A busy server is waited for as long as it asks for, up to ten seconds. What could not be sent is tried again with the next
    message. :class:`orch.Notices` keeps messages in a store, where other processes send them.

    :param webhook_url: the address of the webhook. Default: ``DISCORD_WEBHOOK_URL``. Without one nothing is sent, and what
        would have been said is printed. It is a secret, which is shown nowhere. With ``ORCH_WEBHOOK_LOCAL=1`` it may be a
        server of this machine.

    >>> from orch.compat import DiscordNotifier
    >>> DiscordNotifier().send_execution_start(3, 14.9)
    [DISCORD] 🚀 AI Orchestration - Execution Started - Execution #: 3, Budget Remaining: $14.90
    False
    """

    def __init__(self, webhook_url: str | None = None) -> None:
        address = webhook_url if webhook_url is not None else os.environ.get("DISCORD_WEBHOOK_URL")
        self._notices: _orch.Notices | None = None
        if address is not None and address.strip():
            is_local = os.environ.get("ORCH_WEBHOOK_LOCAL") == "1"
            self._notices = _orch.Notices(None, [("discord", "discord", address)], is_local)

    def send_execution_start(self, n: int, remaining: float) -> bool:
        """An execution starts."""
        return self._send({"kind": "execution_started", "number": n, "remaining_usd": remaining})

    def send_execution_complete(self, n: int, cost: float, pr: int | None, remaining: float) -> bool:
        """An execution is complete, with or without a pull request."""
        told = {"kind": "execution_completed", "number": n, "cost_usd": cost, "pr": pr, "remaining_usd": remaining}
        return self._send(told)

    def send_milestone_notification(self, m: float, spent: float, prs: int, execs: int) -> bool:
        """So much of the budget is spent."""
        told = {"milestone_usd": m, "spent_usd": spent, "budget_usd": _BUDGET, "prs": prs, "executions": execs}
        return self._send({"kind": "milestone", **told})

    def send_budget_exceeded(self, spent: float, prs: int) -> bool:
        """The budget of the month is exhausted."""
        return self._send({"kind": "exhausted", "spent_usd": spent, "prs": prs})

    def send_monthly_recap(self, data: Mapping[str, Any]) -> bool:
        """What a month came to: an entry of the budget file's history, or the data of the file."""
        told = {
            "month": data.get("month") or data["current_month"],
            "spent_usd": data["total_spent"],
            "budget_usd": data.get("budget", _BUDGET),
            "prs": data["prs_generated"],
            "executions": data["executions"],
            "milestones": len(data["milestones_reached"]),
        }
        return self._send({"kind": "recap", **told})

    def send_error(self, msg: str, n: int | None = None) -> bool:
        """An execution failed."""
        return self._send({"kind": "error", "message": msg, "number": n})

    def _send(self, told: Mapping[str, Any]) -> bool:
        if self._notices is None:
            print(f"[DISCORD] {_line(_orch.payload('webhook', told))}")
            return False
        try:
            self._notices.put(str(uuid4()), told)
            _, later, dropped, why = self._notices.carry(10.0)
        except OrchError as error:
            print(f"[DISCORD] {error}")
            return False
        if why is not None:
            print(f"[DISCORD] {why}")
        return later + dropped == 0

    def __repr__(self) -> str:
        return "<orch.compat.DiscordNotifier>" if self._notices else "<orch.compat.DiscordNotifier without a webhook>"


def _line(payload: Mapping[str, Any]) -> str:
    facts = ", ".join(f"{fact['name']}: {fact['value']}" for fact in payload["fields"])
    return " - ".join(part for part in (payload["content"], payload["title"], payload["description"], facts) if part)
