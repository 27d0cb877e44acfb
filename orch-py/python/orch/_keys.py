"""What calls are known by: a form of their arguments that is the same for equal ones, and for no others."""

from __future__ import annotations

import inspect
import weakref
from itertools import count
from typing import TYPE_CHECKING, Any

from orch._errors import InvalidValue
from orch._values import plain

if TYPE_CHECKING:
    from collections.abc import Callable

_DEEPEST = 100
_PLAIN = frozenset({str, bool, type(None)})
_BASES: tuple[Any, ...] = (str, int, float, bytes, tuple, list, dict)


def form(value: Any, deep: int = _DEEPEST) -> Any:
    """The value as JSON that says its types: a list is not a tuple, and 1 is neither 1.0 nor True.

    >>> form((1, "a")) == form([1, "a"]), form({"a": 1, "b": 2}) == form({"b": 2, "a": 1})
    (False, True)
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is int:
        return value if -(2**63) <= value < 2**63 else {"int": str(value)}
    if deep == 0:
        raise InvalidValue(f"it is nested deeper than {_DEEPEST} levels, or holds itself")
    if kind is float:
        return {"float": value.hex()}
    if kind is list:
        return [form(item, deep - 1) for item in value]
    if kind is tuple:
        return {"tuple": [form(item, deep - 1) for item in value]}
    if kind is dict:
        if all(type(key) is str for key in value):
            return {"dict": {key: form(item, deep - 1) for key, item in value.items()}}
        pairs = [[form(key, deep - 1), form(item, deep - 1)] for key, item in value.items()]
        return {"items": sorted(pairs, key=repr)}
    if kind is set or kind is frozenset:
        return {kind.__name__: sorted((form(item, deep - 1) for item in value), key=repr)}
    if kind is bytes or kind is bytearray:
        return {kind.__name__: value.hex()}
    name = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(value, type) or inspect.isfunction(value) or inspect.isbuiltin(value):
        return {"named": _named(value)}
    if inspect.ismethod(value):
        return {"method": _named(value.__func__), "of": form(value.__self__, deep - 1)}
    if not hasattr(kind, "__members__"):
        # Enumerations have a value of their own; of others, this is what they are made of.
        for base in _BASES:
            if isinstance(value, base):
                return {"of": name, "value": form(base(value), deep - 1)}
    try:
        plainer = plain(value)
    except InvalidValue:
        raise InvalidValue(f"a `{name}` has no stable key") from None
    return {"of": name, "value": form(plainer, deep - 1)}


def _named(value: Any) -> str:
    name = f"{value.__module__}.{value.__qualname__}"
    if "<" in value.__qualname__ or value.__module__ is None:
        raise InvalidValue(f"`{name}` is made anew each time, so it has no stable key")
    return name


class Selves:
    """Numbers for objects whose methods are called: each its own for as long as it lives, and no other's after."""

    def __init__(self) -> None:
        self._next = count(1)
        self._known: dict[int, tuple[weakref.ref[Any], int]] = {}

    def number(self, value: Any) -> int:
        place = id(value)
        known = self._known.get(place)
        if known is not None and known[0]() is value:
            return known[1]
        number = next(self._next)

        def gone(ref: weakref.ref[Any]) -> None:
            present = self._known.get(place)
            if present is not None and present[0] is ref:
                del self._known[place]

        self._known[place] = (weakref.ref(value, gone), number)
        return number


class Calls:
    """The keys of the calls of one function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        module = getattr(function, "__module__", None) or "?"
        self.name = f"{module}.{getattr(function, '__qualname__', type(function).__qualname__)}"
        self.signature = inspect.signature(function)
        first = next(iter(self.signature.parameters), None)
        self._method = first if first == "self" else None
        self._selves = Selves()

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """What each parameter is given, in its form."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            try:
                arguments[name] = form(value)
            except InvalidValue as error:  # noqa: PERF203 - it names the parameter
                if name != self._method:
                    raise InvalidValue(
                        f"`{self.name}` cannot tell calls apart: its argument `{name}`: {error}; give `key=`"
                    ) from None
                arguments[name] = {"self": self._self(value)}
        return arguments

    def _self(self, value: Any) -> int:
        try:
            return self._selves.number(value)
        except TypeError:
            raise InvalidValue(
                f"`{self.name}` cannot tell its objects apart: `{type(value).__qualname__}` has no weak references; give `key=`"
            ) from None
