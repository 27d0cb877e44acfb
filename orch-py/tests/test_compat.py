"""The classes of the systems that orch replaces: names and signatures as they were, an error while a part is missing."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import orch
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
COMING = ("OptimizedWorktreeManager",)
"""Whose part of the engine is not built yet."""
SHAPES = {
    "CostInfo": ("claude_cost openai_cost total_cost total_spent remaining_budget milestone_reached executions prs_generated"),
    "BudgetStatus": "total_spent remaining executions prs_generated milestones_reached current_month",
    "WorkflowSucceeded": "success specification code cost_info",
    "WorkflowFailed": "success error",
    "BadgeData": "mtd_cost mtd_saved savings_percentage orchestration_rate all_time_saved",
}


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
    assert {*SIGNATURES, *SHAPES} == set(compat.__all__)


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_those_of_the_contract(name):
    kind = getattr(compat, name)
    assert {method: signature(function) for method, function in methods(kind).items()} == SIGNATURES[name]


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_those_of_the_contract(name):
    shape = getattr(compat, name)
    assert list(shape.__annotations__) == SHAPES[name].split()
    assert shape.__total__


@pytest.mark.parametrize("name", COMING)
def test_what_is_not_built_says_so_when_it_is_made(name):
    kind = getattr(compat, name)
    with pytest.raises(orch.NotBuiltYet) as raised:
        kind()
    error = raised.value
    assert isinstance(error, orch.OrchError)
    assert isinstance(error, NotImplementedError)
    assert error.code == "NOT_BUILT_YET"
    said = str(error)
    assert said.startswith(f"`orch.compat.{name}` needs {kind._part}, which orch {orch.__version__} does not have")
    assert said.endswith(f"it comes with a later version. Until then: {kind._until}")


def call(method, arguments):
    answer = method(*[None for _ in arguments])
    # A coroutine raises when it is awaited.
    answer.send(None)


@pytest.mark.parametrize("name", COMING)
def test_no_method_answers_what_nobody_computed(name):
    """Also in a class of the user's that makes itself in its own way; the error names the class that is known."""
    kind = getattr(compat, name)
    own = type("Own", (kind,), {"__init__": lambda self: None})()
    for method, function in methods(kind).items():
        if method == "__init__":
            continue
        needed = [
            parameter
            for parameter in inspect.signature(function).parameters.values()
            if parameter.name != "self" and parameter.default is parameter.empty
        ]
        with pytest.raises(orch.NotBuiltYet, match=f"^`orch.compat.{name}` needs "):
            call(getattr(own, method), needed)


def test_a_wrong_call_is_a_type_error_like_everywhere():
    with pytest.raises(TypeError):
        compat.BudgetTracker()
    with pytest.raises(TypeError):
        compat.OptimizedWorktreeManager(6)


def test_everything_is_documented():
    for name in compat.__all__:
        kind = getattr(compat, name)
        assert kind.__doc__, name
        assert all(function.__doc__ for method, function in methods(kind).items() if method != "__init__"), name


def test_who_imports_orch_does_not_pay_for_it():
    code = "import sys, orch; print('orch.compat' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
