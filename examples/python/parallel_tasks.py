"""Replaces the hand-written `execute_parallel_tasks`: a list of commands, so many at once, a summary.

python examples/python/parallel_tasks.py
"""

from __future__ import annotations

import asyncio
import sys
from typing import TypedDict

import orch


class Task(TypedDict):
    """One entry of the list that the old scripts take."""

    name: str
    type: str
    command: list[str]


class Result(TypedDict):
    """What the old scripts answer for one task."""

    success: bool
    stdout: str
    stderr: str
    returncode: int


async def run_command(command: list[str]) -> Result:
    """Cancelled, it ends the program too."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    code = process.returncode or 0
    return {
        "success": code == 0,
        "stdout": out.decode(),
        "stderr": err.decode(),
        "returncode": code,
    }


async def execute_parallel_tasks(tasks: list[Task], max_concurrent: int = 6) -> dict[str, object]:
    """All tasks, at most so many at once; those that fail do not stop the others."""
    graph = orch.Graph("parallel tasks")
    added = [
        graph.add(
            run_command,
            id=task["name"],
            args={"command": task["command"]},
            claims=f"worktree/{task['type']}",
        )
        for task in tasks
    ]
    report = await orch.run(graph, max_parallel=max_concurrent, on_failure="continue", check=False)
    results = [{"task": task.id, "result": report.task(task).value} for task in added]
    good = sum(bool(result["result"] and result["result"]["success"]) for result in results)
    summary = {
        "total_tasks": len(tasks),
        "successful": good,
        "duration": report.makespan,
        "speedup": report.speedup,
    }
    return {"results": results, "summary": summary}


async def main() -> None:
    sleep = "import sys, time; time.sleep(0.05); print(sys.argv[1])"
    tasks: list[Task] = [
        {
            "name": f"task {nth}",
            "type": f"type {nth % 4}",
            "command": [sys.executable, "-c", sleep, str(nth)],
        }
        for nth in range(8)
    ]
    done = await execute_parallel_tasks(tasks)
    print(done["summary"])


if __name__ == "__main__":
    asyncio.run(main())
