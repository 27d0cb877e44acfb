"""What orchestration saves, and badges of that. The contract names the scripts; the classes are named after them."""

from __future__ import annotations

from typing import TypedDict

from orch.compat._coming import Coming


class BadgeData(TypedDict):
    """What the badges say of the month to date: dollars, and shares in percent."""

    mtd_cost: float
    mtd_saved: float
    savings_percentage: float
    orchestration_rate: float
    all_time_saved: float


class OrchestrationMetricsAggregator(Coming):
    """Aggregates commits and what they cost, by month (``orchestration_metrics_aggregator.py``). Not built yet."""

    _part = "metrics"
    _until = "`report.to_json()` of each run has its times, tokens and costs"

    def __init__(self) -> None:
        raise self._not_built()

    def get_badge_data(self) -> BadgeData:
        """What the badges say."""
        raise self._not_built()


class OrchestrationBadgeGenerator(Coming):
    """Writes badges into the README (``generate_orchestration_badges.py``). Its methods come with it. Not built yet."""

    _part = "metrics and badges"
    _until = "make the address of a badge yourself, from the figures in `report.to_json()`"

    def __init__(self) -> None:
        raise self._not_built()
