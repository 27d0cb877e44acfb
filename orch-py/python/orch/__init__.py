"""Runs graphs of tasks in parallel. A door to the engine, which is written in Rust.

>>> import orch
>>> graph = orch.Graph("hello")
>>> @graph.task
... async def name() -> str:
...     return "world"
>>> @graph.task
... async def greeting(name: str) -> str:
...     return f"hello {name}"
>>> orch.run_sync(graph)[greeting]
'hello world'
"""

from __future__ import annotations

# Also true for type checkers, which go by its name: `typing` takes longer to import than all of this package.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from orch._cache import Cache, CacheInfo, CacheStats
    from orch._cached import cached
    from orch._checkpoint import Checkpoint
    from orch._context import Context
    from orch._engine import Breaker, Engine, Hold
    from orch._errors import (
        Conflict,
        Corrupt,
        Deadlock,
        Fatal,
        InputOutputError,
        Invalid,
        InvalidDefinition,
        InvalidFormat,
        InvalidValue,
        LockTimeout,
        Misuse,
        NotFound,
        NotOwner,
        OrchError,
        Problem,
        RunCancelled,
        RunFailed,
        TaskFailed,
        TaskTimeout,
        TooLarge,
    )
    from orch._event import Event
    from orch._graph import Graph, Task
    from orch._ledger import Ledger, Limit, Reservation
    from orch._load import Agent, Assigned, LoadedGraph, load, loads
    from orch._notices import Delivery, Letter, Notices
    from orch._options import Claim, Retry, TaskOptions
    from orch._orch import __version__
    from orch._plan import Forecast, Plan, PlanCost, Step
    from orch._pool import Renewed
    from orch._prices import Price, Prices, Quote
    from orch._report import Counts, ModelUsage, Report, TaskResult
    from orch._run import Run, resume, resume_sync, run, run_sync, start
    from orch._spending import Booked, BudgetState, Charge, Cost, InFlight, Milestone, Question
    from orch._store import Preview, Store, StoredRun
    from orch._usage import Used, usage

# Each part is imported when it is asked for: a program that asks for little starts sooner.
_PARTS = {
    "_cache": "Cache CacheInfo CacheStats",
    "_cached": "cached",
    "_checkpoint": "Checkpoint",
    "_context": "Context",
    "_engine": "Breaker Engine Hold",
    "_errors": (
        "Conflict Corrupt Deadlock Fatal InputOutputError Invalid InvalidDefinition InvalidFormat "
        "InvalidValue LockTimeout Misuse NotFound NotOwner OrchError Problem RunCancelled RunFailed "
        "TaskFailed TaskTimeout TooLarge"
    ),
    "_event": "Event",
    "_graph": "Graph Task",
    "_ledger": "Ledger Limit Reservation",
    "_load": "Agent Assigned LoadedGraph load loads",
    "_notices": "Delivery Letter Notices",
    "_options": "Claim Retry TaskOptions",
    "_orch": "__version__",
    "_plan": "Forecast Plan PlanCost Step",
    "_pool": "Renewed",
    "_prices": "Price Prices Quote",
    "_report": "Counts ModelUsage Report TaskResult",
    "_run": "Run resume resume_sync run run_sync start",
    "_spending": "Booked BudgetState Charge Cost InFlight Milestone Question",
    "_store": "Preview Store StoredRun",
    "_usage": "Used usage",
}
_LATER = {name: part for part, names in _PARTS.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    part = _LATER.get(name)
    if part is None:
        raise AttributeError(f"module `orch` has no attribute `{name}`")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"orch.{part}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "Agent",
    "Assigned",
    "Booked",
    "Breaker",
    "BudgetState",
    "Cache",
    "CacheInfo",
    "CacheStats",
    "Charge",
    "Checkpoint",
    "Claim",
    "Conflict",
    "Context",
    "Corrupt",
    "Cost",
    "Counts",
    "Deadlock",
    "Delivery",
    "Engine",
    "Event",
    "Fatal",
    "Forecast",
    "Graph",
    "Hold",
    "InFlight",
    "InputOutputError",
    "Invalid",
    "InvalidDefinition",
    "InvalidFormat",
    "InvalidValue",
    "Ledger",
    "Letter",
    "Limit",
    "LoadedGraph",
    "LockTimeout",
    "Milestone",
    "Misuse",
    "ModelUsage",
    "NotFound",
    "NotOwner",
    "Notices",
    "OrchError",
    "Plan",
    "PlanCost",
    "Preview",
    "Price",
    "Prices",
    "Problem",
    "Question",
    "Quote",
    "Renewed",
    "Report",
    "Reservation",
    "Retry",
    "Run",
    "RunCancelled",
    "RunFailed",
    "Step",
    "Store",
    "StoredRun",
    "Task",
    "TaskFailed",
    "TaskOptions",
    "TaskResult",
    "TaskTimeout",
    "TooLarge",
    "Used",
    "__version__",
    "cached",
    "load",
    "loads",
    "resume",
    "resume_sync",
    "run",
    "run_sync",
    "start",
    "usage",
]
