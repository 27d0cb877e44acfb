"""Tasks in worktrees of git, and what their tokens cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from orch import _orch
from orch.compat._coming import Coming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class TokenCostTracker:
    """Tokens used so far, in ``.worktree-cache/token_usage.json``, and their price: half of them as input at 0.015, half as
    output at 0.075 dollars per 1,000.

    >>> import asyncio
    >>> from orch.compat import TokenCostTracker
    >>> tracker = TokenCostTracker()
    >>> asyncio.run(tracker.get_current_usage()), tracker.calculate_cost(2_000)
    (0, 0.09)
    """

    def __init__(self) -> None:
        self.cost_file = Path(".worktree-cache") / "token_usage.json"

    async def get_current_usage(self) -> int:
        """The tokens used so far; 0 if there is no file. Raises :class:`orch.Corrupt` for a file that does not say."""
        return _orch.tokens_used(self.cost_file)

    def calculate_cost(self, tokens: int) -> float:
        """What so many tokens cost, in dollars."""
        return _orch.tokens_cost(tokens)


class OptimizedWorktreeManager(Coming):
    """Runs commands at once, each in the worktree of its type and branch.

    A task is a mapping with ``type``, ``command`` and, where it is not ``main``, ``branch``. Not built yet.
    """

    _part = "worktrees"
    _until = (
        "run the commands as a graph with `orch.run(graph, max_parallel=6, on_failure='continue')`, "
        "as examples/python/parallel_tasks.py does; a claim for each worktree keeps two tasks of one apart"
    )

    def __init__(self) -> None:
        raise self._not_built()

    async def execute_parallel_tasks(self, tasks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Runs all tasks, at most six at once.

        Answers ``results``, of each ``task``, ``result``, ``tokens_used`` and ``cost``, and a ``summary``.
        """
        raise self._not_built()

    def group_tasks_by_type(self, tasks: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
        """The tasks of each type; those without one are ``general``."""
        raise self._not_built()

    async def execute_in_worktree(self, task: Mapping[str, Any]) -> dict[str, Any]:
        """Runs one task in its worktree.

        Answers ``success``, ``stdout``, ``stderr`` and ``returncode``; a known result may be up to 3,600 seconds old.
        """
        raise self._not_built()

    def generate_cost_report(self, metrics: Mapping[str, Any]) -> None:
        """Writes ``reports/orchestration/cost_report.json``."""
        raise self._not_built()

    def generate_recommendations(self, metrics: Mapping[str, Any]) -> list[str]:
        """What would make such tasks cheaper."""
        raise self._not_built()
