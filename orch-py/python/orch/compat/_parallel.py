"""Tasks dealt to the worktrees of a project, and how those stand."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from orch import _orch
from orch._errors import InvalidValue, OrchError
from orch.compat._argv import argv_of
from orch.compat._program import NoWorktree, TaskOutcome, all_or_none, in_worktree, never_began, run_program, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_log = logging.getLogger("orch.compat")

FOLDER = "worktrees"
"""Where the worktrees lie, from the working directory."""

CONFIG = ".worktree_config.json"

MARK = ".worktree"
"""What says in a worktree what it is for."""

SHOWN = 200
"""How much of a task's output is answered, in characters."""

WORKTREES: dict[str, dict[str, Any]] = {
    "puzzle-gen": {
        "branch": "worktree/puzzle-generation",
        "purpose": "Parallel puzzle generation",
        "primary_scripts": ["unified_sudoku_generator.py", "crossword_engine_v3.py"],
    },
    "pdf-gen": {
        "branch": "worktree/pdf-generation",
        "purpose": "Parallel PDF layout and generation",
        "primary_scripts": ["sudoku_pdf_layout_v2.py", "create_hardcover_package.py"],
    },
    "qa-validation": {
        "branch": "worktree/qa-validation",
        "purpose": "Parallel QA and validation",
        "primary_scripts": ["sudoku_qa_validator.py", "enhanced_qa_validator.py"],
    },
    "ci-fixes": {
        "branch": "worktree/ci-fixes",
        "purpose": "Autonomous CI problem resolution",
        "primary_scripts": ["autonomous_syntax_fixer.py", "ci_orchestrator_enhanced.py"],
    },
    "market-research": {
        "branch": "worktree/market-research",
        "purpose": "Parallel market analysis",
        "primary_scripts": ["market_research_auto_reviewer.py", "synthetic_market_research.py"],
    },
}
"""The worktrees of a project that names none."""


class Infrastructure(TypedDict):
    """What :meth:`AutonomousWorktreeManager.initialize_worktree_infrastructure` answers."""

    timestamp: str
    worktrees_created: int
    """How many of them are there now."""
    worktrees: list[str]
    max_parallel_tasks: int
    infrastructure_ready: bool
    """Whether all of them are there."""


class DistributedTask(TypedDict):
    """What became of a task."""

    worktree: str
    task: str
    success: bool
    output: str
    """The first 200 characters: of its standard output if it worked, else of its standard error."""


class WorktreeHealth(TypedDict):
    """``worktree_health.json``."""

    timestamp: str
    total_worktrees: int
    worktrees: list[dict[str, Any]]


def check_worktree_health() -> WorktreeHealth:
    """How all worktrees of the repository are that the working directory belongs to: written into
    ``reports/orchestration/worktree_health.json``, and answered.

    >>> from orch.compat import check_worktree_health
    >>> [one["path"] for one in check_worktree_health()["worktrees"] if one["health"] != "good"]  # doctest: +SKIP
    ['/src/shop.worktrees/pdf-gen']
    """
    health: WorktreeHealth = _orch.Worktrees(Path.cwd()).health()  # type: ignore[assignment]
    write_json(Path("reports") / "orchestration" / "worktree_health.json", health)
    return health


