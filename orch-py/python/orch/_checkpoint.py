"""Named moments of a run, from which another run goes on."""

from __future__ import annotations

from typing import Any

from orch import _orch
from orch._errors import InvalidFormat, InvalidValue


class Checkpoint:
    """What had ended at a named moment of a run, and still stands: what a run does not do again that goes on from there.

    It holds the very objects that the tasks made. Its JSON form may be kept in a file; a task whose result has no such form is
    run again by who reads it from there.

    >>> import orch
    >>> graph = orch.Graph("release")
    >>> @graph.task
    ... async def build() -> str:
    ...     print("building")
    ...     return "v1.tar"
    >>> @graph.task
    ... async def publish(build: str, context: orch.Context) -> str:
    ...     context.checkpoint("built")
    ...     raise OSError("the network is down")
    >>> report = orch.run_sync(graph, check=False)
    building
    >>> text = report.checkpoint("built").to_json()
    >>> again = orch.run_sync(graph, check=False, restore=orch.Checkpoint.from_json(text))
    >>> again["build"]
    'v1.tar'
    """

    __slots__ = ("_data", "values")

    def __init__(self, data: dict[str, Any], values: dict[str, Any]) -> None:
        self._data = data
        self.values = values
        """What each task made, by its name."""

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self._data["name"])

    @property
    def tasks(self) -> list[str]:
        """The tasks, in the order in which they ended."""
        return [saved["task"] for saved in self._data["tasks"]]

    def for_core(self, crosses: bool) -> dict[str, Any]:
        """As the core has it: with what the tasks made, where that crosses."""
        tasks = []
        for saved in self._data["tasks"]:
            task = {"task": saved["task"], "state": saved["state"]}
            value = self.values.get(saved["task"])
            if saved.get("lost"):
                task["lost"] = True
            elif crosses and value is not None:
                try:
                    task["output"] = _orch.plain(value)
                except InvalidValue:
                    task["lost"] = True
            tasks.append(task)
        return {**self._data, "tasks": tasks}

    def to_json(self) -> str:
        """The checkpoint as JSON."""
        import json

        return json.dumps(self.for_core(True))

    @classmethod
    def from_json(cls, text: str) -> Checkpoint:
        """What :meth:`to_json` wrote."""
        import json

        try:
            data = json.loads(text)
            return cls(data, {saved["task"]: saved.get("output") for saved in data["tasks"]})
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidFormat(f"that is no checkpoint: {type(error).__name__}: {error}") from None

    def __repr__(self) -> str:
        return f"<orch.Checkpoint {self.name!r}, {len(self.tasks)} tasks>"
