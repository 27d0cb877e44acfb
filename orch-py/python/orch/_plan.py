"""Plans: what follows from a graph alone."""

from __future__ import annotations

import html
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from orch._errors import NotFound
from orch._orch import Plan as _Native

if TYPE_CHECKING:
    from orch import _orch
    from orch._load import Assigned
    from orch._prices import Prices


class Step(NamedTuple):
    """One task in its plan. Times in seconds."""

    id: str
    level: int
    """How many tasks must be done one after the other before it."""
    estimate: float
    earliest: float
    """When it could start with unlimited workers."""
    slack: float
    """How much later it could start without delaying the end."""
    rank: int
    """Its turn among all tasks when several are ready."""


class Forecast(NamedTuple):
    """What a run would take, in seconds, and how busy its workers would be, from 0 to 1."""

    makespan: float
    utilisation: float


class PlanCost(NamedTuple):
    """What a run will probably cost, in dollars."""

    usd: Decimal
    """The medians of past runs, else what tasks expect to use, added up."""
    p90: Decimal
    """The sum of what each task cost at most in nine of ten past runs."""
    unknown: tuple[str, ...]
    """Models without a price, which are missing in it."""
    learned: int
    """How many tasks past runs know the cost of."""
    expected: int
    """How many others say what they expect."""


class Plan:
    """How the tasks of a graph would run. Estimates that are not given count as 60 seconds.

    >>> import orch
    >>> graph = orch.Graph("notes")
    >>> collect = graph.add(lambda: 1, id="collect", estimate=2)
    >>> draft = graph.add(lambda: 1, id="draft", after=collect, estimate=3)
    >>> links = graph.add(lambda: 1, id="links", after=collect, estimate=1)
    >>> plan = graph.plan()
    >>> plan.levels
    [['collect'], ['draft', 'links']]
    >>> plan.critical_path, plan.critical
    (['collect', 'draft'], 5.0)
    >>> plan.forecast(max_parallel=1).makespan
    6.0
    """

    __slots__ = ("_ids", "_native", "_prices", "assigned", "max_parallel")

    def __init__(
        self,
        ids: list[str],
        native: _orch.Plan,
        max_parallel: int | None,
        prices: Prices | None = None,
        assigned: tuple[Assigned, ...] = (),
    ) -> None:
        self._ids = ids
        self._prices = prices
        self._native = native
        self.max_parallel = max_parallel
        self.assigned = assigned
        """Who does the tasks that ask for a capability, and why."""

    @property
    def levels(self) -> list[list[str]]:
        """The tasks of each level. Only for showing: nothing waits for a level."""
        return [[self._ids[place] for place in level] for level in self._native.levels()]

    @property
    def widest(self) -> int:
        """The most tasks on one level."""
        return self._native.widest

    @property
    def serial(self) -> float:
        """Seconds that the tasks take one after the other."""
        return self._native.serial

    @property
    def critical(self) -> float:
        """Seconds that the run takes with unlimited workers."""
        return self._native.critical

    @property
    def critical_path(self) -> list[str]:
        """The longest chain, from first to last."""
        return [self._ids[place] for place in self._native.critical_path()]

    def step(self, id: str) -> Step:
        """What the plan says of that task."""
        return Step(id, *self._native.step(self._place(id)))

    def _place(self, id: str) -> int:
        try:
            return self._ids.index(id)
        except ValueError:
            raise NotFound(f"there is no task `{id}` in the plan") from None

    @property
    def prices(self) -> Prices:
        """What models cost."""
        if self._prices is None:
            from orch._prices import Prices

            self._prices = Prices()
        return self._prices

    @property
    def cost(self) -> PlanCost:
        """What a run will probably cost at today's prices, before anything is spent.

        >>> import orch
        >>> graph = orch.Graph("notes")
        >>> draft = graph.add(lambda: 1, id="draft", expects={"claude-sonnet-4-5": (4_000, 800)})
        >>> graph.plan().cost.usd, graph.plan().cost_of("draft")
        (Decimal('0.024'), Decimal('0.024'))
        """
        usd, p90, unknown, learned, expected = self._native.cost(self.prices, None)
        return PlanCost(Decimal(usd), Decimal(p90), tuple(unknown), learned, expected)

    def cost_of(self, id: str) -> Decimal | None:
        """The same of one task; ``None`` where a price is missing."""
        usd = self._native.cost_of(self._place(id), self.prices, None)
        return None if usd is None else Decimal(usd)

    def forecast(self, max_parallel: int | None = None) -> Forecast:
        """What a run with so many at once would take; the same engine decides on a virtual clock."""
        return Forecast(*self._native.forecast(max_parallel or self.max_parallel))

    def to_html(self) -> str:
        """The plan as one HTML page."""
        return self._native.html()

    def _repr_html_(self) -> str:
        return framed(self.to_html())

    def __repr__(self) -> str:
        short = _Native.short
        return (
            f"<orch.Plan of {len(self._ids)} tasks, {len(self._native.levels())} levels, "
            f"{short(self.serial)} of work, critical path {short(self.critical)}>"
        )


def framed(page: str) -> str:
    """A page inside a notebook: its styles and scripts stay its own."""
    source = html.escape(page, quote=True)
    return f'<iframe srcdoc="{source}" style="width:100%;height:480px;border:0" sandbox="allow-scripts"></iframe>'
