"""Works timed in turn on one core, so that whatever else happens on the machine hits all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

Advance = Callable[[int, int], None]
"""Told how much is done, and of how much."""


def in_turn(works: Sequence[Callable[[int], object]], count: int, advance: Advance) -> list[list[float]]:
    """Milliseconds of each work, `count` times each in turn; work(i) is given the number of the turn.

    One turn before them warms up and is not counted.
    """
    taken: list[list[float]] = [[] for _ in works]
    for turn in range(-1, count):
        for work, times in zip(works, taken, strict=True):
            begun = perf_counter()
            work(max(turn, 0))
            if turn >= 0:
                times.append(1000 * (perf_counter() - begun))
        advance(turn + 1, count)
    return taken


def a_second(milliseconds: Sequence[float]) -> float:
    """How many a second, from what each took."""
    return 1000 * len(milliseconds) / sum(milliseconds)


def allowed_cores() -> list[int]:
    """Cores that this process may use, the last first; empty where the system cannot pin."""
    return sorted(os.sched_getaffinity(0), reverse=True) if hasattr(os, "sched_getaffinity") else []


@contextmanager
def pinned() -> Iterator[list[int]]:
    """Keep this process, and those it starts, on the first of its allowed cores, which are given."""
    cores = allowed_cores()
    if not cores:
        yield cores
        return
    os.sched_setaffinity(0, {cores[0]})
    try:
        yield cores
    finally:
        os.sched_setaffinity(0, set(cores))
