"""The classes of the systems that orch replaces, under their own names and signatures, so that scripts change one import.

Each is a thin dress over a part of the engine. Where that part is not built yet, making the class raises
:class:`orch.NotBuiltYet`, which says what to use until then; nothing here answers a figure that was not computed.

>>> import orch
>>> from orch.compat import OptimizedWorktreeManager
>>> try:
...     OptimizedWorktreeManager()
... except orch.NotBuiltYet as error:
...     print(error.code)
NOT_BUILT_YET
"""

from __future__ import annotations

from orch.compat._budget import (
    AIOrchestrator,
    BudgetStatus,
    BudgetTracker,
    CostInfo,
    WorkflowFailed,
    WorkflowSucceeded,
)
from orch.compat._discord import DiscordNotifier
from orch.compat._metrics import (
    BadgeData,
    MetricsRotation,
    OrchestrationBadgeGenerator,
    OrchestrationMetricsAggregator,
)
from orch.compat._worktree import OptimizedWorktreeManager, TokenCostTracker

__all__ = [
    "AIOrchestrator",
    "BadgeData",
    "BudgetStatus",
    "BudgetTracker",
    "CostInfo",
    "DiscordNotifier",
    "MetricsRotation",
    "OptimizedWorktreeManager",
    "OrchestrationBadgeGenerator",
    "OrchestrationMetricsAggregator",
    "TokenCostTracker",
    "WorkflowFailed",
    "WorkflowSucceeded",
]
