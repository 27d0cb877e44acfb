"""The ledger: who may spend what, and who spent what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from orch import _orch
from orch._amounts import Dollars, money, when
from orch._errors import InvalidValue
from orch._spending import (
    Booked,
    BudgetState,
    Charge,
    Cost,
    InFlight,
    Question,
    booked_of,
    charge_of,
    cost_of,
    in_flight_of,
    question_of,
    state_of,
)
from orch._usage import Usage, models_for_core

if TYPE_CHECKING:
    import os
    from datetime import date, datetime

    from typing_extensions import Self

    from orch._prices import Prices
    from orch._store import Store


class Limit(TypedDict, total=False):
    """A budget, as a table ``[[budget]]`` of ``orch.toml``. Only ``usd`` is needed."""

    usd: Dollars
    name: str
    """By which it is found again. Default: what it is for."""
    per: str
    """``ever``, ``day``, ``month``, or how long a rolling window is: ``24h``. Default: ever."""
    zone: str
    """Whose days and months: ``Europe/Berlin``. Default: UTC."""
    each: str | list[str]
    """Who has it for itself: each ``run``, ``phase``, ``task``, ``agent``, ``model``, ``worktree`` or ``branch``."""
    at_limit: str | dict[str, str]
    """``refuse``: who would pass it fails. ``wait``: it waits for the next period. ``ask``: it waits until somebody says
    what is to happen, :meth:`Ledger.answer`. ``{"downgrade": MODEL}``: it is done with that model. Default: refuse."""
    milestones: list[Dollars]
    """Amounts that are told when they are reached, each once a period."""
    run: str
    phase: str
    task: str
    agent: str
    """Only what this agent spends counts; likewise the others."""
    model: str
    worktree: str
    branch: str


Budgets = Dollars | Limit | Iterable[Limit]
"""Dollars for each run, one limit, or several."""


def limits_for_core(budget: Budgets) -> Any:
    """A budget as the core reads it."""
    if isinstance(budget, (int, float, str, Decimal)):
        return money(budget)
    if isinstance(budget, Mapping):
        return _limit(budget)
    return [_limit(limit) for limit in budget]


def _limit(limit: Any) -> Any:
    if not isinstance(limit, Mapping):
        return limit
    core = dict(limit)
    if "usd" in core:
        core["usd"] = money(core["usd"])
    if "milestones" in core:
        core["milestones"] = [money(amount) for amount in core["milestones"]]
    return core


class Reservation:
    """What came of :meth:`orch.Ledger.reserve`: true where it is reserved."""

    __slots__ = ("_ledger", "_who", "again", "granted", "id", "usd", "why")

    def __init__(self, ledger: Ledger, who: dict[str, str], form: Mapping[str, Any]) -> None:
        self._ledger, self._who = ledger, who
        self.granted: bool = form["granted"]
        """Whether it is reserved."""
        self.id: str | None = form.get("id")
        """By which it can be settled in any process."""
        self.usd: Decimal = Decimal(form.get("usd", 0))
        """How much is reserved."""
        self.why: str | None = form.get("why")
        """Where it is not: the budget that is in the way, with its numbers."""
        self.again: str | None = form.get("again")
        """Where it is not: ``never``, ``settled`` (when others have settled), or the time of the next period."""

    def __bool__(self) -> bool:
        return self.granted

    def settle(self, usd: Dollars | None = None, *, usage: Usage | None = None, failed: bool = False) -> Booked:
        """Gives it back, and books what was spent of it: an amount, or what a usage costs. Nothing: ``settle(0)``.

        Raises :class:`orch.Conflict` if it was settled already.
        """
        if not self.granted:
            raise InvalidValue(f"nothing is reserved: {self.why}")
        charges = [self._ledger._form(usd, usage, failed, self._who)] if usd != 0 else []
        return booked_of(self._ledger.close_booking(str(self.id), charges))

    def __repr__(self) -> str:
        return f"<orch.Reservation of ${self.usd}>" if self.granted else f"<orch.Reservation, not granted: {self.why}>"


class Ledger(_orch.Ledger):
    """Who may spend what, and who spent what. Whoever has the same store has the same ledger, in whatever process and language.

    :param store: an :class:`orch.Store`, a path, or True for the default place. Default: in memory.
    :param budget: dollars for each run, one :class:`orch.Limit`, or a list of them.
    :param prices: what a usage costs that is booked here.

    Money is reserved before it is spent, so that a budget is not passed however many spend at once. Runs that are given it as
    ``budget=`` do that for their tasks; :meth:`reserve` and :meth:`charge` are for all else.

    >>> import orch
    >>> ledger = orch.Ledger(budget={"usd": 1, "per": "month", "milestones": [0.5]})
    >>> held = ledger.reserve("0.70", agent="reviewer")
    >>> bool(held), bool(ledger.reserve("0.40", agent="writer"))
    (True, False)
    >>> held.settle("0.55").milestones[0].usd
    Decimal('0.5')
    >>> ledger.costs(by="agent")[0].usd, ledger.budgets()[0].left
    (Decimal('0.55'), Decimal('0.45'))
    """

    __slots__ = ("__weakref__",)

    def __new__(
        cls,
        store: Store | str | os.PathLike[str] | bool | None = None,
        budget: Budgets | None = None,
        *,
        prices: Prices | None = None,
    ) -> Self:
        """Reads the budget, and opens the store where it is not open."""
        from orch._store import store_of

        place = None if store is None or store is False else store_of(store, None)
        return super().__new__(cls, place, None if budget is None else limits_for_core(budget), prices=prices)

    def costs(
        self,
        by: str | Iterable[str] = ("agent", "model"),
        *,
        since: datetime | date | str | None = None,
        until: datetime | date | str | None = None,
        zone: str = "UTC",
        only: Mapping[str, str] | None = None,
    ) -> list[Cost]:
        """What was spent, added up, the most first.

        :param by: ``run``, ``phase``, ``task``, ``agent``, ``model``, ``worktree``, ``branch``, ``day``, ``month``: one or
            several.
        :param since: from that time on.
        :param until: before that time.
        :param zone: whose days and months.
        :param only: only what has these values: ``{"branch": "main"}``.
        """
        return [cost_of(row) for row in self.sums(_query(by, since, until, zone, only))["rows"]]

    def costs_csv(
        self,
        by: str | Iterable[str] = ("agent", "model"),
        *,
        since: datetime | date | str | None = None,
        until: datetime | date | str | None = None,
        zone: str = "UTC",
        only: Mapping[str, str] | None = None,
    ) -> str:
        """The same as CSV, with a head."""
        return self.sums_csv(_query(by, since, until, zone, only))

    def costs_json(
        self,
        by: str | Iterable[str] = ("agent", "model"),
        *,
        since: datetime | date | str | None = None,
        until: datetime | date | str | None = None,
        zone: str = "UTC",
        only: Mapping[str, str] | None = None,
    ) -> str:
        """The same as JSON, as ``orch cost --json`` writes it."""
        import json

        return json.dumps(self.sums(_query(by, since, until, zone, only)), ensure_ascii=False)

    def charges(
        self,
        *,
        since: datetime | date | str | None = None,
        until: datetime | date | str | None = None,
        only: Mapping[str, str] | None = None,
    ) -> list[Charge]:
        """Every charge by itself, in order."""
        return [charge_of(form) for form in self.each(_query((), since, until, "UTC", only))]

    def charges_csv(
        self,
        *,
        since: datetime | date | str | None = None,
        until: datetime | date | str | None = None,
        only: Mapping[str, str] | None = None,
    ) -> str:
        """The same as CSV, with a head."""
        return self.each_csv(_query((), since, until, "UTC", only))

    def budgets(self) -> list[BudgetState]:
        """How the budgets stand, and where they lead."""
        return [state_of(form) for form in self.form()["budgets"]]

    def in_flight(self) -> list[InFlight]:
        """What is reserved now. What a process had reserved that died stays so, until somebody calls :meth:`assume`."""
        return [in_flight_of(form) for form in self.form()["in_flight"]]

    def reserve(self, usd: Dollars, **who: str) -> Reservation:
        """Reserves what something may cost at most, in all budgets that it counts for, or in none.

        :param usd: 0 for what nobody knows: that is granted while anything is left.
        :param who: who spends: ``run``, ``phase``, ``task``, ``agent``, ``model``, ``worktree``, ``branch``.
        """
        return Reservation(self, who, self.ask(who, money(usd)))

    def charge(
        self,
        usd: Dollars | None = None,
        *,
        usage: Usage | None = None,
        failed: bool = False,
        **who: str,
    ) -> Booked:
        """Books what was spent without a reservation: an amount, or what a usage costs.

        Raises :class:`orch.NotFound` for a usage without a price.
        """
        return booked_of(self.book([self._form(usd, usage, failed, who)]))

    def assume(self, id: str) -> Booked:
        """Counts a reservation as spent: its process died, and nobody knows what it cost."""
        return booked_of(self.close_booking(id, None))

    def questions(self) -> list[Question]:
        """What somebody is to say before more is spent, in whatever process it is asked: ``at_limit="ask"``."""
        return [question_of(gate) for gate in self.gates()]

    def answer(self, id: str, allowed: bool | Literal["run"], *, by: str = "a program") -> None:
        """Answers one of them: whether that attempt may begin; ``"run"``: this and all that its run would ask this budget for.

        :param by: who says so, for the records.

        Raises :class:`orch.NotFound` if nobody asks that, :class:`orch.Conflict` if somebody else was quicker.
        """
        self.say(id, "run" if allowed == "run" else "once" if allowed else "no", by)

    def _form(self, usd: Dollars | None, usage: Usage | None, failed: bool, who: Mapping[str, str]) -> dict[str, Any]:
        form: dict[str, Any] = {"who": dict(who), "usage": models_for_core(usage), "failed": failed}
        if usd is not None:
            form["usd"] = money(usd)
        return form

    def __repr__(self) -> str:
        return f"<orch.Ledger with {len(self.limits)} budgets>"


def ledger_of(budget: Ledger | Budgets | None, store: _orch.Store | None) -> _orch.Ledger | None:
    """Where a run books what it spends: the ledger that it is given, else that of its store."""
    if isinstance(budget, _orch.Ledger):
        return budget
    if budget is None and store is None:
        return None
    return _orch.Ledger(store, None if budget is None else limits_for_core(budget))


def _query(
    by: str | Iterable[str],
    since: datetime | date | str | None,
    until: datetime | date | str | None,
    zone: str,
    only: Mapping[str, str] | None,
) -> dict[str, Any]:
    columns = [by] if isinstance(by, str) else list(by)
    times = {"since": when(since, "since"), "until": when(until, "until")}
    return {"by": columns, **times, "zone": zone, "only": dict(only or {})}
