"""A budget for each month in a file, the flow of analysis and coding within it, and what Discord is told of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

from orch.compat._coming import Coming

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping


class CostInfo(TypedDict):
    """What one execution cost, in dollars, and how the budget stands after it."""

    claude_cost: float
    openai_cost: float
    total_cost: float
    total_spent: float
    remaining_budget: float
    milestone_reached: float | None
    executions: int
    prs_generated: int


class BudgetStatus(TypedDict):
    """How the budget of the month stands, in dollars."""

    total_spent: float
    remaining: float
    executions: int
    prs_generated: int
    milestones_reached: list[float]
    current_month: str


class WorkflowSucceeded(TypedDict):
    """What a workflow made and cost."""

    success: Literal[True]
    specification: str
    code: str
    cost_info: CostInfo


class WorkflowFailed(TypedDict):
    """Why a workflow made nothing."""

    success: Literal[False]
    error: str


class BudgetTracker(Coming):
    """The budget of each month, kept in a JSON file. Not built yet."""

    _part = "budgets and their files"
    _until = "`report.to_json()` of each run has what it cost, as its agents report it; keep the sum yourself"

    def __init__(self, budget_file: str | os.PathLike[str]) -> None:
        raise self._not_built()

    def check_budget_available(self) -> tuple[bool, float]:
        """Whether what remains is enough for one more execution, and how much remains, in dollars."""
        raise self._not_built()

    def record_execution(
        self,
        claude_input_tokens: int,
        claude_output_tokens: int,
        openai_input_tokens: int,
        openai_output_tokens: int,
        pr_created: bool = False,
    ) -> CostInfo:
        """Books one execution."""
        raise self._not_built()

    def get_budget_status(self) -> BudgetStatus:
        """How the budget of this month (UTC) stands."""
        raise self._not_built()


class AIOrchestrator(Coming):
    """Analysis by one model and code by another, within the budget. Not built yet."""

    _part = "budgets, and models as tasks"
    _until = "run the two command lines as tasks, with `orch.load(path, programs={...})`"

    def __init__(self) -> None:
        raise self._not_built()

    def can_execute(self) -> tuple[bool, str]:
        """Whether there is budget for one more execution, and a sentence that says so."""
        raise self._not_built()

    def execute_analysis_with_claude(self, task: str, /) -> Any:
        """The specification of a task."""
        raise self._not_built()

    def execute_coding_with_gpt4o_mini(self, specification: str, /) -> Any:
        """The code for a specification."""
        raise self._not_built()

    def execute_full_workflow(self, task: str) -> WorkflowSucceeded | WorkflowFailed:
        """Analysis, then code, then the booking of both."""
        raise self._not_built()


class DiscordNotifier(Coming):
    """Tells a Discord channel how executions and the budget go. Each method answers whether the message was taken.

    Not built yet.
    """

    _part = "notifications"
    _until = "send what you want to tell yourself, from `async for event in orch.start(graph)`"

    def __init__(self, webhook_url: str | None = None) -> None:
        raise self._not_built()

    def send_execution_start(self, n: int, remaining: float) -> bool:
        """An execution starts."""
        raise self._not_built()

    def send_execution_complete(self, n: int, cost: float, pr: int | None, remaining: float) -> bool:
        """An execution is complete, with or without a pull request."""
        raise self._not_built()

    def send_milestone_notification(self, m: float, spent: float, prs: int, execs: int) -> bool:
        """So much of the budget is spent."""
        raise self._not_built()

    def send_budget_exceeded(self, spent: float, prs: int) -> bool:
        """The budget of the month is exhausted."""
        raise self._not_built()

    def send_monthly_recap(self, data: Mapping[str, Any]) -> bool:
        """What a month came to: the data of its budget file."""
        raise self._not_built()

    def send_error(self, msg: str, n: int | None = None) -> bool:
        """An execution failed."""
        raise self._not_built()
