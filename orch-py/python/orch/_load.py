"""Definitions from files: commands in JSON or Markdown, and WfFormat."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from orch import _orch
from orch._bind import Bound, is_coroutine_function, parameters_of
from orch._errors import InvalidDefinition, InvalidValue
from orch._graph import Graph, Ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from orch._bind import Parameter


class Agent(NamedTuple):
    """An agent that is a function, and what it can do."""

    call: Callable[..., Any]
    capabilities: Sequence[str] = ()
    """In words. A task that asks for a capability may be given to it if one of these holds all words of that."""
    at_once: int | None = None
    """How many of its tasks run at once. Default: any number."""


class Assigned(NamedTuple):
    """Who does a task that asks for a capability."""

    task: str
    capability: str
    agent: str
    expected: float
    """In how many seconds it was expected to be done with it."""
    again: bool
    """Whether it is who did it before, in an earlier part of the run."""
    why: str
    """All of it in a sentence, with who was next."""


class LoadedGraph(Graph):
    """A graph from a definition, whose agents are functions and programs."""

    def __init__(
        self,
        native: _orch.Graph,
        agents: Mapping[str, Callable[..., Any]],
        programs: _orch.Programs,
        file: str | None = None,
    ) -> None:
        super().__init__(native.name)
        self._file = file
        self._native = native
        self._agents = agents
        self._programs = programs

    def __len__(self) -> int:
        return len(self._native)

    def __contains__(self, task: object) -> bool:
        return getattr(task, "id", task) in self._native.ids()

    def add(self, fn: Callable[..., Any], /, **options: Any) -> Any:
        """Refused: the definition is the whole graph."""
        raise InvalidDefinition(f"`{self.name}` was loaded from a definition; add the task there")

    def ready(self) -> Ready:
        """Checks that every agent is a function or a program.

        Raises :class:`orch.InvalidDefinition` with the agents that are neither.
        """
        if self._ready is None:
            self._ready = self._dealt(None, None)
        return self._ready

    def ready_to_keep(self, store: _orch.Store | None = None, resumes: tuple[str | None, str | None] | None = None) -> Ready:
        """The same: the definition says what a task is. Who does what asks for a capability depends on what is in the store."""
        return self._dealt(store, resumes) if self._native.asks else self.ready()

    def _dealt(self, store: _orch.Store | None, resumes: tuple[str | None, str | None] | None) -> Ready:
        native, assigned = self._programs.deal(self._native, store, resumes)
        self._programs.check(native)
        ready = _ready(native, self._agents, self._programs)
        ready.assigned = tuple(
            Assigned(it["task"], it["capability"], it["agent"], it["expected_ms"] / 1000, it["again"], why)
            for it, why in assigned
        )
        return ready

    @property
    def source(self) -> str:
        """What its runs are found by in a store: the path of the file, as for the command line; without one, the name."""
        return self.name if self._file is None else _orch.source_of(self._file)


def _ready(native: _orch.Graph, agents: Mapping[str, Callable[..., Any]], programs: _orch.Programs) -> Ready:
    ready = Ready(native)
    ready.programs = programs
    ready.reads_values = True
    ready.agents = agents
    places = {id: place for place, id in enumerate(ready.ids)}
    for place, agent in enumerate(native.agents()):
        definition = native.task(place)
        call = agents.get(agent or "*", agents.get("*", _nobody))
        ready.calls.append(call)
        ready.bounds.append(bound_agent(call, agent, places, [entry["key"] for entry in definition.get("inputs", ())]))
        if any("ttl_ms" in output for output in definition.get("outputs", ())) or "expand" in definition:
            ready.strict.add(place)
        undo = definition.get("undo")
        if undo is not None:
            ready.undos[place] = agents.get(undo.get("agent") or agent or "*", agents.get("*", _nobody))
    return ready


def _candidate(name: str, agent: Agent) -> dict[str, Any]:
    """A function as the core knows it."""
    at_once, capabilities = agent.at_once, agent.capabilities
    if at_once is not None and (not isinstance(at_once, int) or at_once < 1):
        raise InvalidValue(f"`at_once` of the agent `{name}` is {at_once!r}; give a whole number, at least 1, or None")
    return {
        "name": name,
        "capabilities": [capabilities] if isinstance(capabilities, str) else list(capabilities),
        "at_once": at_once,
    }


def _nobody() -> None:
    """Stands for what a program does."""


def bound_agent(call: Callable[..., Any], agent: str | None, places: Mapping[str, int], keys: Iterable[str]) -> Bound:
    """Parameters by name: results of tasks, inputs; the one that is left is given the context."""
    known = set(keys)
    named: dict[str, int] = {}
    asked: list[str] = []
    left: list[Parameter] = []
    context = None
    for parameter in parameters_of(call):
        name = parameter.name
        dashed = name.replace("_", "-")
        if parameter.context:
            context = name
        elif name in known:
            asked.append(name)
        elif name in places or dashed in places:
            named[name] = places[name] if name in places else places[dashed]
        elif parameter.required:
            left.append(parameter)
    if len(left) > 1 or (left and context):
        names = ", ".join(f"`{parameter.name}`" for parameter in left)
        raise InvalidValue(
            f"the function of agent `{agent}` has parameters that are neither tasks nor inputs: {names}; "
            "one of them may be, and is given the context"
        )
    if left:
        context = left[0].name
    return Bound((), named, tuple(asked), context, not is_coroutine_function(call))


def load(
    path: str | os.PathLike[str],
    agents: Mapping[str, Callable[..., Any] | Agent] | None = None,
    *,
    programs: Mapping[str, str | Mapping[str, Any]] | None = None,
    barriers: bool = False,
    inputs: Iterable[str] = (),
) -> LoadedGraph:
    """The graph of a definition: version 2 JSON of any dialect, version 1 Markdown, or WfFormat.

    :param agents: the function of each agent by name; ``*`` stands for all others. A parameter that is called like a task or an
        input is given its value, and the one that is left an :class:`orch.Context`. An :class:`orch.Agent` also says what the
        function can do and how many of its tasks run at once: tasks that ask for a ``capability`` instead of an agent go to
        whoever is expected to be done first, by load and by what is in the store of the run (``Run.assigned``,
        ``Plan.assigned``).
    :param programs: the program of each agent: a command line, ``"claude -p {prompt}"``, or a table as in TOML, which may hold
        ``capabilities`` and ``at_once`` too. No shell runs.
    :param barriers: whether every phase waits for the whole phase before it.
    :param inputs: names of values that the run will be given, beside those that the definition declares.

    Raises :class:`orch.NotFound`, :class:`orch.InvalidFormat`, and :class:`orch.InvalidDefinition` with every problem.
    """
    file = os.fspath(path)
    try:
        text = _orch.Graph.text_of(file)
    except UnicodeEncodeError:
        raise InvalidValue(
            f"the path {file!r} holds half a character (a lone surrogate), which no file can be called"
        ) from None
    return loads(text, agents, programs=programs, barriers=barriers, inputs=inputs, file=file)


def loads(
    text: str,
    agents: Mapping[str, Callable[..., Any] | Agent] | None = None,
    *,
    programs: Mapping[str, str | Mapping[str, Any]] | None = None,
    barriers: bool = False,
    inputs: Iterable[str] = (),
    file: str | None = None,
) -> LoadedGraph:
    """The graph of a definition that is text already. See :func:`load`; ``file`` tells the form and names the command."""
    calls: dict[str, Callable[..., Any]] = {}
    functions = []
    for name, given in (agents or {}).items():
        agent = given if isinstance(given, Agent) else Agent(given)
        if not callable(agent.call):
            kind = type(agent.call).__name__
            raise InvalidValue(f"the agent `{name}` is a `{kind}`; give a function or an orch.Agent, or name it in `programs`")
        calls[name] = agent.call
        functions.append(_candidate(name, agent))
    options = {"phase_order": "barrier" if barriers else "dag", "inputs": list(inputs)}
    native, _declared = _orch.Graph.parse(text, file, options)
    tables = {name: program for name, program in (programs or {}).items() if not isinstance(program, str)}
    flags = [f"{name}={program}" for name, program in (programs or {}).items() if isinstance(program, str)]
    return LoadedGraph(native, calls, _orch.Programs(tables, flags, functions, os.getcwd()), file)
