"""The cache: values by key, each for a time, and one computation for all who want the same."""

from __future__ import annotations

import atexit
import logging
import weakref
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast, overload

from orch import _orch
from orch._bell import bell_here
from orch._errors import InvalidValue, Misuse, OrchError
from orch._values import result_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from datetime import timedelta

T = TypeVar("T")

MISSING: Any = object()
_making: ContextVar[tuple[tuple[Cache, _orch.Flight], ...]] = ContextVar("orch_making", default=())
"""What this context is making: waiting for that would never end."""


class CacheStats(NamedTuple):
    """What a cache and its children hold, and did since they began. Counted and measured, never estimated."""

    entries: int
    bytes: int
    hits: int
    misses: int
    sets: int
    evictions: int
    """Entries that went to make room."""
    expirations: int
    invalidations: int
    saved: float
    """Seconds: for each hit, what its value took to make, where that is known."""
    saved_cost: Mapping[str, Any]
    """The same with what it used of models and what that cost."""

    @property
    def hit_rate(self) -> float | None:
        """How many of the looks were hits, from 0 to 1; ``None`` before the first."""
        looks = self.hits + self.misses
        return self.hits / looks if looks else None


class CacheInfo(NamedTuple):
    """What became of the calls of one function."""

    hits: int
    misses: int


