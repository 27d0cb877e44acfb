"""Cached functions: which calls are one."""

from __future__ import annotations

import dataclasses
import math
import pathlib

import pytest

import orch
from orch._keys import form


class Thing:
    pass


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


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
    cache = orch.Cache(_manual=True)
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
