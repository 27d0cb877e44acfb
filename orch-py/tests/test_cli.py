"""The command is the core's."""

from __future__ import annotations

import json
import pathlib
import shutil
import signal
import subprocess
import sys
import sysconfig
import time

import orch

COMMANDS = pathlib.Path(__file__).parents[2] / "examples" / "commands"


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "orch", *args], capture_output=True, text=True, check=False)


def test_the_version_is_that_of_the_package():
    assert run("--version").stdout == f"orch {orch.__version__}\n"


def test_the_script_is_installed():
    script = shutil.which("orch", path=sysconfig.get_path("scripts"))
    assert script is not None
    assert subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout.startswith("orch ")


def test_exit_codes_and_streams_are_those_of_the_command():
    missing = run("plan", "missing.json")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "there is no file `missing.json`" in missing.stderr
    plan = run("plan", "--json", str(COMMANDS / "review-all.json"))
    assert (plan.returncode, json.loads(plan.stdout)["version"]) == (0, 1)


def test_a_run_of_programs(tmp_path):
    done = run("run", str(COMMANDS / "review-all.json"), "--agent", "*=true", "--json")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (0, "succeeded")


def test_ctrl_c_stops_the_command():
    args = [sys.executable, "-m", "orch", "run", str(COMMANDS / "review-all.json"), "--agent", "*=sleep 30"]
    process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
