"""Graphs of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from orch._bind import Bound, Parameter, is_coroutine_function, name_of, parameters_of
from orch._errors import InvalidDefinition, InvalidValue, NotFound
from orch._options import for_core, milliseconds

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from concurrent.futures import Executor
    from typing import Literal

    from typing_extensions import Unpack

    from orch import _orch
    from orch._load import Assigned
    from orch._options import TaskOptions
    from orch._plan import Plan
    from orch._prices import Prices
    from orch._store import Store

T = TypeVar("T")


class Task(Generic[T]):
    """A task of a graph: what :meth:`Graph.add` answers. ``report[task]`` is its result. Calling it calls its function."""

    __slots__ = ("__name__", "__wrapped__", "fn", "id", "options", "parameters")

    def __init__(self, id: str, fn: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self.id = id
        self.fn = self.__wrapped__ = fn
        self.__name__ = id
        self.options = options
        self.parameters: tuple[Parameter, ...] = parameters_of(fn)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fn(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<orch.Task {self.id!r}>"


def task_of(fn: Callable[..., Any], options: Mapping[str, Any]) -> Task[Any]:
    """The function as a task, of no graph yet."""
    if not callable(fn):
        hint = "; add the function itself, without calling it" if hasattr(fn, "send") else ""
        raise InvalidValue(f"a task is a function; got a `{type(fn).__name__}`{hint}")
    is_coroutine_function(fn)
    task: Task[Any] = Task(options.get("id") or name_of(fn), fn, options)
    for_core(options)
    return task


class Ready:
    """A graph as runs need it: checked by the core, its functions by place."""

    __slots__ = (
        "agents",
        "assigned",
        "bounds",
        "calls",
        "executors",
        "graph",
        "ids",
        "needs",
        "plans",
        "programs",
        "reads_values",
        "strict",
        "undos",
    )

    def __init__(self, graph: _orch.Graph) -> None:
        self.graph = graph
        self.ids: list[str] = graph.ids()
        self.calls: list[Callable[..., Any]] = []
        self.bounds: list[tuple[int, ...] | Bound | None] = []
        self.executors: dict[int, Executor] = {}
        self.undos: dict[int, Callable[..., Any]] = {}
        self.needs: dict[str, str] = {}
        """The inputs that the run has to be given, and who asks first."""
        self.strict: set[int] = set()
        """Whose results must have a JSON form."""
        self.reads_values = graph.reads_values
        self.programs: _orch.Programs | None = None
        """What is no function, in a graph from a definition."""
        self.agents: Mapping[str, Callable[..., Any]] = {}
        self.assigned: tuple[Assigned, ...] = ()
        """Who does the tasks that ask for a capability."""
        self.plans: dict[int | None, _orch.Plan] = {}

    def grown(self) -> Ready:
        """The same for one run, that may add tasks."""
        from copy import copy

        ready = copy(self)
        for name in ("ids", "calls", "bounds", "executors", "undos", "needs", "strict"):
            setattr(ready, name, copy(getattr(self, name)))
        return ready

    def of(self, graph: _orch.Graph) -> Ready:
        """The same functions for another form of the graph."""
        from copy import copy

        ready = copy(self)
        ready.graph, ready.plans = graph, {}
        return ready

    def plan(self, workers: int | None = None) -> _orch.Plan:
        """The plan; made once for each number of workers."""
        plan = self.plans.get(workers)
        if plan is None:
            plan = self.plans[workers] = self.graph.plan(None, workers)
        return plan


class Graph:
    """Tasks that wait for one another.

    A parameter that is called like a task is given that task's result, and is a dependency. Others are named by ``after``.

    >>> import orch
    >>> graph = orch.Graph("notes")
    >>> @graph.task
    ... async def collect() -> list[str]:
    ...     return ["faster", "smaller"]
    >>> @graph.task(retries=2, timeout=30)
    ... def draft(collect: list[str]) -> str:
    ...     return ", ".join(collect)
    >>> report = orch.run_sync(graph)
    >>> report[draft]
    'faster, smaller'
    """

    def __init__(self, name: str = "graph") -> None:
        self.name = name
        self._tasks: dict[str, Task[Any]] = {}
        self._settings: dict[str, Any] = {}
        self._ready: Ready | None = None
        self._kept: tuple[Ready, list[str], Ready] | None = None
        """Of what, and of which functions, the last graph for a store was made."""

    @overload
    def task(self, fn: Callable[..., Awaitable[T]], /) -> Task[T]: ...
    @overload
    def task(self, fn: Callable[..., T], /) -> Task[T]: ...
    @overload
    def task(self, /, **options: Unpack[TaskOptions]) -> Decorator: ...

    def task(self, fn: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Adds the decorated function; ``@graph.task`` or ``@graph.task(retries=2)``. See :class:`orch.TaskOptions`."""
        if fn is not None:
            return self.add(fn)
        return Decorator(self, options)

    @overload
    def add(self, fn: Callable[..., Awaitable[T]], /, **options: Unpack[TaskOptions]) -> Task[T]: ...
    @overload
    def add(self, fn: Callable[..., T], /, **options: Unpack[TaskOptions]) -> Task[T]: ...

    def add(self, fn: Callable[..., Any], /, **options: Any) -> Task[Any]:
        """Adds a function, or a coroutine function, as a task. See :class:`orch.TaskOptions`.

        Raises :class:`orch.InvalidDefinition` if the name is taken, :class:`orch.InvalidValue` for what cannot be a task.
        """
        task = task_of(fn, options)
        if task.id in self._tasks:
            raise InvalidDefinition(f"`{self.name}` has a task `{task.id}` already; give this one another `id`")
        self._tasks[task.id] = task
        self._ready = None
        return task

    def resource(
        self,
        name: str,
        *,
        capacity: int | None = None,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
    ) -> None:
        """Declares something that only so many may use at once; tasks claim it."""
        limits = {
            "capacity": capacity,
            "requests_per_minute": requests_per_minute,
            "tokens_per_minute": tokens_per_minute,
        }
        self._settings.setdefault("resources", []).append({"name": name, **limits})
        self._ready = None

    def breaker(
        self,
        name: str,
        *,
        failures: int = 5,
        successes: int = 2,
        reset: float = 60.0,
        within: float = 300.0,
        probes: int = 1,
        on: Iterable[str] = (),
        when_open: Literal["wait", "fail"] = "wait",
    ) -> None:
        """Declares a circuit breaker; tasks name it by ``breaker=``, and all runs of an :class:`orch.Engine` share it.

        After ``failures`` in a row, all ``within`` so many seconds, it opens: tasks wait, or fail, until ``reset`` seconds are
        over. Then so many ``probes`` at once may try; after ``successes`` in a row it closes. ``on``: counts only failures
        whose type or message contains one of these.
        """
        self._settings.setdefault("breakers", {})[name] = {
            "failure_threshold": failures,
            "success_threshold": successes,
            "reset_timeout_ms": milliseconds(reset, "reset"),
            "monitoring_period_ms": milliseconds(within, "within"),
            "probes": probes,
            "on": list(on),
            "when_open": when_open,
        }
        self._ready = None

    def quorum(self, group: str, at_least: int) -> None:
        """The group is good when ``at_least`` of its tasks succeed: failures of the others are forgiven."""
        self._settings.setdefault("quorums", {})[group] = at_least
        self._ready = None

    def task_named(self, id: str) -> Task[Any]:
        """The task of that name."""
        try:
            return self._tasks[id]
        except KeyError:
            raise NotFound(f"there is no task `{id}` in `{self.name}`") from None

    @property
    def tasks(self) -> tuple[Task[Any], ...]:
        """The tasks, in the order in which they were added."""
        return tuple(self._tasks.values())

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, task: Task[Any] | str) -> bool:
        return (task.id if isinstance(task, Task) else task) in self._tasks

    def __repr__(self) -> str:
        return f"<orch.Graph {self.name!r}, {len(self)} tasks>"

    def ready(self) -> Ready:
        """Checks everything, once.

        Raises :class:`orch.InvalidDefinition` with *every* problem: unknown dependencies, each cycle with its path.
        """
        if self._ready is None:
            from orch._resolve import resolve

            self._ready = resolve(self.name, self._tasks, self._settings)
        return self._ready

    def ready_to_keep(self, store: _orch.Store | None = None, resumes: tuple[str | None, str | None] | None = None) -> Ready:
        """The same for a store: what a function is belongs to the definition of its task. That is looked at anew each time."""
        from orch._content import contents

        ready, functions = self.ready(), contents(self._tasks.values())
        if self._kept is None or self._kept[0] is not ready or self._kept[1] != functions:
            self._kept = ready, functions, ready.of(ready.graph.with_functions(functions))
        return self._kept[2]

    @property
    def source(self) -> str:
        """What its runs are found by in a store: the file of a definition, else the name."""
        return self.name

    def plan(
        self,
        *,
        max_parallel: int | None = None,
        store: Store | str | os.PathLike[str] | bool | None = None,
        prices: Prices | None = None,
    ) -> Plan:
        """What follows from the graph: levels, critical path, forecasts.

        :param store: estimates times and costs by past runs of this graph in that store, where there are any.
        :param prices: what models cost. Default: the published prices that this version knows.
        """
        from orch._plan import Plan

        if store is None or store is False:
            ready = self.ready()
            return Plan(ready.ids, ready.plan(max_parallel), max_parallel, prices, ready.assigned)
        from orch._prices import Prices
        from orch._store import store_of

        place, known = store_of(store, None), prices or Prices()
        ready = self.ready_to_keep(place)
        past = place, self.source, known
        return Plan(ready.ids, ready.graph.plan(None, max_parallel, past), max_parallel, known, ready.assigned)

    def to_mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        return self.ready().graph.mermaid()

    def to_dot(self) -> str:
        """The graph as DOT, for Graphviz."""
        return self.ready().graph.dot()

    def to_json(self) -> str:
        """The graph as JSON, without its functions."""
        return self.ready().graph.json()

    def _repr_html_(self) -> str:
        from orch._plan import framed

        return framed(self.ready().plan().html())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        bundle = {"text/plain": repr(self), "text/html": self._repr_html_(), "text/vnd.mermaid": self.to_mermaid()}
        return {kind: text for kind, text in bundle.items() if (not include or kind in include) and kind not in (exclude or ())}


class Decorator:
    """What ``graph.task(...)`` answers."""

    __slots__ = ("_graph", "_options")

    def __init__(self, graph: Graph, options: Mapping[str, Any]) -> None:
        self._graph = graph
        self._options = options

    @overload
    def __call__(self, fn: Callable[..., Awaitable[T]], /) -> Task[T]: ...
    @overload
    def __call__(self, fn: Callable[..., T], /) -> Task[T]: ...

    def __call__(self, fn: Callable[..., Any], /) -> Task[Any]:
        return self._graph.add(fn, **self._options)
