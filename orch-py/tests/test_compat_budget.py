"""The budget of the scripts: their file, their words, and none of their losses."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from test_notices import SECRET, Server

import orch
from orch import _orch
from orch.compat import AIOrchestrator, BudgetTracker, DiscordNotifier, TokenCostTracker

FIXTURES = next(
    (
        folder / "shared" / "fixtures" / "zakum"
        for folder in Path(__file__).resolve().parents
        if (folder / "shared" / "fixtures").is_dir()
    ),
    None,
)
EXECUTION = (2000, 1500, 2500, 4000)


@pytest.fixture(autouse=True)
def a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    for name in ("DISCORD_WEBHOOK_URL", "ORCH_WEBHOOK_LOCAL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(monkeypatch):
    it = Server()
    monkeypatch.setenv("DISCORD_WEBHOOK_URL", it.url)
    monkeypatch.setenv("ORCH_WEBHOOK_LOCAL", "1")
    yield it
    it.close()


def titles(server):
    return [body["embeds"][0]["title"] for body in server.heard]


def test_479_executions_cost_14_980725_and_reach_two_milestones():
    tracker, told, number = BudgetTracker("token_budget.json"), [], 0
    while tracker.check_budget_available()[0]:
        number += 1
        done = tracker.record_execution(*EXECUTION, pr_created=True)
        if done["milestone_reached"] is not None:
            told.append((done["milestone_reached"], number))
    assert (number, told) == (479, [(5.0, 160), (10.0, 320)])
    assert done == {
        "claude_cost": 0.0285,
        "openai_cost": 0.002775,
        "total_cost": 0.031275,
        "total_spent": 14.980725,
        "remaining_budget": 0.019275,
        "milestone_reached": None,
        "executions": 479,
        "prs_generated": 479,
    }
    status = tracker.get_budget_status()
    month = status.pop("current_month")
    assert len(month) == 7
    assert status == {
        "total_spent": 14.980725,
        "remaining": 0.019275,
        "executions": 479,
        "prs_generated": 479,
        "milestones_reached": [5.0, 10.0],
    }
    assert AIOrchestrator().can_execute() == (False, "Budget exhausted. Spent: $14.98, Remaining: $0.02")
    kept = json.loads(Path("token_budget.json").read_text(encoding="utf-8"))
    assert kept["tokens_used"] == {
        "claude_input": 958_000,
        "claude_output": 718_500,
        "openai_input": 1_197_500,
        "openai_output": 1_916_000,
    }
    assert list(kept) == [
        "version",
        "current_month",
        "total_spent",
        "executions",
        "prs_generated",
        "tokens_used",
        "milestones_reached",
        "last_reset",
        "history",
    ]
    assert {path.name for path in Path().iterdir()} == {".git", "token_budget.json"}, "nothing is left beside it"


def test_an_execution_over_two_milestones_loses_none():
    tracker = BudgetTracker("b.json")
    done = tracker.record_execution(0, 800_000, 0, 0)
    assert (done["total_spent"], done["milestone_reached"]) == (12.0, 10.0)
    assert BudgetTracker("b.json").get_budget_status()["milestones_reached"] == [5.0, 10.0]


@pytest.mark.skipif(FIXTURES is None, reason="the fixtures are not there")
def test_the_files_of_the_scripts_go_on(server):
    for name in ("160623b.after-one-run", "160623b.root", "ddf00a4"):
        shutil.copy(FIXTURES / "token_budget" / f"A-monthly.{name}.json", "b.json")
        before = json.loads(Path("b.json").read_text(encoding="utf-8"))
        server.heard.clear()
        for _ in range(2):
            assert BudgetTracker("b.json").check_budget_available() == (True, 15.0), "that month is over"
        after = json.loads(Path("b.json").read_text(encoding="utf-8"))
        (entry,) = after["history"]
        assert (entry["month"], entry["executions"]) == (before["current_month"], before["executions"])
        assert entry["total_spent"] == pytest.approx(before["total_spent"])
        assert titles(server) == ["📊 Monthly Recap - AI Orchestration"], "once, not at each look"
    for name in ("0d4ff67", "b4272ce"):
        shutil.copy(FIXTURES / "token_budget" / f"C-sprint.{name}.json", "c.json")
        with pytest.raises(orch.InvalidFormat, match="budget file of the sprint form"):
            BudgetTracker("c.json")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        '{"current_month": "2026-02"}',
        "<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> main\n",
        '{"version": "1.0", "current_month": "2026-02", "total_spent": -1, "executions": 0, "prs_generated": 0}',
    ],
)
def test_a_damaged_file_is_an_error_and_stays(text):
    BudgetTracker("b.json").record_execution(*EXECUTION)
    tracker = BudgetTracker("b.json")
    Path("b.json").write_text(text, encoding="utf-8")
    calls = (
        lambda: BudgetTracker("b.json"),
        tracker.check_budget_available,
        tracker.get_budget_status,
        lambda: tracker.record_execution(*EXECUTION),
    )
    for call in calls:
        with pytest.raises((orch.Corrupt, orch.InvalidFormat)):
            call()
    assert Path("b.json").read_text(encoding="utf-8") == text
    Path("b.json").rename("token_budget.json")
    with pytest.raises((orch.Corrupt, orch.InvalidFormat)):
        AIOrchestrator()


def test_a_month_turns_once():
    path = Path("b.json")
    january, february = (_orch.BudgetFile(path, None, at) for at in ("2026-01-31T23:59:59Z", "2026-02-01"))
    january.record((1_000_000, 0), (0, 0), True)
    assert february.check()["over"]["total_spent"] == 3.0
    stands = february.check()
    assert (stands["over"], stands["month"]["history"][0]["month"], stands["remaining"]) == (None, "2026-01", 15.0)
    assert january.check()["month"]["current_month"] == "2026-02", "a clock that was set back begins nothing"


BOOK = """
import sys
from orch.compat import BudgetTracker
tracker = BudgetTracker(sys.argv[1])
for _ in range(20):
    tracker.record_execution(0, 0, 0, 1, pr_created=True)
