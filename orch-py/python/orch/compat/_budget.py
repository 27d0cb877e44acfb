"""A budget for each month in a file, and the flow of analysis and coding within it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict

from orch import _orch
from orch._errors import TaskFailed
from orch.compat._discord import DiscordNotifier

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
    """The highest milestone that this execution reached; the file has all of them."""
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


class BudgetTracker:
    """The budget of each month (UTC), kept in a JSON file, ``token_budget.json``: fifteen dollars, with milestones at 5, 10
    and 15.

    The file is read anew at each call and written as a whole, while no other process that uses it in this way writes it. It
    does what the scripts did, which reserve nothing: executions that begin at once may together pass the budget. A run with
    ``orch.run(graph, budget=...)`` does not.

    :param budget_file: the file. If it is not there, nothing is spent yet; it is made when something is recorded.

    When a month is over, whichever call finds it so tells the recap, once, by :class:`DiscordNotifier`.

    A file that is damaged, or that was left with the marks of a merge conflict, raises :class:`orch.Corrupt` and stays as
    it is, at each call: it never becomes a fresh budget. A file of another form raises :class:`orch.InvalidFormat`.

    >>> from orch.compat import BudgetTracker
    >>> tracker = BudgetTracker("token_budget.json")
    >>> tracker.check_budget_available()
    (True, 15.0)
    >>> tracker.record_execution(2000, 1500, 2500, 4000)["total_cost"]
    0.031275
    >>> tracker.get_budget_status()["remaining"]
    14.968725
    """

    def __init__(self, budget_file: str | os.PathLike[str]) -> None:
        self.budget_file = budget_file
        self._file = _orch.BudgetFile(budget_file)
        self._check()

    def check_budget_available(self) -> tuple[bool, float]:
        """Whether what remains is enough for one more execution, and how much remains, in dollars."""
        stands = self._check()
        return stands["available"], stands["remaining"]

    def record_execution(
        self,
        claude_input_tokens: int,
        claude_output_tokens: int,
        openai_input_tokens: int,
        openai_output_tokens: int,
        pr_created: bool = False,
    ) -> CostInfo:
        """Books one execution."""
        claude, openai = (claude_input_tokens, claude_output_tokens), (openai_input_tokens, openai_output_tokens)
        return self._record(claude, openai, pr_created)[0]

    def get_budget_status(self) -> BudgetStatus:
        """How the budget of this month (UTC) stands."""
        stands = self._check()
        month = stands["month"]
        return {
            "total_spent": month["total_spent"],
            "remaining": stands["remaining"],
            "executions": month["executions"],
            "prs_generated": month["prs_generated"],
            "milestones_reached": month["milestones_reached"],
            "current_month": month["current_month"],
        }

    def _check(self) -> dict[str, Any]:
        stands = self._file.check()
        self._tell(stands["over"])
        return stands

    def _record(self, claude: tuple[int, int], openai: tuple[int, int], pr: bool) -> tuple[CostInfo, list[float]]:
        """Also all milestones that it reached."""
        recorded, over = self._file.record(claude, openai, pr)
        self._tell(over)
        crossed: list[float] = recorded.pop("milestones_crossed")
        recorded["milestone_reached"] = crossed[-1] if crossed else None
        info: CostInfo = recorded  # type: ignore[assignment]
        return info, crossed

    def _tell(self, over: dict[str, Any] | None) -> None:
        if over is not None:
            DiscordNotifier().send_monthly_recap(over)


def _repository() -> Path:
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


class AIOrchestrator:
    """Analysis by one model and code by another, within the budget of the month; Discord is told of it.

    The budget is in ``token_budget.json`` of the repository that the working directory belongs to, else of the working
    directory; the webhook is in ``DISCORD_WEBHOOK_URL``. An execution that fails has been paid for: what it had used by
    then is recorded.

    The models are asked by HTTP, with the keys in ``ANTHROPIC_API_KEY`` and ``OPENAI_API_KEY``. Busy servers are asked
    again after as long as they say. :attr:`models` says which models, and where; a class of your own may have others, or do
    the two steps in another way: each answers a text, and the tokens in and out that it took.

    >>> from orch.compat import AIOrchestrator
    >>> class Own(AIOrchestrator):
    ...     def execute_analysis_with_claude(self, task, /):
    ...         return f"specification of {task}", 2_000, 1_500
    ...     def execute_coding_with_gpt4o_mini(self, specification, /):
    ...         return f"code for {specification}", 2_500, 4_000
    >>> orchestrator = Own()
    >>> orchestrator.can_execute()
    (True, 'Budget available. Remaining: $15.00')
    >>> done = orchestrator.execute_full_workflow("login")
    [DISCORD] 🚀 AI Orchestration - Execution Started - Execution #: 1, Budget Remaining: $15.00
    [DISCORD] ✅ AI Orchestration - Execution Complete - Execution #: 1, Cost: $0.0313, PR Status: No PR created, ...
    >>> done["code"], done["cost_info"]["total_cost"]
    ('code for specification of login', 0.031275)
    """

    models: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "claude": {"api": "anthropic", "model": "claude-3-5-sonnet-20241022"},
        "gpt4o_mini": {"api": "openai_chat", "model": "gpt-4o-mini"},
    }
    """The two models, as tables ``[models.NAME]`` of ``orch.toml``: also ``base_url``, ``key_env``, ``max_output``,
    ``timeout_ms``, ``retries``, ``fallback`` and, for a server of one's own, ``local``."""

    def __init__(self) -> None:
        self.notifier = DiscordNotifier()
        self.budget_tracker = BudgetTracker(_repository() / "token_budget.json")

    def can_execute(self) -> tuple[bool, str]:
        """Whether there is budget for one more execution, and a sentence that says so."""
        stands = self.budget_tracker._check()
        return stands["available"], stands["text"]

    def execute_analysis_with_claude(self, task: str, /) -> tuple[str, int, int]:
        """The specification of a task, and the tokens in and out that it took."""
        return self._ask("claude", "Write the technical specification of this task, and nothing else.", task)

    def execute_coding_with_gpt4o_mini(self, specification: str, /) -> tuple[str, int, int]:
        """The code for a specification, and the tokens in and out that it took."""
        return self._ask("gpt4o_mini", "Write the code for this specification, and nothing else.", specification)

    def execute_full_workflow(self, task: str) -> WorkflowSucceeded | WorkflowFailed:
        """Analysis, then code, then the booking of both. What goes wrong is in the answer."""
        tracker, tell = self.budget_tracker, self.notifier
        stands = tracker._check()
        month, spent = stands["month"], stands["month"]["total_spent"]
        if not stands["available"]:
            tell.send_budget_exceeded(spent, month["prs_generated"])
            return {"success": False, "error": stands["text"]}
        number = month["executions"] + 1
        tell.send_execution_start(number, stands["remaining"])
        used: list[tuple[int, int]] = []
        try:
            specification, taken, made = self.execute_analysis_with_claude(task)
            used.append((taken, made))
            code, taken, made = self.execute_coding_with_gpt4o_mini(specification)
            used.append((taken, made))
        except Exception as error:
            if isinstance(error, _StepFailed):
                used.append(error.used)
            if any(map(any, used)):
                # It has been paid for.
                self._recorded(used)
            tell.send_error(str(error), number)
            return {"success": False, "error": str(error)}
        cost = self._recorded(used)
        tell.send_execution_complete(number, cost["total_cost"], None, cost["remaining_budget"])
        return {"success": True, "specification": specification, "code": code, "cost_info": cost}

    def _recorded(self, used: list[tuple[int, int]]) -> CostInfo:
        claude, openai = (*used, (0, 0), (0, 0))[:2]
        cost, crossed = self.budget_tracker._record(claude, openai, False)
        for milestone in crossed:
            spent, prs = cost["total_spent"], cost["prs_generated"]
            self.notifier.send_milestone_notification(milestone, spent, prs, cost["executions"])
        return cost

    def _ask(self, name: str, system: str, prompt: str) -> tuple[str, int, int]:
        step = {"name": name, "models": [name], "ask": {"system": system, "prompt": "{task}"}}
        said = _orch.ask_models(self.models, [step], prompt)
        used = said["usage"]
        taken, made = sum(one["input"] for one in used), sum(one["output"] for one in used)
        failed = said.get("failed")
        if failed is not None:
            raise _StepFailed(failed[1], taken, made)
        return said["steps"][0][1]["text"], taken, made


class _StepFailed(TaskFailed):
    """A model did not answer, and what it took all the same."""

    def __init__(self, message: str, taken: int, made: int) -> None:
        super().__init__(message)
        self.used = taken, made
