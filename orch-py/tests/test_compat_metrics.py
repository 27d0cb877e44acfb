"""What orchestration saves, after the scripts: published figures, the block of a README, rotation."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from datetime import datetime

import pytest

import orch
from orch import _orch
from orch.compat import MetricsRotation, OrchestrationBadgeGenerator, OrchestrationMetricsAggregator

FIXTURES = pathlib.Path(os.environ.get("ORCH_FIXTURES", pathlib.Path(__file__).parents[3] / "shared" / "fixtures"))
WHO = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(folder, *words, **more):
    done = subprocess.run(
        ["git", *words], cwd=folder, env={**os.environ, **WHO}, capture_output=True, text=True, check=True, **more
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """With two commits of this month, one of which says `worktree`; the working directory is in it."""
    git(tmp_path, "init", "--quiet", "-b", "main")
    for message in ("a worktree", "b"):
        git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", message)
    monkeypatch.chdir(tmp_path)
    # By the rule of the scripts a month begins at the present time of day.
    monkeypatch.setattr(OrchestrationMetricsAggregator, "policy", "message")
    return tmp_path


def test_the_published_figures_come_out_again(tmp_path):
    stream = FIXTURES / "kindlemint" / "history.fast-import"
    if not stream.exists():
        assert os.environ.get("ORCH_FIXTURES_REQUIRED") != "1", "no fixtures"
        pytest.skip("no fixtures")
    git(tmp_path, "init", "--quiet", "-b", "main")
    with stream.open() as file:
        git(tmp_path, "fast-import", "--done", "--quiet", stdin=file)
    head = git(tmp_path, "log", "-1", "--format=%H", "--before=2025-07-05T14:36:09-04:00", "main")
    at = "2025-07-05T14:36:09.747-04:00"
    month = _orch.Metrics(tmp_path, "compat", "America/New_York", at, head).form()["current_month"]
    assert (month["commits"]["total"], month["commits"]["orchestrated"], month["commits"]["traditional"]) == (145, 12, 133)
    assert month["commits"]["orchestration_rate"] == 8.275862068965518
    assert month["costs"]["saved_usd"] == 3.5999999999999943
    assert month["costs"]["savings_percentage"] == 4.9655172413793025
    month = _orch.Metrics(tmp_path, "message", "America/New_York", at, head).form()["current_month"]
    assert (month["commits"]["total"], month["commits"]["orchestrated"]) == (186, 12)
    assert round(month["costs"]["savings_percentage"], 4) == 3.8710


def test_the_aggregator_writes_its_file(repository):
    aggregator = OrchestrationMetricsAggregator()
    assert aggregator.get_badge_data() == {
        "mtd_cost": 0.7,
        "mtd_saved": 0.3,
        "savings_percentage": 30.0,
        "orchestration_rate": 50.0,
        "all_time_saved": 0.3,
    }
    written = json.loads(aggregator.metrics_file.read_text())
    assert written["schema"] == 2
    assert written["current_month"] == aggregator.calculate_monthly_metrics()
    before = aggregator.metrics_file.read_bytes()
    aggregator.aggregate_metrics()
    assert aggregator.metrics_file.read_bytes() == before
    aggregator.metrics_file.write_text("{\n<<<<<<< HEAD\n")
    with pytest.warns(RuntimeWarning, match="is not trusted and was made again from the history: .* line 2"):
        aggregator.aggregate_metrics()
    assert json.loads(aggregator.metrics_file.read_text())["current_month"] == written["current_month"]
    aggregator.metrics_file.write_text('{"schema": 99, "monthly_data": {}}')
    with pytest.raises(orch.InvalidFormat, match="use a newer one"):
        aggregator.aggregate_metrics()


def test_the_generator_writes_its_block_and_nothing_else(repository):
    generator = OrchestrationBadgeGenerator()
    badges = generator.generate_badges()
    assert badges["mtd_cost"].endswith("/badge/MTD_Cost-$0.70_modelled-green?style=for-the-badge")
    assert badges["savings"].endswith("/badge/Orchestration_Savings-$0.30_30%25_modelled-green?style=for-the-badge")
    assert [generator.get_color_for_savings(percent) for percent in (50, 30, 10, 0.1, 0)] == [
        "brightgreen",
        "green",
        "yellow",
        "orange",
        "lightgrey",
    ]
    readme = repository / "README.md"
    with pytest.raises(FileNotFoundError):
        generator.update_readme_with_orchestration_badges(badges)
    readme.write_text("# A\n")
    with pytest.raises(orch.NotFound):
        generator.update_readme_with_orchestration_badges(badges)
    readme.write_text("# A\n<!-- Orchestration Cost Tracking -->\n[![MTD Cost](x)](y)[![Other](z)](z)\n")
    assert generator.update_readme_with_orchestration_badges(badges, check=True)
    assert "orch:badges" not in readme.read_text()
    assert generator.update_readme_with_orchestration_badges(badges)
    assert readme.read_text().endswith("<!-- orch:badges:end -->\n[![Other](z)](z)\n")
    assert not generator.update_readme_with_orchestration_badges(badges)
    assert "| **Orchestration Rate** | 50.0% of commits |" in generator.generate_orchestration_report().read_text()


def test_without_commits_there_is_no_example(tmp_path, monkeypatch):
    git(tmp_path, "init", "--quiet")
    monkeypatch.chdir(tmp_path)
    assert "no_data" in OrchestrationBadgeGenerator().generate_badges()["mtd_cost"]


def test_what_hooks_recorded_counts(repository, monkeypatch):
    monkeypatch.setattr(OrchestrationMetricsAggregator, "policy", "recorded")
    assert "no_data" in OrchestrationBadgeGenerator().generate_badges()["savings"]
    program = pathlib.Path(sys.executable).with_name("orch")
    subprocess.run([program, "hooks", "install", "git", "--program", program], check=True)
    monkeypatch.setenv("ORCH_RUN_ID", "r")
    git(repository, "commit", "--quiet", "--allow-empty", "-m", "of a run")
    commits = OrchestrationMetricsAggregator().calculate_monthly_metrics()["commits"]
    assert (commits["total"], commits["orchestrated"]) == (3, 1)
    assert "no_data" not in OrchestrationBadgeGenerator().generate_badges()["savings"]


def test_rotation(repository):
    rotation = MetricsRotation()
    assert not rotation.should_rotate()
    rotation.metrics_dir.mkdir(parents=True)
    (rotation.metrics_dir / "commit_metrics_20250703_170729.json").write_text("{}")
    now = rotation.metrics_dir / f"commit_metrics_{datetime.now():%Y%m%d_%H%M%S}.json"
    now.write_text("{}")
    assert rotation.should_rotate()
    assert rotation.rotate() == {"archived": 1, "dropped": 0}
    assert (rotation.archive_dir / "2025-07" / "commit_metrics_20250703_170729.json").exists()
    assert now.exists()


@pytest.mark.parametrize(
    ("module", "options", "code"),
    [
        ("metrics_rotation", ["--check"], 0),
        ("metrics_rotation", ["--force"], 0),
        ("orchestration_metrics_aggregator", ["--check"], 1),
        ("orchestration_metrics_aggregator", [], 0),
        ("generate_orchestration_badges", ["--check"], 1),
        ("generate_orchestration_badges", [], 0),
    ],
)
def test_the_scripts_have_their_commands(repository, module, options, code):
    (repository / "README.md").write_text("<!-- Orchestration Cost Tracking -->\n")
    words = [sys.executable, "-m", f"orch.compat.{module}", *options]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