"""


def test_processes_and_threads_that_book_at_once_lose_nothing():
    racers = [subprocess.Popen([sys.executable, "-c", BOOK, "b.json"]) for _ in range(3)]
    tracker = BudgetTracker("b.json")
    threads = [threading.Thread(target=lambda: [tracker.record_execution(0, 0, 0, 1) for _ in range(10)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [racer.wait() for racer in racers] == [0, 0, 0]
    status = tracker.get_budget_status()
    assert (status["executions"], status["prs_generated"], status["total_spent"]) == (90, 60, 0.000054)


class Own(AIOrchestrator):
    """Models without a network."""

    tokens = ((2000, 1500), (2500, 4000))
    fails = False

    def execute_analysis_with_claude(self, task, /):
        return f"specification of {task}", *self.tokens[0]

    def execute_coding_with_gpt4o_mini(self, specification, /):
        if self.fails:
            raise RuntimeError("the model is away")
        return f"code for {specification}", *self.tokens[1]


def test_the_flow_tells_what_it_does(server):
    own = Own()
    assert own.can_execute() == (True, "Budget available. Remaining: $15.00")
    done = own.execute_full_workflow("login")
    assert (done["success"], done["specification"], done["code"]) == (
        True,
        "specification of login",
        "code for specification of login",
    )
    assert done["cost_info"]["total_cost"] == 0.031275
    assert titles(server) == ["🚀 AI Orchestration - Execution Started", "✅ AI Orchestration - Execution Complete"]
    fields = {field["name"]: field["value"] for field in server.heard[1]["embeds"][0]["fields"]}
    assert fields == {"Execution #": "1", "Cost": "$0.0313", "PR Status": "No PR created", "Budget Remaining": "$14.97"}
    server.heard.clear()
    own.tokens = ((0, 800_000), (0, 0))
    own.execute_full_workflow("much")
    milestones = ["🚀 $5 Milestone Reached!", "⚡ $10 Milestone Reached!"]
    assert titles(server)[1:3] == milestones, "one execution, two milestones"
    own.tokens = ((0, 198_000), (0, 0))
    own.execute_full_workflow("the rest")
    server.heard.clear()
    refused = own.execute_full_workflow("one more")
    assert refused == {"success": False, "error": "Budget exhausted. Spent: $15.00, Remaining: $0.00"}
    (body,) = server.heard
    assert (body["content"], body["embeds"][0]["title"]) == ("@here Budget Limit Reached!", "⛔ Monthly Budget Exhausted")


def test_an_execution_that_fails_has_been_paid_for(server):
    own = Own()
    own.fails = True
    assert own.execute_full_workflow("login") == {"success": False, "error": "the model is away"}
    status = own.budget_tracker.get_budget_status()
    assert (status["executions"], status["total_spent"]) == (1, 0.0285)
    assert titles(server)[-1] == "❌ Execution Error"
    assert server.heard[-1]["embeds"][0]["description"] == "the model is away"


MESSAGES, CHAT = "/v1/messages", "/chat/completions"
SAID = {
    MESSAGES: {
        "type": "message",
        "model": "claude-3-5-sonnet-20241022",
        "content": [{"type": "text", "text": "the specification"}],
        "usage": {"input_tokens": 2000, "output_tokens": 1500},
    },
    CHAT: {
        "object": "chat.completion",
        "model": "gpt-4o-mini",
        "choices": [{"message": {"role": "assistant", "content": "the code"}}],
        "usage": {"prompt_tokens": 2500, "completion_tokens": 4000, "total_tokens": 6500},
    },
}


@pytest.fixture
def asked(monkeypatch):
    """Its two models, by a server of this machine."""
    it = Server()
    it.says = dict(SAID)
    base = it.url.removesuffix(f"/{SECRET}")
    known = AIOrchestrator.models
    here = {name: {**one, "base_url": base, "local": True, "retries": 1} for name, one in known.items()}
    monkeypatch.setattr(AIOrchestrator, "models", here)
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    yield it
    it.close()


def test_the_models_are_asked_by_http(asked, capsys):
    orchestrator = AIOrchestrator()
    asked.answers = [(429, {"Retry-After": "0.05"})]
    done = orchestrator.execute_full_workflow("a login with {braces}")
    assert (done["success"], done["specification"], done["code"]) == (True, "the specification", "the code")
    assert done["cost_info"]["total_cost"] == 0.031275
    assert asked.paths == [MESSAGES, MESSAGES, CHAT], "busy once"
    analysis, coding = asked.heard
    assert (analysis["model"], coding["model"]) == ("claude-3-5-sonnet-20241022", "gpt-4o-mini")
    assert analysis["messages"][-1]["content"] == "a login with {braces}"
    assert coding["messages"][-1]["content"] == "the specification"
    assert SECRET not in capsys.readouterr().out


def test_a_model_that_does_not_answer_is_said_and_the_first_one_is_paid_for(asked, capsys):
    orchestrator = AIOrchestrator()
    asked.answers = [(204, {}), (400, {})]
    done = orchestrator.execute_full_workflow("login")
    assert done["success"] is False
    assert "400" in done["error"]
    assert orchestrator.budget_tracker.get_budget_status()["total_spent"] == 0.0285
    said = capsys.readouterr().out
    assert "❌ Execution Error" in said
    assert SECRET not in said + done["error"]


def test_without_a_key_it_is_said_which_variable_is_missing(asked, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    done = AIOrchestrator().execute_full_workflow("login")
    assert "ANTHROPIC_API_KEY" in done["error"]
    assert asked.paths == []


def test_the_notifier_says_what_the_scripts_said(server):
    notifier = DiscordNotifier()
    assert notifier.send_execution_start(3, 14.9)
    assert notifier.send_execution_complete(3, 0.031275, 7, 14.87)
    assert notifier.send_milestone_notification(5.0, 5.004, 12, 160)
    assert notifier.send_budget_exceeded(14.980725, 12)
    month = {
        "current_month": "2026-02",
        "total_spent": 14.980725,
        "prs_generated": 12,
        "executions": 479,
        "milestones_reached": [5, 10],
    }
    assert notifier.send_monthly_recap(month)
    assert notifier.send_error("it broke", 4)
    assert notifier.send_error("it broke")
    embeds = [body["embeds"][0] for body in server.heard]
    told = [(embed["title"], embed["color"], [field["value"] for field in embed.get("fields", [])]) for embed in embeds]
    assert told == [
        ("🚀 AI Orchestration - Execution Started", 0x00FF00, ["3", "$14.90"]),
        ("✅ AI Orchestration - Execution Complete", 0x0099FF, ["3", "$0.0313", "PR #7", "$14.87"]),
        ("🚀 $5 Milestone Reached!", 0x00FF00, ["$5.00", "12", "160", "$0.4170", "[██████░░░░░░░░░░░░░░] 33.4%"]),
        ("⛔ Monthly Budget Exhausted", 0xFF0000, ["$14.98", "12", "Start of next month"]),
        ("📊 Monthly Recap - AI Orchestration", 0x9B59B6, ["$14.98 / $15.00", "12", "479", "$1.2484", "2"]),
        ("❌ Execution Error", 0xFF0000, ["4"]),
        ("❌ Execution Error", 0xFF0000, []),
    ]
    assert embeds[4]["description"] == "Summary for 2026-02"
    assert all(embed["timestamp"].endswith("Z") for embed in embeds)


def test_a_busy_discord_is_waited_for_and_a_refusal_says_so_without_the_address(server, capsys):
    notifier = DiscordNotifier()
    server.answers = [(429, {"Retry-After": "0.05"})]
    assert notifier.send_error("once")
    assert len(server.heard) == 1
    server.answers = [(404, {})]
    assert not notifier.send_error("never")
    said = capsys.readouterr().out
    assert said == "[DISCORD] discord: it answered 404: there is no such webhook any more\n"
    assert SECRET not in said + repr(notifier)


def test_without_an_address_it_is_printed(capsys):
    assert DiscordNotifier().send_milestone_notification(10.0, 10.008, 1, 320) is False
    assert DiscordNotifier("").send_error("x") is False
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("[DISCORD] ⚡ $10 Milestone Reached! - 1 PRs Generated - 2/3 Complete! - 💰 Total Spent: $10.01")
    assert told[1] == "[DISCORD] ❌ Execution Error - x"


def test_the_tracker_of_tokens():
    tracker = TokenCostTracker()
    assert (asyncio.run(tracker.get_current_usage()), tracker.calculate_cost(1000), tracker.calculate_cost(0)) == (
        0,
        0.045,
        0.0,
    )
    Path(".worktree-cache").mkdir()
    kept = Path(".worktree-cache/token_usage.json")
    kept.write_text('{"total_tokens": 1200}', encoding="utf-8")
    assert asyncio.run(tracker.get_current_usage()) == 1200
    for text in ("{", '{"total_tokens": -1}', "[]", '{"tokens": 1}'):
        kept.write_text(text, encoding="utf-8")
        with pytest.raises(orch.Corrupt):
            asyncio.run(tracker.get_current_usage())
        assert kept.read_text(encoding="utf-8") == text
