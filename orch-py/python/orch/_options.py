"""What a task may be told, as Python says it and as the core has it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from orch._errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Executor
    from typing import Literal

    from orch._graph import Task
    from orch._usage import Usage


class Retry(NamedTuple):
    """Whether and when a failed attempt is repeated. Times in seconds.

    >>> Retry(attempts=5, backoff="linear", delay=0.5).attempts
    5
    """

    attempts: int = 3
    """How often the task may start in all, the first time included."""
    backoff: Literal["immediate", "linear", "exponential", "fibonacci"] = "exponential"
    delay: float = 1.0
    """The wait before the second attempt."""
    max_delay: float = 30.0
    factor: float = 2.0
    """What an exponential wait is multiplied by each time."""
    jitter: bool = True
    """Draws each wait evenly from zero to its full length."""
    on: tuple[str, ...] = ()
    """Repeats only errors whose type or message contains one of these, in any case. Empty: every error."""


class Claim(NamedTuple):
    """That a task uses a resource while it runs. A text instead of a claim claims all of that resource.

    >>> Claim("database", mode="shared", units=2).units
    2
    """

    resource: str
    mode: Literal["exclusive", "shared", "upgradable"] = "exclusive"
    units: int = 1
    priority: int = 0
    wait: float | None = None
    """How long to wait at most, in seconds. Default: as long as it takes."""
    lease: float | None = None
    """How long it may be held, in seconds; then the attempt is stopped. Default: until it is given back."""
    tokens: int = 0
    """How many tokens it will probably use, of a resource with a limit on them."""


class TaskOptions(TypedDict, total=False):
    """What :meth:`orch.Graph.add` and :meth:`orch.Graph.task` take. Times in seconds."""

    id: str
    """The name. Default: the name of the function."""
    after: Task[Any] | str | Iterable[Task[Any] | str]
    """What it waits for, beside the tasks that its parameters name."""
    args: Mapping[str, Any]
    """Values for parameters."""
    inputs: Iterable[str]
    """Values that it reads by key: from the inputs of the run, or from a task that has the key among its ``outputs``."""
    outputs: Iterable[str] | Mapping[str, float | None]
    """The keys of what it makes: its result is a mapping with them or, for one key, the value. Needs a JSON form. A mapping
    says for how many seconds each stays good: for so long a task that would make the same is not run, in
    runs with that cache."""
    retries: int | Retry
    """How often it is tried again: after 1, 2, 4, ... seconds, at most 30, with jitter. Default: not."""
    timeout: float
    """The longest an attempt may take."""
    idle_timeout: float
    """The longest an attempt may go without a sign of life: :meth:`orch.Context.heartbeat`."""
    estimate: float
    """How long it will probably take; only order and forecasts depend on it."""
    claims: Claim | str | Iterable[Claim | str]
    """What it uses while it runs."""
    priority: int
    """Higher starts first among the ready. Default: 0."""
    when: str | Iterable[str]
    """Runs only while that expression holds; else it is skipped, and its dependents go on with ``None``."""
    breaker: str
    """The circuit breaker that it asks before each attempt: :meth:`orch.Graph.breaker`."""
    group: str
    """The group whose quorum it counts for: :meth:`orch.Graph.quorum`."""
    allow_failure: bool
    """Its failure does not fail the run, and its dependents go on with ``None``."""
    critical: bool
    """Its failure stops the run, also one that goes on after failures."""
    undo: Callable[..., Any]
    """What takes back what it did when the run does not succeed; it is given the task's result."""
    executor: Executor
    """Where a plain function runs. Default: the threads of orch."""
    description: str
    phase: str
    """The phase it belongs to, for showing."""
    agent: str
    """Who does it: what its charges and budgets tell spenders apart by."""
    expects: Mapping[str, tuple[int, int]] | Usage
    """What an attempt will use of models at most: tokens of input and output by model, ``{"claude-sonnet-4-5": (4_000,
    800)}``, or :class:`orch.ModelUsage`. A run with a budget reserves what that costs."""


_SAME = ("priority", "group", "breaker", "allow_failure", "critical", "description", "phase", "agent")
_PYTHON = frozenset({"id", "after", "args", "estimate", "executor"})


def milliseconds(seconds: float, what: str) -> int:
    """Whole milliseconds, rounded up, so that a short time does not become none."""
    if not isinstance(seconds, (int, float)) or not 0 <= seconds < math.inf:
        raise InvalidValue(f"`{what}` is {seconds!r}; give seconds, at least 0")
    return math.ceil(seconds * 1000)


def listed(value: Any) -> list[Any]:
    """One or many, as a list."""
    if value is None:
        return []
    if isinstance(value, (str, Claim)) or not hasattr(value, "__iter__"):
        return [value]
    return list(value)


def _retry(retries: int | Retry) -> dict[str, Any]:
    if isinstance(retries, Retry):
        return {
            "max_attempts": retries.attempts,
            "strategy": retries.backoff,
            "initial_delay_ms": milliseconds(retries.delay, "delay"),
            "max_delay_ms": milliseconds(retries.max_delay, "max_delay"),
            "multiplier": float(retries.factor),
            "jitter": retries.jitter,
            "on": list(retries.on),
        }
    if not isinstance(retries, int) or retries < 0:
        raise InvalidValue(f"`retries` is {retries!r}; give a whole number, at least 0, or an `orch.Retry`")
    return {"max_attempts": retries + 1}


def claim_for_core(claim: Claim | str) -> dict[str, Any]:
    """A claim as the core has it."""
    core = (Claim(claim) if isinstance(claim, str) else claim)._asdict()
    for name in ("wait", "lease"):
        seconds = core.pop(name)
        if seconds is not None:
            core[f"{name}_ms"] = milliseconds(seconds, name)
    return core


def _output(key: str, outputs: Any) -> dict[str, Any]:
    ttl = outputs.get(key) if hasattr(outputs, "get") else None
    return {"key": key} if ttl is None else {"key": key, "ttl_ms": milliseconds(ttl, "ttl")}


def _condition(source: str) -> dict[str, Any]:
    return {"test": {"expression": source}, "run_when": True}


def for_core(options: Mapping[str, Any]) -> dict[str, Any] | None:
    """The options as the core has them; ``None`` for a plain task."""
    core: dict[str, Any] = {}
    for name, value in options.items():
        if name in _PYTHON or value is None:
            continue
        if name in _SAME:
            core[name] = value
        elif name in ("timeout", "idle_timeout"):
            core[f"{name}_ms"] = milliseconds(value, name)
        elif name == "retries":
            core["retry"] = _retry(value)
        elif name == "claims":
            core["claims"] = [claim_for_core(claim) for claim in listed(value)]
        elif name == "when":
            core["conditions"] = [_condition(source) for source in listed(value)]
        elif name == "inputs":
            core["inputs"] = [{"key": key} for key in listed(value)]
        elif name == "outputs":
            core["outputs"] = [_output(key, value) for key in listed(value)]
        elif name == "undo":
            core["undo"] = {}
        elif name == "expects":
            from orch._usage import expected

            core["expects"] = expected(value)
        else:
            raise TypeError(f"a task has no option `{name}`")
    return core or None
