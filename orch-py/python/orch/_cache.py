"""The cache: values by key, each for a time, and one computation for all who want the same."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import logging
import weakref
from contextlib import suppress
from contextvars import ContextVar
from functools import update_wrapper
from itertools import count
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar, cast, overload
from weakref import WeakKeyDictionary

from orch import _orch
from orch._errors import InvalidValue, Misuse, OrchError
from orch._keys import Calls, form
from orch._values import result_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from datetime import timedelta
    from typing import Concatenate, Protocol

    P = ParamSpec("P")
    R = TypeVar("R")
    R_co = TypeVar("R_co", covariant=True)
    S = TypeVar("S")
    Q = ParamSpec("Q")

    from typing_extensions import Self

    class CachedFunction(Protocol[P, R_co]):
        """A function whose results are cached."""

        __name__: str
        __qualname__: str

        @property
        def __wrapped__(self) -> Callable[P, R_co]: ...
        @property
        def cache(self) -> Cache: ...
        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
        @overload
        def __get__(self, instance: None, owner: type[Any], /) -> Self: ...
        @overload
        def __get__(
            self: CachedFunction[Concatenate[S, Q], R], instance: S, owner: type[Any] | None = None, /
        ) -> Callable[Q, R]: ...
        def cache_clear(self) -> None:
            """Forgets all results of the function."""
            ...

        def cache_info(self) -> CacheInfo:
            """What was found and what was made."""
            ...

        def cache_key(self, *args: P.args, **kwargs: P.kwargs) -> str:
            """The key of such a call in the cache."""
            ...

        def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> int:
            """Forgets the result of such a call, and what depends on it; how many entries that were."""
            ...

    class _Cached(Protocol):
        def __call__(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...


T = TypeVar("T")

_MISSING: Any = object()
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
        found = ((key, self.peek(key, _MISSING)) for key in self.sorted_keys())
        return [(key, value) for key, value in found if value is not _MISSING]

    def values(self) -> list[Any]:
        """What is there, in the order of the keys. Counts no hits."""
        return [value for _, value in self.items()]

    @overload
    def pop(self, key: str) -> Any: ...
    @overload
    def pop(self, key: str, default: T) -> Any | T: ...
    def pop(self, key: str, default: Any = _MISSING) -> Any:
        """The value, which is then gone."""
        value = self.get(key, _MISSING)
        if value is not _MISSING:
            self.drop_key(key)
        elif default is _MISSING:
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
        found = self.find(key, _MISSING)
        if found is not _MISSING:
            return cast("T", found)
        return _made(self, key, make, (ttl, tags, depends_on, cost))

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
        found = self.find(key, _MISSING)
        if found is not _MISSING:
            return cast("T", found)
        return await _made_async(self, key, make, (ttl, tags, depends_on, cost))

    def __repr__(self) -> str:
        return f"<orch.Cache, {len(self)} entries>"


if TYPE_CHECKING:
    _Keep = tuple[float | timedelta | None, Sequence[str], Sequence[str], float | timedelta | Mapping[str, Any] | None]


def _refuse_own(flight: _orch.Flight, making: tuple[tuple[Cache, _orch.Flight], ...], cache: Cache) -> None:
    if not flight.leads and any(of is cache and own.leads and own.key == flight.key for of, own in making):
        raise Misuse(f"`{flight.key}` waits for itself: making it asks for it")


def _keep(keep: _Keep, began: float) -> _Keep:
    ttl, tags, depends_on, cost = keep
    return ttl, tags, depends_on, perf_counter() - began if cost is None else cost


def _landed(cache: Cache, key: str, flight: _orch.Flight) -> object:
    """What is there when the wait is over; ``_MISSING``: the caller is to make it, or to ask other processes."""
    if not flight.leads:
        return flight.value()
    # Somebody may have landed between the look and the join.
    return cache.get(key, _MISSING)


def _found(flight: _orch.Flight, make: Callable[[], object]) -> Any:
    """What another process has made, as the function annotates it; ``_MISSING``: the caller is to make it."""
    try:
        found = flight.found(_MISSING)
    except OrchError as error:
        # Who asked goes on without the store.
        logging.getLogger("orch").warning("`%s` is not shared with other processes: %s", flight.key, error)
        return _MISSING
    if found is not _MISSING:
        found = result_of(getattr(make, "function", make), found, flight.key)
        flight.take_in(found)
    return found


def _made(cache: Cache, key: str, make: Callable[[], T], keep: _Keep, missed: Callable[[], None] | None = None) -> T:
    making = _making.get()
    flight = cache.join(key)
    try:
        _refuse_own(flight, making, cache)
        flight.wait()
        landed = _landed(cache, key, flight)
        if landed is _MISSING and cache.shares and flight.ask(None):
            flight.wait_behind()
            landed = _found(flight, make)
        if landed is not _MISSING:
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


async def _made_async(
    cache: Cache, key: str, make: Callable[[], Awaitable[T]], keep: _Keep, missed: Callable[[], None] | None = None
) -> T:
    making = _making.get()
    flight = cache.join(key)
    try:
        _refuse_own(flight, making, cache)
        await _turn(flight)
        landed = _landed(cache, key, flight)
        if landed is _MISSING and cache.shares:
            await _answered(flight)
            landed = _found(flight, make)
        if landed is not _MISSING:
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
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def ring() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def wake() -> None:
        try:
            loop.call_soon_threadsafe(ring)
        except RuntimeError:
            # The loop is closed: nobody waits here any more, and the next in line must not wait for it.
            flight.leave()

    while not flight.poll(wake):
        await waiter
        waiter = loop.create_future()


async def _answered(flight: _orch.Flight) -> None:
    """Waits for what other processes say."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def ring() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def wake() -> None:
        # When the loop is closed, nobody waits.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(ring)

    if flight.ask(wake) and not flight.is_answered():
        await waiter


