"""The exceptions: one tree under :class:`OrchError`, each with a stable ``code``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orch._report import Report


class Problem(NamedTuple):
    """One thing that is wrong with a definition: what, where, and how to mend it."""

    code: str
    severity: str
    path: str
    line: int | None
    message: str


class OrchError(Exception):
    """Why the engine could not do what it was asked. ``code`` is stable text for programs to match on.

    >>> import orch
    >>> try:
    ...     orch.Graph("empty").task_named("draft")
    ... except orch.OrchError as error:
    ...     print(error.code, error)
    NOT_FOUND there is no task `draft` in `empty`
    """

    code: str = "ERROR"
    problems: Sequence[Problem] = ()


class InvalidDefinition(OrchError, ValueError):
    """A graph or a definition cannot run; ``problems`` has every reason, not only the first."""

    code = "INVALID_DEFINITION"


class InvalidFormat(OrchError, ValueError):
    """The text is not well-formed."""

    code = "INVALID_FORMAT"


class InvalidValue(OrchError, ValueError):
    """A value is outside its range, or has no JSON form where it needs one."""

    code = "INVALID_VALUE"


class NotFound(OrchError, LookupError):
    """Something was named that does not exist: a task, a file, an agent."""

    code = "NOT_FOUND"


class TooLarge(OrchError, ValueError):
    """A size or depth limit of the engine was passed."""

    code = "TOO_LARGE"


class RunFailed(OrchError):
    """A task of the run failed. Its exception is the cause of this one, with its traceback."""

    code = "RUN_FAILED"
    report: Report
    errors: Mapping[str, BaseException] = {}


class RunCancelled(RunFailed):
    """The run was cancelled before it was done."""

    code = "CANCELLED"


class InputOutputError(OrchError, OSError):
    """Reading or writing failed."""

    code = "IO"


class Conflict(OrchError):
    """Somebody else was first: a stored run belongs to another process, or went on since it was read."""

    code = "CONFLICT"


class Corrupt(OrchError):
    """What a store or a cache keeps is not what was written; the message says what and where."""

    code = "CORRUPT"


class LockTimeout(OrchError, TimeoutError):
    """A resource was not free in time."""

    code = "LOCK_TIMEOUT"


class Deadlock(OrchError):
    """A request for a resource was refused to end a deadlock."""

    code = "DEADLOCK"


class NotOwner(OrchError):
    """Somebody gave back what another holds."""

    code = "NOT_OWNER"


class Misuse(OrchError, RuntimeError):
    """The engine was used in a way that it does not allow."""

    code = "MISUSE"


class TaskFailed(OrchError):
    """Why a task failed, where it was not by an exception of its own: a timeout, silence."""

    code = "TASK_FAILED"


class TaskTimeout(TaskFailed, TimeoutError):
    """An attempt took longer than its timeout, or was silent for too long."""

    code = "TASK_TIMEOUT"


class Fatal(OrchError):
    """Raise it in a task: the attempt failed, and trying again is no use."""

    code = "FATAL"


class Invalid(OrchError):
    """Raise it in a task: the work was done, but what it made or looked at is not as it should be."""

    code = "INVALID"


_BY_CODE: dict[str, type[OrchError]] = {
    kind.code: kind
    for kind in (
        InvalidDefinition,
        InvalidFormat,
        InvalidValue,
        NotFound,
        TooLarge,
        RunFailed,
        RunCancelled,
        InputOutputError,
        Conflict,
        Corrupt,
        LockTimeout,
        Deadlock,
        NotOwner,
        Misuse,
    )
}


def of_code(code: str, message: str, problems: Sequence[tuple[str, str, str, int | None, str]] = ()) -> OrchError:
    """The exception for an error of the engine. A code from a newer engine is an :class:`OrchError` with that code."""
    error = _BY_CODE.get(code, OrchError)(message)
    error.code = code
    error.problems = [Problem(*problem) for problem in problems]
    return error
