"""The cache as a mapping: values by key, each for a time; and what runs find there."""

from __future__ import annotations

import dataclasses
import gc
import json
import math
import weakref
from datetime import timedelta

import pytest

import orch


def manual(**options):
    return orch.Cache(_manual=True, **options)


class Thing:
    pass


def test_what_was_set_is_found_as_itself():
    cache = orch.Cache()
    for value in (None, False, 0, "", [], {}, Thing(), object(), lambda: 1, 2**100, math.nan, b"x"):
        cache["key"] = value
        assert cache["key"] is value
        assert cache.get("key", 1) is value
        assert "key" in cache
    assert len(cache) == 1
    assert list(cache) == ["key"]


def test_equal_values_are_not_taken_for_each_other():
    cache = orch.Cache()
    one, other = [1], [1]
    cache["one"], cache["other"] = one, other
    assert cache["one"] is one
    assert cache["other"] is other


def test_it_is_like_a_mapping():
    cache = orch.Cache()
    with pytest.raises(KeyError, match="nothing"):
        _ = cache["nothing"]
    with pytest.raises(KeyError, match="nothing"):
        del cache["nothing"]
    with pytest.raises(KeyError):
        cache.pop("nothing")
    with pytest.raises(TypeError):
        cache[1] = 2
    assert cache.pop("nothing", 3) == 3
    assert 1 not in cache
    assert cache.get("nothing") is None
    cache["b"], cache["a"] = 2, None
    assert (cache.keys(), cache.values(), cache.items()) == (["a", "b"], [None, 2], [("a", None), ("b", 2)])
    assert cache.setdefault("a", 5) is None
    assert cache.setdefault("c", 5) == 5
    assert cache.pop("b") == 2
    assert "b" not in cache
    del cache["a"]
    assert list(cache) == ["c"]
    assert cache.clear() == 1
    assert len(cache) == 0


def test_nothing_is_served_after_its_time():
    cache = manual(ttl=10)
    cache["a"] = 1
    cache.set("b", 2, ttl=timedelta(seconds=20))
    cache.set("c", 3, ttl=math.inf)
    assert cache.set("d", 4, ttl=0) is False
    cache._advance(9.999)
    assert list(cache) == ["a", "b", "c"]
    cache._advance(0.001)
    assert cache.get("a") is None
    assert "a" not in cache
    assert list(cache) == ["b", "c"]
    cache._advance(10)
    assert cache.get("b") is None
    assert cache["c"] == 3
    assert cache.stats.expirations <= 2


def test_a_clock_that_jumps_serves_nothing_old():
    cache = manual(ttl=10)
    calls = []

    @orch.cached(cache=cache)
    def made(number):
        calls.append(number)
        return number

    cache["a"] = made(1)
    # The day goes back: what is measured is time that passed.
    cache._advance(1, day=-86400)
    assert cache["a"] == 1
    assert made(1) == 1
    assert calls == [1]
    # The computer slept: only the time of day knows.
    cache._advance(1, day=86400 * 2)
    assert cache.get("a") is None
    assert made(1) == 1
    assert calls == [1, 1]


@pytest.mark.parametrize("ttl", [-1, math.nan, "soon", timedelta(seconds=-1), -0.5])
def test_a_wrong_time_is_refused(ttl):
    cache = orch.Cache()
    for wrong in (lambda: orch.Cache(ttl=ttl), lambda: cache.set("a", 1, ttl=ttl), lambda: orch.cached(ttl=ttl)(len)):
        with pytest.raises(orch.InvalidValue, match=r"`ttl` is .*seconds") as raised:
            wrong()
        assert raised.value.code == "INVALID_VALUE"


def test_wrong_options_are_refused():
    with pytest.raises(orch.InvalidValue, match="`eviction` is \"newest\"; give 'lru', 'lfu' or 'expiry'"):
        orch.Cache(eviction="newest")
    with pytest.raises(orch.InvalidValue, match="`max_bytes` is -1"):
        orch.Cache(max_bytes=-1)
    with pytest.raises(TypeError):
        orch.Cache(10)
    with pytest.raises(TypeError):
        orch.Cache().set("a", 1, tags="text")


def test_room_is_bounded_and_objects_are_let_go():
    cache = orch.Cache(max_bytes=2000)
    things = [Thing() for _ in range(10)]
    refs = [weakref.ref(thing) for thing in things]
    for place, thing in enumerate(things):
        assert cache.set(f"t{place}", thing)
        del thing
    things.clear()
    gc.collect()
    alive = [ref() for ref in refs if ref() is not None]
    assert len(alive) == len(cache) == 3
    assert cache.stats.evictions == 7
    assert cache["t9"] is alive[-1]
    assert cache.set("large", "x" * 3000) is False
    assert "large" not in cache
    alive.clear()
    cache.clear()
    gc.collect()
    assert all(ref() is None for ref in refs)