class _Call:
    """A call of a cached function, when its turn has come."""

    __slots__ = ("args", "function", "kwargs")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs

    def __call__(self) -> Any:
        return self.function(*self.args, **self.kwargs)


_default: Cache | None = None


def default_cache() -> Cache:
    """The cache of functions that name none."""
    global _default
    if _default is None:
        _default = Cache()
    return _default


_names: WeakKeyDictionary[Cache, dict[str, int]] = WeakKeyDictionary()
_process = f"{time_ns():x}"
_numbers = count(1)


def _own_name(name: str, cache: Cache) -> str:
    """A name that no other function has in that cache: functions may be made again, and then do something else."""
    if "<" in name:
        # Which of those that are called so it is means nothing in another process.
        return f"{name}~{_process}-{next(_numbers)}"
    names = _names.setdefault(cache, {})
    names[name] = nth = names.get(name, 0) + 1
    return name if nth == 1 else f"{name}~{nth}"


class _Function:
    """What a cached function knows of itself."""

    def __init__(self, function: Callable[..., Any], ttl: Any, key: Any, cache: Cache | None, tags: Sequence[str]) -> None:
        if not callable(function):
            raise InvalidValue(f"`orch.cached` is for functions, not for {function!r}; put `@classmethod` above it")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise InvalidValue(f"`{function.__qualname__}` is a generator, which can be read once only; cache a list of it")
        self.calls = Calls(function)
        self.key = key
        self.cache = default_cache() if cache is None else cache
        # A wrong time is told at once, not at the first call.
        Cache(max_bytes=0, ttl=ttl)
        self.name = _own_name(self.calls.name, self.cache)
        if self.cache.shares:
            from orch._content import content_of

            # Other processes may have another version of it.
            self.name = f"{self.name}@{content_of(function)}"
        self.tag = f"orch.cached:{self.name}"
        self.keep: _Keep = (ttl, [self.tag, *tags], [], None)
        self.memo = _orch.Memo(self.cache)
        self.hits = self.misses = 0

    def key_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
        if self.key is None:
            arguments = self.calls.arguments(args, kwargs)
        else:
            own = self.key(*args, **kwargs)
            if type(own) is str:
                return own, None
            try:
                arguments = {"key": form(own)}
            except InvalidValue as error:
                raise InvalidValue(f"what `key` of `{self.calls.name}` answers: {error}") from None
        return self.cache.key_of(self.name, arguments), arguments

    def look(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, str, Callable[[], None]]:
        """What there is, the key of the call, which is remembered, and what to do when it has to be made."""
        key, arguments = self.key_of(args, kwargs)
        # What a `key` answers may depend on more than the arguments.
        if not kwargs and self.key is None:
            self.memo.remember(args, key)
        found = self.cache.find(key, _MISSING)
        if found is not _MISSING:
            self.hits += 1

        def missed() -> None:
            self.misses += 1
            if arguments is not None:
                self.cache.missed(self.name, arguments)

        return found, key, missed

    def dress(self, wrapper: Any, function: Callable[..., Any]) -> Any:
        """Gives a wrapper what cached functions have."""

        def cache_clear() -> None:
            self.cache.drop_tag(self.tag)
            self.memo.clear()

        def cache_info() -> CacheInfo:
            return CacheInfo(self.hits + self.memo.hits, self.misses)

        def cache_key(*args: Any, **kwargs: Any) -> str:
            return self.key_of(args, kwargs)[0]

        def invalidate(*args: Any, **kwargs: Any) -> int:
            return self.cache.drop_key(cache_key(*args, **kwargs))

        update_wrapper(wrapper, function)
        wrapper.cache = self.cache
        wrapper.cache_clear = cache_clear
        wrapper.cache_info = cache_info
        wrapper.cache_key = cache_key
        wrapper.invalidate = invalidate
        return wrapper


