"""The store: runs that outlive their process, and what other processes say of them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from orch import _orch
from orch._errors import InvalidValue
from orch._report import Report

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from orch._graph import Graph, Ready


class StoredRun(NamedTuple):
    """A run as a store lists it."""

    run: str
    """Its name."""
    state: str
    """How it stood when its owner wrote last. A run whose owner was killed stays ``running``."""
    interrupted: bool
    """Whether it had not ended then, and its owner is gone: resume it."""
    name: str
    """The name of the graph."""
    source: str
    """What it was made of: the path of a file, or a name."""
    events: int
    created: datetime
    updated: datetime
    """When its owner wrote last."""


class Preview(NamedTuple):
    """How a stored run would go on."""

    run: str
    kept: tuple[str, ...]
    """The tasks that are kept, in the order in which they ended."""
    again: Mapping[str, str]
    """The tasks that are run, and why."""


class Store(_orch.Store):
    """Runs that survive their process: ``orch.run(graph, store=store)``, ``orch.resume(None, graph, store=store)``.

    All processes of a machine may use the file at once, in Rust, Python, Node and on the command line: ``orch runs``.

    :param path: the file, which is made where there is none, readable by its owner only. Default, as on the command line: in
        the repository's common folder, so that all its worktrees share it, else in the user's folder for data.
    :param sync: ``normal`` survives the death of the process, ``full`` also the loss of power, at a higher price.

    Raises :class:`orch.Misuse` on a network file system, :class:`orch.InvalidFormat` for a file of another program or of a
    newer orch, :class:`orch.Corrupt` for a damaged one. None of these is touched.

    >>> import orch
    >>> store = orch.Store("runs.db")
    >>> graph = orch.Graph("release")
    >>> network = []
    >>> @graph.task
    ... async def build() -> str:
    ...     print("building")
    ...     return "v1.tar"
    >>> @graph.task
    ... async def publish(build: str) -> str:
    ...     if not network:
    ...         raise OSError("the network is down")
    ...     return f"published {build}"
    >>> report = orch.run_sync(graph, store=store, check=False)
    building
    >>> network.append("it is up")
    >>> orch.resume_sync(report.run, graph, store=store)[publish]  # in this process or another, now or next week
    'published v1.tar'
    >>> [(run.name, run.state) for run in store.runs()]
    [('release', 'succeeded')]
    """

    __slots__ = ("__weakref__",)

    def runs(self, source: str | os.PathLike[str] | None = None, *, limit: int = 100) -> list[StoredRun]:
        """The runs, the latest first; only those of that source, where one is given."""
        named = None if source is None else str(source)
        return [_stored(row) for row in self.rows(named, _at_least(limit, 0, "limit"))]

    def run(self, run: str | None = None) -> StoredRun:
        """One run, by its name or how that ends; ``None``: the latest."""
        return _stored(self.row(run, None))

    def report(self, run: str | None = None) -> Report:
        """What a run did, of any language; ``None``: the latest. Results are in their JSON form.

        Raises :class:`orch.NotFound`, :class:`orch.Corrupt`.
        """
        return Report(self.report_of(run, None), [], {})

    def events(self, run: str) -> list[dict[str, Any]]:
        """The events of the latest part of a run, as data; what was kept of earlier parts is in its beginning."""
        events: list[dict[str, Any]] = self.story(run)["events"]
        return events

    def inputs(self, run: str) -> dict[str, Any]:
        """The inputs of a run."""
        inputs: dict[str, Any] = self.story(run)["inputs"]
        return inputs

    def preview(self, run: str | None, graph: Graph, *, inputs: Mapping[str, Any] | None = None) -> Preview:
        """What would be run if that run were resumed with this graph, and why.

        :param run: its name, or how that ends; ``None``: the latest of the graph's source.
        """
        source = graph.source if run is None else None
        ready = graph.ready_to_keep(self, (run, source))
        return _previewed(self.resumption(run, source, ready.graph, inputs, ready.programs is None))

    def cancel(self, run: str, reason: str = "cancelled by another process") -> str:
        """Asks the owner of a run to stop it, wherever that is; answers the name of the run. It hears within a second.

        Raises :class:`orch.Misuse` if the run has ended.
        """
        return self.leave_wish(run, "cancel", reason)

    def pause(self, run: str) -> str:
        """Asks the owner of a run to begin no more tasks until :meth:`unpause`; those that run go on."""
        return self.leave_wish(run, "pause", "")

    def unpause(self, run: str) -> str:
        """Lets a run go on that was paused."""
        return self.leave_wish(run, "unpause", "")

    def check(self) -> list[str]:
        """Reads everything and compares the hashes; what is wrong, a sentence each."""
        return list(self.checked()["problems"])

    def compact(self, *, older_than: float | None = None) -> dict[str, int]:
        """Drops what nobody needs, and runs that ended more than so many seconds ago; what it did."""
        return dict(self.compacted(older_than))

    def __repr__(self) -> str:
        return f"<orch.Store {str(self.path)!r}>"


def _previewed(resume: _orch.Resume) -> Preview:
    form = resume.form()
    return Preview(form["run"], tuple(form["kept"]), {again["task"]: again["why"] for again in form["again"]})


def _stored(row: dict[str, Any]) -> StoredRun:
    # A newer engine may tell more.
    known: dict[str, Any] = {name: row[name] for name in StoredRun._fields}
    for name in ("created", "updated"):
        known[name] = datetime.fromisoformat(row[name].replace("Z", "+00:00"))
    return StoredRun(**known)


def _at_least(number: int, least: int, what: str) -> int:
    if not isinstance(number, int) or number < least:
        raise InvalidValue(f"`{what}` is {number!r}; give a whole number, at least {least}")
    return number


def store_of(store: _orch.Store | str | os.PathLike[str] | bool | None, sync: str | None) -> _orch.Store:
    """The store that an option names."""
    if isinstance(store, _orch.Store):
        return store if sync is None else store.synced(sync)
    if isinstance(store, bool) or store is None:
        return Store(sync=sync or "normal")
    return Store(store, sync=sync or "normal")


class Kept:
    """That a run is kept, and which one it goes on with."""

    __slots__ = ("resume", "source", "store")

    def __init__(self, store: _orch.Store, source: str, resume: _orch.Resume | None = None) -> None:
        self.store = store
        self.source = source
        self.resume = resume

    def inputs(self, given: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """The inputs of the run: those that are given, else those of then."""
        if self.resume is None or given is not None:
            return given or {}
        inputs: dict[str, Any] = self.resume.inputs()
        return inputs

    def preview(self) -> Preview | None:
        """What it goes on with."""
        return None if self.resume is None else _previewed(self.resume)

    def fill(self, values: list[Any], ready: Ready) -> None:
        """Puts in place what the tasks made that are kept, as their functions say that it is."""
        from orch._values import result_of

        for place, value in self.resume.kept().items() if self.resume is not None else ():
            if place < len(values):
                values[place] = result_of(ready.calls[place], value, ready.ids[place])
