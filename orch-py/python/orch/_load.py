"""Definitions from files: commands in JSON or Markdown, and WfFormat."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from orch import _orch
from orch._bind import Bound, is_coroutine_function, parameters_of
from orch._errors import InvalidDefinition, InvalidValue
from orch._graph import Graph, Ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from orch._bind import Parameter


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
            self._programs.check(self._native)
            self._ready = _ready(self._native, self._agents, self._programs)
        return self._ready

    def ready_to_keep(self) -> Ready:
        """The same: the definition says what a task is."""
        return self.ready()

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
    agents: Mapping[str, Callable[..., Any]] | None = None,
    *,
    programs: Mapping[str, str | Mapping[str, Any]] | None = None,
    barriers: bool = False,
    inputs: Iterable[str] = (),
) -> LoadedGraph:
    """The graph of a definition: version 2 JSON of any dialect, version 1 Markdown, or WfFormat.

    :param agents: the function of each agent by name; ``*`` stands for all others. A parameter that is called like a task or an
        input is given its value, and the one that is left an :class:`orch.Context`.
    :param programs: the program of each agent: a command line, ``"claude -p {prompt}"``, or a table as in TOML. No shell runs.
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
    agents: Mapping[str, Callable[..., Any]] | None = None,
    *,
    programs: Mapping[str, str | Mapping[str, Any]] | None = None,
    barriers: bool = False,
    inputs: Iterable[str] = (),
    file: str | None = None,
) -> LoadedGraph:
    """The graph of a definition that is text already. See :func:`load`; ``file`` tells the form and names the command."""
    agents = dict(agents or {})
    for name, call in agents.items():
        if not callable(call):
            raise InvalidValue(f"the agent `{name}` is a `{type(call).__name__}`; give a function, or name it in `programs`")
    options = {"phase_order": "barrier" if barriers else "dag", "inputs": list(inputs)}
    native, _declared = _orch.Graph.parse(text, file, options)
    tables = {name: program for name, program in (programs or {}).items() if not isinstance(program, str)}
    flags = [f"{name}={program}" for name, program in (programs or {}).items() if isinstance(program, str)]
    return LoadedGraph(native, agents, _orch.Programs(tables, flags, set(agents), os.getcwd()), file)
