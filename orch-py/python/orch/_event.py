"""Events: one thing that happened in a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orch import _orch
    from orch._driver import Driver


class Event:
    """One thing that happened. ``name`` says what: ``task_started``, ``task_finished``, ``run_finished``, and so on.

    All further fields are in ``data``, the JSON form of the event; those that most readers want have a name of their own.
    """

    __slots__ = ("_data", "_driver", "_native")

    def __init__(self, native: _orch.Event, driver: Driver) -> None:
        self._native = native
        self._driver = driver
        self._data: dict[str, Any] | None = None

    @property
    def seq(self) -> int:
        """Its number in the run, from 0, without gaps."""
        return self._native.seq

    @property
    def at(self) -> float:
        """Seconds since the start of the run."""
        return self._native.at

    @property
    def name(self) -> str:
        """What happened."""
        return self._native.name

    @property
    def data(self) -> dict[str, Any]:
        """The JSON form."""
        if self._data is None:
            self._data = self._native.data()
        return self._data

    @property
    def task(self) -> str | None:
        """The name of the task that it is about."""
        return self.data.get("task")

    @property
    def value(self) -> Any:
        """What the task made, for an event that says so."""
        if self.name not in ("task_finished", "task_cached"):
            return None
        place = self._native.place
        value = self._driver.values[place] if place is not None and place < len(self._driver.values) else None
        return self.data.get("output") if value is None else value

    def __repr__(self) -> str:
        about = f" {self.task!r}" if self.task else ""
        return f"<orch.Event {self.seq} {self.name}{about}>"
