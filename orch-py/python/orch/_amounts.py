"""Amounts of money and times, as the core has them."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

from orch._errors import InvalidValue

Dollars = int | float | str | Decimal
"""An amount of dollars. A float is taken as what it shows; text and :class:`decimal.Decimal` are exact."""


def money(amount: Dollars) -> Any:
    """An amount as the core reads it."""
    return str(amount) if isinstance(amount, Decimal) else amount


def moment(text: str) -> datetime:
    """A time as the core writes it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def maybe(text: str | None) -> Decimal | None:
    """An amount as the core writes it, where there is one."""
    return None if text is None else Decimal(text)


def when(at: datetime | date | str | None, what: str) -> str | None:
    """A time as the core reads it."""
    if at is None or isinstance(at, str):
        return at
    if not isinstance(at, datetime):
        return at.isoformat()
    if at.tzinfo is None:
        raise InvalidValue(f"`{what}` is {at!r}, which has no time zone; give it one, for example `timezone.utc`")
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
