"""Programs in worktrees: one at a time in each, and each ends with all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import tempfile
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from orch._errors import OrchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from orch import _orch

T = TypeVar("T")

ASK_AGAIN = 0.05
"""How many seconds to wait before a worktree that somebody has is asked for again."""


class TaskOutcome(TypedDict):
    """What became of a program."""

    success: bool
    stdout: str
    stderr: str
    returncode: int
    """Below zero: it was ended by that signal. -1, and why in ``stderr``: it never began."""


class NoWorktree(Exception):
    """A task did not get its worktree. It fails: it never runs in the main one."""


def never_began(why: str) -> TaskOutcome:
    """The outcome of a program that did not begin."""
    return {"success": False, "stdout": "", "stderr": why, "returncode": -1}


async def in_worktree(
    take: Callable[[], _orch.Lease | None], free: asyncio.Semaphore, work: Callable[[_orch.Lease], Awaitable[T]]
) -> T:
    """Takes a worktree, works in it, and gives it back. Waits while somebody has it; meanwhile others may go on.

    Raises :class:`NoWorktree` where there is none to be had.
    """
    while True:
        async with free:
            lease = await _taken(take)
            if lease is not None:
                try:
                    return await work(lease)
                finally:
                    lease.end()
        await asyncio.sleep(ASK_AGAIN)


async def _taken(take: Callable[[], _orch.Lease | None]) -> _orch.Lease | None:
    asked = asyncio.ensure_future(asyncio.to_thread(take))
    try:
        return await asyncio.shield(asked)
    except asyncio.CancelledError:
        # The thread cannot be stopped. What it takes yet is given back.
        asked.add_done_callback(_give_back)
        raise
    except OrchError as error:
        raise NoWorktree(f"no worktree for the task: {error}") from error


def _give_back(asked: asyncio.Future[_orch.Lease | None]) -> None:
    if not asked.cancelled() and asked.exception() is None:
        lease = asked.result()
        if lease is not None:
            lease.end()


async def run_program(argv: Sequence[str], folder: Path, variables: Mapping[str, str]) -> TaskOutcome:
    """Runs a program in that folder, with these variables beside those of this process."""
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=folder,
            env={**_clean(os.environ), **variables},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            # What it starts ends with it.
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return never_began(f"`{argv[0]}` could not be started: {error}")
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            _kill(process.pid)
            await process.wait()
    code = process.returncode or 0
    text = [part.decode("utf-8", "replace") for part in (out, err)]
    return {"success": code == 0, "stdout": text[0], "stderr": text[1], "returncode": code}


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


def _clean(variables: Mapping[str, str]) -> dict[str, str]:
    """Without what says that git is to work elsewhere than in the worktree."""
    elsewhere = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"}
    return {name: value for name, value in variables.items() if name not in elsewhere}


def write_json(path: Path, value: Any) -> None:
    """Writes it as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            json.dump(value, file, indent=2)
            file.write("\n")
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


async def all_or_none(parts: Sequence[Coroutine[Any, Any, None]]) -> None:
    """All of them; where one raises, or somebody cancels, the others are cancelled and waited for."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
