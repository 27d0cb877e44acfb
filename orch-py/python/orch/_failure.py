"""What exceptions mean for tasks."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from orch._errors import Fatal, Invalid, InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable


def ends_program(error: BaseException) -> bool:
    """Whether it has to go through the loop. Nobody asks the Task for it then, which need not be told."""
    if not isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
        return False
    task = None if isinstance(error, GeneratorExit) else asyncio.current_task()
    if task is not None:
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
    return True


def takes_one(fn: Callable[..., Any]) -> bool:
    """Whether the function wants an argument."""
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(parameter.kind not in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD) for parameter in parameters)


def kind_of(error: BaseException) -> str:
    """The kind of failure that an exception is."""
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    if isinstance(error, Fatal):
        return "fatal"
    return "validation" if isinstance(error, (Invalid, InvalidValue)) else "error"


def told(error: BaseException) -> str:
    """An exception in one line."""
    try:
        text = str(error)
    except Exception:
        text = "its message could not be made"
    name = type(error).__name__
    return f"{name}: {text}" if text else name
