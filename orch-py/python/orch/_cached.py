"""Functions whose results are cached: one computation for all who call them alike."""

from __future__ import annotations

import inspect
from functools import update_wrapper
from itertools import count
from time import time_ns
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload
from weakref import WeakKeyDictionary

from orch import _orch
from orch._cache import MISSING, Cache, CacheInfo, made, made_async
from orch._errors import InvalidValue
from orch._keys import Calls, form

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta
    from typing import Concatenate, Protocol

    from typing_extensions import Self

    from orch._cache import Keep

    P = ParamSpec("P")
    R = TypeVar("R")
    R_co = TypeVar("R_co", covariant=True)
    S = TypeVar("S")
    Q = ParamSpec("Q")

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
        self.keep: Keep = (ttl, [self.tag, *tags], [], None)
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
        found = self.cache.find(key, MISSING)
        if found is not MISSING:
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
    quick, cache, keep, missing = of.memo.find, of.cache, of.keep, MISSING

    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004

        async def call(*args: Any, **kwargs: Any) -> Any:
            if not kwargs:
                found = quick(args, missing)
                if found is not missing:
                    return found
            found, key, missed = of.look(args, kwargs)
            if found is not missing:
                return found
            return await made_async(cache, key, _Call(function, args, kwargs), keep, missed)

        return of.dress(call, function)

    def call_plain(*args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            found = quick(args, missing)
            if found is not missing:
                return found
        found, key, missed = of.look(args, kwargs)
        if found is not missing:
            return found
        return made(cache, key, _Call(function, args, kwargs), keep, missed)

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
