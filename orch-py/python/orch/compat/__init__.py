"""The classes of the systems that orch replaces, under their own names and signatures, so that scripts change one import.

Each is a thin dress over a part of the engine; nothing here answers a figure that was not computed.

>>> from orch.compat import OptimizedWorktreeManager
>>> manager = OptimizedWorktreeManager()
>>> manager.generate_recommendations({"average_cost_per_task": 0.2, "total_tokens": 1_000})
['Consider batching smaller tasks together to reduce overhead']
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
from orch.compat._parallel import (
    AutonomousWorktreeManager,
    DistributedTask,
    Infrastructure,
    WorktreeHealth,
    WorktreeOrchestrator,
    WorktreeTask,
    check_worktree_health,
)
from orch.compat._program import TaskOutcome
from orch.compat._worktree import (
    BatchOutcome,
    BatchSummary,
    OptimizedWorktreeManager,
    TokenCostTracker,
    TrackedTask,
)

__all__ = [
    "AIOrchestrator",
    "AutonomousWorktreeManager",
    "BadgeData",
    "BatchOutcome",
    "BatchSummary",
    "BudgetStatus",
    "BudgetTracker",
    "CostInfo",
    "DiscordNotifier",
    "DistributedTask",
    "Infrastructure",
    "MetricsRotation",
    "OptimizedWorktreeManager",
    "OrchestrationBadgeGenerator",
    "OrchestrationMetricsAggregator",
    "TaskOutcome",
    "TokenCostTracker",
    "TrackedTask",
    "WorkflowFailed",
    "WorkflowSucceeded",
    "WorktreeHealth",
    "WorktreeOrchestrator",
    "WorktreeTask",
    "check_worktree_health",
]
