"""One run, whatever happens to its processes: begin it, kill it, call this again, or the same in Node.

    python resume.py runs.db ../commands/review-all.json --kill rank-findings
    python resume.py runs.db ../commands/review-all.json
    orch report --store runs.db

The agents are functions here; in examples/node/resume.mjs they are functions of JavaScript, and the run is the same. Without
arguments it does all of that by itself.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import orch

REVIEW = Path(__file__).resolve().parents[1] / "commands" / "review-all.json"


async def go_on(path: str, file: str, victim: str | None) -> None:
    """Goes on with the latest run of that file; if there is none, begins one."""

    async def work(context: orch.Context) -> str:
        if context.id == victim:
            # As a crash, or somebody who pulls the plug: nothing is said, nothing is cleaned up.
            os.kill(os.getpid(), signal.SIGKILL)
        return f"{context.id} by python"

    store, graph = orch.Store(path), orch.load(file, {"*": work})
    try:
        run = orch.start(graph, store=store, resume=True)
    except orch.NotFound:
        run = orch.start(graph, store=store)
    print(f"run {run.id}: kept {len(run.resumed.kept) if run.resumed else 0}", flush=True)
    report = await run
    for result in report:
        print(f"{result.id}: {result.value}")


def story() -> None:
    """A process begins and dies; another goes on; the command line tells what they did."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"{folder}/runs.db"
        here = [sys.executable, __file__, store, str(REVIEW)]
        killed = subprocess.run([*here, "--kill", "rank-findings"], check=False)
        print(f"killed by signal {-killed.returncode}", flush=True)
        subprocess.run(here, check=True)
        command_line = [sys.executable, "-m", "orch"]
        subprocess.run([*command_line, "runs", "--store", store], check=True)
        subprocess.run([*command_line, "report", "--store", store], check=True)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        story()
    else:
        asyncio.run(go_on(sys.argv[1], sys.argv[2], sys.argv[4] if len(sys.argv) > 4 else None))
