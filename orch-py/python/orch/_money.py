"""Money: prices of models, usage in what agents say, the ledger, and budgets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict

from orch import _orch
from orch._errors import InvalidValue
from orch._report import ModelUsage, usages_of

if TYPE_CHECKING:
    import os

    from typing_extensions import Self

    from orch._store import Store

Dollars = int | float | str | Decimal
"""An amount of dollars. A float is taken as what it shows; text and :class:`decimal.Decimal` are exact."""


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


class Price(NamedTuple):
    """Which price of which list something was computed by."""

    model: str
    """The model, as the list calls it, with its provider."""
    list: str
    """The list and its date, ``own rates``, or ``billed``."""
    at: datetime
    """The time whose price it is."""
    fallback: bool
    """Whether the model is not known, and it is the price of another that stands for it."""


class Quote(NamedTuple):
    """What a usage costs, exact to the nano-dollar."""

    usd: Decimal
    input_usd: Decimal | None
    """What of it is for input, where the list tells."""
    output_usd: Decimal | None
    price: Price
    usage: ModelUsage

    @property
    def nanos(self) -> int:
        """The same in nano-dollars."""
        return int(self.usd.scaleb(9))


class Used(NamedTuple):
    """What an agent or an API said that it used."""

    dialect: str
    """In which form it said so."""
    models: tuple[ModelUsage, ...]
    messages: int
    """How many messages counted."""


Usage = ModelUsage | Used | Mapping[str, Any] | Iterable[ModelUsage | Mapping[str, Any]]
"""What was used: one or several of :class:`orch.ModelUsage`, or mappings with its fields."""


def money(amount: Dollars) -> Any:
    """An amount as the core reads it."""
    return str(amount) if isinstance(amount, Decimal) else amount


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _maybe(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _when(at: datetime | date | str | None, what: str) -> str | None:
    """A time as the core reads it."""
    if at is None or isinstance(at, str):
        return at
    if not isinstance(at, datetime):
        return at.isoformat()
    if at.tzinfo is None:
        raise InvalidValue(f"`{what}` is {at!r}, which has no time zone; give it one, for example `timezone.utc`")
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _price(form: Mapping[str, Any]) -> Price:
    return Price(form["model"], form["list"], _at(form["at"]), form["fallback"])


def _quote(form: Mapping[str, Any]) -> Quote:
    (used,) = usages_of([form["usage"]])
    parts = _maybe(form.get("input_usd")), _maybe(form.get("output_usd"))
    return Quote(Decimal(form["usd"]), *parts, _price(form["price"]), used)


def models_for_core(usage: Usage | None, model: str | None = None) -> list[dict[str, Any]]:
    """A usage as the core has it."""
    if usage is None:
        return []
    if isinstance(usage, Used):
        usage = usage.models
    entries: list[Any] = [usage] if isinstance(usage, (ModelUsage, Mapping)) else list(usage)
    core = []
    for entry in entries:
        fields: dict[str, Any] = entry._asdict() if isinstance(entry, ModelUsage) else dict(entry)
        billed = fields.pop("billed_usd", None)
        fields = {name: value for name, value in fields.items() if value is not None}
        if billed is not None:
            fields["billed"] = int(Decimal(str(billed)).scaleb(9).to_integral_value())
        if model is not None:
            fields["model"] = model
        core.append(fields)
    return core


def expected(expects: Any) -> list[dict[str, Any]]:
    """What a task expects to use, as the core has it."""
    if isinstance(expects, Mapping) and all(isinstance(tokens, tuple) for tokens in expects.values()):
        return [{"model": model, "input": tokens[0], "output": tokens[1], "requests": 1} for model, tokens in expects.items()]
    models = models_for_core(expects)
    return [{"requests": 1, **one} if one.get("requests", 0) == 0 else one for one in models]


class Prices(_orch.Prices):
    """Prices of models: the published ones that this version knows, with their history, and your own.

    :param path: another list, in the form in which genai-prices publishes its own, instead of the one of this version.
    :param rates: dollars for a million tokens, by model: ``{"house-model": {"input": 3.0, "output": 15.0}}``. They go
        first. ``*`` is for models that are not known; without it these are an error, never free.
    :param aliases: names that stand for others: ``{"sonnet": "claude-sonnet-4-5"}``.

    >>> import orch
    >>> prices = orch.Prices(rates={"house-model": {"input": 3.0, "output": 15.0}})
    >>> quote = prices.price("house-model", {"input": 4_000, "output": 800})
    >>> quote.usd, quote.nanos, quote.price.list
    (Decimal('0.024'), 24000000, 'own rates')
    >>> prices.price("claude-3-5-sonnet-20241022", {"input": 2_000, "output": 1_500}, at="2026-02-01").usd
    Decimal('0.0285')
    >>> prices.price("no-such-model", {"input": 1})
    Traceback (most recent call last):
    orch._errors.NotFound: there is no price for `no-such-model`, or for all of what was used; ...
    """

    __slots__ = ("__weakref__",)

    def __new__(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        rates: Mapping[str, Mapping[str, float]] | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> Self:
        """Reads the list, where one is named."""
        return super().__new__(cls, path, rates=rates, aliases=aliases)

    def price(
        self,
        model: str,
        usage: Usage,
        *,
        at: datetime | date | str | None = None,
        provider: str | None = None,
        batch: bool = False,
    ) -> Quote:
        """What a model's usage costs.

        :param usage: one usage: its ``model`` does not matter here.
        :param at: at the prices of that time. Default: now.
        :param provider: whose prices: ``anthropic``, ``aws``, ``openai``.
        :param batch: whether it was a batch.

        Raises :class:`orch.NotFound` for a model without a price, and for something that was used and has none.
        """
        used = models_for_core(usage, model if provider is None else f"{provider}/{model}")
        if len(used) != 1:
            raise InvalidValue(f"`usage` has {len(used)} entries; give one, or ask for `total`")
        if batch:
            used[0]["terms"] = {**used[0].get("terms", {}), "processing": "batch"}
        used[0].setdefault("requests", 1)
        return _quote(self.quoted(used, _when(at, "at"))[1][0])

    def total(self, usage: Usage, *, at: datetime | date | str | None = None) -> tuple[Decimal, list[Quote]]:
        """What the usage of any models costs together, and each by itself."""
        usd, forms = self.quoted(models_for_core(usage), _when(at, "at"))
        return Decimal(usd), [_quote(form) for form in forms]

    def __repr__(self) -> str:
        return "<orch.Prices>"


def usage(
    said: Any,
    *,
    model: str | None = None,
    provider: str | None = None,
    batch: bool = False,
    dialect: str | None = None,
) -> Used:
    """What an agent or an API says that it used: the answer of Anthropic, OpenAI or Google, the result or a transcript of
    Claude Code, the events of Codex or OpenCode, the JSON of ccusage, or only its record of tokens.

    :param said: its text, or the JSON in it as data: one message, or a list of them.
    :param model: the model, where what was said does not name it, or instead of that.
    :param provider: whose prices: it goes before the model's name.
    :param batch: whether it was a batch.
    :param dialect: only that form. Default: whichever it is.

    Raises :class:`orch.InvalidFormat` if no usage is in it, :class:`orch.InvalidValue` if nobody names the model.

    >>> import orch
    >>> used = orch.usage({"model": "claude-sonnet-4-5", "usage": {"input_tokens": 100, "output_tokens": 20}})
    >>> used.dialect, used.models[0].input, used.models[0].output
    ('anthropic', 100, 20)
    """
    text = said.decode() if isinstance(said, (bytes, bytearray)) else said
    found, models, messages = _orch.usage(text, model, provider, batch, dialect)
    return Used(found, usages_of(models), messages)


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


def _booked(form: Mapping[str, Any]) -> Booked:
    told = (
        Milestone(one["limit"], one["period"], Decimal(one["usd"]), Decimal(one["spent_usd"]), one["charges"])
        for one in form["milestones"]
    )
    return Booked(tuple(told), {one["limit"]: Decimal(one["usd"]) for one in form["over"]})


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
        return _booked(self._ledger.close_booking(str(self.id), charges))

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
        form = self.sums(_query(by, since, until, zone, only))
        return [
            Cost(row["of"], Decimal(row["usd"]), row["charges"], row["failed"], row["input"], row["output"])
            for row in form["rows"]
        ]

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
        return [_charge(form) for form in self.each(_query((), since, until, "UTC", only))]

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
        return [_state(form) for form in self.form()["budgets"]]

    def in_flight(self) -> list[InFlight]:
        """What is reserved now. What a process had reserved that died stays so, until somebody calls :meth:`assume`."""
        found = []
        for form in self.form()["in_flight"]:
            parts = tuple((dict(part["who"]), Decimal(part["usd"])) for part in form["parts"])
            found.append(InFlight(form["id"], _at(form["since"]), parts))
        return found

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
        return _booked(self.book([self._form(usd, usage, failed, who)]))

    def assume(self, id: str) -> Booked:
        """Counts a reservation as spent: its process died, and nobody knows what it cost."""
        return _booked(self.close_booking(id, None))

    def questions(self) -> list[Question]:
        """What somebody is to say before more is spent, in whatever process it is asked: ``at_limit="ask"``."""
        found = []
        for gate in self.gates():
            asked = gate["question"]
            at = datetime.fromtimestamp(asked["at"] / 1000, timezone.utc)
            usd = Decimal(asked["usd"]).scaleb(-9)
            found.append(Question(asked["id"], at, asked["who"], asked["limit"], usd, asked["why"], gate.get("said")))
        return found

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
    times = {"since": _when(since, "since"), "until": _when(until, "until")}
    return {"by": columns, **times, "zone": zone, "only": dict(only or {})}


def _charge(form: Mapping[str, Any]) -> Charge:
    used = None if form["usage"] is None else usages_of([form["usage"]])[0]
    price = None if form["price"] is None else _price(form["price"])
    told = form["attempt"], form["failed"], form["assumed"]
    return Charge(_at(form["at"]), Decimal(form["usd"]), form["who"], *told, used, price)


def _state(form: Mapping[str, Any]) -> BudgetState:
    start, end, ends = (None if form[name] is None else _at(form[name]) for name in ("start", "end", "ends"))
    usd, spent, reserved, left = (Decimal(form[name]) for name in ("usd", "spent_usd", "reserved_usd", "left_usd"))
    reached = tuple(Decimal(amount) for amount in form["reached"])
    rest = form["charges"], reached, _maybe(form["projected_usd"]), ends
    return BudgetState(form["name"], form["of"], form["period"], start, end, usd, spent, reserved, left, *rest)
