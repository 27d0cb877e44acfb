"""The graphs that are measured: lists of the places of each task's parents."""

from __future__ import annotations

import random

Shape = list[list[int]]


def chain(count: int) -> Shape:
    """Each task waits for the one before."""
    return [[place - 1] if place else [] for place in range(count)]


def fan(count: int) -> Shape:
    """One task, many that wait for it, one that waits for them all."""
    return [[], *([0] for _ in range(count - 2)), list(range(1, count - 1))]


def layered(count: int) -> Shape:
    """100 layers of 100 tasks, or for 1,000 tasks 20 of 50, with three random parents each."""
    width = 50 if count == 1_000 else 100
    draw = random.Random(7)
    first = [[] for _ in range(width)]
    return first + [
        draw.sample(range(place - place % width - width, place - place % width), 3) for place in range(width, count)
    ]


SHAPES = {"chain": chain, "fan": fan, "layered": layered}
