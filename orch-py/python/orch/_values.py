"""What values are where they leave Python: plain ones, that have a JSON form."""

from __future__ import annotations

import sys
from typing import Any

from orch._errors import InvalidValue


def plain(value: Any) -> Any:
    """A value one step plainer: a data class, a model of pydantic, an enumeration, a time, a path, a set.

    >>> import pathlib
    >>> plain(pathlib.PurePosixPath("a/b"))
    'a/b'
    """
    kind = type(value)
    dump = getattr(kind, "model_dump", None)
    if dump is not None:
        return dump(value, mode="json")
    fields = getattr(kind, "__dataclass_fields__", None)
    if fields is not None:
        return {name: getattr(value, name) for name, field in fields.items() if field._field_type.name == "_FIELD"}
    enum = sys.modules.get("enum")
    if enum is not None and isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    for method in ("isoformat", "__fspath__"):
        made = getattr(value, method, None)
        if made is not None:
            return made()
    uuid, decimal = sys.modules.get("uuid"), sys.modules.get("decimal")
    if (uuid is not None and isinstance(value, uuid.UUID)) or (decimal is not None and isinstance(value, decimal.Decimal)):
        return str(value)
    raise InvalidValue(
        f"a `{kind.__module__}.{kind.__qualname__}` has no JSON form; return plain data, a data class or a model"
    )


def result_of(function: Any, value: Any, task: str) -> Any:
    """A result that was JSON, as the function says that it answers it: ``-> Report`` makes a ``Report`` of it."""
    import functools
    import typing

    while isinstance(function, functools.partial):
        function = function.func
    try:
        kind = typing.get_type_hints(function).get("return")
    except Exception:
        # Names that cannot be found any more, or no function: then nobody knows better.
        return value
    try:
        return rebuilt(kind, value)
    except Exception as error:
        raise InvalidValue(
            f"what task `{task}` made then is no `{getattr(kind, '__name__', kind)}` any more: {error}; begin a new run"
        ) from error


def rebuilt(kind: Any, value: Any) -> Any:
    """A plain value as the type that it was made of: models, data classes, enumerations, times, paths, also inside of others.

    >>> import pathlib
    >>> rebuilt(dict[str, tuple[pathlib.PurePosixPath, ...]], {"a": ["b"]})
    {'a': (PurePosixPath('b'),)}
    """
    import typing

    if value is None or kind is None:
        return value
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is not None:
        return _rebuilt_of(origin, inner, value)
    if not isinstance(kind, type) or type(value) is kind:
        return value
    return _rebuilt(kind, value)


def _rebuilt(kind: Any, value: Any) -> Any:
    import dataclasses
    import typing
    from enum import Enum

    if hasattr(kind, "model_validate"):
        return kind.model_validate(value)
    if hasattr(kind, "__dataclass_fields__") and isinstance(value, dict):
        hints = typing.get_type_hints(kind)
        fields = [field.name for field in dataclasses.fields(kind) if field.init]
        return kind(**{name: rebuilt(hints[name], value[name]) for name in fields})
    if issubclass(kind, Enum):
        return kind(value)
    if isinstance(value, list) and issubclass(kind, (tuple, set, frozenset)):
        return kind(value)
    if isinstance(value, str):
        if hasattr(kind, "fromisoformat"):
            return kind.fromisoformat(value)
        if hasattr(kind, "__fspath__") or kind.__name__ in ("UUID", "Decimal"):
            return kind(value)
    return value


def _rebuilt_of(origin: Any, inner: tuple[Any, ...], value: Any) -> Any:
    import types
    import typing
    from collections.abc import Mapping, Sequence

    if origin is typing.Annotated:
        return rebuilt(inner[0], value)
    if origin is typing.Union or origin is types.UnionType:
        kinds = [kind for kind in inner if kind is not type(None)]
        # Which of several it was, nobody knows.
        return rebuilt(kinds[0], value) if len(kinds) == 1 else value
    if not isinstance(origin, type):
        return value
    if isinstance(value, dict) and issubclass(origin, Mapping) and len(inner) == 2:
        return {name: rebuilt(inner[1], item) for name, item in value.items()}
    if isinstance(value, list) and issubclass(origin, tuple) and inner[-1:] != (...,):
        return tuple(rebuilt(kind, item) for kind, item in zip(inner, value, strict=True))
    if isinstance(value, list) and issubclass(origin, (Sequence, set, frozenset)):
        items = [rebuilt(inner[0], item) for item in value]
        return origin(items) if issubclass(origin, (tuple, set, frozenset)) else items
    return value
