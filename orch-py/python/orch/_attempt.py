"""Attempts that are more than a plain call: with names for their arguments, in threads, repeated, undone, cancelled."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from threading import get_ident
from typing import TYPE_CHECKING, Any

from orch import _orch
from orch._bind import Bound
from orch._context import Context
from orch._errors import Fatal, InvalidDefinition, InvalidValue, Misuse
from orch._failure import ends_program, kind_of, takes_one, told
from orch._pool import shared

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable, Coroutine, Mapping
    from concurrent.futures import Executor, Future

    from orch._graph import Ready, Task


class Attempts:
    """What a driver knows of its attempts."""

    loop: asyncio.AbstractEventLoop
    session: _orch.Session
    queue: list[int]
    done: list[Any]
    context: contextvars.Context
    scheduled: bool

    def __init__(self, ready: Ready, inputs: Mapping[str, Any], kept: bool) -> None:
        self.ready = self.known = ready
        self.thread = get_ident()
        self.inputs = inputs
        self.calls = ready.calls
        self.bounds = ready.bounds
        self.values: list[Any] = [None] * len(ready.ids)
        self.errors: dict[int, BaseException] = {}
        self.live: dict[int, asyncio.Task[Any] | Future[Any]] = {}
        self.kept = kept
        self.crossing = ready.strict if ready.reads_values or kept else None
        self.said: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self.listening = False
        self.added: dict[str, tuple[int, Task[Any], Mapping[str, str]]] = {}
        """What running tasks want added, by name: whose wish it is, and which parameters are given which results."""

    def poke(self) -> None:
        raise NotImplementedError

    def go_on(self) -> None:
        raise NotImplementedError

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        raise NotImplementedError

    def from_elsewhere(self, call: Callable[..., None], *args: Any) -> None:
        raise NotImplementedError

    # How a function is called.

    def value_of(self, place: int) -> Any:
        """What a task made: here, or known to the core."""
        value = self.values[place] if place < len(self.values) else None
        if value is None and self.crossing is not None:
            return self.session.output(place)
        return value

    def arguments(self, place: int, number: int, bound: Bound) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of an attempt."""
        value_of = self.value_of
        named = {name: value_of(parent) for name, parent in bound.named.items()}
        if bound.keys:
            known: Mapping[str, Any] = self.inputs
            if self.crossing is not None:
                known = {**self.session.values(place, number, False), **self.inputs}
            named.update((key, known[key]) for key in bound.keys if key in known)
        if bound.context is not None:
            named[bound.context] = Context(self, place, number, False)
        return [value_of(parent) for parent in bound.positional], named

    def tell(self, place: int, number: int, kind: str, line: Any) -> None:
        """What an attempt says while it runs."""
        if get_ident() == self.thread:
            # At once, so that it is heard before the end of the attempt.
            self.hear(place, number, kind, line)
        else:
            self.hear_from_elsewhere(self.hear, (place, number, kind, line))

    def call(self, place: int, number: int) -> Any:
        """Calls the function of a coroutine task."""
        bound = self.bounds[place]
        if isinstance(bound, Bound):
            positional, named = self.arguments(place, number, bound)
            return self.calls[place](*positional, **named)
        return self.calls[place](*[self.values[parent] for parent in bound or ()])

    # Attempts that are not the plain first ones.

    def begin_again(self, place: int, number: int, undo: bool) -> None:
        """A repeated attempt, or one to undo: in a Task of its own."""
        while place >= len(self.bounds):
            self.meet(len(self.bounds))
        if undo:
            self.live[place] = self.spawn(self.undo(place, number))
        elif isinstance(bound := self.bounds[place], Bound) and bound.plain:
            self.submit(place, number)
        else:
            self.live[place] = self.spawn(self.attempt(place, number))

    def meet(self, place: int) -> None:
        """A task that the run added: a function that came with it, or the one of its agent."""
        from orch._load import bound_agent
        from orch._resolve import bind_added

        id, agent, parents = self.session.task(place)
        if self.ready is self.known:
            self.ready = self.known.grown()
            self.calls, self.bounds = self.ready.calls, self.ready.bounds
        if id in self.added:
            _, task, given = self.added.pop(id)
            bind_added(self.ready, place, task, given, {self.session.task(parent)[0]: parent for parent in parents})
            self.values.append(None)
            return
        agents = self.ready.agents
        call = agents.get(agent or "*") or agents.get("*") or unknown_agent
        named = {self.session.task(parent)[0]: parent for parent in parents}
        keys = [entry["key"] for entry in self.session.definition(place).get("inputs", ())]
        self.ready.ids.append(id)
        self.calls.append(call)
        self.bounds.append(bound_agent(call, agent, named, keys))
        self.values.append(None)

    def add(self, place: int, number: int, fn: Callable[..., Any], options: Mapping[str, Any]) -> Task[Any]:
        """A task that an attempt wants added when it has worked."""
        from orch._graph import task_of
        from orch._resolve import added

        task = task_of(fn, options)
        if self.ready.programs is not None:
            raise Misuse("the graph was loaded from a definition, whose tasks add others by what they make: `expand`")
        if self.crossing is None and any(name in options for name in ("when", "inputs", "outputs")):
            raise InvalidValue(
                f"task `{task.id}` is added to a run whose results stay in Python: it can have no `when`, `inputs` or `outputs`"
            )
        if task.id in self.ready.ids or task.id in self.added:
            raise InvalidDefinition(f"the run has a task `{task.id}` already; give this one another `id`")
        parts, given = added(task, {**dict.fromkeys(self.ready.ids), **self.added}, self.inputs)
        said = _orch.Said.adds(parts)
        self.added[task.id] = (place, task, given)
        self.tell(place, number, "said", said)
        return task

    async def attempt(self, place: int, number: int) -> None:
        try:
            value = await self.call(place, number)
        except BaseException as error:
            self.failed_later(place, number, error)
            if ends_program(error):
                raise
        else:
            self.finished_later(place, number, value)

    async def undo(self, place: int, number: int) -> None:
        """Takes back what a task did."""
        try:
            undo = self.ready.undos[place]
            given = [self.given_to_undo(undo, place, number)] if takes_one(undo) else []
            if inspect.iscoroutinefunction(undo):
                await undo(*given)
            else:
                made = await asyncio.wrap_future(shared().submit(self.context.copy().run, undo, *given))
                if inspect.isawaitable(made):
                    await made
        except BaseException as error:
            self.failed_later(place, number, error)
            if ends_program(error):
                raise
        else:
            self.live.pop(place, None)
            self.done.append((place, number, "done", None))
            self.poke()

    def given_to_undo(self, undo: Callable[..., Any], place: int, number: int) -> Any:
        """The task's result; for the agent of a definition, which does more than one thing, the context."""
        if self.ready.programs is not None:
            return Context(self, place, number, True)
        return self.value_of(place)

    # Plain functions.

    def submit(self, place: int, number: int) -> None:
        """A plain function, on a thread or where its executor runs it."""
        bound = self.bounds[place]
        assert isinstance(bound, Bound)
        executor: Executor | None = self.ready.executors.get(place)
        try:
            positional, named = self.arguments(place, number, bound)
            if executor is None:
                call = self.context.copy().run
                future = shared().submit(call, self.calls[place], *positional, **named)
            else:
                future = executor.submit(self.calls[place], *positional, **named)
        except Exception as error:
            self.failed(place, number, error)
            return
        if not hasattr(future, "add_done_callback"):
            what = f"`{type(executor).__name__}.submit` answered a `{type(future).__name__}`, which is no Future"
            self.failed(place, number, Fatal(what))
            return
        self.live[place] = future

        def ended(future: Future[Any]) -> None:
            self.hear_from_elsewhere(self.plain_ended, (place, number, future))

        future.add_done_callback(ended)

    def plain_ended(self, place: int, number: int, future: Future[Any]) -> None:
        if self.live.get(place) is not future:
            # It was cancelled and nobody waits for it any more.
            return
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        if error is not None:
            self.failed_later(place, number, error)
            return
        value = future.result()
        if inspect.isawaitable(value):
            # A plain function that makes something to await, as decorated coroutines do.
            self.live[place] = self.spawn(self.await_value(place, number, value))
        else:
            self.finished_later(place, number, value)

    async def await_value(self, place: int, number: int, value: Any) -> None:
        try:
            value = await value
        except BaseException as error:
            self.failed_later(place, number, error)
            if ends_program(error):
                raise
        else:
            self.finished_later(place, number, value)

    def hear_from_elsewhere(self, call: Callable[..., None], args: tuple[Any, ...]) -> None:
        """From any thread; the loop is woken once for all that comes in the meantime."""
        self.said.append((call, args))
        # Said first and looked second; `listen` does it the other way round, so that nothing is lost.
        if not self.listening:
            self.listening = True
            self.from_elsewhere(self.listen)

    def listen(self) -> None:
        self.listening = False
        said = self.said
        while said:
            call, args = said.popleft()
            call(*args)

    def hear(self, place: int, number: int, kind: str, line: Any) -> None:
        self.done.append((place, number, kind, line))
        self.poke()

    # How attempts end.

    def finished_later(self, place: int, number: int, value: Any) -> None:
        """An attempt that was suspended worked."""
        self.live.pop(place, None)
        if value is not None:
            self.values[place] = value
        if value is not None and self.crossing is not None:
            self.done.append(self.crossed(place, number, value))
        else:
            self.done.append(place if number == 1 else (place, number, "done", None))
        if self.live or self.scheduled:
            self.poke()
        else:
            # It was the only one, so there is nobody else to hear of: go on at once.
            self.go_on()

    def failed_later(self, place: int, number: int, error: BaseException) -> None:
        """An attempt that was suspended failed."""
        self.live.pop(place, None)
        self.failed(place, number, error)

    def crossed(self, place: int, number: int, value: Any) -> Any:
        """A result that the core reads as JSON, where it has that form."""
        assert self.crossing is not None
        # In a store is only what has a JSON form, and others go on from there.
        kind = "kept" if self.kept else "json" if place in self.crossing else "done"
        return (place, number, kind, value)

    def failed(self, place: int, number: int, error: BaseException) -> None:
        if isinstance(error, GeneratorExit):
            # The loop is gone.
            return
        for id in [id for id, (by, _, _) in self.added.items() if by == place] if self.added else ():
            del self.added[id]
        if error.__traceback__ is not None:
            # The first frame is the driver's.
            error.__traceback__ = error.__traceback__.tb_next
        self.errors[place] = error
        self.done.append((place, number, kind_of(error), told(error)))
        self.poke()

    def cancel_attempt(self, place: int, number: int, starts: list[int]) -> None:
        """Stops an attempt; one that has not begun does not begin."""
        task = self.live.get(place)
        if isinstance(task, asyncio.Task):
            task.cancel()
            return
        if task is not None:
            # A function cannot be stopped in a thread: it goes on, and nobody waits for it.
            del self.live[place]
            task.cancel()
            self.errors.pop(place, None)
        elif place in starts:
            starts.remove(place)
        elif place in self.queue:
            self.queue.remove(place)
        else:
            return
        self.done.append((place, number, "cancelled", "stopped"))
        self.poke()


def unknown_agent(context: Context) -> None:
    """Stands for the function of an agent that nobody gave."""
    raise Fatal(f"there is no function for the agent `{context.agent}` of the added task `{context.id}`")
