"""Prices of models, and what a usage costs by them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from orch import _orch
from orch._amounts import maybe, moment, when
from orch._errors import InvalidValue
from orch._report import ModelUsage, usages_of
from orch._usage import Usage, models_for_core

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from datetime import date, datetime

    from typing_extensions import Self


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


def price_of(form: Mapping[str, Any]) -> Price:
    return Price(form["model"], form["list"], moment(form["at"]), form["fallback"])


def _quote(form: Mapping[str, Any]) -> Quote:
    (used,) = usages_of([form["usage"]])
    parts = maybe(form.get("input_usd")), maybe(form.get("output_usd"))
    return Quote(Decimal(form["usd"]), *parts, price_of(form["price"]), used)


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
        return _quote(self.quoted(used, when(at, "at"))[1][0])

    def total(self, usage: Usage, *, at: datetime | date | str | None = None) -> tuple[Decimal, list[Quote]]:
        """What the usage of any models costs together, and each by itself."""
        usd, forms = self.quoted(models_for_core(usage), when(at, "at"))
        return Decimal(usd), [_quote(form) for form in forms]

    def __repr__(self) -> str:
        return "<orch.Prices>"
