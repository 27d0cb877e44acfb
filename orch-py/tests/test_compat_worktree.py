"""`orch.compat.OptimizedWorktreeManager`, in real repositories and with real programs."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest
from repositories import COUNT, SHOW, git, python

import orch
from orch import _orch
from orch.compat import OptimizedWorktreeManager


def run(*tasks, manager=None):
    return asyncio.run((manager or OptimizedWorktreeManager()).execute_parallel_tasks(list(tasks)))


def test_tasks_run_in_the_worktree_of_their_type_and_branch(shop):
    code = "import os, sys; print(os.getcwd()); print(os.environ['ORCH_WORKTREE_NAME']); print('no', file=sys.stderr)"
    tasks = [
        {"type": "test", "command": python(code), "branch": "feature/testing"},
        {"command": python(code + "; sys.exit(3)")},
        {"type": "lint", "command": "git rev-parse --abbrev-ref HEAD", "branch": "main"},
    ]
    manager = OptimizedWorktreeManager()
    done = run(*tasks, manager=manager)
    assert [one["task"] for one in done["results"]] == tasks
    test, general, lint = [one["result"] for one in done["results"]]
    where = shop.parent / "shop.worktrees"
    assert test == {
        "success": True,
        "stdout": f"{where / 'test-feature-testing'}\ntest-feature-testing\n",
        "stderr": "no\n",
        "returncode": 0,
    }
    assert (general["success"], general["returncode"]) == (False, 3)
    assert general["stdout"].splitlines()[1] == "general-main"
    assert lint["stdout"] == "worktree/lint-main\n"
    assert manager.worktrees == {
        "test-feature/testing": where / "test-feature-testing",
        "general-main": where / "general-main",
        "lint-main": where / "lint-main",
    }
    summary = done["summary"]
    assert (summary["total_tasks"], summary["successful"], summary["total_cost"]) == (3, 2, 0.0)
    assert summary["duration"] > 0
    report = json.loads((shop / "reports/orchestration/cost_report.json").read_text())
    assert list(report) == ["timestamp", "metrics", "recommendations"]
    assert list(report["metrics"]) == [
        "tasks_executed",
        "successful_tasks",
        "total_tokens",
        "total_cost",
        "average_cost_per_task",
        "duration_seconds",
    ]
    assert git(shop, "status", "--porcelain") == "", "what the scripts keep is nobody's to commit"


def test_a_task_sees_its_branch_as_it_is_now(shop):
    task = {"type": "test", "command": python(SHOW)}
    assert run(task)["results"][0]["result"]["stdout"] == "one\n"
    (shop / "shop.txt").write_text("two\n")
    git(shop, "commit", "-qam", "second")
    assert run(task)["results"][0]["result"]["stdout"] == "two\n", "it is known of another commit only"
    # Something of its own is in the worktree: it is not moved, and nothing of it is lost.
    worktree = shop.parent / "shop.worktrees/test-main"
    (worktree / "shop.txt").write_text("mine\n")
    (shop / "shop.txt").write_text("three\n")
    git(shop, "commit", "-qam", "third")
    assert run(task)["results"][0]["result"]["stdout"] == "mine\n"


def test_what_worked_is_known_and_a_failure_is_not(shop, tmp_path):
    counted = tmp_path / "count"
    task = {"type": "t", "command": python(COUNT, str(counted))}
    for _ in range(2):
        assert run(task)["results"][0]["result"]["success"]
    assert counted.read_text() == "x"
    run({**task, "force_refresh": True})
    assert counted.read_text() == "xx"
    run(task, {**task, "branch": "feature/testing"})
    assert counted.read_text() == "xxx", "the other branch is another task"
    for path in Path(".worktree-cache").glob("*.json"):
        os.utime(path, (time.time() - 3601,) * 2)
    run(task)
    assert counted.read_text() == "xxxx", "after an hour it is not known any more"

    failing = {"type": "t", "command": python(COUNT + "; sys.exit(1)", str(tmp_path / "failed"))}
    for _ in range(2):
        assert run(failing)["results"][0]["result"]["returncode"] == 1
    assert (tmp_path / "failed").read_text() == "xx"


def test_nothing_is_known_of_a_worktree_in_which_something_is_changed(shop, tmp_path):
    counted = tmp_path / "count"
    task = {"type": "t", "command": python(COUNT + "; open('new.txt', 'w').close()", str(counted))}
    for _ in range(3):
        run(task)
    # The first left something: from then on it runs each time.
    assert counted.read_text() == "xxx"


def test_a_damaged_result_is_not_known(shop, tmp_path):
    counted = tmp_path / "count"
    task = {"type": "t", "command": python(COUNT, str(counted))}
    run(task)
    failure = '{"success": false, "stdout": "", "stderr": "", "returncode": 1}'
    for nth, text in enumerate(["{", "[]", '{"success": true}', failure]):
        for path in Path(".worktree-cache").glob("*.json"):
            path.write_text(text)
        run(task)
        assert counted.read_text() == "x" * (nth + 2), text


def test_two_tasks_of_one_worktree_take_turns_and_others_go_on(shop):
    # Each says when it is alone there, and when it is not.
    code = "import os, time\nfd = os.open('busy.out', os.O_CREAT | os.O_EXCL)\ntime.sleep(0.05)\nos.unlink('busy.out')\n"
    tasks = [{"type": f"type{nth % 2}", "command": python(code), "nth": nth} for nth in range(8)]
    done = run(*tasks)
    assert [one["result"]["stderr"] for one in done["results"]] == [""] * 8
    assert done["summary"]["successful"] == 8


def test_a_worktree_that_another_process_has_is_waited_for(shop):
    repository = _orch.Worktrees(shop)
    held = repository.take("test-main", None, "tasks of type test on main", None, None)
    assert held is not None
    assert repository.take("test-main", None, "tasks of type test on main", None, None) is None

    async def main():
        manager = OptimizedWorktreeManager()
        waits = asyncio.ensure_future(manager.execute_in_worktree({"type": "test", "command": python(SHOW)}))
        # Another one is done meanwhile, and this one is not.
        other = await manager.execute_in_worktree({"type": "lint", "command": python(SHOW)})
        assert other["success"]
        assert not waits.done()
        held.end()
        return await waits

    assert asyncio.run(main())["stdout"] == "one\n"


def test_tokens_belong_to_their_task(shop):
    said = {"type": "result", "result": "ok", "usage": {"input_tokens": 1500, "output_tokens": 500}}
    write = "import json, os; json.dump({'total_tokens': 50_000}, open(os.environ['ORCH_TOKEN_FILE'], 'w'))"
    tasks = [
        {"type": "a", "command": python(f"print({json.dumps(json.dumps(said))})")},
        {"type": "b", "command": python(write)},
        {"type": "c", "command": python("print('no word of it')")},
    ]
    manager = OptimizedWorktreeManager()
    done = run(*tasks, manager=manager)
    assert [(one["tokens_used"], one["cost"]) for one in done["results"]] == [(2_000, 0.09), (50_000, 2.25), (0, 0.0)]
    assert done["summary"]["total_cost"] == 2.34
    assert asyncio.run(manager.cost_tracker.get_current_usage()) == 52_000
    report = json.loads((shop / "reports/orchestration/cost_report.json").read_text())
    assert report["metrics"]["average_cost_per_task"] == 0.78
    assert report["recommendations"] == [
        "Consider batching smaller tasks together to reduce overhead",
        "High token usage detected. Consider using more specific prompts",
    ]
    # What is known costs nothing again.
    assert run(*tasks, manager=manager)["summary"]["total_cost"] == 0.0
    assert asyncio.run(manager.cost_tracker.get_current_usage()) == 52_000


def test_what_cannot_run_fails_by_itself(shop, tmp_path):
    done = run(
        {"type": "a", "command": "no-such-program-anywhere"},
        {"type": "b", "command": "git status", "branch": "no/such"},
        {"type": "c", "command": python(SHOW)},
        {"type": "a-b", "command": python(SHOW), "branch": "main"},
    )
    results = [one["result"] for one in done["results"]]
    assert [result["returncode"] for result in results] == [-1, -1, 0, 0]
    assert "`no-such-program-anywhere` could not be started" in results[0]["stderr"]
    assert "no worktree for the task: there is no branch `no/such`" in results[1]["stderr"]
    git(shop, "branch", "b-main")
    clash = run({"type": "a", "command": python(SHOW), "branch": "b-main"})["results"][0]["result"]
    assert "it is there for tasks of type a-b on main, and not for" in clash["stderr"]
    assert not (shop / "no-such").exists()


@pytest.mark.parametrize("command", [None, "", [], ["a", 1], "make && make test", "cat *.txt", "echo $HOME", 3])
def test_a_task_without_a_command_is_refused_before_any_begins(shop, tmp_path, command):
    counted = tmp_path / "count"
    with pytest.raises(orch.InvalidValue):
        run({"type": "a", "command": python(COUNT, str(counted))}, {"type": "b", "command": command})
    assert not counted.exists()
    assert not (shop.parent / "shop.worktrees").exists()


def test_outside_of_a_repository_nothing_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(orch.NotFound):
        run({"type": "a", "command": "git status"})


def test_who_is_cancelled_ends_its_program_and_gives_the_worktree_back(shop, tmp_path):
    began = tmp_path / "began"
    code = f"import os, time; open({str(began)!r}, 'w').write(str(os.getpid())); time.sleep(600)"

    async def main():
        manager = OptimizedWorktreeManager()
        task = asyncio.ensure_future(manager.execute_parallel_tasks([{"type": "t", "command": python(code)}]))
        while not (began.exists() and began.read_text()):
            assert not task.done(), task
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(ProcessLookupError):
            os.kill(int(began.read_text()), 0)
        return await manager.execute_in_worktree({"type": "t", "command": python(SHOW)})

    assert asyncio.run(main())["success"]


def test_tasks_are_grouped_by_type():
    tasks = [{"type": "a", "n": 1}, {"n": 2}, {"type": "a", "n": 3}]
    grouped = OptimizedWorktreeManager().group_tasks_by_type(tasks)
    assert grouped == {"a": [tasks[0], tasks[2]], "general": [tasks[1]]}


def test_recommendations_follow_the_rules_of_the_scripts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manager = OptimizedWorktreeManager()
    assert manager.generate_recommendations({"average_cost_per_task": 0.1, "total_tokens": 50_000}) == []
    much = {"average_cost_per_task": 0.11, "total_tokens": 50_001, "duration_seconds": 301}
    assert len(manager.generate_recommendations(much)) == 3
    manager.generate_cost_report({"average_cost_per_task": 0, "total_tokens": 0, "mine": 1})
    assert json.loads((tmp_path / "reports/orchestration/cost_report.json").read_text())["metrics"]["mine"] == 1
    with pytest.raises(orch.InvalidValue):
        manager.generate_cost_report({"total_tokens": 0})
