"""A run whose process is killed, or interrupted, goes on in another one; the command line tells of it."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

import orch

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "python" / "resume.py"
REVIEW = ROOT / "examples" / "commands" / "review-all.json"


def example(store, *more):
    args = [sys.executable, "-W", "error", str(EXAMPLE), str(store), str(REVIEW), *more]
    return subprocess.run(args, capture_output=True, text=True, check=False, timeout=60)


def command_line(*args):
    done = subprocess.run([sys.executable, "-m", "orch", *args], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_killed_run_goes_on_in_another_process_and_is_told_by_the_command_line(tmp_path):
    store = tmp_path / "runs.db"
    killed = example(store, "--kill", "rank-findings")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    run = killed.stdout.split()[1].rstrip(":")
    left = json.loads(command_line("runs", "--json", "--store", str(store)))["runs"]
    assert [(row["run"], row["state"], row["source"]) for row in left] == [(run, "running", str(REVIEW))]
    assert [(row.run, row.interrupted) for row in orch.Store(store).runs()] == [(run, True)]
    # What would be run is the same for the command line, which knows the file only.
    planned = command_line("plan", str(REVIEW), "--resume", run, "--store", str(store), "--format", "json")
    assert [again["task"] for again in json.loads(planned)["again"]] == ["rank-findings"]
    again = example(store)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.splitlines()[0] == f"run {run}: kept 6"
    assert again.stdout.splitlines()[-1] == "rank-findings: rank-findings by python"
    assert not orch.Store(store).runs()[0].interrupted
    report = json.loads(command_line("report", run, "--json", "--store", str(store)))
    assert (report["state"], len(report["tasks"])) == ("succeeded", 7)
    assert command_line("store", "check", "--store", str(store))
    assert orch.Store(store).report(run)["rank-findings"] == "rank-findings by python"


def killed_somewhere(folder, at):
    """A process that dies after its task with that number; every task writes down that it ran."""
    code = f"""if 1:
        import asyncio, os, signal, sys
        import orch
        # A number in the function would make another function of it.
        at = int(sys.argv[1])
        log = open({str(folder / "log")!r}, "a", buffering=1)
        graph = orch.Graph("wide")
        async def work(context: orch.Context) -> str:
            print(context.id, context.idempotency_key, file=log)
            await asyncio.sleep(0)
            if len(open({str(folder / "log")!r}).readlines()) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return context.id
        for row in range(4):
            for column in range(5):
                graph.add(work, id=f"{{row}}-{{column}}", after=[f"{{row - 1}}-{{other}}" for other in range(5)] if row else ())
        store = orch.Store({str(folder / "runs.db")!r})
        try:
            report = orch.resume_sync(None, graph, store=store, max_parallel=3)
        except orch.NotFound:
            report = orch.run_sync(graph, store=store, max_parallel=3)
        print(*[result.value for result in report])
    """
    args = [sys.executable, "-c", code, str(at)]
    return subprocess.run(args, capture_output=True, text=True, check=False, timeout=60)


# A few places here; more by a longer list: ORCH_KILLS=20.
@pytest.mark.parametrize("at", range(1, 20, max(1, 20 // int(os.environ.get("ORCH_KILLS", "4")))))
def test_no_recorded_result_is_made_again_wherever_the_process_is_killed(tmp_path, at):
    assert killed_somewhere(tmp_path, at).returncode == -signal.SIGKILL
    recorded = {}
    for row in orch.Store(tmp_path / "runs.db").runs():
        recorded = {result.id: result.value for result in orch.Store(tmp_path / "runs.db").report(row.run) if result.value}
    before = [line.split()[0] for line in (tmp_path / "log").read_text().splitlines()]
    done = killed_somewhere(tmp_path, -1)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.split()) == 20
    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    after = [task for task, _ in lines[len(before) :]]
    assert not set(after) & set(recorded), "what is recorded is not made again"
    assert sorted(set(before) | set(after)) == sorted(done.stdout.split())
    # Whatever was tried twice was tried as the same work, where the run was stored by then.
    if recorded:
        keys = {}
        for task, key in lines:
            keys.setdefault(task, set()).add(key)
        assert {len(keys) for keys in keys.values()} == {1}


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_an_interrupted_run_leaves_a_valid_journal_and_waits_for_no_function(tmp_path):
    code = f"""if 1:
        import asyncio, time
        import orch
        graph = orch.Graph("interrupted")
        graph.add(lambda: "made", id="first")
        graph.add(lambda first: time.sleep(60), id="sleeps")
        @graph.task(after="first")
        async def waits() -> None:
            print("waiting", flush=True)
            await asyncio.sleep(60)
        orch.run_sync(graph, store={str(tmp_path / "runs.db")!r})
    """
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    # It is far from the minute that the function sleeps.
    _, stderr = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in stderr
    store = orch.Store(tmp_path / "runs.db")
    assert store.check() == []
    (row,) = store.runs()
    report = store.report()
    assert report["first"] == "made"
    # Before, asyncio let the interrupt go wherever it came up, and the run ends, if it does, as the task that it hit.
    if sys.version_info >= (3, 11):
        assert (row.state, report.state, report.task("waits").state) == ("cancelled", "cancelled", "cancelled")
    did = []
    graph = orch.Graph("interrupted")
    graph.add(lambda: "made", id="first")
    graph.add(lambda first: did.append("sleeps"), id="sleeps")
    graph.add(lambda: did.append("waits"), id="waits", after="first")
    assert orch.resume_sync(None, graph, store=store).run == row.run
    assert sorted(did) == ["sleeps", "waits"]
