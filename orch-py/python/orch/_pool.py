"""Threads for plain functions: bounded, started on need, and never waited for when the interpreter ends."""

from __future__ import annotations

import os
import queue
import threading
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_IDLE = 10.0
"""Seconds after which a thread without work ends."""


_MOST = 64
"""How many threads a process has for plain functions."""


class Threads(Executor):
    """A pool of daemon threads.

    The standard pool is joined when the interpreter ends, so that a function that sleeps would hold up Ctrl-C.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]]]
        self._work = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0
        self._named = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs the function on a thread, as soon as one is free."""
        future: Future[Any] = Future()
        with self._lock:
            self._work.put((future, fn, args, kwargs))
            # One that is idle takes one piece of work; the others need more threads.
            if self._work.qsize() > self._idle and self._threads < self._most:
                self._threads += 1
                self._named += 1
                threading.Thread(target=self._run, name=f"orch-{self._named}", daemon=True).start()
        return future

    def _run(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            try:
                future, fn, args, kwargs = self._work.get(timeout=_IDLE)
            except queue.Empty:
                with self._lock:
                    self._idle -= 1
                    if self._work.empty():
                        self._threads -= 1
                        return
                continue
            with self._lock:
                self._idle -= 1
            if future.set_running_or_notify_cancel():
                try:
                    result = fn(*args, **kwargs)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            # Else the thread would hold them while it waits.
            del future, fn, args, kwargs


_shared: tuple[int, Threads] | None = None


def shared() -> Threads:
    """The threads of this process; none is started before there is work. A child that was forked has its own."""
    global _shared
    pid = os.getpid()
    if _shared is None or _shared[0] != pid:
        _shared = (pid, Threads(_MOST))
    return _shared[1]