def test_an_object_may_use_the_cache_while_it_is_let_go():
    cache = orch.Cache()

    class Last:
        def __del__(self):
            cache["last words"] = len(cache)

    for end in (lambda: cache.__setitem__("a", 1), lambda: cache.invalidate(key="a"), cache.clear):
        cache["a"] = Last()
        end()
        gc.collect()
        assert "last words" in cache
        cache.clear()


def test_least_frequently_used_goes_first():
    cache = orch.Cache(max_bytes=1300, eviction="LFU")
    cache["a"], cache["b"] = 1, 2
    assert cache["b"] == 2
    assert cache["a"] == 1
    assert cache["a"] == 1
    cache["c"] = 3
    assert list(cache) == ["a", "c"]


def test_invalidation():
    cache = orch.Cache()

    def filled():
        cache.clear()
        cache["docs/a"], cache["docs/b"] = 1, 2
        cache.set("tests", 3, tags=["slow"])
        cache.set("summary", 4, depends_on=["docs/a"])

    for how, count, left in (
        ({"key": "docs/a"}, 2, ["docs/b", "tests"]),
        ({"prefix": "docs/"}, 3, ["tests"]),
        ({"pattern": "*/b"}, 1, ["docs/a", "summary", "tests"]),
        ({"tag": "slow"}, 1, ["docs/a", "docs/b", "summary"]),
        ({"tag": "none"}, 0, ["docs/a", "docs/b", "summary", "tests"]),
    ):
        filled()
        assert (cache.invalidate(**how), list(cache)) == (count, left)
    filled()
    cache["docs/a"] = 5
    assert "summary" not in cache
    for wrong in ({}, {"key": "a", "tag": "b"}):
        with pytest.raises(orch.InvalidValue, match="give one"):
            cache.invalidate(**wrong)
    with pytest.raises(orch.InvalidFormat, match="backslash"):
        cache.invalidate(pattern="\\")


def test_children():
    cache = orch.Cache()
    cache["a"] = thing = Thing()
    child = cache.child()
    assert type(child) is orch.Cache
    assert child["a"] is thing
    child["b"] = 1
    child.invalidate(key="a")
    assert "a" not in child
    assert cache["a"] is thing
    assert "b" not in cache


def test_what_was_saved_is_measured():
    cache = orch.Cache()
    cache.set("a", 1, cost=2.5)
    cache.set("b", 1, cost={"time_ms": 500, "money": 3_000_000})
    for key in ("a", "a", "b", "c"):
        cache.get(key)
    stats = cache.stats
    assert (stats.hits, stats.misses, stats.hit_rate, stats.saved) == (3, 1, 0.75, 5.5)
    assert stats.saved_cost["money"] == 3_000_000
    assert stats.entries == 2
    assert orch.Cache().stats.hit_rate is None


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


def test_export_and_import():
    cache = manual()
    cache.set("a", {"files": [1, None]}, ttl=60, tags=["t"])
    cache["point"], cache["thing"], cache["tuple"] = Point(1), Thing(), (1, 2)
    text = cache.export()
    assert [entry["key"] for entry in json.loads(text)["entries"]] == ["a", "point", "tuple"]
    other = manual()
    assert other.import_(text)["kept"] == 3
    assert other.items() == [("a", {"files": [1, None]}), ("point", {"x": 1, "y": 0}), ("tuple", [1, 2])]
    assert other.invalidate(tag="t") == 1
    late = manual()
    late._advance(61)
    assert late.import_(text) == {"kept": 2, "expired": 1, "too_large": 0, "outdated": 0}
    for wrong in ("", "{}", "[]"):
        with pytest.raises(orch.InvalidFormat):
            other.import_(wrong)


def test_runs_share_the_cache():
    cache = orch.Cache()
    cache["analysis"] = {"files": 129}
    calls = []

    def graph_of(name):
        graph = orch.Graph(name)

        @graph.task(inputs=["analysis"], outputs={"review": 60})
        async def review(context: orch.Context):
            calls.append(context.inputs["analysis"])
            return {"review": context.inputs["analysis"]["files"]}

        return graph

    first = orch.run_sync(graph_of("one"), cache=cache)
    assert first.task("review").value == {"review": 129}
    assert calls == [{"files": 129}]
    orch.run_sync(graph_of("two"), cache=cache)
    assert len(calls) == 1
    cache["analysis"] = {"files": 130}
    orch.run_sync(graph_of("three"), cache=cache)
    assert len(calls) == 2
    orch.run_sync(graph_of("four"), cache=cache.child())
    assert len(calls) == 2
    assert cache.stats.saved_cost


def test_a_cached_function_may_be_a_task():
    calls = []

    @orch.cached
    async def analyse() -> int:
        calls.append(1)
        return 3

    for _ in range(2):
        graph = orch.Graph("cached")
        task = graph.add(analyse)
        assert orch.run_sync(graph)[task] == 3
    assert calls == [1]
