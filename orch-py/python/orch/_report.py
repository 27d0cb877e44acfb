"""What a run did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

from orch._errors import NotFound, RunFailed, TaskFailed, TaskTimeout, of_code
from orch._graph import Task

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping

    from orch import _orch
    from orch._checkpoint import Checkpoint

T = TypeVar("T")


class Counts(NamedTuple):
    """How many tasks are in each state."""

    succeeded: int
    failed: int
    skipped: int
    cancelled: int
    undone: int
    running: int
    pending: int


class TaskResult(NamedTuple):
    """What became of one task. Times in seconds since the start of the run."""

    id: str
    state: str
    """``succeeded``, ``failed``, ``skipped``, ``cancelled``, ``undone``; in a run that goes on ``pending``, ``running``."""
    value: Any
    """What it made."""
    error: BaseException | None
    """Why it failed or was cancelled."""
    message: str | None
    """The same in words, and for a skipped task the condition that did not hold."""
    attempts: int
    started: float | None
    finished: float | None
    duration: float
    """How long its attempts ran."""
    queued: float
    """How long it waited for a place though nothing else held it."""
    usage: tuple[ModelUsage, ...] = ()
    """What its attempts used of models: :meth:`orch.Context.used`."""
    cost_usd: float | None = None
    """What that costs, where all prices are known."""


class ModelUsage(NamedTuple):
    """What was used of one model, in tokens: ``input`` counts cached ones too, ``output`` reasoning."""

    model: str
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    requests: int = 0
    billed_usd: float | None = None
    """What the provider says that it costs."""
    items: dict[str, int] | None = None
    """What else was counted, by the names of price lists: ``input_audio_tokens``, ``web_searches``."""
    terms: dict[str, str] | None = None
    """Terms that change the price: ``processing`` is ``batch``."""


def usages_of(data: list[dict[str, Any]]) -> tuple[ModelUsage, ...]:
    return tuple(
        ModelUsage(**{name: count for name, count in one.items() if name != "billed"}, billed_usd=_dollars(one.get("billed")))
        for one in data
    )


def _dollars(nanos: int | None) -> float | None:
    return None if nanos is None else nanos / 1e9


class Report:
    """What a run did, task by task and as a whole.

    ``report[task]`` is the task's result; ``print(report)`` is a summary.
    """

    __slots__ = ("_errors", "_ids", "_native", "_places", "_values")

    def __init__(self, native: _orch.Report, values: list[Any], errors: Mapping[int, BaseException]) -> None:
        self._native = native
        self._values = values
        self._errors = errors
        self._ids: list[str] = native.ids()
        self._places: dict[str, int] | None = None

    @property
    def graph(self) -> str:
        """The name of the graph."""
        return self._native.graph

    @property
    def run(self) -> str | None:
        """The name of the run."""
        return self._native.run

    @property
    def state(self) -> str:
        """``succeeded``, ``failed``, ``cancelled``, or ``running``."""
        return self._native.state

    @property
    def stopped(self) -> str | None:
        """Why it ended before its time, where it did."""
        return self._native.stopped

    @property
    def makespan(self) -> float:
        """Seconds from the start of the run to its last event."""
        return self._native.makespan

    @property
    def serial(self) -> float:
        """Seconds that the tasks would have taken one after the other."""
        return self._native.serial

    @property
    def lower_bound(self) -> float:
        """Seconds: the shortest time that any order could have reached, knowing what each task really took."""
        return self._native.lower_bound

    @property
    def speedup(self) -> float | None:
        """How often faster it was than one task after the other."""
        return self._native.speedup

    @property
    def utilisation(self) -> float | None:
        """What share of its workers' time it used, from 0 to 1."""
        return self._native.utilisation

    @property
    def peak(self) -> int:
        """The most tasks that ran at once."""
        return self._native.peak

    @property
    def counts(self) -> Counts:
        """How many tasks are in each state."""
        return Counts(*self._native.counts())

    @property
    def usage(self) -> tuple[ModelUsage, ...]:
        """What all tasks used of models."""
        return usages_of(self._native.usage()[0])

    @property
    def cost_usd(self) -> float | None:
        """What that costs, in dollars, as far as prices are known."""
        return self._native.usage()[1]

    @property
    def checkpoints(self) -> list[str]:
        """The names of the checkpoints, in the order in which they were made."""
        return self._native.checkpoints()

    def checkpoint(self, name: str) -> Checkpoint:
        """What still stands of that checkpoint, for another run to go on from: ``orch.run(graph, restore=...)``."""
        from orch._checkpoint import Checkpoint

        data = self._native.checkpoint(name)
        if data is None:
            raise NotFound(f"the run of `{self.graph}` made no checkpoint `{name}`")
        values = {saved["task"]: self._result(self._place(saved["task"])).value for saved in data["tasks"]}
        return Checkpoint(data, values)

    @property
    def warnings(self) -> list[str]:
        """What was odd but did not stop the run."""
        return self._native.warnings

    def _place(self, task: Task[Any] | str) -> int:
        if self._places is None:
            self._places = {id: place for place, id in enumerate(self._ids)}
        id = task.id if isinstance(task, Task) else task
        try:
            return self._places[id]
        except (KeyError, TypeError):
            raise NotFound(f"there is no task `{id}` in the report of `{self.graph}`") from None

    @overload
    def __getitem__(self, task: Task[T]) -> T: ...
    @overload
    def __getitem__(self, task: str) -> Any: ...

    def __getitem__(self, task: Task[Any] | str) -> Any:
        """The task's result; ``None`` if it was skipped.

        Raises what made it fail, or :class:`orch.TaskFailed` if it did not run.
        """
        result = self.task(task)
        if result.state in ("succeeded", "skipped"):
            return result.value
        if result.error is not None:
            raise result.error
        raise TaskFailed(f"task `{result.id}` made nothing: it is {result.state}")

    def task(self, task: Task[Any] | str) -> TaskResult:
        """What became of that task."""
        return self._result(self._place(task))

    def _result(self, place: int) -> TaskResult:
        row = self._native.row(place)
        assert row is not None
        state, attempts, started, finished, duration, queued, message = row
        value = self._values[place] if place < len(self._values) else None
        if value is None:
            value = self._native.output(place)
        error = self._error(place, state, message) if state in ("failed", "cancelled") else None
        usage, cost = self._native.usage(place)
        times = (started, finished, duration, queued)
        return TaskResult(self._ids[place], state, value, error, message, attempts, *times, usages_of(usage), cost)

    def _error(self, place: int, state: str, message: str | None) -> BaseException | None:
        raised = self._errors.get(place)
        if state == "cancelled" or (raised is not None and type(raised).__name__ != "CancelledError"):
            return raised
        words = message or "it failed"
        kind = TaskTimeout if words.startswith(("took longer", "was silent")) else TaskFailed
        return kind(f"task `{self._ids[place]}` {words}")

    @property
    def tasks(self) -> dict[str, TaskResult]:
        """What became of each task, in the order of definition."""
        return {id: self._result(place) for place, id in enumerate(self._ids)}

    def __iter__(self) -> Iterator[TaskResult]:
        return (self._result(place) for place in range(len(self._ids)))

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def errors(self) -> dict[str, BaseException]:
        """Why tasks failed, forgiven ones left out."""
        if self.counts.failed == 0:
            return {}
        failed = (result for result in self if result.state == "failed" and result.error is not None)
        forgiven = self._native.is_forgiven
        return {result.id: result.error for result in failed if result.error and not forgiven(self._place(result.id))}

    def raise_for_state(self) -> None:
        """Nothing if the run succeeded.

        Raises :class:`orch.RunFailed` or :class:`orch.RunCancelled`, caused by what the first failed task raised.
        """
        told = self._native.error()
        if told is None:
            return
        error = of_code(*told)
        if not isinstance(error, RunFailed):
            raise error
        error.report = self
        error.errors = self.errors
        raise error from next(iter(error.errors.values()), None)

    def __str__(self) -> str:
        return self._native.summary()

    def __repr__(self) -> str:
        return f"<orch.Report of {self.graph!r}, {self.state}>"

    def to_text(self, width: int = 100) -> str:
        """The report as text, with a table of the tasks."""
        return self._native.text(width)

    def to_json(self) -> str:
        """The report as JSON. Results that have crossed to the engine are in it; others stay in Python."""
        return self._native.json()

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """The report as one HTML page, without anything from elsewhere; written to ``path`` where there is one."""
        return self._form("html", path)

    def to_junit(self, path: str | os.PathLike[str] | None = None) -> str:
        """The report as JUnit XML."""
        return self._form("junit", path)

    def to_trace(self, path: str | os.PathLike[str] | None = None) -> str:
        """The report as a trace for Chrome and Perfetto."""
        return self._form("trace", path)

    def _form(self, form: str, path: str | os.PathLike[str] | None) -> str:
        text = self._native.render(form)
        if path is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return text

    def _repr_html_(self) -> str:
        from orch._plan import framed

        return framed(self.to_html())
