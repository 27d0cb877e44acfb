"""`orch.compat.AutonomousWorktreeManager`, `WorktreeOrchestrator` and `check_worktree_health`, in real repositories."""

from __future__ import annotations

import asyncio
import json
import shutil

import pytest
from repositories import SHOW, git, python

import orch
from orch import _orch
from orch.compat import AutonomousWorktreeManager, WorktreeOrchestrator, WorktreeTask, check_worktree_health

TWO = {
    "puzzle-gen": {"branch": "worktree/puzzles", "purpose": "puzzles", "primary_scripts": ["make.py"]},
    "ci-fixes": {"branch": "worktree/ci", "purpose": "a green build", "primary_scripts": []},
}

NAMES = ["puzzle-gen", "pdf-gen", "qa-validation", "ci-fixes", "market-research"]


@pytest.fixture
def two(shop):
    (shop / ".worktree_config.json").write_text(json.dumps(TWO))
    git(shop, "add", "-A")
    git(shop, "commit", "-qm", "two worktrees")
    return shop


def initialize():
    return asyncio.run(AutonomousWorktreeManager().initialize_worktree_infrastructure())


def distribute(*tasks):
    return asyncio.run(AutonomousWorktreeManager().auto_distribute_tasks(list(tasks)))


def test_a_project_that_names_none_gets_the_worktrees_of_the_scripts(shop):
    made = initialize()
    assert list(made) == ["timestamp", "worktrees_created", "worktrees", "max_parallel_tasks", "infrastructure_ready"]
    assert (made["worktrees"], made["worktrees_created"], made["infrastructure_ready"]) == (NAMES, 5, True)
    assert made["max_parallel_tasks"] == AutonomousWorktreeManager().max_worktrees
    config = json.loads((shop / ".worktree_config.json").read_text())
    assert list(config) == NAMES
    for name in NAMES:
        worktree = shop / "worktrees" / name
        assert git(worktree, "branch", "--show-current") == config[name]["branch"]
        mark = json.loads((worktree / ".worktree").read_text())
        assert (mark["purpose"], mark["primary_scripts"]) == (config[name]["purpose"], config[name]["primary_scripts"])
        assert git(worktree, "status", "--porcelain") == "", "what orch puts there is nobody's to commit"
    assert git(shop, "status", "--porcelain") == "?? .worktree_config.json"
    assert {**initialize(), "timestamp": 0} == {**made, "timestamp": 0}, "once more changes nothing"


@pytest.mark.parametrize(("cores", "most"), [(None, 4), (1, 1), (2, 1), (3, 1), (8, 6)])
def test_two_cores_are_left_for_everything_else(monkeypatch, cores, most):
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert AutonomousWorktreeManager().max_worktrees == most


def test_a_worktree_that_cannot_be_made_is_left_out_and_told(two, caplog):
    git(two, "checkout", "-qb", "worktree/ci")
    made = initialize()
    assert (made["worktrees"], made["worktrees_created"], made["infrastructure_ready"]) == (["puzzle-gen"], 1, False)
    assert "the worktree ci-fixes could not be made" in caplog.text
    assert "worktree/ci" in caplog.text


def test_tasks_go_where_whole_words_of_their_type_say_and_else_in_turn(two):
    initialize()
    code = "import os; print(os.environ['ORCH_WORKTREE_NAME'], os.environ['ORCH_TASK_TYPE'], os.getcwd())"
    kinds = ["pricing", "sudoku_puzzles", "decision", "ci", "social"]
    done = distribute(*({"type": kind, "name": kind.upper(), "command": python(code)} for kind in kinds))
    assert list(done) == ["timestamp", "total_tasks", "distribution", "results"]
    places = ["puzzle-gen", "puzzle-gen", "ci-fixes", "ci-fixes", "puzzle-gen"]
    assert [one["worktree"] for one in done["results"]] == places
    assert [one["task"] for one in done["results"]] == [kind.upper() for kind in kinds]
    assert (done["total_tasks"], done["distribution"]) == (5, {"puzzle-gen": 3, "ci-fixes": 2})
    for one, kind, place in zip(done["results"], kinds, places, strict=True):
        assert one["success"]
        assert one["output"] == f"{place} {kind} {two / 'worktrees' / place}\n"[:200]


