"""What a ledger tells: what was spent, and how the budgets stand."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from orch._amounts import maybe, moment
from orch._prices import Price, price_of
from orch._report import ModelUsage, usages_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class Cost(NamedTuple):
    """What some spenders spent together."""

    of: dict[str, str | None]
    """What they have in common, in the columns that were asked for."""
    usd: Decimal
    charges: int
    failed: int
    """In how many charges the attempt failed. These are paid for all the same."""
    input: int
    """Tokens."""
    output: int


class Charge(NamedTuple):
    """Something that was spent."""

    at: datetime
    usd: Decimal
    who: dict[str, str]
    """What is known of who spent it: ``run``, ``task``, ``agent``, ``model``, ..."""
    attempt: int
    """Which attempt of the task, from 1; 0: not one of a task."""
    failed: bool
    assumed: bool
    """Whether nobody knows what it cost: then it is what was reserved."""
    usage: ModelUsage | None
    price: Price | None


class BudgetState(NamedTuple):
    """How a budget stands in its present period."""

    name: str
    of: dict[str, str | None]
    """Whose it is, where each has one."""
    period: str
    start: datetime | None
    end: datetime | None
    usd: Decimal
    spent: Decimal
    reserved: Decimal
    left: Decimal
    charges: int
    reached: tuple[Decimal, ...]
    """The milestones that are reached."""
    projected: Decimal | None
    """What will be spent by the end of the period, if it goes on as it did."""
    ends: datetime | None
    """When all of it will be spent, if that is within the period."""


class InFlight(NamedTuple):
    """Money that is reserved now."""

    id: str
    since: datetime
    parts: tuple[tuple[dict[str, str], Decimal], ...]


class Milestone(NamedTuple):
    """A milestone of a budget that was reached."""

    budget: str
    period: str
    usd: Decimal
    spent: Decimal
    charges: int


class Booked(NamedTuple):
    """What came of booking something."""

    milestones: tuple[Milestone, ...]
    """The milestones that were reached with it, each once a period, in whatever process."""
    over: dict[str, Decimal]
    """The budgets that are passed now, since it cost more than was reserved, and by how much."""


class Question(NamedTuple):
    """What somebody is to say before more is spent."""

    id: str
    """By which it is answered: the same for the same run, task and budget, also after a restart."""
    at: datetime
    """Since when it is asked."""
    who: dict[str, str]
    """Who asks: ``run``, ``task``, and what else is known."""
    budget: str
    usd: Decimal
    """How much is wanted; 0: nobody knows."""
    why: str
    """How the budget stands, in words."""
    said: str | None
    """What was said, where the run has not heard it yet: ``once``, ``run``, ``no``."""


def cost_of(form: Mapping[str, Any]) -> Cost:
    return Cost(form["of"], Decimal(form["usd"]), form["charges"], form["failed"], form["input"], form["output"])


def charge_of(form: Mapping[str, Any]) -> Charge:
    used = None if form["usage"] is None else usages_of([form["usage"]])[0]
    price = None if form["price"] is None else price_of(form["price"])
    told = form["attempt"], form["failed"], form["assumed"]
    return Charge(moment(form["at"]), Decimal(form["usd"]), form["who"], *told, used, price)


def state_of(form: Mapping[str, Any]) -> BudgetState:
    start, end, ends = (None if form[name] is None else moment(form[name]) for name in ("start", "end", "ends"))
    usd, spent, reserved, left = (Decimal(form[name]) for name in ("usd", "spent_usd", "reserved_usd", "left_usd"))
    reached = tuple(Decimal(amount) for amount in form["reached"])
    rest = form["charges"], reached, maybe(form["projected_usd"]), ends
    return BudgetState(form["name"], form["of"], form["period"], start, end, usd, spent, reserved, left, *rest)


def booked_of(form: Mapping[str, Any]) -> Booked:
    told = (
        Milestone(one["limit"], one["period"], Decimal(one["usd"]), Decimal(one["spent_usd"]), one["charges"])
        for one in form["milestones"]
    )
    return Booked(tuple(told), {one["limit"]: Decimal(one["usd"]) for one in form["over"]})


def in_flight_of(form: Mapping[str, Any]) -> InFlight:
    parts = ((dict(part["who"]), Decimal(part["usd"])) for part in form["parts"])
    return InFlight(form["id"], moment(form["since"]), tuple(parts))


def question_of(gate: Mapping[str, Any]) -> Question:
    asked = gate["question"]
    at = datetime.fromtimestamp(asked["at"] / 1000, timezone.utc)
    usd = Decimal(asked["usd"]).scaleb(-9)
    return Question(asked["id"], at, asked["who"], asked["limit"], usd, asked["why"], gate.get("said"))
