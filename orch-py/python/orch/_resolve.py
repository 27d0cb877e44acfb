"""From functions to a checked graph: parameters that name tasks become dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orch import _orch
from orch._bind import Bound, is_coroutine_function
from orch._errors import InvalidValue
from orch._graph import Ready, Task
from orch._options import for_core, listed

if TYPE_CHECKING:
    from collections.abc import Mapping


def _given(task: Task[Any], tasks: Mapping[str, Any]) -> dict[str, str]:
    """The parameters that are given the result of a task, and which."""
    fixed = task.options.get("args") or {}
    unknown = [name for name in fixed if task.parameters and name not in (known.name for known in task.parameters)]
    if unknown:
        raise InvalidValue(f"task `{task.id}` has no parameter `{unknown[0]}`, which its `args` give a value")
    names = (parameter.name for parameter in task.parameters if not parameter.context and parameter.name not in fixed)
    given = {}
    for name in names:
        # A name with a dash is no name of Python.
        id = name if name in tasks else name.replace("_", "-")
        if id in tasks:
            given[name] = id
    return given


def _after(task: Task[Any], given: Mapping[str, str]) -> list[str]:
    named = listed(task.options.get("after"))
    after = [other.id if isinstance(other, Task) else other for other in named]
    for other in after:
        if not isinstance(other, str):
            raise InvalidValue(f"`after` of task `{task.id}` holds {other!r}; give tasks, or their names")
    return [*after, *given.values()]


def _bound(ready: Ready, ix: int, task: Task[Any], given: Mapping[str, str], places: Mapping[str, int]) -> None:
    fixed = task.options.get("args") or {}
    keys = set(listed(task.options.get("inputs")))
    positional: list[int] = []
    named: dict[str, int] = {}
    asked: list[str] = []
    context = None
    in_order = True
    for name, may_be_positional, required, wants_context in task.parameters:
        if wants_context:
            context = name
        elif name in given:
            if in_order and may_be_positional:
                positional.append(places[given[name]])
                continue
            named[name] = places[given[name]]
        elif name in fixed:
            pass
        elif name in keys:
            asked.append(name)
        elif required:
            asked.append(name)
            ready.needs.setdefault(name, task.id)
        in_order = False
    call = task.fn
    if fixed:
        from functools import partial

        call = partial(call, **fixed)
    plain = not is_coroutine_function(task.fn)
    ready.calls.append(call)
    if plain or named or asked or context or (positional and ready.reads_values):
        ready.bounds.append(Bound(tuple(positional), named, tuple(asked), context, plain))
    else:
        ready.bounds.append(tuple(positional) or None)
    executor = task.options.get("executor")
    if executor is not None:
        if not plain:
            raise InvalidValue(f"task `{task.id}` is a coroutine, which runs on the loop; only plain functions take `executor`")
        ready.executors[ix] = executor
    if task.options.get("undo"):
        ready.undos[ix] = task.options["undo"]
    if task.options.get("outputs"):
        ready.strict.add(ix)


def added(task: Task[Any], names: Mapping[str, Any], inputs: Mapping[str, Any]) -> tuple[Any, dict[str, str]]:
    """A task that a run adds, as the core wants it, and which parameters are given the results of which tasks."""
    given = _given(task, names) if task.parameters else {}
    fixed = task.options.get("args") or {}
    for parameter in task.parameters:
        known = (given, fixed, inputs, listed(task.options.get("inputs")))
        if parameter.required and not parameter.context and not any(parameter.name in names for names in known):
            raise InvalidValue(
                f"the parameter `{parameter.name}` of task `{task.id}` is neither a task nor an input of the run"
            )
    estimate = task.options.get("estimate")
    return (task.id, _after(task, given), None if estimate is None else float(estimate), for_core(task.options)), given


def bind_added(ready: Ready, ix: int, task: Task[Any], given: Mapping[str, str], places: Mapping[str, int]) -> None:
    """How the function of a task that a run added is called."""
    ready.ids.append(task.id)
    _bound(ready, ix, task, given, places)


def _shares(outputs: Any) -> bool:
    """Whether others may be given what the task makes: then it must be the same function that makes it."""
    return hasattr(outputs, "values") and any(outputs.values())


def resolve(name: str, tasks: Mapping[str, Task[Any]], settings: dict[str, Any]) -> Ready:
    """The graph, checked by the core, and how each task's function is called."""
    parts = []
    given = {}
    for task in tasks.values():
        given[task.id] = _given(task, tasks) if task.parameters else {}
        after = _after(task, given[task.id])
        estimate = task.options.get("estimate")
        options = for_core(task.options)
        if _shares(task.options.get("outputs")):
            from orch._content import content

            options = {**(options or {}), "sources": {"tools": {"function": content(task)}}}
        parts.append((task.id, after, None if estimate is None else float(estimate), options))
    ready = Ready(_orch.Graph(name, parts, settings or None))
    places = {id: ix for ix, id in enumerate(tasks)}
    for ix, task in enumerate(tasks.values()):
        _bound(ready, ix, task, given[task.id], places)
    return ready