def test_an_output_is_its_beginning_and_of_a_failure_what_it_complained(two):
    long = distribute(
        {"command": python("print('x' * 500)")},
        {"command": python("import sys; print('out'); print('y' * 500, file=sys.stderr); sys.exit(1)")},
        {"type": "ci", "command": ["no-such-program-anywhere"]},
    )["results"]
    assert [(one["success"], one["task"]) for one in long] == [(True, "unnamed"), (False, "unnamed"), (False, "unnamed")]
    assert [one["output"] for one in long[:2]] == ["x" * 200, "y" * 200]
    assert "`no-such-program-anywhere` could not be started" in long[2]["output"]


def test_tasks_run_in_worktrees_at_once_and_in_one_of_them_in_turn(two, tmp_path):
    """Each waits for one of the other worktree; the two of one worktree would see each other's file."""
    code = """
import sys, time, pathlib
mine, other = map(pathlib.Path, sys.argv[1:])
mine.touch()
while not other.exists():
    time.sleep(0.01)
alone = pathlib.Path("alone.out")
alone.open("x").close()
alone.unlink()
"""
    file = {name: str(tmp_path / name) for name in "abcd"}
    tasks = [
        {"type": kind, "command": python(code, file[mine], file[other])}
        for kind, mine, other in [("sudoku", "a", "b"), ("ci", "b", "a"), ("sudoku", "c", "d"), ("ci", "d", "c")]
    ]
    manager = AutonomousWorktreeManager()
    manager.max_worktrees = 2
    done = asyncio.run(manager.auto_distribute_tasks(tasks))
    assert all(one["success"] for one in done["results"]), done


def test_without_a_configuration_nothing_runs(shop, tmp_path):
    assert distribute({"command": python("open('ran', 'w')")}) == {"error": "No worktree configuration found"}
    assert asyncio.run(AutonomousWorktreeManager().autonomous_book_production()) == {"error": "No worktree configuration found"}
    assert not (shop / "ran").exists()


@pytest.mark.parametrize("task", [{}, {"command": "a | b"}, {"command": ["a"], "type": 3}, {"command": ["a"], "name": 3}])
def test_a_task_that_is_none_is_refused_before_any_begins(two, task):
    with pytest.raises(orch.InvalidValue):
        distribute({"command": python("open('ran.out', 'w')")}, task)
    assert not (two / "worktrees").exists()


def test_a_damaged_configuration_is_told(two):
    (two / ".worktree_config.json").write_text("<<<<<<< HEAD\n{}")
    with pytest.raises(orch.InvalidFormat, match=r"worktree_config\.json"):
        initialize()


def test_a_book_is_made_of_six_scripts_and_what_fails_is_counted(two):
    (two / "scripts").mkdir()
    (two / "scripts/unified_sudoku_generator.py").write_text("import sys; assert sys.argv[1:] == ['--count', '50']")
    git(two, "add", "-A")
    git(two, "commit", "-qm", "a script")
    book = asyncio.run(AutonomousWorktreeManager().autonomous_book_production())
    assert (book["book_production_status"], book["tasks_completed"]) == ("partial", "1/6")
    assert (book["parallel_execution"], book["next_step"]) == (True, "Fix failed tasks")
    assert book["time_saved"].endswith(" seconds"), "measured, not estimated"


def test_optimizing_forgets_what_is_gone_and_deletes_no_file(two):
    initialize()
    kept = two / "worktrees/ci-fixes/__pycache__/kept.pyc"
    kept.parent.mkdir()
    kept.write_bytes(b"")
    shutil.rmtree(two / "worktrees/puzzle-gen")
    done = AutonomousWorktreeManager().optimize_worktrees()
    assert list(done) == ["timestamp", "optimizations_performed", "details", "worktree_count", "recommendation"]
    assert (done["optimizations_performed"], done["details"]) == (1, ["Pruned puzzle-gen: its folder is gone"])
    assert (done["worktree_count"], done["recommendation"]) == (1, "Worktrees optimized for parallel execution")
    assert kept.exists()
    again = AutonomousWorktreeManager().optimize_worktrees()
    assert (again["optimizations_performed"], again["details"]) == (0, [])


def test_optimizing_says_what_a_person_should_look_at(two):
    initialize()
    for name in ("puzzle-gen", "ci-fixes"):
        (two / "worktrees" / name / "shop.txt").write_text(f"{name}\n")
    advice = AutonomousWorktreeManager().optimize_worktrees()["recommendation"]
    assert "conflicts with" in advice
    assert "shop.txt" in advice


def execute(orchestrator, *tasks):
    return asyncio.run(orchestrator.execute_tasks(list(tasks)))


