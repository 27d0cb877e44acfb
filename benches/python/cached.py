"""Nanoseconds a hit: `orch.cached` and `orch.Cache` beside cachetools, cachebox and functools, where they are installed.

`python benches/python/cached.py [rounds]`
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from timeit import Timer

import orch

CALLS = 20_000


def double(number: int) -> int:
    return number * 2


def ways() -> dict[str, Callable[[], object]]:
    """Each makes one hit."""
    cache = orch.Cache()
    cache["key"] = 1
    own = orch.cached(ttl=3600)(double)
    plain = lru_cache(double)
    all: dict[str, Callable[[], object]] = {
        "orch.cached": lambda: own(1),
        "orch.Cache get": lambda: cache.get("key"),
        "functools.lru_cache, no ttl": lambda: plain(1),
    }
    try:
        import cachetools
    except ImportError:
        print("Not measured, since it is not installed: cachetools.")
    else:
        entries = cachetools.TTLCache(1000, 3600)
        entries["key"] = 1
        decorated = cachetools.cached(cachetools.TTLCache(1000, 3600))(double)
        all["cachetools.TTLCache get"] = lambda: entries.get("key")
        all["cachetools.cached"] = lambda: decorated(1)
    try:
        import cachebox
    except ImportError:
        print("Not measured, since it is not installed: cachebox.")
    else:
        boxed = cachebox.cached(cachebox.TTLCache(1000, 3600))(double)
        all["cachebox.cached"] = lambda: boxed(1)
    for way in all.values():
        way()
    return all


def coroutine_hits() -> float:
    """Seconds for the hits of a coroutine."""

    @orch.cached
    async def doubled(number: int) -> int:
        return number * 2

    async def main() -> float:
        await doubled(1)
        began = time.perf_counter()
        for _ in range(CALLS):
            await doubled(1)
        return time.perf_counter() - began

    return asyncio.run(main())


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    all = ways()
    timers = {name: Timer(way) for name, way in all.items()}
    times: dict[str, list[float]] = {name: [] for name in [*all, "orch.cached, coroutine"]}
    for _ in range(rounds):
        for name, timer in timers.items():
            times[name].append(timer.timeit(CALLS))
        times["orch.cached, coroutine"].append(coroutine_hits())
    print(f"Nanoseconds a hit, median of {rounds} rounds of {CALLS}; some 50 are the call that is measured.\n")
    print("| way | ns |\n|---|--:|")
    for name, took in times.items():
        print(f"| {name} | {statistics.median(took) / CALLS * 1e9:.0f} |")


if __name__ == "__main__":
    main()
