"""Runs: begin them, hear them, cancel them, wait for them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

from orch._driver import Driver
from orch._errors import InvalidValue, Misuse
from orch._event import Event
from orch._failure import told
from orch._report import Report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Mapping

    from orch import _orch
    from orch._cache import Cache
    from orch._checkpoint import Checkpoint
    from orch._engine import Engine
    from orch._graph import Graph, Ready

_logger = logging.getLogger("orch")
# Who does not set up logging reads nothing.
_logger.addHandler(logging.NullHandler())

_MOST_EVENTS = 4096
"""How many events wait for their reader before the start of tasks waits too."""


class _Reader:
    """Holds the events that nobody has read yet."""

    def __init__(self) -> None:
        self.events: deque[_orch.Event] = deque()
        self.waiter: asyncio.Future[None] | None = None
        self.closed = False
        self.left = False
        self.hear: Callable[[_orch.Event], None] | None = None

    def put(self, events: list[_orch.Event]) -> None:
        if self.hear is not None:
            for event in events:
                self.hear(event)
        if not self.left:
            self.events.extend(events)
            self.call()

    def is_full(self) -> bool:
        return len(self.events) > _MOST_EVENTS

    def close(self) -> None:
        self.closed = True
        self.call()

    def leave(self) -> None:
        """Nobody reads any more: the run goes on without."""
        self.left = True
        self.events.clear()

    def call(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class Run:
    """A run that goes on in the background: read its events, await its report, cancel it."""

    def __init__(self, graph: Graph, options: _Options, hear: bool) -> None:
        ready = graph.ready()
        # Which values there are is not for a task to change.
        inputs = dict(options.inputs or {})
        _check_inputs(ready, inputs)
        self._check = options.check
        listener = None
        if options.progress is not False:
            from orch._progress import listener as listener_of

            listener = listener_of(options.progress, graph.name, len(ready.ids))
        self._reader = reader = _Reader() if hear or listener is not None else None
        engine, restore = options.engine, options.restore
        cache = engine.cache if options.cache is None and engine is not None else options.cache
        core = options.for_core(ready)
        values = None
        if restore is not None:
            core["restore"], values = restore.for_core(ready.reads_values), restore.values
        self._driver = driver = Driver(ready, core, inputs, reader, cache, engine, values)
        if reader is not None and listener is not None:
            reader.hear = lambda native: listener(Event(native, driver))
            # Without another reader nobody waits for events.
            reader.left = not hear
        self._report: Report | None = None
        self._driver.go_on()

    @property
    def id(self) -> str:
        """The name of the run."""
        return self._driver.session.run

    @property
    def state(self) -> str:
        """``running``, ``succeeded``, ``failed`` or ``cancelled``."""
        return self._driver.state

    def cancel(self, reason: str = "cancelled by the program") -> None:
        """Asks the run to stop: its tasks are cancelled, what can be undone is undone. From the thread of the loop."""
        self._driver.cancel(reason)

    def checkpoint(self, name: str) -> None:
        """Makes a checkpoint: what has ended by now is before it. Of several with the same name the latest counts."""
        self._driver.tell_session(self._driver.session.checkpoint, name)

    def back_to(self, checkpoint: str) -> None:
        """Stops the run and undoes what ended after that checkpoint. To go on from there, run the graph again with
        ``restore=report.checkpoint(name)``. Without such a checkpoint the run goes on, with a warning."""
        self._driver.tell_session(self._driver.session.back_to, checkpoint)

    async def report(self) -> Report:
        """Waits for the end and answers the report, whatever became of the run. Events that nobody read are dropped."""
        if self._reader is not None:
            self._reader.leave()
            self._driver.hurry()
        await self._driver.ended()
        if self._report is None:
            self._report = Report(self._driver.session.report(), self._driver.values, self._driver.errors)
            _log(self._report)
        return self._report

    async def _checked(self) -> Report:
        report = await self.report()
        if self._check:
            report.raise_for_state()
        return report

    def __await__(self) -> Generator[Any, None, Report]:
        return self._checked().__await__()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """The events, to the last. A slow reader slows the start of tasks."""
        reader, driver = self._reader, self._driver
        if reader is None:
            raise Misuse("this run tells no events; begin it with `orch.start`")
        driver.check_loop()
        while True:
            while reader.events:
                was_full = reader.is_full()
                event = Event(reader.events.popleft(), driver)
                if was_full and not reader.is_full():
                    driver.hurry()
                yield event
            if reader.closed:
                return
            reader.waiter = driver.loop.create_future()
            await reader.waiter

    def __repr__(self) -> str:
        return f"<orch.Run {self.id}, {self.state}>"


class _Options:
    """How one run behaves."""

    def __init__(
        self,
        max_parallel: int | None,
        on_failure: str,
        undo: bool,
        deadline: float | None,
        inputs: Mapping[str, Any] | None,
        seed: int,
        check: bool,
        progress: bool | Callable[[Event], object],
        cache: Cache | None,
        engine: Engine | None,
        restore: Checkpoint | None,
    ) -> None:
        if max_parallel is not None and (not isinstance(max_parallel, int) or max_parallel < 1):
            raise InvalidValue(f"`max_parallel` is {max_parallel!r}; give a whole number, at least 1, or None")
        if on_failure not in ("fail_fast", "continue"):
            raise InvalidValue(f"`on_failure` is {on_failure!r}; give 'fail_fast' or 'continue'")
        self.max_parallel = max_parallel
        self.on_failure = on_failure
        self.undo = undo
        self.deadline = deadline
        self.inputs = inputs
        self.seed = seed
        self.check = check
        self.progress = progress
        self.cache = cache
        self.engine = engine
        self.restore = restore

    def for_core(self, ready: Ready) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self.max_parallel is not None:
            options["max_parallel"] = min(self.max_parallel, 2**32 - 1)
        if self.on_failure != "fail_fast":
            options["on_failure"] = self.on_failure
        if not self.undo:
            options["undo"] = False
        if self.deadline is not None:
            options["deadline"] = float(self.deadline)
        if self.seed:
            options["seed"] = self.seed
        if self.inputs and ready.reads_values:
            options["inputs"] = dict(self.inputs)
        return options


def _log(report: Report) -> None:
    if _logger.isEnabledFor(logging.WARNING):
        for id, error in report.errors.items():
            _logger.warning("task `%s` of `%s` failed: %s", id, report.graph, told(error))
        for warning in report.warnings:
            _logger.warning("`%s`: %s", report.graph, warning)
    if _logger.isEnabledFor(logging.INFO):
        _logger.info("%s", str(report).partition("\n")[0])


def _check_inputs(ready: Ready, inputs: Mapping[str, Any]) -> None:
    for name, id in ready.needs.items():
        if name not in inputs:
            near = get_close_matches(name, [*ready.ids, *inputs], 1)
            hint = f"; did you mean `{near[0]}`?" if near else f"; give it: `inputs={{{name!r}: ...}}`"
            raise InvalidValue(f"the parameter `{name}` of task `{id}` is neither a task nor an input of the run{hint}")


def start(
    graph: Graph,
    *,
    max_parallel: int | None = None,
    on_failure: Literal["fail_fast", "continue"] = "fail_fast",
    undo: bool = True,
    deadline: float | None = None,
    inputs: Mapping[str, Any] | None = None,
    seed: int = 0,
    check: bool = True,
    progress: bool | Callable[[Event], object] = False,
    cache: Cache | None = None,
    engine: Engine | None = None,
    restore: Checkpoint | None = None,
) -> Run:
    """Begins a run on the running loop and answers a handle: ``async for event in run``, ``await run``, ``run.cancel()``.

    The options are those of :func:`run`.
    """
    options = _Options(max_parallel, on_failure, undo, deadline, inputs, seed, check, progress, cache, engine, restore)
    _need_loop("start")
    return Run(graph, options, hear=True)


async def run(
    graph: Graph,
    *,
    max_parallel: int | None = None,
    on_failure: Literal["fail_fast", "continue"] = "fail_fast",
    undo: bool = True,
    deadline: float | None = None,
    inputs: Mapping[str, Any] | None = None,
    seed: int = 0,
    check: bool = True,
    progress: bool | Callable[[Event], object] = False,
    cache: Cache | None = None,
    engine: Engine | None = None,
    restore: Checkpoint | None = None,
) -> Report:
    """Runs the graph to its end and answers the report. Cancelled, it cancels the run and waits until that has ended.

    :param max_parallel: how many tasks run at once; no limit by default.
    :param on_failure: ``fail_fast`` stops the others; ``continue`` goes on with all that does not need the failed one.
    :param undo: whether a run that does not succeed undoes what its tasks did, where they say how.
    :param deadline: how long the run may take, in seconds.
    :param inputs: values for parameters that name no task.
    :param seed: where the jitter of retries comes from.
    :param check: whether a run that does not succeed raises.
    :param progress: True shows it on standard error: a bar on a terminal, else lines. A function is given each event, on the
        loop; if it raises, there is a warning, and it is called no more.
    :param cache: where values are found that tasks read by key, and where results are shared: see ``outputs``.
    :param engine: what the run shares with others: locks, circuit breakers, prices, and a cache.
    :param restore: tasks that are as they were at a checkpoint of an earlier run are not run again.

    Raises :class:`orch.RunFailed`, caused by what the first failed task raised, and :class:`orch.RunCancelled`.
    """
    options = _Options(max_parallel, on_failure, undo, deadline, inputs, seed, check, progress, cache, engine, restore)
    return await Run(graph, options, hear=False)._checked()


def run_sync(
    graph: Graph,
    *,
    max_parallel: int | None = None,
    on_failure: Literal["fail_fast", "continue"] = "fail_fast",
    undo: bool = True,
    deadline: float | None = None,
    inputs: Mapping[str, Any] | None = None,
    seed: int = 0,
    check: bool = True,
    progress: bool | Callable[[Event], object] = False,
    cache: Cache | None = None,
    engine: Engine | None = None,
    restore: Checkpoint | None = None,
) -> Report:
    """Runs the graph on a loop of its own, for callers without one. The options are those of :func:`run`."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise Misuse("this thread already runs a loop, which must not block: `await orch.run(...)` instead")
    options = _Options(max_parallel, on_failure, undo, deadline, inputs, seed, check, progress, cache, engine, restore)

    async def whole() -> Report:
        return await Run(graph, options, hear=False)._checked()

    return asyncio.run(whole())


def _need_loop(what: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise Misuse(f"`orch.{what}` needs a running loop; without one use `orch.run_sync`") from None