def test_an_orchestrator_runs_tasks_where_they_say_and_reports_what_it_measured(shop):
    orchestrator = WorktreeOrchestrator()
    tasks = [
        WorktreeTask("parallel-puzzles", "puzzle", python(SHOW), "show it"),
        WorktreeTask("parallel-qa", "qa", python("import sys; print('no', file=sys.stderr); sys.exit(2)"), "fail"),
        WorktreeTask("parallel-qa", "qa", "cat *.txt", "a shell's"),
        WorktreeTask("../out", "qa", python(SHOW), "elsewhere"),
    ]
    report = execute(orchestrator, *tasks)
    assert [task.status for task in tasks] == ["completed", "failed", "error", report["tasks"][3]["status"]]
    assert [task.result for task in tasks[:2]] == ["one\n", "no\n"]
    assert "needs a shell" in tasks[2].result
    assert list(report) == ["timestamp", "total_tasks", "successful", "failed", "execution_time", "speedup", "tasks"]
    assert (report["total_tasks"], report["successful"] + report["failed"]) == (4, 4)
    assert report["execution_time"].endswith(" seconds")
    assert report["speedup"].endswith("x parallel execution")
    assert report["tasks"][0] == {
        "worktree": "parallel-puzzles",
        "status": "completed",
        "duration": f"{tasks[0].end_time - tasks[0].start_time:.2f}s",
    }
    assert (shop / "worktrees/parallel-puzzles/shop.txt").exists()
    assert not (shop / "out").exists()
    assert not (shop.parent / "out").exists()
    assert orchestrator.active_tasks == {}
    analysis = orchestrator.get_cost_analysis()
    assert list(analysis) == [
        "sequential_time",
        "parallel_time",
        "time_saved",
        "speedup",
        "cost_reduction",
        "cpu_utilization",
    ]


def test_the_costs_are_those_of_the_scripts():
    orchestrator = WorktreeOrchestrator()
    for began, ended in [(0.5, 2.5), (1.5, 2.5), (2.5, 3.5)]:
        orchestrator.completed_tasks.append(
            WorktreeTask("w", "t", "true", "", "completed", start_time=began, end_time=ended),
        )
    assert orchestrator.get_cost_analysis() == {
        "sequential_time": "4.00 seconds",
        "parallel_time": "3.00 seconds",
        "time_saved": "1.00 seconds",
        "speedup": "1.33x",
        "cost_reduction": "25.0%",
        "cpu_utilization": "2 at once",
    }


def test_the_scripts_of_a_book_and_of_a_red_build_have_their_worktrees(shop):
    orchestrator = WorktreeOrchestrator()
    book = asyncio.run(orchestrator.parallel_book_generation())
    names = ["parallel-puzzles", "parallel-pdf", "parallel-qa"]
    assert [(task["worktree"], task["status"]) for task in book["tasks"]] == [(name, "failed") for name in names]
    fixes = asyncio.run(orchestrator.autonomous_ci_fixes())["ci_fixes"]
    assert [(fix["type"], fix["worktree"]) for fix in fixes] == list(
        zip(["syntax_fix", "test_fix", "lint_fix"], names, strict=True)
    )


def test_the_health_of_all_worktrees_is_written_and_answered(shop):
    lease = _orch.Worktrees(shop).take("login")
    (lease.path / "shop.txt").write_text("mine\n")
    lease.end()
    health = check_worktree_health()
    assert json.loads((shop / "reports/orchestration/worktree_health.json").read_text()) == health
    assert (list(health), health["total_worktrees"]) == (["timestamp", "total_worktrees", "worktrees"], 2)
    main, login = health["worktrees"]
    assert list(main) == [
        "path",
        "commit",
        "branch",
        "last_commit",
        "behind_main",
        "uncommitted_changes",
        "status",
        "health",
    ]
    assert (main["path"], main["branch"], main["health"]) == (str(shop), "main", "good")
    assert (login["uncommitted_changes"], login["status"], login["health"]) == (1, "current", "needs_attention")


def test_outside_of_a_repository_each_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (initialize, distribute, AutonomousWorktreeManager().optimize_worktrees, check_worktree_health):
        with pytest.raises(orch.NotFound):
            call()
    task = asyncio.run(WorktreeOrchestrator().execute_in_worktree(WorktreeTask("w", "t", ["true"], "")))
    assert task.status == "error"
    assert list(tmp_path.iterdir()) == []
