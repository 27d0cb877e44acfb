"""The driver: runs the functions of one run on the loop of asyncio. What to run, and when, the native session decides.

Tasks that never suspend run one after the other in one Task of asyncio, a *worker*: nothing is scheduled for them. As soon as
one suspends, that worker is the task's own, and another goes on. A task cannot tell: whatever it could have left behind in the
worker (a reference to it, a changed context variable, a cancellation) ends the worker with the task. See decision 0030.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from _weakref import getweakrefcount
from contextlib import suppress
from contextvars import copy_context
from sys import getrefcount
from typing import TYPE_CHECKING, Any

from orch import _orch
from orch._attempt import Attempts
from orch._errors import Misuse, OrchError
from orch._failure import ends_program

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from orch._cache import Cache
    from orch._engine import Engine
    from orch._graph import Ready
    from orch._store import Kept

_NEWS, _TURN_OVER = -1, -2
_FIRST_BATCH = 16
_WIDEST = 1024


class Driver(Attempts):
    """One run."""

    def __init__(
        self,
        ready: Ready,
        options: dict[str, Any],
        inputs: Mapping[str, Any],
        reader: Any = None,
        cache: Cache | None = None,
        engine: Engine | None = None,
        restore: Mapping[str, Any] | None = None,
        kept: Kept | None = None,
        spending: tuple[_orch.Ledger, dict[str, str] | None] | None = None,
        telling: _orch.Telling | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        super().__init__(ready, inputs, kept is not None)
        me = weakref.ref(self)

        def wake() -> None:
            driver = me()
            if driver is not None:
                driver.from_elsewhere(driver.hurry)

        self.reader = reader
        plan, told, store = ready.plan(), reader is not None, None
        if kept is not None:
            store = (kept.store, kept.resume, len(ready.ids))
            plan = kept.resume.plan() if kept.resume is not None else plan
        shared = (cache, engine, store, spending, telling)
        self.session = _orch.Session(plan, options or None, wake, told, ready.programs, shared)
        if kept is not None:
            kept.fill(self.values, ready)
        for place in self.session.restored if restore else ():
            self.values[place] = restore.get(ready.ids[place]) if restore else None
        self.state = "running"
        self.broken: BaseException | None = None
        self.unkept: OrchError | None = None
        self.queue: list[int] = []
        self.done: list[Any] = []
        self.stale = True
        self.rung = False
        self.scheduled = False
        self.active: asyncio.Task[Any] | None = None
        self.token = -1
        self.width = 1
        self.timer: asyncio.TimerHandle | None = None
        self.waiters: list[asyncio.Future[None]] = []
        self.context = copy_context()
        # Python 3.10 knows no `context` of a Task, and a loop may make Tasks of its own.
        self.tasks_are_plain = (
            sys.version_info >= (3, 11)
            and getattr(type(self.loop), "create_task", None) is asyncio.BaseEventLoop.create_task
            and self.loop.get_task_factory() is None
        )
        # From so many on that are under way, the run is as good as full.
        self.full = options.get("max_parallel", sys.maxsize) // 2

    def hurry(self) -> None:
        """There is something to hear or to do beside what finishes."""
        self.stale = True
        self.poke()

    def ring(self) -> None:
        """The time has come for which the session asked. Timers may be early: then it asks again."""
        self.rung = True
        self.hurry()

    def poke(self) -> None:
        """Goes on in the next turn of the loop."""
        if not self.scheduled:
            self.scheduled = True
            self.loop.call_soon(self.go_on, context=self.context)

    def go_on(self) -> None:
        """Hears what finished and begins what is ready."""
        self.scheduled = False
        if self.active is not None:
            self.leave()
        try:
            self.fill()
        except BaseException as error:
            self.end(error)
            raise
        if self.state != "running" or self.is_held():
            return
        # The last of them sees to it that somebody goes on with what they leave.
        for _ in range(min(len(self.queue), self.width)):
            self.spawn(self.work())

    def fill(self) -> None:
        """Tells what finished, and asks for what to begin until there is something."""
        while self.state == "running" and (self.done or self.stale or (not self.queue and self.session.more)):
            self.stale = False
            starts = self.session.step(self.done, max(_FIRST_BATCH, self.width))
            self.done.clear()
            self.read_signs(starts)
            # The first to begin is at the end.
            self.queue[:0] = starts

    def read_signs(self, starts: list[int]) -> bool:
        """Takes the signs from a batch of starts; answers whether others of the loop are to have a turn."""
        over = False
        if starts and starts[-1] == _TURN_OVER:
            starts.pop()
            over = True
        if starts and starts[-1] == _NEWS:
            starts.pop()
            self.rung = True
        if self.rung:
            self.rung = False
            self.read_news(starts)
        return over

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A Task with a context of its own, as the run found it."""
        context = self.context.copy()
        if self.tasks_are_plain:
            make: Any = asyncio.Task
            task: asyncio.Task[None] = make(work, loop=self.loop, context=context)
            return task
        return context.run(self.loop.create_task, work)

    def leave(self) -> None:
        """The active worker suspended: from now on it is the Task of that one task."""
        worker, self.active = self.active, None
        if worker is not None:
            self.live[self.token] = worker
            self.width = min(self.width * 2, _WIDEST)

    async def work(self) -> None:
        """Runs tasks one after the other until one suspends."""
        if self.active is not None:
            self.leave()
        worker = self.active = asyncio.current_task()
        assert worker is not None
        queue, done, step = self.queue, self.done, self.session.step
        # Tasks that the run adds do not come here.
        calls, bounds, values = self.calls, self.bounds, self.values
        # Python 3.10 does not count cancellations.
        cancelling = getattr(worker, "cancelling", int)
        clean, references, weak = self.context, getrefcount(worker), getweakrefcount(worker)
        crossing = self.crossing
        again, more, batch = False, self.session.more, 0
        while True:
            if not queue:
                if not done or self.state != "running":
                    break
                queue = self.queue = step(done, batch)
                done.clear()
                batch = 0
                more = self.session.more
                if not queue or (queue[-1] < 0 and (self.read_signs(queue) or not queue)) or self.is_held():
                    break
            token = queue.pop()
            self.token = token
            if (queue or more) and not self.scheduled:
                # If this task suspends, there is something to go on with: begun already, or to be asked for.
                self.poke()
            bound = bounds[token]
            try:
                if bound is None:
                    value = await calls[token]()
                elif isinstance(bound, tuple):
                    value = await calls[token](*[values[parent] for parent in bound])
                elif bound.plain:
                    self.submit(token, 1)
                    continue
                else:
                    value = await self.call(token, 1)
            except BaseException as error:
                if self.active is not worker:
                    self.failed_later(token, 1, error)
                else:
                    self.active = None
                    self.failed(token, 1, error)
                if ends_program(error):
                    raise
                return
            if self.active is not worker:
                # It suspended, and others went on in the meantime.
                if len(self.live) < self.full:
                    self.finished_later(token, 1, value)
                    return
                # Each that ends makes place for one, which may as well run here: no other Task is made for it.
                batch = 1
                del self.live[token]
                if self.active is not None:
                    self.leave()
                self.active = worker
                # What others asked for in the meantime is in another list.
                queue = self.queue
            if value is None:
                done.append(token)
            else:
                values[token] = value
                done.append(token if crossing is None else self.crossed(token, 1, value))
            if (
                getrefcount(worker) != references
                or getweakrefcount(worker) != weak
                or worker._must_cancel  # type: ignore[attr-defined]
                or worker._callbacks
                or cancelling()
                or copy_context() != clean
            ):
                break
            again = True
        if self.active is worker:
            self.active = None
            if again:
                self.width = 1
        if queue or done or more:
            self.poke()

    def read_news(self, starts: list[int]) -> None:
        """What is rare in a run of plain tasks. ``starts`` are those that have not begun yet."""
        again, cancels, wake_at, state = self.session.news()
        if self.reader is not None:
            self.reader.put(self.session.take_events())
        for attempt in again:
            self.begin_again(*attempt)
        for place, number, _ in cancels:
            self.cancel_attempt(place, number, starts)
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if state != "running":
            self.state = state
            if self.kept:
                self.hear_store()
            self.end(None)
        elif wake_at is not None:
            after = max(0.0, wake_at - self.session.now())
            self.timer = self.loop.call_later(after, self.ring, context=self.context)

    def is_held(self) -> bool:
        """Whether a slow reader of events holds up the start of tasks."""
        return self.reader is not None and self.reader.is_full()

    def cancel(self, reason: str) -> None:
        """Asks the run to stop."""
        if self.state == "running":
            self.check_open()
            self.session.cancel(reason)
            self.hurry()

    def tell_session(self, tell: Callable[[str], None], name: str) -> None:
        """Tells the session something for its next step."""
        self.check_open()
        tell(name)
        self.hurry()

    def end(self, error: BaseException | None) -> None:
        """The run is over, or the driver cannot go on."""
        if error is not None:
            self.state, self.broken = "failed", error
            for task in self.live.values():
                task.cancel()
        if self.timer is not None:
            self.timer.cancel()
        if self.reader is not None:
            self.reader.close()
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def hear_store(self) -> None:
        """If the store failed, the run is over whatever its tasks do."""
        try:
            self.session.check_store()
        except OrchError as error:
            self.unkept = error
            for task in self.live.values():
                task.cancel()

    def check_open(self) -> None:
        """A run whose loop was closed never ends: whoever asks it for something is told."""
        if self.loop.is_closed():
            raise Misuse(f"the loop of the run is closed, and nothing of {self.session.run} goes on; begin another run")

    def check_loop(self) -> None:
        """Whoever waits for what still runs waits on its loop."""
        if self.state == "running":
            self.check_open()
            if asyncio.get_running_loop() is not self.loop:
                raise Misuse("the run belongs to another loop; wait for it on the loop on which it began")

    async def ended(self) -> None:
        """Waits for the end. Cancelled, it cancels the run and waits until that has ended."""
        cancelled: asyncio.CancelledError | None = None
        self.check_loop()
        while self.state == "running":
            waiter = self.loop.create_future()
            self.waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError as error:
                cancelled = error
                self.cancel("whoever waited for the run was cancelled")
        if cancelled is not None:
            raise cancelled
        if self.unkept is not None:
            raise self.unkept
        if self.broken is not None:
            raise Misuse("the driver of the run could not go on") from self.broken

    def from_elsewhere(self, call: Callable[..., None], *args: Any) -> None:
        """Calls on the loop, from any thread."""
        # When the loop is closed, nobody is left to hear.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(call, *args)
