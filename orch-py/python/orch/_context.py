"""What an attempt knows of its run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orch._attempt import Attempts


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

    __slots__ = ("_definition", "_driver", "_parents", "_place", "agent", "attempt", "id", "run", "undo")

    def __init__(self, driver: Attempts, place: int, attempt: int, undo: bool) -> None:
        self._driver = driver
        self._place = place
        self._definition: dict[str, Any] | None = None
        self.id: str
        """The name of the task."""
        self.agent: str | None
        """Who does it, in a definition."""
        self.id, self.agent, self._parents = driver.session.task(place)
        self.attempt = attempt
        """The attempt, from 1. Those to undo are counted on their own."""
        self.run: str = driver.session.run
        """The name of the run."""
        self.undo = undo
        """Whether the task is being undone."""

    @property
    def definition(self) -> dict[str, Any]:
        """Everything else about the task, as data."""
        if self._definition is None:
            self._definition = self._driver.session.definition(self._place)
        return self._definition

    @property
    def description(self) -> str:
        """What to do, in words."""
        return str(self.definition.get("description", ""))

    @property
    def params(self) -> dict[str, Any]:
        """Free values of the definition."""
        return self.definition.get("params") or {}

    @property
    def inputs(self) -> dict[str, Any]:
        """The values by the keys that the definition asks for, and the inputs of the run."""
        return {**self._driver.session.values(self._place, self.attempt, self.undo), **self._driver.inputs}

    @property
    def results(self) -> dict[str, Any]:
        """What the tasks made that this one waited for."""
        session, value_of = self._driver.session, self._driver.value_of
        return {session.task(place)[0]: value_of(place) for place in self._parents}

    @property
    def result(self) -> Any:
        """What the task itself made, for its undo."""
        return self._driver.value_of(self._place)

    def heartbeat(self) -> None:
        """Says that the attempt is alive, which ``idle_timeout`` wants to hear. From any thread."""
        self._driver.tell(self._place, self.attempt, "heartbeat", "")

    def say(self, line: str) -> None:
        """Says a line of output, which becomes an event. Also counts as a heartbeat. From any thread."""
        self._driver.tell(self._place, self.attempt, "stdout", line)

    def __repr__(self) -> str:
        return f"<orch.Context of {self.id!r}, attempt {self.attempt}>"