class AutonomousWorktreeManager:
    """Makes the worktrees that a project names, and deals tasks to them by type.

    They lie in ``worktrees/`` of the working directory, each on the branch that the configuration says. That is read in all
    four forms that the scripts had; a project without one gets ``.worktree_config.json`` when the worktrees are made. A
    task is a mapping with ``type``, ``name`` and ``command``: a list of arguments, or a text that is split as a shell would
    and that no shell runs.

    Whole words of the type decide where a task goes: ``ci`` is not in ``pricing``. What no word places goes to the
    worktrees in turn. A task that does not get its worktree fails; it never runs in the main one.

    >>> from orch.compat import AutonomousWorktreeManager
    >>> AutonomousWorktreeManager().max_worktrees >= 1
    True
    """

    def __init__(self) -> None:
        self.base_path = Path.cwd()
        self.worktrees_dir = self.base_path / FOLDER
        self.config_file = self.base_path / CONFIG
        cores = os.cpu_count()
        self.max_worktrees = 4 if cores is None else max(1, cores - 2)
        """How many tasks run at once: two cores are left for everything else."""

    async def initialize_worktree_infrastructure(self) -> Infrastructure:
        """Makes the worktrees that are not there yet. Those that cannot be made are logged and left out.

        In each there is ``.worktree`` then, which says what it is for and which git passes over. Links to scripts are not
        made: the scripts are in the worktree itself, as its branch has them.

        Raises :class:`orch.NotFound` outside of repositories, and :class:`orch.InvalidFormat` for a configuration that
        cannot be read.
        """
        return await asyncio.to_thread(self._initialize)

    def _initialize(self) -> Infrastructure:
        repository = self._repository()
        routes = _orch.Routes(self.base_path)
        if not routes.files:
            write_json(self.config_file, WORKTREES)
            routes = _orch.Routes(self.base_path)
        there = repository.names()
        wanted = [way["name"] for way in routes.ways()]
        ready = [way["name"] for way in routes.ways() if way["name"] in there or self._made(repository, way)]
        return {
            "timestamp": _now(),
            "worktrees_created": len(ready),
            "worktrees": ready,
            "max_parallel_tasks": self.max_worktrees,
            "infrastructure_ready": bool(wanted) and ready == wanted,
        }

    def _made(self, repository: _orch.Worktrees, way: Mapping[str, Any]) -> bool:
        try:
            lease = repository.take(way["name"], purpose=way["purpose"], own=way["branch"])
            # Without one somebody has made it meanwhile, and is at work there.
            if lease is not None:
                try:
                    repository.exclude(f"/{MARK}")
                    mark = {"purpose": way["purpose"], "created": _now(), "primary_scripts": way["scripts"]}
                    write_json(lease.path / MARK, mark)
                finally:
                    lease.end()
        except (OrchError, OSError) as error:
            _log.warning("the worktree %s could not be made: %s", way["name"], error)
            return False
        return True

    async def auto_distribute_tasks(self, tasks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Runs all tasks: in worktrees at once, at most :attr:`max_worktrees`, and in one worktree one after the other.

        Answers ``{timestamp, total_tasks, distribution, results}``: how many went to each worktree, and a
        :class:`DistributedTask` each, in the order of the tasks. Where no worktrees are configured it answers ``{error}``.

        Raises :class:`orch.InvalidValue` for a task that has no command, before any begins.
        """
        return (await self._distribute(tasks))[0]

    async def _distribute(self, tasks: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[tuple[float, float]]]:
        """What it answers, and when each task began and ended."""
        commands = [argv_of(task.get("command")) for task in tasks]
        kinds = [_text(task, "type", "general") for task in tasks]
        names = [_text(task, "name", "unnamed") for task in tasks]
        repository = await asyncio.to_thread(self._repository)
        routes = await asyncio.to_thread(_orch.Routes, self.base_path)
        branches: dict[str, str | None] = {way["name"]: way["branch"] for way in routes.ways()}
        if not branches:
            return {"error": "No worktree configuration found"}, []
        places: list[str] = [routed["worktree"] for routed in routes.of([(kind, "") for kind in kinds], turn=0)]
        turns: dict[str, list[int]] = {}
        for nth, place in enumerate(places):
            turns.setdefault(place, []).append(nth)
        free = asyncio.Semaphore(self.max_worktrees)
        done: dict[int, tuple[TaskOutcome, float, float]] = {}

        async def in_turn(place: str, numbers: list[int]) -> None:
            for nth in numbers:
                worker = (names[nth], kinds[nth])
                done[nth] = await _timed(repository, place, branches.get(place), commands[nth], worker, free)

        await all_or_none([in_turn(place, numbers) for place, numbers in turns.items()])
        results: list[DistributedTask] = []
        for nth, place in enumerate(places):
            outcome = done[nth][0]
            said = outcome["stdout"] if outcome["success"] else outcome["stderr"]
            results.append({"worktree": place, "task": names[nth], "success": outcome["success"], "output": said[:SHOWN]})
        answer = {
            "timestamp": _now(),
            "total_tasks": len(tasks),
            "distribution": {place: len(numbers) for place, numbers in turns.items()},
            "results": results,
        }
        return answer, [done[nth][1:] for nth in range(len(tasks))]

    def optimize_worktrees(self) -> dict[str, Any]:
        """Forgets worktrees whose folder is gone; what they held is in orch's trash. No file of a worktree is deleted.

        Answers ``{timestamp, optimizations_performed, details, worktree_count, recommendation}``: what was done, how many
        worktrees there are beside the main one, and what a person should look at.
        """
        repository = self._repository()
        gone, left = repository.prune()
        details = [f"Pruned {name}: its folder is gone" for name in gone]
        overview = repository.overview()
        advice = [alert["text"] for alert in overview["alerts"]] + [f"{name} stays: {', '.join(why)}" for name, why in left]
        return {
            "timestamp": _now(),
            "optimizations_performed": len(details),
            "details": details,
            "worktree_count": sum(not item["is_main"] for item in overview["items"]),
            "recommendation": "; ".join(advice) or "Worktrees optimized for parallel execution",
        }

    async def autonomous_book_production(self) -> dict[str, Any]:
        """Runs the scripts that make a book, in the worktrees of their types.

        Answers ``{timestamp, book_production_status, tasks_completed, parallel_execution, time_saved, next_step}``, where
        ``time_saved`` was measured; ``{error}`` as :meth:`auto_distribute_tasks` does.
        """
        answer, spans = await self._distribute([_script(*task) for task in BOOK])
        if "error" in answer:
            return answer
        good = sum(one["success"] for one in answer["results"])
        is_whole = good == len(BOOK)
        return {
            "timestamp": _now(),
            "book_production_status": "completed" if is_whole else "partial",
            "tasks_completed": f"{good}/{len(BOOK)}",
            "parallel_execution": True,
            "time_saved": _orch.batch_times(spans)["time_saved"],
            "next_step": "Run publisher script to upload to KDP" if is_whole else "Fix failed tasks",
        }

    def _repository(self) -> _orch.Worktrees:
        return _repository(self.base_path)


@dataclass
class WorktreeTask:
    """A task for :class:`WorktreeOrchestrator`, and what became of it."""

    worktree: str
    task_type: str
    command: str | list[str]
    """A program and its arguments; a text is split as a shell would, and no shell runs it."""
    description: str
    status: str = "pending"
    """``pending``, ``running``, ``completed``, ``failed`` (its program said so) or ``error`` (it never began)."""
    start_time: float | None = None
    """In seconds since 1970, as :func:`time.time` has them."""
    end_time: float | None = None
    result: str | None = None
    """What it wrote: to its standard output if it worked, else to its standard error, or why it never began."""


class WorktreeOrchestrator:
    """Runs tasks at once, each in the worktree that it names, in ``worktrees/`` of the working directory. One that is not
    there is made, on ``worktree/NAME``.

    >>> from orch.compat import WorktreeOrchestrator
    >>> WorktreeOrchestrator().get_cost_analysis()
    {'message': 'No completed tasks to analyze'}
    """

    def __init__(self) -> None:
        self.base_path = Path.cwd()
        self.worktrees_path = self.base_path / FOLDER
        self.active_tasks: dict[str, WorktreeTask] = {}
        """What is at work in each worktree."""
        self.completed_tasks: list[WorktreeTask] = []
        """Those that worked, in the order in which they ended."""

    async def execute_in_worktree(self, task: WorktreeTask) -> WorktreeTask:
        """Runs it, and answers the same task with what became of it. Two tasks of one worktree run one after the other."""
        try:
            argv = argv_of(task.command)
            repository = await asyncio.to_thread(_repository, self.base_path)
        except OrchError as error:
            task.status, task.result, task.start_time = "error", str(error), time.time()
            task.end_time = task.start_time
            return task
        task.status = "running"

        async def work(lease: _orch.Lease) -> TaskOutcome:
            self.active_tasks[task.worktree] = task
            task.start_time = time.time()
            try:
                return await run_program(argv, lease.path, _variables(lease, task.task_type))
            finally:
                self.active_tasks.pop(task.worktree, None)

        worker = (task.description, task.task_type)
        try:
            outcome = await in_worktree(lambda: repository.take(task.worktree, worker=worker), asyncio.Semaphore(1), work)
        except NoWorktree as error:
            outcome = never_began(str(error))
        task.end_time = time.time()
        if task.start_time is None:
            task.start_time = task.end_time
        if outcome["success"]:
            task.status, task.result = "completed", outcome["stdout"]
            self.completed_tasks.append(task)
        else:
            task.status, task.result = "failed" if outcome["returncode"] != -1 else "error", outcome["stderr"]
        return task

    async def execute_tasks(self, tasks: Sequence[WorktreeTask]) -> dict[str, Any]:
        """Runs all of them at once.

        Answers ``{timestamp, total_tasks, successful, failed, execution_time, speedup, tasks}``; time and speed-up were
        measured.
        """

        async def run(task: WorktreeTask) -> None:
            await self.execute_in_worktree(task)

        await all_or_none([run(task) for task in tasks])
        times = _times(tasks)
        return {
            "timestamp": _now(),
            "total_tasks": len(tasks),
            "successful": sum(task.status == "completed" for task in tasks),
            "failed": sum(task.status != "completed" for task in tasks),
            "execution_time": times.get("parallel_time", "0.00 seconds"),
            "speedup": f"{times.get('speedup', '1.00x')} parallel execution",
            "tasks": [{"worktree": task.worktree, "status": task.status, "duration": _duration(task)} for task in tasks],
        }

    async def parallel_book_generation(self) -> dict[str, Any]:
        """Runs the scripts that make the parts of a book; answers as :meth:`execute_tasks` does."""
        return await self.execute_tasks(_worktree_tasks(PARTS))

    async def autonomous_ci_fixes(self) -> dict[str, Any]:
        """Runs what mends a red build: ``{ci_fixes: [{type, status, worktree}]}``."""
        tasks = _worktree_tasks(FIXES)
        await self.execute_tasks(tasks)
        return {"ci_fixes": [{"type": task.task_type, "status": task.status, "worktree": task.worktree} for task in tasks]}

    def get_cost_analysis(self) -> dict[str, str]:
        """What the tasks that worked gained by running side by side: ``{sequential_time, parallel_time, time_saved, speedup,
        cost_reduction, cpu_utilization}``, or ``{message}`` where there are none."""
        return _times(self.completed_tasks)


BOOK = [
    ("puzzle", "sudoku_gen", ["unified_sudoku_generator.py", "--count", "50"]),
    ("puzzle", "crossword_gen", ["generate_crossword_volume.py"]),
    ("pdf", "pdf_layout", ["sudoku_pdf_layout_v2.py"]),
    ("pdf", "cover_gen", ["generate_cover_checklists.py"]),
    ("qa", "quality_check", ["enhanced_qa_validator.py"]),
    ("market", "market_analysis", ["market_research_auto_reviewer.py"]),
]
"""The scripts that make a book: the type of each, its name, and the script with its arguments."""

PARTS = [
    (
        "parallel-puzzles",
        "puzzle_generation",
        ["scripts/unified_sudoku_generator.py", "--count", "100", "--difficulty", "medium"],
    ),
    ("parallel-pdf", "pdf_layout", ["scripts/sudoku_pdf_layout_v2.py"]),
    ("parallel-qa", "quality_check", ["scripts/sudoku_qa_validator.py"]),
]

FIXES = [
    ("parallel-puzzles", "syntax_fix", ["scripts/ci_orchestration/autonomous_syntax_fixer.py"]),
    ("parallel-pdf", "test_fix", ["-m", "pytest", "tests/", "-x", "--tb=short"]),
    ("parallel-qa", "lint_fix", ["-m", "black", "."]),
]


def _script(kind: str, name: str, script: list[str]) -> dict[str, Any]:
    return {"type": kind, "name": name, "command": [sys.executable, f"scripts/{script[0]}", *script[1:]]}


def _worktree_tasks(of: Sequence[tuple[str, str, list[str]]]) -> list[WorktreeTask]:
    return [WorktreeTask(worktree, kind, [sys.executable, *argv], f"{kind}: {' '.join(argv)}") for worktree, kind, argv in of]


def _repository(folder: Path) -> _orch.Worktrees:
    """The repository of that folder, whose new worktrees lie there in a folder that nobody commits."""
    repository = _orch.Worktrees(folder, FOLDER)
    repository.exclude(f"/{FOLDER}/")
    return repository


async def _timed(
    repository: _orch.Worktrees,
    place: str,
    branch: str | None,
    argv: list[str],
    worker: tuple[str, str],
    free: asyncio.Semaphore,
) -> tuple[TaskOutcome, float, float]:
    """Runs a program in that worktree: what became of it, and when it began and ended."""
    began = time.monotonic()

    async def work(lease: _orch.Lease) -> TaskOutcome:
        nonlocal began
        began = time.monotonic()
        return await run_program(argv, lease.path, _variables(lease, worker[1]))

    try:
        outcome = await in_worktree(lambda: repository.take(place, worker=worker, own=branch), free, work)
    except NoWorktree as error:
        outcome = never_began(str(error))
    return outcome, began, time.monotonic()


def _variables(lease: _orch.Lease, kind: str) -> dict[str, str]:
    return {"ORCH_WORKTREE": str(lease.path), "ORCH_WORKTREE_NAME": lease.name, "ORCH_TASK_TYPE": kind}


def _times(tasks: Sequence[WorktreeTask]) -> dict[str, str]:
    spans = [(one.start_time, one.end_time) for one in tasks if one.start_time is not None and one.end_time is not None]
    return _orch.batch_times(spans)


def _duration(task: WorktreeTask) -> str:
    if task.start_time is None or task.end_time is None:
        return "N/A"
    return f"{task.end_time - task.start_time:.2f}s"


def _text(task: Mapping[str, Any], key: str, default: str) -> str:
    value = task.get(key) or default
    if not isinstance(value, str):
        raise InvalidValue(f"`{key}` of a task must be a text, not {value!r}")
    return value


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
