"""What a function is, so that a stored run goes on by content: an edited function is run again."""

from __future__ import annotations

import functools
import hashlib
import types
from typing import TYPE_CHECKING, Any

from orch._errors import InvalidValue
from orch._keys import form

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orch._graph import Task

_DEEPEST = 8


def content(task: Task[Any]) -> str:
    """A hash of what a task's function is: its code, what it is bound to, and its ``args``.

    Not of what it calls, nor of where it stands: who moves it or writes another comment has the same function. Another version
    of Python makes other code of it.

    >>> import orch
    >>> graph = orch.Graph()
    >>> def scale(by):
    ...     return lambda: 7 * by
    >>> once, again, other = (graph.add(scale(by), id=id) for id, by in [("a", 2), ("b", 2), ("c", 3)])
    >>> content(once) == content(again), content(once) == content(other)
    (True, False)
    """
    return content_of(task.fn, task.options.get("args") or {})


def contents(tasks: Iterable[Task[Any]]) -> list[str]:
    """The same of many: each function once, however many tasks call it."""
    known: dict[int, str] = {}
    found = []
    for task in tasks:
        if task.options.get("args"):
            found.append(content(task))
            continue
        key = id(task.fn)
        if key not in known:
            known[key] = content_of(task.fn)
        found.append(known[key])
    return found


def content_of(function: Any, given: Mapping[str, Any] | None = None) -> str:
    """The same of a function, and of what it is given in any case."""
    args = [(name, _argument(value)) for name, value in sorted((given or {}).items())]
    return hashlib.blake2b(repr((_callable(function, _DEEPEST), args)).encode(errors="replace"), digest_size=16).hexdigest()


def _argument(value: Any) -> Any:
    try:
        return form(value)
    except InvalidValue:
        return _named(type(value))


def _named(value: Any) -> str:
    return f"{getattr(value, '__module__', '?')}.{getattr(value, '__qualname__', type(value).__qualname__)}"


def _callable(fn: Any, deep: int) -> Any:
    if deep == 0:
        return "..."
    if isinstance(fn, functools.partial):
        keywords = [(name, _bound(value, deep)) for name, value in sorted(fn.keywords.items())]
        return "partial", _callable(fn.func, deep - 1), [_bound(value, deep) for value in fn.args], keywords
    if isinstance(fn, types.MethodType):
        return "method", _named(type(fn.__self__)), _callable(fn.__func__, deep - 1)
    if isinstance(fn, types.FunctionType):
        bound = [*(fn.__defaults__ or ()), *(value for _, value in sorted((fn.__kwdefaults__ or {}).items()))]
        for cell in fn.__closure__ or ():
            try:
                bound.append(cell.cell_contents)
            except ValueError:  # noqa: PERF203 - it is not filled yet
                bound.append(None)
        return fn.__name__, _code(fn.__code__), [_bound(value, deep) for value in bound]
    call = getattr(type(fn), "__call__", None)  # noqa: B004 - what is called, not whether
    return _named(fn), _callable(call, deep - 1) if isinstance(call, types.FunctionType) else ""


def _bound(value: Any, deep: int) -> Any:
    """What a function is bound to: plain values that nobody changes count, of others only the type."""
    if callable(value) and not isinstance(value, type):
        return _callable(value, deep - 1)
    return _constant(value)


def _code(code: types.CodeType) -> Any:
    consts = [_code(value) if isinstance(value, types.CodeType) else _constant(value) for value in code.co_consts]
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return code.co_code.hex(), code.co_flags, consts, names


def _constant(value: Any) -> Any:
    if value is None or value is ... or type(value) in (str, int, float, complex, bool, bytes):
        return type(value).__name__, repr(value)
    if type(value) is tuple:
        return [_constant(item) for item in value]
    if type(value) is frozenset:
        # In an order that is the same in every process.
        return sorted(repr(_constant(item)) for item in value)
    return _named(type(value)) if not isinstance(value, type) else _named(value)
