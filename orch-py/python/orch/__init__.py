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

from typing import TYPE_CHECKING, Any

from orch._context import Context
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
    NotBuiltYet,
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
from orch._graph import Graph, Task
from orch._options import Claim, Retry, TaskOptions
from orch._orch import __version__

if TYPE_CHECKING:
    from orch._cache import Cache, CacheInfo, CacheStats
    from orch._cached import cached
    from orch._checkpoint import Checkpoint
    from orch._engine import Breaker, Engine, Hold
    from orch._event import Event
    from orch._ledger import Ledger, Limit, Reservation
    from orch._load import Agent, Assigned, LoadedGraph, load, loads
    from orch._notices import Delivery, Letter, Notices
    from orch._plan import Forecast, Plan, PlanCost, Step
    from orch._pool import Renewed
    from orch._prices import Price, Prices, Quote
    from orch._report import Counts, ModelUsage, Report, TaskResult
    from orch._run import Run, resume, resume_sync, run, run_sync, start
    from orch._spending import Booked, BudgetState, Charge, Cost, InFlight, Milestone, Question
    from orch._store import Preview, Store, StoredRun
    from orch._usage import Used, usage

# What needs asyncio is imported when it is asked for: a program that only builds graphs starts sooner.
_LATER = {
    "Agent": "_load",
    "Assigned": "_load",
    "Booked": "_spending",
    "BudgetState": "_spending",
    "Charge": "_spending",
    "Cost": "_spending",
    "InFlight": "_spending",
    "Ledger": "_ledger",
    "Limit": "_ledger",
    "Milestone": "_spending",
    "Price": "_prices",
    "Prices": "_prices",
    "Question": "_spending",
    "Quote": "_prices",
    "Reservation": "_ledger",
    "Used": "_usage",
    "usage": "_usage",
    "Delivery": "_notices",
    "Letter": "_notices",
    "Notices": "_notices",
    "Breaker": "_engine",
    "Cache": "_cache",
    "CacheInfo": "_cache",
    "CacheStats": "_cache",
    "cached": "_cached",
    "Checkpoint": "_checkpoint",
    "Counts": "_report",
    "Engine": "_engine",
    "Event": "_event",
    "Forecast": "_plan",
    "Hold": "_engine",
    "LoadedGraph": "_load",
    "load": "_load",
    "loads": "_load",
    "ModelUsage": "_report",
    "Plan": "_plan",
    "PlanCost": "_plan",
    "Preview": "_store",
    "Renewed": "_pool",
    "Report": "_report",
    "resume": "_run",
    "resume_sync": "_run",
    "Run": "_run",
    "Step": "_plan",
    "Store": "_store",
    "StoredRun": "_store",
    "TaskResult": "_report",
    "run": "_run",
    "run_sync": "_run",
    "start": "_run",
}


def __getattr__(name: str) -> Any:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module `orch` has no attribute `{name}`")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"orch.{module}"), name)
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
    "NotBuiltYet",
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
