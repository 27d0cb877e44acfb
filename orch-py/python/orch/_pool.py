"""Threads for plain functions: bounded, started on need, and never waited for when the interpreter ends. Pools that break."""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import BrokenExecutor, Executor, Future
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
        self._work: deque[tuple[Future[Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = deque()
        self._changed = threading.Condition()
        self._threads = 0
        self._idle = 0
        self._named = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs the function on a thread, as soon as one is free."""
        future: Future[Any] = Future()
        with self._changed:
            self._work.append((future, fn, args, kwargs))
            # One that is idle takes one piece of work; the others need more threads.
            if len(self._work) <= self._idle:
                self._changed.notify()
            elif self._threads < self._most:
                self._threads += 1
                self._named += 1
                threading.Thread(target=self._run, name=f"orch-{self._named}", daemon=True).start()
        return future

    def _next(self) -> tuple[Future[Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]] | None:
        """The next piece of work; nothing if the thread is to end."""
        with self._changed:
            while not self._work:
                # Counted under the lock: whoever was called but has not yet woken is not free for more.
                self._idle += 1
                called = self._changed.wait(_IDLE)
                self._idle -= 1
                if not called and not self._work:
                    self._threads -= 1
                    return None
            return self._work.popleft()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            future, fn, args, kwargs = work
            if future.set_running_or_notify_cancel():
                try:
                    result = fn(*args, **kwargs)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            # Else the thread would hold them while it waits.
            del work, future, fn, args, kwargs


class Renewed(Executor):
    """An executor that is made anew when it broke, so that retries work after a worker was killed.

    A process pool whose worker is killed fails all that it holds and takes nothing more. Give what makes one:

    >>> import orch
    >>> from concurrent.futures import ProcessPoolExecutor
    >>> with orch.Renewed(lambda: ProcessPoolExecutor(4)) as pool:
    ...     graph = orch.Graph("sizes")
    ...     task = graph.add(abs, args={"x": -3}, executor=pool, retries=2)
    """

    def __init__(self, make: Callable[[], Executor]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._executor: Executor | None = None
        self._over = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs the function on the executor of now, or on a new one if that is broken."""
        with self._lock:
            if self._over:
                raise RuntimeError("the executor was shut down")
            if self._executor is not None:
                try:
                    return self._executor.submit(fn, *args, **kwargs)
                except BrokenExecutor:
                    self._executor.shutdown(wait=False)
            self._executor = self._make()
            return self._executor.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shuts down the executor of now; after that there is no other."""
        with self._lock:
            self._over = True
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait, cancel_futures=cancel_futures)


_shared: tuple[int, Threads] | None = None


def shared() -> Threads:
    """The threads of this process; none is started before there is work. A child that was forked has its own."""
    global _shared
    pid = os.getpid()
    if _shared is None or _shared[0] != pid:
        _shared = (pid, Threads(_MOST))
    return _shared[1]
