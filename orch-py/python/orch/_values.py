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
