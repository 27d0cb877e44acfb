"""Replaces the hand-written `execute_parallel_tasks`: commands in worktrees of git, so many at once, a summary.

The old script changes one import. Here it works in a repository that is made for it and thrown away.

python examples/python/parallel_tasks.py
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from orch.compat import OptimizedWorktreeManager


def repository(folder: Path) -> Path:
    """One with a commit on `main` and a branch beside it."""
    shop = folder / "shop"
    shop.mkdir()
    (shop / "shop.py").write_text("print('open')\n", encoding="utf-8")
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    for words in ("init -q -b main", "add -A", "commit -q -m first", "branch feature/testing"):
        subprocess.run(["git", *who, *words.split()], cwd=shop, check=True)
    return shop


async def main() -> None:
    used = json.dumps({"type": "result", "result": "4 passed", "usage": {"input_tokens": 900, "output_tokens": 100}})
    tasks: list[dict[str, Any]] = [
        # What an agent says that it used counts for its task alone.
        {"type": "test", "command": [sys.executable, "-c", f"print({used!r})"], "branch": "feature/testing"},
        {"type": "build", "command": [sys.executable, "shop.py"], "branch": "main"},
        # The same worktree: after the one before it, never beside it.
        {"type": "build", "command": "git rev-parse --abbrev-ref HEAD"},
        {"type": "lint", "command": "no-such-linter ."},
    ]
    manager = OptimizedWorktreeManager()
    done = await manager.execute_parallel_tasks(tasks)
    for one in done["results"]:
        result = one["result"]
        said = (result["stdout"] or result["stderr"]).strip()
        print(f"{one['task']['type']:<6} {'ok ' if result['success'] else 'bad'} ${one['cost']:.4f}  {said}")
    print(f"{done['summary']['successful']} of {done['summary']['total_tasks']}, ${done['summary']['total_cost']:.4f}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(repository(Path(scratch)))
        asyncio.run(main())
