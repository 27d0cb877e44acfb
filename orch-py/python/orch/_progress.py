"""Progress, from the events of a run alone: a bar, plain lines, or a callback."""

from __future__ import annotations

import logging
import sys
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from orch._bind import is_coroutine_function, name_of
from orch._errors import InvalidValue
from orch._failure import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from orch._event import Event

_ENDS = frozenset({"task_finished", "task_skipped", "task_cached"})
_WIDTH = 24
_AGAIN = 0.1
"""Seconds between two drawings of the bar."""
_LINES = 10
"""How many lines tell of the progress where there is no terminal, beside those that tell of failures."""


class Progress:
    """The built-in display, on standard error: a bar on a terminal, else a line now and then, and one for each failure."""

    def __init__(self, name: str, total: int, out: TextIO | None = None) -> None:
        self.out = sys.stderr if out is None else out
        self.terminal = self.out is not None and self.out.isatty()
        self.name = name
        self.total = total
        self.ended = self.failed = 0
        self.known: set[str] = set()
        self.drawn_at = -_AGAIN
        self.told_of = 0

    def __call__(self, event: Event) -> None:
        if self.out is None:
            # A program without a standard error.
            return
        name = event.name
        if name in _ENDS:
            self.end_of_task(event)
        elif name == "tasks_added":
            self.total += len(event.data.get("tasks", ()))
        if name == "run_finished":
            state = event.data.get("state")
            self.show(f"{self.line(event.at)}, {state}", last=True)
        elif self.terminal and event.at - self.drawn_at >= _AGAIN:
            self.drawn_at = event.at
            self.show(self.line(event.at))
        elif not self.terminal and name in _ENDS and self.ended * _LINES // max(1, self.total) > self.told_of:
            self.told_of = self.ended * _LINES // max(1, self.total)
            if self.ended < self.total:
                self.show(self.line(event.at))

    def end_of_task(self, event: Event) -> None:
        # A rollback may end a task more than once; a run may add some.
        if (task := event.task or "") not in self.known:
            self.known.add(task)
            self.ended += 1
            self.total = max(self.total, self.ended)
        data = event.data
        if data.get("state") == "failed":
            self.failed += 1
            self.show(f"{self.name}: `{task}` failed: {data.get('error', '')}", last=True)
            self.drawn_at = -_AGAIN

    def line(self, at: float) -> str:
        """What there is to say at that time."""
        counted = f"{self.ended}/{self.total}" + (f", {self.failed} failed" if self.failed else "")
        if not self.terminal:
            return f"{self.name}: {counted}, {at:.1f} s"
        full = self.ended * _WIDTH // max(1, self.total)
        return f"{self.name} [{'#' * full}{'.' * (_WIDTH - full)}] {counted}, {at:.1f} s"

    def show(self, text: str, last: bool = False) -> None:
        """On a terminal in place of the line before."""
        if self.terminal:
            self.out.write(f"\r\x1b[K{text}" + ("\n" if last else ""))
        else:
            self.out.write(f"{text}\n")
        self.out.flush()


def listener(progress: bool | Callable[[Event], object], name: str, total: int) -> Callable[[Event], None] | None:
    """Who hears the events. One that raises is told of once, and hears no more; the run goes on."""
    if progress is False or progress is None:
        return None
    if progress is True:
        call: Callable[[Event], object] = Progress(name, total)
    elif not callable(progress) or is_coroutine_function(progress):
        raise InvalidValue(f"`progress` is {progress!r}; give True, or a plain function that is given each event")
    else:
        call = progress
    heard = True

    def hear(event: Event) -> None:
        nonlocal heard
        if not heard:
            return
        try:
            call(event)
        except Exception as error:
            heard = False
            said = f"the progress of `{name}` is told no more: `{name_of(call)}` raised {told(error)}"
            logging.getLogger("orch").warning("%s", said, exc_info=error)
            # Where warnings are errors, this one ends nothing either.
            with suppress(Warning):
                warnings.warn(said, RuntimeWarning, stacklevel=2)

    return hear