class Cache(_orch.Cache):
    """Values by key, each for a time, all together in a bounded space.

    :param max_bytes: the most that all entries take, about; 100 MiB by default.
    :param ttl: how long a value is good, in seconds or as a ``timedelta``; an hour by default. 0: it is not kept.
    :param eviction: who goes when there is no room: ``lru``, ``lfu`` or ``expiry`` (whoever ends soonest).
    :param store: where results outlive the process, and other processes find them: those of tasks, of :func:`orch.cached`, and
        of :meth:`get_or_make`. Of all processes that want the same, one makes it; if that one dies, the next. Such results need
        a JSON form. What is set otherwise stays here. At most 1 GiB is kept; what saves the least for its size goes first.
    :param trusted: False for code that others do not trust, such as a stranger's branch: they never read what it makes.

    Keys are texts. Values are any objects, and the object that was set is the one that is found: do not change it. What has a
    JSON form (plain data, data classes, models of pydantic) can be exported, and tasks of runs with this cache read it by key.

    >>> import orch
    >>> cache = orch.Cache(ttl=600)
    >>> cache["answer"] = 42
    >>> cache.set("draft", {"text": "..."}, ttl=60, tags=["docs"], cost=1.5)
    True
    >>> cache["answer"], cache.get("nothing"), "draft" in cache, list(cache)
    (42, None, True, ['answer', 'draft'])
    >>> cache.invalidate(tag="docs"), len(cache)
    (1, 1)
    >>> cache.stats.hits, cache.stats.misses
    (1, 1)
    """

    __slots__ = ("__weakref__",)

    def __init__(
        self,
        *,
        max_bytes: int | None = None,
        ttl: float | timedelta | None = None,
        eviction: str = "lru",
        store: _orch.Store | None = None,
        trusted: bool = True,
        _parent: Cache | None = None,
        _manual: bool = False,
    ) -> None:
        if self.shares:
            # What is on its way to the store gets there.
            me = weakref.ref(self)

            def at_end() -> None:
                cache = me()
                if cache is not None:
                    cache.settle()

            atexit.register(at_end)

    def __iter__(self) -> Iterator[str]:
        """The keys, sorted."""
        return iter(self.sorted_keys())

    def keys(self) -> list[str]:
        """The keys, sorted."""
        return self.sorted_keys()

    def items(self) -> list[tuple[str, Any]]:
        """What is there, by key. Counts no hits."""
        found = ((key, self.peek(key, MISSING)) for key in self.sorted_keys())
        return [(key, value) for key, value in found if value is not MISSING]

    def values(self) -> list[Any]:
        """What is there, in the order of the keys. Counts no hits."""
        return [value for _, value in self.items()]

    @overload
    def pop(self, key: str) -> Any: ...
    @overload
    def pop(self, key: str, default: T) -> Any | T: ...
    def pop(self, key: str, default: Any = MISSING) -> Any:
        """The value, which is then gone."""
        value = self.get(key, MISSING)
        if value is not MISSING:
            self.drop_key(key)
        elif default is MISSING:
            raise KeyError(key)
        else:
            return default
        return value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value; if there is none, ``default``, which is then set."""
        return self.get_or_make(key, lambda: default)

    def child(self) -> Cache:
        """A cache that sees the entries of this one under its own. What happens there does not change anything here.

        >>> cache = Cache()
        >>> cache["a"] = 1
        >>> child = cache.child()
        >>> child["a"] = 2
        >>> child["a"], cache["a"]
        (2, 1)
        """
        return type(self)(_parent=self)

    def invalidate(
        self, *, key: str | None = None, prefix: str | None = None, pattern: str | None = None, tag: str | None = None
    ) -> int:
        """Drops entries and all that depends on them; how many those were. Give one of the four. Those of a store are dropped
        by ``key`` only.

        :param pattern: ``*`` stands for any text, ``?`` for a character.
        """
        given = [one for one in (key, prefix, pattern, tag) if one is not None]
        if len(given) != 1:
            raise InvalidValue(f"`invalidate` got {len(given)} of `key`, `prefix`, `pattern` and `tag`; give one")
        if key is not None:
            return self.drop_key(key)
        if prefix is not None:
            return self.drop_prefix(prefix)
        return self.drop_matching(pattern) if pattern is not None else self.drop_tag(given[0])

    @property
    def stats(self) -> CacheStats:
        """What the cache and its children hold and did."""
        counts = self.counts()
        saved = counts["saved"]
        counts = {name: counts[name] for name in CacheStats._fields if not name.startswith("saved")}
        return CacheStats(**counts, saved=saved.get("time_ms", 0) / 1000, saved_cost=saved)

    def get_or_make(
        self,
        key: str,
        make: Callable[[], T],
        *,
        ttl: float | timedelta | None = None,
        tags: Sequence[str] = (),
        depends_on: Sequence[str] = (),
        cost: float | timedelta | Mapping[str, Any] | None = None,
    ) -> T:
        """The value; if there is none, what ``make`` answers. Of all threads that want it, one makes it and the others wait.

        If it fails, the next one makes it. Without ``cost`` the time that it took is its cost.

        >>> cache = Cache()
        >>> cache.get_or_make("a", lambda: 1), cache.get_or_make("a", lambda: 2)
        (1, 1)
        """
        found = self.find(key, MISSING)
        if found is not MISSING:
            return cast("T", found)
        return made(self, key, make, (ttl, tags, depends_on, cost))

    async def get_or_make_async(
        self,
        key: str,
        make: Callable[[], Awaitable[T]],
        *,
        ttl: float | timedelta | None = None,
        tags: Sequence[str] = (),
        depends_on: Sequence[str] = (),
        cost: float | timedelta | Mapping[str, Any] | None = None,
    ) -> T:
        """:meth:`get_or_make` for coroutines: of all tasks of all loops, one makes it; if it is cancelled, the next one."""
        found = self.find(key, MISSING)
        if found is not MISSING:
            return cast("T", found)
        return await made_async(self, key, make, (ttl, tags, depends_on, cost))

    def __repr__(self) -> str:
        return f"<orch.Cache, {len(self)} entries>"


if TYPE_CHECKING:
    Keep = tuple[float | timedelta | None, Sequence[str], Sequence[str], float | timedelta | Mapping[str, Any] | None]


def _refuse_own(flight: _orch.Flight, making: tuple[tuple[Cache, _orch.Flight], ...], cache: Cache) -> None:
    if not flight.leads and any(of is cache and own.leads and own.key == flight.key for of, own in making):
        raise Misuse(f"`{flight.key}` waits for itself: making it asks for it")


def _keep(keep: Keep, began: float) -> Keep:
    ttl, tags, depends_on, cost = keep
    return ttl, tags, depends_on, perf_counter() - began if cost is None else cost


def _landed(cache: Cache, key: str, flight: _orch.Flight) -> object:
    """What is there when the wait is over; ``MISSING``: the caller is to make it, or to ask other processes."""
    if not flight.leads:
        return flight.value()
    # Somebody may have landed between the look and the join.
    return cache.get(key, MISSING)


def _found(flight: _orch.Flight, make: Callable[[], object]) -> Any:
    """What another process has made, as the function annotates it; ``MISSING``: the caller is to make it."""
    try:
        found = flight.found(MISSING)
    except OrchError as error:
        # Who asked goes on without the store.
        logging.getLogger("orch").warning("`%s` is not shared with other processes: %s", flight.key, error)
        return MISSING
    if found is not MISSING:
        found = result_of(getattr(make, "function", make), found, flight.key)
        flight.take_in(found)
    return found


def made(cache: Cache, key: str, make: Callable[[], T], keep: Keep, missed: Callable[[], None] | None = None) -> T:
    making = _making.get()
    flight = cache.join(key)
    try:
        _refuse_own(flight, making, cache)
        flight.wait()
        landed = _landed(cache, key, flight)
        if landed is MISSING and cache.shares and flight.ask(None):
            flight.wait_behind()
            landed = _found(flight, make)
        if landed is not MISSING:
            return cast("T", landed)
        if missed is not None:
            missed()
        token = _making.set((*making, (cache, flight)))
        try:
            began = perf_counter()
            made = make()
        finally:
            _making.reset(token)
        flight.land(made, *_keep(keep, began))
        return made
    finally:
        flight.leave()


async def made_async(
    cache: Cache, key: str, make: Callable[[], Awaitable[T]], keep: Keep, missed: Callable[[], None] | None = None
) -> T:
    making = _making.get()
    flight = cache.join(key)
    try:
        _refuse_own(flight, making, cache)
        await _turn(flight)
        landed = _landed(cache, key, flight)
        if landed is MISSING and cache.shares:
            await _answered(flight)
            landed = _found(flight, make)
        if landed is not MISSING:
            return cast("T", landed)
        if missed is not None:
            missed()
        token = _making.set((*making, (cache, flight)))
        try:
            began = perf_counter()
            made = await make()
        finally:
            _making.reset(token)
        flight.land(made, *_keep(keep, began))
        return made
    finally:
        flight.leave()


async def _turn(flight: _orch.Flight) -> None:
    """Waits for the value or the lead."""
    if flight.leads:
        return
    while True:
        # A loop that is closed waits no more, and the next in line must not wait for it.
        bell, ring = bell_here(flight.leave)
        if flight.poll(ring):
            return
        await bell


async def _answered(flight: _orch.Flight) -> None:
    """Waits for what other processes say."""
    bell, ring = bell_here()
    if flight.ask(ring) and not flight.is_answered():
        await bell
