"""What orchestration saves, badges of that, and the rotation of its records, after the scripts."""

from __future__ import annotations

import os
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

from orch import _orch

_FOLDER = "reports/orchestration"


class BadgeData(TypedDict):
    """What the badges say of the month to date: dollars, and shares in percent. All of it is modelled."""

    mtd_cost: float
    mtd_saved: float
    savings_percentage: float
    orchestration_rate: float
    all_time_saved: float


def _top() -> Path:
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def _local_zone() -> str:
    """The zone of this machine: its name where that is known, else how far it is from UTC now."""
    named = os.environ.get("TZ") or str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    if _orch.is_zone(named):
        return named
    text = datetime.now().astimezone().strftime("%z")
    return f"{text[:3]}:{text[3:5]}"


class OrchestrationMetricsAggregator:
    """Aggregates the commits of the repository that the working directory belongs to, by month, and what they would cost by
    the constants of the scripts (``orchestration_metrics_aggregator.py``).

    It counts as the scripts did, to the last digit (:attr:`policy` ``"compat"``): by messages that say ``worktree``, in months
    that begin at the present time of day. ``"message"`` counts the same in months of the calendar, ``"recorded"`` is what the
    hooks of orch saw; both are for classes of your own. Months of the past are counted too, from the history.

    A file that is damaged, or was left with the marks of a merge conflict, is not trusted: it is made again from the history,
    with a warning.

    >>> import subprocess
    >>> _ = subprocess.run(["git", "init", "--quiet"], check=True)
    >>> from orch.compat import OrchestrationMetricsAggregator
    >>> OrchestrationMetricsAggregator().get_badge_data()
    {'mtd_cost': 0.0, 'mtd_saved': 0.0, 'savings_percentage': 0.0, 'orchestration_rate': 0.0, 'all_time_saved': 0.0}
    """

    policy = "compat"
    """What "orchestrated" means: ``"compat"``, ``"message"`` or ``"recorded"``."""
    zone: str | None = None
    """Whose months: ``"UTC"``, ``"+05:30"``, ``"America/New_York"``. ``None``: those of this machine."""

    def __init__(self) -> None:
        self.repo_root = _top()
        self.reports_dir = self.repo_root / _FOLDER
        self.metrics_file = self.reports_dir / "aggregated_metrics.json"

    def calculate_monthly_metrics(self) -> dict[str, Any]:
        """The metrics of the current month."""
        month: dict[str, Any] = self._counted().form()["current_month"]
        return month

    def aggregate_metrics(self) -> dict[str, Any]:
        """All months; writes ``aggregated_metrics.json``, as a whole, if it would say something else."""
        counted = self._counted()
        problem = counted.update(self.metrics_file)
        if problem is not None:
            said = f"`{self.metrics_file}` is not trusted and was made again from the history: {problem}"
            warnings.warn(said, RuntimeWarning, stacklevel=2)
        return counted.form()

    def get_badge_data(self) -> BadgeData:
        """What the badges say. Writes the file too."""
        metrics = self.aggregate_metrics()
        current = metrics["current_month"]
        return {
            "mtd_cost": current["costs"]["actual_usd"],
            "mtd_saved": current["costs"]["saved_usd"],
            "savings_percentage": current["costs"]["savings_percentage"],
            "orchestration_rate": current["commits"]["orchestration_rate"],
            "all_time_saved": metrics["all_time_savings"]["cost_saved_usd"],
        }

    def _counted(self) -> _orch.Metrics:
        return _orch.Metrics(self.repo_root, self.policy, self.zone or _local_zone())


class OrchestrationBadgeGenerator:
    """Writes the two badges into the README of the repository, and the report (``generate_orchestration_badges.py``).

    The badges say that their figures are modelled. Where there are no commits they say ``no data``; no example is ever
    published. What stands beside the block stays as it is, and a README without marks is refused.
    """

    def __init__(self) -> None:
        self.aggregator = OrchestrationMetricsAggregator()

    def get_color_for_savings(self, percentage: float) -> str:
        """The colour of so many percent: from 50 on bright green, from 30 green, from 10 yellow, orange, light grey at 0."""
        return _orch.savings_color(percentage)

    def generate_badges(self) -> dict[str, str]:
        """The addresses of the badges, by ``mtd_cost`` and ``savings``."""
        cost, savings = self.aggregator._counted().badges()
        return {"mtd_cost": cost[3], "savings": savings[3]}

    def update_readme_with_orchestration_badges(self, badges: dict[str, str], check: bool = False) -> bool:
        """Writes those badges between the marks of ``README.md``, or only says whether that would change it."""
        link = f"./{_FOLDER}/"
        line = " ".join(
            [
                _orch.badge_markdown("MTD Cost", badges["mtd_cost"], link),
                _orch.badge_markdown("Orchestration Savings", badges["savings"], link),
            ]
        )
        return _orch.write_block(self.aggregator.repo_root / "README.md", line, check)

    def generate_orchestration_report(self) -> Path:
        """Writes the report, and answers where it is."""
        path = self.aggregator.reports_dir / "README.md"
        self.aggregator._counted().report(path)
        return path


class MetricsRotation:
    """Moves the records of past months into an archive (``metrics_rotation.py``): each into that of its own month, also when
    the first of a month was missed; archives of three calendar months stay. It may be interrupted anywhere and done again."""

    def __init__(self) -> None:
        self.repo_root = _top()
        self.metrics_dir = self.repo_root / _FOLDER
        self.archive_dir = self.metrics_dir / "archive"

    def should_rotate(self) -> bool:
        """Whether there is something to do."""
        return _orch.rotate(self.repo_root, _FOLDER, _local_zone(), True, False)[0]

    def rotate(self, force: bool = False) -> dict[str, int]:
        """Does it: how many records were ``archived``, how many archives ``dropped``. ``force`` also writes
        ``last_rotation.json`` where there is nothing to do."""
        return _orch.rotate(self.repo_root, _FOLDER, _local_zone(), False, force)[1] or {}