def _wrapped(function: Callable[..., Any], of: _Function) -> Any:
    quick, cache, keep, missing = of.memo.find, of.cache, of.keep, _MISSING

    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004

        async def call(*args: Any, **kwargs: Any) -> Any:
            if not kwargs:
                found = quick(args, missing)
                if found is not missing:
                    return found
            found, key, missed = of.look(args, kwargs)
            if found is not missing:
                return found
            return await _made_async(cache, key, _Call(function, args, kwargs), keep, missed)

        return of.dress(call, function)

    def call_plain(*args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            found = quick(args, missing)
            if found is not missing:
                return found
        found, key, missed = of.look(args, kwargs)
        if found is not missing:
            return found
        return _made(cache, key, _Call(function, args, kwargs), keep, missed)

    return of.dress(call_plain, function)


@overload
def cached(function: Callable[P, R], /) -> CachedFunction[P, R]: ...
@overload
def cached(
    *,
    ttl: float | timedelta | None = None,
    key: Callable[..., Any] | None = None,
    cache: Cache | None = None,
    tags: Sequence[str] = (),
) -> _Cached: ...
def cached(
    function: Callable[..., Any] | None = None,
    /,
    *,
    ttl: float | timedelta | None = None,
    key: Callable[..., Any] | None = None,
    cache: Cache | None = None,
    tags: Sequence[str] = (),
) -> Any:
    """Keeps what a function or coroutine answers, by its arguments. Of all who call it alike at once, one runs it.

    If that one fails or is cancelled, the next one runs it; nobody waits for ever. Threads wait without holding the
    interpreter, tasks on their loops.

    :param ttl: how long an answer is good, in seconds or as a ``timedelta``. Default: that of the cache.
    :param key: answers, for the same arguments, what they are known by. A text is the key in the cache as it is;
        any other value is a part of the key beside the name of the function. Default: all arguments by their content, the
        defaults included; ``self`` by its content, or as that very object where it has none.
    :param cache: where answers are kept. Default: one that all such functions share.
    :param tags: names under which answers can be invalidated.

    Without parentheses it takes the defaults. An argument that has no stable key raises :class:`orch.InvalidValue`.

    >>> import orch
    >>> cache = orch.Cache()
    >>> @orch.cached(ttl=3600, cache=cache)
    ... def double(number: int, *, loud: bool = False) -> int:
    ...     print("doubling")
    ...     return number * 2
    >>> double(2), double(number=2), double(2, loud=False)
    doubling
    (4, 4, 4)
    >>> double.cache_info()
    CacheInfo(hits=2, misses=1)
    >>> double.invalidate(2)
    1
    """

    def dress(function: Callable[..., Any]) -> Any:
        return _wrapped(function, _Function(function, ttl, key, cache, tags))

    return dress if function is None else dress(function)
