"""The cache: values by key, each for a time, and one computation for all who want the same."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import json
import math
import pathlib
import threading
import weakref
from datetime import timedelta

import pytest

import orch
from orch._keys import form


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


def test_a_plain_function_is_called_once():
    calls = []

    @orch.cached
    def add(a, b=1, *rest, c=2, **more):
        """Adds."""
        calls.append((a, b, rest, c, more))
        return Thing()

    first = add(1)
    assert add(a=1) is first
    assert add(1, 1) is first
    assert add(1, c=2) is first
    assert add(b=1, a=1) is first
    assert add(1) is first
    assert len(calls) == 1
    assert add(1, 2) is not first
    assert add(1, x=1, y=2) is add(1, y=2, x=1)
    assert len(calls) == 3
    assert add.cache_info() == orch.CacheInfo(hits=6, misses=3)
    assert (add.__name__, add.__doc__, add.__wrapped__.__name__) == ("add", "Adds.", "add")
    assert add.invalidate(1) == 1
    assert add(1) is not first
    add.cache_clear()
    assert len(calls) == 4
    assert add(1)
    assert len(calls) == 5
    with pytest.raises(TypeError, match="missing a required argument"):
        add()


def test_arguments_that_differ_by_type_differ():
    @orch.cached
    def kind(value):
        return type(value)

    values = (1, True, 1.0, "1", b"1", None, [1], (1,), {1}, frozenset({1}), {"a": 1}, {1: 1}, Point(1), pathlib.PurePath("1"))
    for _ in range(3):
        for value in values:
            assert kind(value) is type(value)
    assert kind.cache_info() == (2 * len(values), len(values))


def test_equal_arguments_have_equal_keys():
    same = [
        ({"a": 1, "b": [1]}, {"b": [1], "a": 1}),
        ({1: 2, "a": 3}, {"a": 3, 1: 2}),
        ({"x", "y", "z"}, {"z", "y", "x"}),
        (Point(1), Point(1)),
        (2**80, 2**80),
        (Point, Point),
        (math.inf, math.inf),
    ]
    assert all(form(one) == form(other) for one, other in same)
    differ = [(0.0, -0.0), ([1, 2], [2, 1]), (Point(1), {"x": 1, "y": 0}), ({"tuple": [1]}, (1,)), (2**63, str(2**63))]
    assert all(form(one) != form(other) for one, other in differ)


def test_what_has_no_stable_key_is_refused():
    @orch.cached
    def use(value):
        return value

    holds_itself: list = []
    holds_itself.append(holds_itself)
    for value in (Thing(), lambda: 1, [object()], {"a": Thing()}, holds_itself):
        with pytest.raises(orch.InvalidValue, match=r"argument `value`: .*give `key=`"):
            use(value)
    with pytest.raises(orch.InvalidValue, match="generator"):
        orch.cached(lambda: (yield))
    with pytest.raises(orch.InvalidValue, match="for functions"):
        orch.cached()(3)


def test_key():
    cache = orch.Cache()

    @orch.cached(cache=cache, key=lambda thing, *, part: f"thing/{part}")
    def by_text(thing, *, part):
        return thing

    @orch.cached(cache=cache, key=lambda thing: (thing.number, 1))
    def by_value(thing):
        return thing

    @orch.cached(cache=cache, key=lambda thing: thing)
    def by_nothing(thing):
        return thing

    one, other = Thing(), Thing()
    assert by_text(one, part=1) is by_text(other, part=1) is cache["thing/1"] is one
    assert by_text(other, part=2) is other
    one.number = other.number = 1
    assert by_value(one) is by_value(other) is one
    other.number = 2
    assert by_value(other) is other
    with pytest.raises(orch.InvalidValue, match=r"what `key` of .* answers: .*no stable key"):
        by_nothing(one)


def test_key_is_asked_each_time():
    user = ["a"]

    @orch.cached(key=lambda path: (user[0], path))
    def read(path):
        return user[0] + path

    assert (read("x"), read("x")) == ("ax", "ax")
    user[0] = "b"
    assert read("x") == "bx"


def test_methods_know_their_objects():
    class Reader:
        def __init__(self, name):
            self.name = name

        @orch.cached
        def read(self, path):
            return self.name + path

        @classmethod
        @orch.cached
        def of_class(cls, number):
            return number

    class Bare:
        __slots__ = ()

        @orch.cached
        def read(self):
            return 1

    one, other = Reader("a"), Reader("b")
    assert [one.read("x"), other.read("x"), one.read("x")] == ["ax", "bx", "ax"]
    assert Reader.read.cache_info() == (1, 2)
    for number in range(100):
        assert Reader(str(number)).read("x") == f"{number}x"
    assert Reader.read.invalidate(one, "x") == 1
    with pytest.raises(orch.InvalidValue, match="weak references"):
        Bare().read()


def test_functions_of_one_name_are_not_taken_for_each_other():
    cache = orch.Cache()

    def make(answer):
        @orch.cached(cache=cache)
        def get():
            return answer

        get.__wrapped__.__qualname__ = "get"
        return get

    def again(answer):
        def get():
            return answer

        get.__qualname__ = "get"
        return orch.cached(cache=cache)(get)

    gets = [make(1), make(2), again(3), again(4)]
    assert [get() for get in gets] == [1, 2, 3, 4]
    gets[0].cache_clear()
    assert len(cache) == 3


def test_a_hit_is_not_served_after_its_time():
    cache = manual()
    calls = []

    @orch.cached(ttl=10, cache=cache)
    def get(a):
        calls.append(a)
        return a

    assert get(1) == get(1) == 1
    cache._advance(10)
    assert get(1) == 1
    assert calls == [1, 1]
    cache.clear()
    assert get(1) == 1
    assert calls == [1, 1, 1]


def test_explain():
    cache = orch.Cache()

    @orch.cached(cache=cache)
    def review(path, depth=1):
        return path

    review("a")
    review("a", 2)
    assert cache.explain(review.cache_key("a", 2)) == "param `depth` changed"
    assert cache.explain("nothing") is None


def test_threads_wait_for_one():
    calls, begun, go = [], threading.Event(), threading.Event()

    @orch.cached
    def slow(number):
        calls.append(number)
        begun.set()
        assert go.wait(10)
        return Thing()

    answers = []
    threads = [threading.Thread(target=lambda: answers.append(slow(1))) for _ in range(8)]
    threads[0].start()
    assert begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert len(answers) == 8
    assert len(set(map(id, answers))) == 1
    assert calls == [1]
    assert slow.cache.stats.hits >= 7


def test_a_thread_takes_over_from_one_that_fails():
    calls, begun, go = [], threading.Event(), threading.Event()

    @orch.cached
    def shaky(number):
        calls.append(number)
        if len(calls) == 1:
            begun.set()
            assert go.wait(10)
            raise ValueError("first")
        return number

    answers: list = []
    errors: list = []

    def call():
        try:
            answers.append(shaky(1))
        except ValueError as error:
            answers.append(str(error))
            # Its traceback holds all that the call knew.
            errors.append(error)

    threads = [threading.Thread(target=call) for _ in range(4)]
    threads[0].start()
    assert begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert sorted(answers, key=str) == [1, 1, 1, "first"]
    assert calls == [1, 1]


def test_tasks_wait_for_one():
    calls = []

    @orch.cached
    async def slow(number):
        calls.append(number)
        await asyncio.sleep(0)
        return Thing()

    async def main():
        answers = await asyncio.gather(*(slow(1) for _ in range(50)))
        assert await slow(1) is answers[0]
        assert len(set(map(id, answers))) == 1

    asyncio.run(main())
    assert calls == [1]
    assert asyncio.iscoroutinefunction(slow)


def test_a_task_takes_over_from_one_that_fails_or_is_cancelled():
    calls = []

    @orch.cached
    async def shaky(how):
        calls.append(how)
        await asyncio.sleep(0)
        if len(calls) == 1:
            if how == "fail":
                raise ValueError
            await asyncio.Event().wait()
        return how

    async def main(how):
        calls.clear()
        tasks = [asyncio.create_task(shaky(how)) for _ in range(5)]
        for _ in range(5):
            await asyncio.sleep(0)
        if how == "cancel":
            tasks[0].cancel()
            # One in the line goes away too.
            tasks[1].cancel()
        answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        kinds = [type(answer) for answer in answers]
        gone = asyncio.CancelledError
        assert kinds == ([ValueError, *[str] * 4] if how == "fail" else [gone, gone, str, str, str])
        assert len(calls) == 2

    asyncio.run(main("fail"))
    asyncio.run(main("cancel"))


def test_who_was_handed_the_lead_and_is_cancelled_hands_it_on():
    calls = []

    @orch.cached
    async def shaky():
        calls.append(1)
        await asyncio.sleep(0)
        if len(calls) == 1:
            raise ValueError("first")
        return "made"

    async def main():
        tasks = [asyncio.create_task(shaky()) for _ in range(3)]
        with pytest.raises(ValueError, match="first"):
            await tasks[0]
        # It has the lead by now, and does not know it.
        tasks[1].cancel()
        assert await asyncio.wait_for(tasks[2], 10) == "made"

    asyncio.run(main())


def test_loops_wait_for_each_other():
    calls, begun, joined = [], threading.Event(), threading.Event()

    @orch.cached
    async def slow():
        calls.append(1)
        begun.set()
        while not joined.is_set():  # noqa: ASYNC110 - it is set by another thread
            await asyncio.sleep(0.001)
        return Thing()

    answers = []
    first = threading.Thread(target=lambda: answers.append(asyncio.run(slow())))
    first.start()
    assert begun.wait(10)

    async def second():
        task = asyncio.create_task(slow())
        await asyncio.sleep(0)
        joined.set()
        return await asyncio.wait_for(task, 10)

    answers.append(asyncio.run(second()))
    first.join(10)
    assert answers[0] is answers[1]
    assert calls == [1]


def test_a_loop_that_was_closed_keeps_nobody_waiting():
    calls = []

    @orch.cached
    async def slow():
        calls.append(1)
        if len(calls) == 1:
            await asyncio.Event().wait()
        return "made"

    leader, follower = slow(), slow()
    leads, follows = asyncio.new_event_loop(), asyncio.new_event_loop()
    task = leads.create_task(leader)
    leads.run_until_complete(asyncio.sleep(0))
    waiting = follows.create_task(follower)
    follows.run_until_complete(asyncio.sleep(0))
    follows.close()

    async def third():
        own = asyncio.create_task(slow())
        await asyncio.sleep(0)
        task.get_loop().call_soon_threadsafe(task.cancel)
        ends = threading.Thread(target=lambda: leads.run_until_complete(asyncio.gather(task, return_exceptions=True)))
        ends.start()
        try:
            return await asyncio.wait_for(own, 10)
        finally:
            ends.join(10)

    assert asyncio.run(third()) == "made"
    leads.close()
    waiting._log_destroy_pending = False
    follower.close()


def test_what_waits_for_itself_is_told_so():
    @orch.cached
    def own(number):
        return own(number)

    @orch.cached
    async def own_async(number):
        return (await asyncio.gather(own_async(number)))[0]

    @orch.cached
    def factorial(number):
        return number * factorial(number - 1) if number else 1

    assert factorial(20) == 2432902008176640000
    with pytest.raises(orch.Misuse, match="waits for itself"):
        own(1)
    with pytest.raises(orch.Misuse, match="waits for itself"):
        asyncio.run(own_async(1))


def test_get_or_make():
    cache = orch.Cache()
    assert cache.get_or_make("a", lambda: None, ttl=60, tags=["t"]) is None
    assert cache.get_or_make("a", lambda: 1) is None
    with pytest.raises(ZeroDivisionError):
        cache.get_or_make("b", lambda: 1 // 0)

    async def make():
        await asyncio.sleep(0)
        return Thing()

    async def main():
        return await asyncio.gather(*(cache.get_or_make_async("c", make) for _ in range(5)))

    assert len(set(map(id, asyncio.run(main())))) == 1
    assert cache.invalidate(tag="t") == 1
    # What is too large or good for no time is answered, to those who wait too.
    assert orch.Cache(max_bytes=0).get_or_make("a", lambda: 5) == 5


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
