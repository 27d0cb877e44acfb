"""What a function asks for: which parameter is given which task's result."""

from __future__ import annotations

import functools
import types
from _weakref import CallableProxyType, ReferenceType
from typing import TYPE_CHECKING, Any, NamedTuple

from orch._errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable

_COROUTINE, _ITERABLE_COROUTINE = 0x80, 0x100
_GENERATOR, _ASYNC_GENERATOR = 0x20, 0x200


class Parameter(NamedTuple):
    """One parameter of a task's function."""

    name: str
    positional: bool
    required: bool
    context: bool


def _code_flags(fn: Any) -> int:
    while isinstance(fn, functools.partial):
        fn = fn.func
    if not isinstance(fn, (types.FunctionType, types.MethodType)):
        fn = getattr(type(fn), "__call__", fn)  # noqa: B004 - what is called, not whether
    code = getattr(fn, "__code__", None)
    return code.co_flags if code is not None else 0


def is_coroutine_function(fn: Callable[..., Any]) -> bool:
    """Whether a call answers something to await.

    Generators are refused: who makes many values is no task. So are weak references: a task keeps what it calls.
    """
    called: Any = fn
    while type(called) is functools.partial:
        called = called.func
    if issubclass(type(called), (ReferenceType, CallableProxyType)):
        raise InvalidValue(
            f"a `{type(called).__name__}` is a weak reference, whose object may be gone by then; add the function itself"
        )
    flags = _code_flags(fn)
    if flags & (_COROUTINE | _ITERABLE_COROUTINE):
        return True
    if flags & (_GENERATOR | _ASYNC_GENERATOR):
        raise InvalidValue(
            f"`{name_of(fn)}` is a generator, which makes many values; a task makes one: return a list, or add a task a value"
        )
    if type(fn) is types.FunctionType and not fn.__dict__:
        return False
    import inspect

    return inspect.iscoroutinefunction(fn)


def name_of(fn: Any) -> str:
    """What the function is called."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    return str(getattr(fn, "__name__", None) or type(fn).__name__)


def parameters_of(fn: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters that a task can be given, without ``*args`` and ``**kwargs``."""
    if type(fn) is types.FunctionType and not fn.__dict__:
        code = fn.__code__
        if code.co_argcount + code.co_kwonlyargcount == 0:
            return ()
    import inspect

    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        # Some functions written in C do not tell.
        return ()
    kinds = inspect.Parameter
    return tuple(
        Parameter(
            name,
            parameter.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD),
            parameter.default is kinds.empty,
            _is_context(parameter.annotation),
        )
        for name, parameter in signature.parameters.items()
        if parameter.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
    )


def _is_context(annotation: Any) -> bool:
    from orch._context import Context

    return annotation is Context or annotation in ("Context", "orch.Context")


class Bound:
    """How a function that is given more than results of tasks is called: resolved afresh for each attempt."""

    __slots__ = ("context", "keys", "named", "plain", "positional")

    def __init__(
        self,
        positional: tuple[int, ...],
        named: dict[str, int],
        keys: tuple[str, ...],
        context: str | None,
        plain: bool,
    ) -> None:
        self.positional = positional
        self.named = named
        self.keys = keys
        self.context = context
        self.plain = plain
