"""Tasks in worktrees of git, and what their tokens cost."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from orch import _orch
from orch._errors import InvalidValue
from orch.compat._argv import argv_of
from orch.compat._program import NoWorktree, TaskOutcome, all_or_none, in_worktree, never_began, run_program, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class TrackedTask(TypedDict):
    """What became of a task, and what it used: it alone."""

    task: Mapping[str, Any]
    result: TaskOutcome
    tokens_used: int
    cost: float
    """In dollars."""


class BatchSummary(TypedDict):
    """What became of all tasks."""

    total_tasks: int
    successful: int
    total_cost: float
    """In dollars."""
    duration: float
    """In seconds."""


class BatchOutcome(TypedDict):
    """What :meth:`OptimizedWorktreeManager.execute_parallel_tasks` answers."""

    results: list[TrackedTask]
    """In the order of the tasks."""
    summary: BatchSummary


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


FRESH = 3600
"""For how many seconds a result is known."""


class OptimizedWorktreeManager:
    """Runs commands at once, each in the worktree of its type and branch.

    A task is a mapping with ``command``, and where they matter ``type`` (``general``), ``branch`` (``main``, or where the
    repository has none the one that work is brought into) and ``force_refresh``. A command is a list of arguments, or a
    text that is split as a shell would: no shell runs it, so pipes and ``&&`` need ``["sh", "-c", ...]``.

    The worktree of a task is called ``{type}-{branch}`` and lies beside the repository that the working directory belongs to,
    in ``NAME.worktrees``, on a branch of its own, ``worktree/{type}-{branch}``. It is made when it is first needed. Later
    it is moved on to where the task's branch stands, unless something of its own is in it; nothing in it is ever discarded.
    Two tasks of one worktree run in it one after the other, whatever process they come from. A task that does not get its
    worktree fails; it never runs in the main one.

    A result is known for an hour (in ``.worktree-cache``), as long as the commit in the worktree is the same and nothing in it
    is changed. A failure is not kept.

    The tokens of a task are those that its program says it used: on its standard output, in a form that
    :func:`orch.usage` reads, or in the file that ``ORCH_TOKEN_FILE`` names, as ``{"total_tokens": 1200}``. They are added to
    ``.worktree-cache/token_usage.json``.

    >>> import asyncio, sys
    >>> from orch.compat import OptimizedWorktreeManager
    >>> async def main():
    ...     manager = OptimizedWorktreeManager()
    ...     hello = {"type": "test", "command": [sys.executable, "-c", "print('hello')"]}
    ...     return await manager.execute_parallel_tasks([hello])
    >>> done = asyncio.run(main())  # doctest: +SKIP
    >>> done["results"][0]["result"]["stdout"]  # doctest: +SKIP
    'hello\\n'
    """

    def __init__(self) -> None:
        self.max_concurrent = 6
        self.worktrees: dict[str, Path] = {}
        """Where the worktrees are that tasks have used."""
        self.cost_tracker = TokenCostTracker()
        self.cache_dir = Path(".worktree-cache")

    async def execute_parallel_tasks(self, tasks: Sequence[Mapping[str, Any]]) -> BatchOutcome:
        """Runs all tasks, at most :attr:`max_concurrent` at once, and writes the cost report. Those that fail do not stop the
        others.

        Raises :class:`orch.InvalidValue` for a task that has no command, before any begins.
        """
        wanted = [_Wanted.of(task) for task in tasks]
        repository = await self._repository()
        turns: dict[str, list[int]] = {}
        for nth, one in enumerate(wanted):
            turns.setdefault(one.name, []).append(nth)
        ran: dict[int, tuple[TaskOutcome, int]] = {}
        free = asyncio.Semaphore(self.max_concurrent)

        async def in_turn(numbers: list[int]) -> None:
            for nth in numbers:
                ran[nth] = await self._run(repository, wanted[nth], free)

        began = time.monotonic()
        await all_or_none([in_turn(numbers) for numbers in turns.values()])
        seconds = time.monotonic() - began
        results: list[TrackedTask] = []
        for nth, task in enumerate(tasks):
            result, tokens = ran[nth]
            cost = self.cost_tracker.calculate_cost(tokens)
            results.append({"task": task, "result": result, "tokens_used": tokens, "cost": cost})
        metrics = _orch.batch_costs([(one["result"]["success"], one["tokens_used"]) for one in results], seconds)
        self.generate_cost_report(metrics)
        summary: BatchSummary = {
            "total_tasks": metrics["tasks_executed"],
            "successful": metrics["successful_tasks"],
            "total_cost": metrics["total_cost"],
            "duration": metrics["duration_seconds"],
        }
        return {"results": results, "summary": summary}

    def group_tasks_by_type(self, tasks: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
        """The tasks of each type; those without one are ``general``."""
        grouped: dict[str, list[Mapping[str, Any]]] = {}
        for task in tasks:
            grouped.setdefault(task.get("type", "general"), []).append(task)
        return grouped

    async def execute_in_worktree(self, task: Mapping[str, Any]) -> TaskOutcome:
        """Runs one task in its worktree, or answers what is known of it."""
        repository = await self._repository()
        return (await self._run(repository, _Wanted.of(task), asyncio.Semaphore(1)))[0]

    def generate_cost_report(self, metrics: Mapping[str, Any]) -> None:
        """Writes ``reports/orchestration/cost_report.json``, as a whole."""
        write_json(Path("reports") / "orchestration" / "cost_report.json", _orch.batch_report(metrics))

    def generate_recommendations(self, metrics: Mapping[str, Any]) -> list[str]:
        """What would make such tasks cheaper or quicker. ``metrics`` needs ``average_cost_per_task`` in dollars and
        ``total_tokens``; ``duration_seconds`` may be there."""
        return _orch.batch_advice(metrics)

    async def _repository(self) -> _orch.Worktrees:
        return await asyncio.to_thread(_orch.Worktrees, Path.cwd())

    async def _run(self, repository: _orch.Worktrees, wanted: _Wanted, free: asyncio.Semaphore) -> tuple[TaskOutcome, int]:
        """What became of it, and the tokens that it used."""
        try:
            return await in_worktree(lambda: wanted.take(repository), free, lambda lease: self._run_in(lease, wanted))
        except NoWorktree as error:
            return never_began(str(error)), 0

    async def _run_in(self, lease: _orch.Lease, wanted: _Wanted) -> tuple[TaskOutcome, int]:
        self.worktrees[wanted.name] = lease.path
        # What was changed there is in no key: then nothing is known, and nothing becomes known.
        place = self._place(wanted, lease.head) if lease.clean else None
        if place is not None and not wanted.refresh:
            known = _known(place)
            if known is not None:
                return known, 0
        with tempfile.TemporaryDirectory(prefix="orch-tokens-") as folder:
            said = Path(folder) / "token_usage.json"
            result = await run_program(wanted.argv, lease.path, {"ORCH_TOKEN_FILE": str(said), **wanted.variables(lease)})
            tokens = _orch.tokens_used(said) or _orch.tokens_said(_valid(result["stdout"]))
        if tokens:
            self._folder()
            _orch.tokens_add(self.cost_tracker.cost_file, tokens)
        if place is not None and result["success"]:
            self._folder()
            write_json(place, result)
        return result, tokens

    def _place(self, wanted: _Wanted, commit: str) -> Path:
        """Where the result is known of that task at that commit."""
        text = json.dumps({"task": wanted.asked, "commit": commit}, sort_keys=True, default=str)
        # It names a file, and keeps no secret.
        name = hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
        return self.cache_dir / f"{name}.json"

    def _folder(self) -> None:
        """The folder of the cache, which nobody commits."""
        self.cache_dir.mkdir(parents=True, exist_ok=True)
        self.cost_tracker.cost_file.parent.mkdir(parents=True, exist_ok=True)
        ignored = self.cache_dir / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n", encoding="utf-8")


class _Wanted:
    """A task as it was asked for."""

    def __init__(self, kind: str, branch: str | None, argv: list[str], refresh: bool, asked: dict[str, Any]) -> None:
        self.kind = kind
        self.branch = branch
        self.argv = argv
        self.refresh = refresh
        self.asked = asked
        self.name = f"{kind}-{branch or 'main'}"

    @classmethod
    def of(cls, task: Mapping[str, Any]) -> _Wanted:
        kind, branch = task.get("type") or "general", task.get("branch")
        for key, value in (("type", kind), ("branch", branch or "main")):
            if not isinstance(value, str):
                raise InvalidValue(f"`{key}` of a task must be a text, not {value!r}")
        # Whether it is to be run anew does not make it another task.
        asked = {key: value for key, value in task.items() if key != "force_refresh"}
        return cls(kind, branch or None, argv_of(task.get("command")), bool(task.get("force_refresh")), asked)

    def take(self, repository: _orch.Worktrees) -> _orch.Lease | None:
        purpose = f"tasks of type {self.kind} on {self.branch or 'main'}"
        return repository.take(self.name, self.branch, purpose, (" ".join(self.argv)[:200], self.kind))

    def variables(self, lease: _orch.Lease) -> dict[str, str]:
        return {"ORCH_WORKTREE": str(lease.path), "ORCH_WORKTREE_NAME": lease.name, "ORCH_TASK_TYPE": self.kind}


def _known(place: Path) -> TaskOutcome | None:
    try:
        if not 0 <= time.time() - place.stat().st_mtime < FRESH:
            return None
        known = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # What cannot be read is not known.
        return None
    kinds = {"success": bool, "stdout": str, "stderr": str, "returncode": int}
    is_one = isinstance(known, dict) and all(isinstance(known.get(key), kind) for key, kind in kinds.items())
    if not is_one or not known["success"]:
        # Scripts kept failures, too.
        return None
    return {key: known[key] for key in kinds}  # type: ignore[return-value]


def _valid(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
