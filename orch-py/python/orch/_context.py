"""What an attempt knows of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Context:
    """Annotate a parameter of a task with it, and the task knows its run.

    >>> import orch
    >>> graph = orch.Graph("notes")
    >>> @graph.task
    ... async def draft(context: orch.Context) -> str:
    ...     return f"{context.id}, attempt {context.attempt}"
    >>> orch.run_sync(graph)[draft]
    'draft, attempt 1'
    """

    __slots__ = ("_tell", "attempt", "id", "run", "undo")

    def __init__(self, id: str, attempt: int, run: str, undo: bool, tell: Callable[[str, str], None]) -> None:
        self.id = id
        """The name of the task."""
        self.attempt = attempt
        """The attempt, from 1. Those to undo are counted on their own."""
        self.run = run
        """The name of the run."""
        self.undo = undo
        """Whether the task is being undone."""
        self._tell = tell

    def heartbeat(self) -> None:
        """Says that the attempt is alive, which ``idle_timeout`` wants to hear. From any thread."""
        self._tell("heartbeat", "")

    def say(self, line: str) -> None:
        """Says a line of output, which becomes an event. Also counts as a heartbeat. From any thread."""
        self._tell("stdout", line)

    def __repr__(self) -> str:
        return f"<orch.Context of {self.id!r}, attempt {self.attempt}>"
