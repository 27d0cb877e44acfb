"""Plans: what follows from a graph alone."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, NamedTuple

from orch._errors import NotFound
from orch._orch import Plan as _Native

if TYPE_CHECKING:
    from orch import _orch


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

    __slots__ = ("_ids", "_native", "max_parallel")

    def __init__(self, ids: list[str], native: _orch.Plan, max_parallel: int | None) -> None:
        self._ids = ids
        self._native = native
        self.max_parallel = max_parallel

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
        try:
            place = self._ids.index(id)
        except ValueError:
            raise NotFound(f"there is no task `{id}` in the plan") from None
        return Step(id, *self._native.step(place))

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
