"""The classes of the systems that orch replaces: names, signatures and shapes as they were."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from orch import compat

# What the scripts call: `name(parameters)`, and whether it is awaited. From the contract of the old systems.
SIGNATURES = {
    "OptimizedWorktreeManager": {
        "__init__": "()",
        "execute_parallel_tasks": "async (tasks)",
        "group_tasks_by_type": "(tasks)",
        "execute_in_worktree": "async (task)",
        "generate_cost_report": "(metrics)",
        "generate_recommendations": "(metrics)",
    },
    "AutonomousWorktreeManager": {
        "__init__": "()",
        "initialize_worktree_infrastructure": "async ()",
        "auto_distribute_tasks": "async (tasks)",
        "optimize_worktrees": "()",
        "autonomous_book_production": "async ()",
    },
    "WorktreeOrchestrator": {
        "__init__": "()",
        "execute_in_worktree": "async (task)",
        "execute_tasks": "async (tasks)",
        "parallel_book_generation": "async ()",
        "autonomous_ci_fixes": "async ()",
        "get_cost_analysis": "()",
    },
    "WorktreeTask": {
        "__init__": (
            "(worktree, task_type, command, description, status='pending', start_time=None, end_time=None, result=None)"
        ),
    },
    "TokenCostTracker": {
        "__init__": "()",
        "get_current_usage": "async ()",
        "calculate_cost": "(tokens)",
    },
    "BudgetTracker": {
        "__init__": "(budget_file)",
        "check_budget_available": "()",
        "record_execution": (
            "(claude_input_tokens, claude_output_tokens, openai_input_tokens, openai_output_tokens, pr_created=False)"
        ),
        "get_budget_status": "()",
    },
    "AIOrchestrator": {
        "__init__": "()",
        "can_execute": "()",
        "execute_analysis_with_claude": "(task, /)",
        "execute_coding_with_gpt4o_mini": "(specification, /)",
        "execute_full_workflow": "(task)",
    },
    "DiscordNotifier": {
        "__init__": "(webhook_url=None)",
        "send_execution_start": "(n, remaining)",
        "send_execution_complete": "(n, cost, pr, remaining)",
        "send_milestone_notification": "(m, spent, prs, execs)",
        "send_budget_exceeded": "(spent, prs)",
        "send_monthly_recap": "(data)",
        "send_error": "(msg, n=None)",
    },
    "OrchestrationMetricsAggregator": {
        "__init__": "()",
        "calculate_monthly_metrics": "()",
        "aggregate_metrics": "()",
        "get_badge_data": "()",
    },
    "OrchestrationBadgeGenerator": {
        "__init__": "()",
        "get_color_for_savings": "(percentage)",
        "generate_badges": "()",
        "update_readme_with_orchestration_badges": "(badges, check=False)",
        "generate_orchestration_report": "()",
    },
    "MetricsRotation": {
        "__init__": "()",
        "should_rotate": "()",
        "rotate": "(force=False)",
    },
}
SHAPES = {
    "CostInfo": ("claude_cost openai_cost total_cost total_spent remaining_budget milestone_reached executions prs_generated"),
    "BudgetStatus": "total_spent remaining executions prs_generated milestones_reached current_month",
    "WorkflowSucceeded": "success specification code cost_info",
    "WorkflowFailed": "success error",
    "TaskOutcome": "success stdout stderr returncode",
    "TrackedTask": "task result tokens_used cost",
    "BatchSummary": "total_tasks successful total_cost duration",
    "BatchOutcome": "results summary",
    "DistributedTask": "worktree task success output",
    "Infrastructure": "timestamp worktrees_created worktrees max_parallel_tasks infrastructure_ready",
    "WorktreeHealth": "timestamp total_worktrees worktrees",
    "BadgeData": "mtd_cost mtd_saved savings_percentage orchestration_rate all_time_saved",
}


FUNCTIONS = {"check_worktree_health": "()"}


def signature(function):
    """Without types and `self`."""
    whole = inspect.signature(function)
    plain = [parameter.replace(annotation=parameter.empty) for parameter in whole.parameters.values()]
    text = str(whole.replace(parameters=plain, return_annotation=whole.empty))
    # `/` behind `self` alone says nothing.
    text = text.replace("(self, /)", "(self)").replace("(self, ", "(").replace("(self)", "()")
    return f"async {text}" if inspect.iscoroutinefunction(function) else text


def methods(kind):
    return {
        name: function
        for name, function in vars(kind).items()
        if inspect.isfunction(function) and (name == "__init__" or not name.startswith("_"))
    }


def test_the_classes_are_those_of_the_contract():
    assert {*SIGNATURES, *SHAPES, *FUNCTIONS} == set(compat.__all__)
    assert {name: signature(getattr(compat, name)) for name in FUNCTIONS} == FUNCTIONS


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_those_of_the_contract(name):
    kind = getattr(compat, name)
    assert {method: signature(function) for method, function in methods(kind).items()} == SIGNATURES[name]


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_those_of_the_contract(name):
    shape = getattr(compat, name)
    assert list(shape.__annotations__) == SHAPES[name].split()
    assert shape.__total__


def test_a_wrong_call_is_a_type_error_like_everywhere():
    with pytest.raises(TypeError):
        compat.BudgetTracker()
    with pytest.raises(TypeError):
        compat.OptimizedWorktreeManager(6)


def test_everything_is_documented():
    for name in compat.__all__:
        kind = getattr(compat, name)
        assert kind.__doc__, name
        if name in FUNCTIONS:
            continue
        assert all(function.__doc__ for method, function in methods(kind).items() if method != "__init__"), name


def test_who_imports_orch_does_not_pay_for_it():
    code = "import sys, orch; print('orch.compat' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
