"""Runs: begin them, hear them, cancel them, wait for them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict

from orch._driver import Driver
from orch._errors import InvalidValue, Misuse, OrchError
from orch._event import Event
from orch._failure import told
from orch._report import Report

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Generator, Mapping

    from typing_extensions import Unpack

    from orch import _orch
    from orch._cache import Cache
    from orch._checkpoint import Checkpoint
    from orch._engine import Engine
    from orch._graph import Graph, Ready
    from orch._ledger import Budgets, Ledger
    from orch._load import Assigned
    from orch._notices import Notices
    from orch._store import Kept, Preview, Store


class ResumeOptions(TypedDict, total=False):
    """What :func:`resume` takes: see :func:`run`."""

    max_parallel: int | None
    on_failure: Literal["fail_fast", "continue"]
    undo: bool
    deadline: float | None
    inputs: Mapping[str, Any] | None
    seed: int
    check: bool
    progress: bool | Callable[[Event], object]
    cache: Cache | None
    engine: Engine | None
    store: Store | str | os.PathLike[str] | bool | None
    sync: Literal["normal", "full"] | None
    source: str | os.PathLike[str] | None
    budget: Ledger | Budgets | None
    labels: Mapping[str, str] | None
    notify: Notices | bool


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
        ready, kept = (graph.ready(), None) if options.kept is None else options.kept.of(graph, options.inputs)
        # Which values there are is not for a task to change.
        inputs = dict(options.inputs or {}) if kept is None else dict(kept.inputs(options.inputs))
        _check_inputs(ready, inputs)
        self._check = options.check
        self._assigned = ready.assigned
        self._resumed = None if kept is None or kept.resume is None else kept.preview()
        listener = None
        if options.progress is not False:
            from orch._progress import listener as listener_of

            listener = listener_of(options.progress, graph.name, len(ready.ids))
        self._reader = reader = _Reader() if hear or listener is not None else None
        engine, restore = options.engine, options.restore
        cache = engine.cache if options.cache is None and engine is not None else options.cache
        core = options.for_core(ready, inputs, kept)
        values = None
        if restore is not None:
            core["restore"], values = restore.for_core(ready.reads_values or kept is not None), restore.values
        spending = options.spending(kept)
        self._telling = options.telling(kept, spending)
        self._driver = driver = Driver(ready, core, inputs, reader, cache, engine, values, kept, spending, self._telling)
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
    def resumed(self) -> Preview | None:
        """For a run that goes on: what was kept of it, and what is run, and why."""
        return self._resumed

    @property
    def assigned(self) -> tuple[Assigned, ...]:
        """Who does the tasks that ask for a capability, and why."""
        return self._assigned

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
        """Waits for the end and answers the report, whatever became of the run. Events that nobody read are dropped. With
        ``notify`` it also waits until everybody is told or to be told later, ten seconds for each notice at most."""
        if self._reader is not None:
            self._reader.leave()
            self._driver.hurry()
        try:
            await self._driver.ended()
        finally:
            if self._telling is not None and self._driver.state != "running":
                telling, self._telling = self._telling, None
                await _tell(telling)
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


class _Keep(NamedTuple):
    """Where a run is to be kept, which one it goes on with, and who is told of it."""

    store: Store | str | os.PathLike[str] | bool | None
    sync: str | None
    source: str | os.PathLike[str] | None
    resume: str | bool | None
    notify: Notices | bool

    def checked(self, restore: Checkpoint | None) -> _Keep | None:
        """With a store; ``None``: it is not to be kept."""
        goes_on = self.resume is not None and self.resume is not False
        if self.store is False or (self.store is None and not goes_on):
            if self.sync is not None or self.source is not None or goes_on:
                raise InvalidValue("`sync`, `source` and `resume` are for runs in a store; give `store` too")
            return None
        if goes_on and restore is not None:
            raise InvalidValue("`restore` begins a new run with what another did; `resume` goes on with that one; give one")
        return self

    def of(self, graph: Graph, inputs: Mapping[str, Any] | None) -> tuple[Ready, Kept]:
        """The graph as the store has it, and that the run is kept there."""
        from orch._store import Kept, store_of

        store, source = store_of(self.store, self.sync), graph.source if self.source is None else str(self.source)
        if self.resume is None or self.resume is False:
            return graph.ready_to_keep(store), Kept(store, source)
        named, latest = (None, source) if self.resume is True else (self.resume, None)
        ready = graph.ready_to_keep(store, (named, latest))
        past = store.resumption(named, latest, ready.graph, inputs, ready.programs is None)
        return ready, Kept(store, source, past)


_NOWHERE = _Keep(None, None, None, None, False)


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
        keep: _Keep,
        budget: Ledger | Budgets | None,
        labels: Mapping[str, str] | None,
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
        self.kept = None if keep == _NOWHERE else keep.checked(restore)
        self.budget = budget
        self.labels = labels
        self.notify = keep.notify

    def telling(self, kept: Kept | None, spending: tuple[_orch.Ledger, dict[str, str] | None] | None) -> _orch.Telling | None:
        """Who tells of the run."""
        if self.notify is False:
            return None
        from orch import _orch
        from orch._notices import Notices

        notices = self.notify
        if notices is True:
            if kept is None:
                raise InvalidValue("what is to be told waits in a store until it is sent: give `notify` a `store`")
            notices = Notices(kept.store)
        if not isinstance(notices, Notices):
            raise InvalidValue(f"`notify` is {notices!r}; give an orch.Notices, True or False")
        return _orch.Telling(notices, None if spending is None else spending[0])

    def spending(self, kept: Kept | None) -> tuple[_orch.Ledger, dict[str, str] | None] | None:
        """Where the run books what it spends."""
        store = None if kept is None else kept.store
        if self.budget is None and store is None:
            if self.labels is not None:
                raise InvalidValue("`labels` are for runs that book what they spend; give `budget` or `store` too")
            return None
        from orch._ledger import ledger_of

        ledger = ledger_of(self.budget, store)
        return None if ledger is None else (ledger, None if self.labels is None else dict(self.labels))

    def for_core(self, ready: Ready, inputs: Mapping[str, Any], kept: Kept | None) -> dict[str, Any]:
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
        if inputs and (ready.reads_values or kept is not None):
            options["inputs"] = inputs
        if kept is not None:
            options["source"] = kept.source
        return options


async def _tell(telling: _orch.Telling) -> None:
    """Waits for what is to be told: on another thread, since it may take a while."""
    try:
        _, later, dropped, why = await asyncio.to_thread(telling.finish)
    except OrchError as error:
        _logger.warning("nobody was told: %s", error)
        return
    if why is not None:
        _logger.warning("not everybody was told (%d waiting, %d given up): %s", later, dropped, why)


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
    store: Store | str | os.PathLike[str] | bool | None = None,
    sync: Literal["normal", "full"] | None = None,
    source: str | os.PathLike[str] | None = None,
    resume: str | bool | None = None,
    budget: Ledger | Budgets | None = None,
    labels: Mapping[str, str] | None = None,
    notify: Notices | bool = False,
) -> Run:
    """Begins a run on the running loop and answers a handle: ``async for event in run``, ``await run``, ``run.cancel()``.

    The options are those of :func:`run`.
    """
    keep = _Keep(store, sync, source, resume, notify)
    options = _Options(
        max_parallel, on_failure, undo, deadline, inputs, seed, check, progress, cache, engine, restore, keep, budget, labels
    )
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
    store: Store | str | os.PathLike[str] | bool | None = None,
    sync: Literal["normal", "full"] | None = None,
    source: str | os.PathLike[str] | None = None,
    resume: str | bool | None = None,
    budget: Ledger | Budgets | None = None,
    labels: Mapping[str, str] | None = None,
    notify: Notices | bool = False,
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
    :param store: where the run is kept, so that it survives its process: an :class:`orch.Store`, a path, or True for the
        default place. Then results need a JSON form (plain data, data classes, models of pydantic), as do the inputs, and what
        a task made is stored before those begin that build on it.
    :param sync: ``normal``: what is stored survives the death of the process; ``full``: also the loss of power.
    :param source: what the run is found by in the store. Default: the path of the definition, else the name of the graph.
    :param resume: the stored run to go on with: see :func:`resume`. True: the latest of that source.
    :param budget: what may be spent: dollars for this run, an :class:`orch.Limit` or several, or an :class:`orch.Ledger`,
        which may belong to other runs too. Before an attempt begins, what its task ``expects`` to use is reserved; who
        would pass a limit fails or waits, and the most critical is asked first. Charges are booked in the store of the run,
        also without a budget: ``orch.Ledger(store).costs()``.
    :param labels: what else is known of all that is spent: ``{"branch": "main"}``. Default: the worktree and branch of the
        working directory.
    :param notify: who is told that the run begins, how it ended, and of its budget: an :class:`orch.Notices`, or True for the
        addresses of the environment, of which the store keeps what could not be sent yet. The run does not wait for it; its
        report does.

    Raises :class:`orch.RunFailed`, caused by what the first failed task raised, and :class:`orch.RunCancelled`; with a store
    :class:`orch.InputOutputError` if that fails, and :class:`orch.Conflict` if another process took the run over.
    """
    keep = _Keep(store, sync, source, resume, notify)
    options = _Options(
        max_parallel, on_failure, undo, deadline, inputs, seed, check, progress, cache, engine, restore, keep, budget, labels
    )
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
    store: Store | str | os.PathLike[str] | bool | None = None,
    sync: Literal["normal", "full"] | None = None,
    source: str | os.PathLike[str] | None = None,
    resume: str | bool | None = None,
    budget: Ledger | Budgets | None = None,
    labels: Mapping[str, str] | None = None,
    notify: Notices | bool = False,
) -> Report:
    """Runs the graph on a loop of its own, for callers without one. The options are those of :func:`run`."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise Misuse("this thread already runs a loop, which must not block: `await orch.run(...)` instead")
    keep = _Keep(store, sync, source, resume, notify)
    options = _Options(
        max_parallel, on_failure, undo, deadline, inputs, seed, check, progress, cache, engine, restore, keep, budget, labels
    )

    async def whole() -> Report:
        return await Run(graph, options, hear=False)._checked()

    return asyncio.run(whole())


_run = run


async def resume(run: str | None, graph: Graph, **options: Unpack[ResumeOptions]) -> Report:
    """Goes on with a stored run, under its name, and answers its report. What is done is not done again.

    What a task made is kept if the task is as it was: its name, its function, its options and ``args``, what it waits for, the
    inputs of the run, and that nothing is run again that it builds on. All else is run, with the same
    :attr:`orch.Context.idempotency_key`. :meth:`orch.Store.preview` tells what that would be, and why.

    :param run: its name, or how that ends. ``None``: the latest of the graph's source.
    :param graph: what to run now: as it was, or edited.
    :param options: those of :func:`run`; ``store`` is the default place by default, ``inputs`` are those of then.

    Raises :class:`orch.NotFound` if there is no such run, :class:`orch.Conflict` if it belongs to another process,
    :class:`orch.Corrupt` if it is damaged, and what :func:`run` raises.
    """
    return await _run(graph, resume=run or True, **options)


def resume_sync(run: str | None, graph: Graph, **options: Unpack[ResumeOptions]) -> Report:
    """:func:`resume` for callers without a loop.

    >>> import orch
    >>> orch.resume_sync(None, orch.Graph("weekly"), store="runs.db")
    Traceback (most recent call last):
    orch._errors.NotFound: the store has no run of `weekly`; `orch runs` lists what it has
    """
    return run_sync(graph, resume=run or True, **options)


def _need_loop(what: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise Misuse(f"`orch.{what}` needs a running loop; without one use `orch.run_sync`") from None
