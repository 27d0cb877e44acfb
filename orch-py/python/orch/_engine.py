"""What the runs of a program share: locks, circuit breakers, prices, a cache."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from orch import _orch
from orch._bell import bell_here
from orch._errors import Misuse
from orch._options import claim_for_core

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

    from orch._cache import Cache
    from orch._options import Claim
    from orch._prices import Prices


class Breaker(NamedTuple):
    """How a circuit breaker stands."""

    state: str
    """``closed``, ``open`` or ``half_open``."""
    probe_in: float | None
    """While it is open: seconds until it lets a probe through."""
    why: str | None
    """The failure that opened it, while it is not closed."""


class Engine(_orch.Engine):
    """What runs share that are given it: ``orch.run(graph, engine=engine)``. Runs without one share nothing.

    Their tasks claim resources by the same locks, as do callers beside them (:meth:`lock`), and ask the same circuit breakers.

    :param cache: where these runs keep what their tasks share; ``cache=`` of a run goes first.
    :param prices: dollars for a million tokens, by model: ``{"house-model": {"input": 3.0, "output": 15.0}}``, and where they
        differ ``cache_read``, ``cache_write``, ``cache_write_1h``. Other models have the published prices that this version
        knows. Or :class:`orch.Prices`.
    :param aliases: names that stand for others: ``{"sonnet": "claude-sonnet-4-5"}``.

    >>> import orch
    >>> engine = orch.Engine(prices={"house-model": {"input": 3.0, "output": 15.0}})
    >>> graph = orch.Graph("site")
    >>> @graph.task(claims="site")
    ... async def write(context: orch.Context) -> None:
    ...     context.used("house-model", input=1_000, output=200)
    >>> with engine.lock("site"):
    ...     pass  # no task of a run has it meanwhile
    >>> orch.run_sync(graph, engine=engine).cost_usd
    0.006
    """

    def __init__(
        self,
        *,
        cache: Cache | None = None,
        prices: Prices | Mapping[str, Mapping[str, float]] | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.cache = cache

    @property
    def breakers(self) -> dict[str, Breaker]:
        """The circuit breakers that some run has asked, by name. :meth:`reset_breaker` closes one by hand."""
        return {name: Breaker(*stands) for name, stands in sorted(self.breaker_states().items())}

    def lock(self, *claims: Claim | str, wait: float | None = 30.0, owner: str | None = None) -> Hold:
        """Claims for ``with`` or ``async with``: granted all at once, given back at the end of the block.

        :param wait: how many seconds to wait at most; ``None``: as long as it takes. Then :class:`orch.LockTimeout` is raised.
        :param owner: who others are told that they wait for. Default: the name of the Task or thread.
        """
        return Hold(self, [claim_for_core(claim) for claim in claims], wait, owner)


class Hold:
    """What :meth:`orch.Engine.lock` answers. Ask for the same again with another one."""

    __slots__ = ("_claims", "_engine", "_lock", "_owner", "_wait")

    def __init__(self, engine: Engine, claims: list[dict[str, Any]], wait: float | None, owner: str | None) -> None:
        self._engine = engine
        self._claims = claims
        self._wait = wait
        self._owner = owner
        self._lock: _orch.Lock | None = None

    @property
    def fence(self) -> int:
        """The fencing token: greater than that of every earlier grant."""
        fence = None if self._lock is None else self._lock.fence()
        if fence is None:
            raise Misuse("nothing is held: that is so only inside of `with`")
        return fence

    def renew(self) -> None:
        """Lets leases begin anew. Raises :class:`orch.Misuse` if nothing is held any more."""
        if self._lock is None:
            raise Misuse("nothing is held: that is so only inside of `with`")
        self._lock.renew()

    def _ask(self, name: str, wake: Any) -> _orch.Lock:
        self._lock = self._engine.acquire(self._claims, self._owner or name, self._wait, wake)
        return self._lock

    def _release(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def _check_free(self) -> None:
        if self._lock is not None:
            raise Misuse("that is held already, or asked for; ask the engine for another one")

    def __enter__(self) -> Self:
        self._check_free()
        try:
            self._ask(threading.current_thread().name, None).wait()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    async def __aenter__(self) -> Self:
        self._check_free()
        bell, ring = bell_here()
        task = asyncio.current_task()
        try:
            lock = self._ask("a caller" if task is None else task.get_name(), ring)
            if lock.fence() is None:
                await bell
                lock.fence()
        except BaseException:
            self._release()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._release()
