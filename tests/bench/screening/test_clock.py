"""Works take turns, the first turn is not counted, and the process is pinned only meanwhile."""

from __future__ import annotations

import os
from time import sleep

import pytest

from epiluma.bench.screening.clock import a_second, allowed_cores, in_turn, pinned


def test_works_take_turns_and_the_first_one_warms_up() -> None:
    calls: list[str] = []
    told: list[tuple[int, int]] = []
    works = [lambda turn: calls.append(f"a{turn}"), lambda turn: calls.append(f"b{turn}")]
    taken = in_turn(works, 2, lambda done, total: told.append((done, total)))
    assert calls == ["a0", "b0", "a0", "b0", "a1", "b1"]
    assert [len(times) for times in taken] == [2, 2]
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_each_work_gets_its_own_time() -> None:
    slow, quick = in_turn([lambda _: sleep(0.02), lambda _: None], 2, lambda *_: None)
    assert min(slow) >= 20
    assert min(quick) < 10


def test_a_rate_is_a_count_over_a_sum() -> None:
    assert a_second([10.0, 30.0]) == 50.0


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot pin")
def test_this_process_is_pinned_to_one_core_and_let_go_again() -> None:
    before = os.sched_getaffinity(0)
    cores = _seen_while_pinned(before)
    with pytest.raises(KeyError), pinned():
        raise KeyError
    assert set(cores) == before
    assert os.sched_getaffinity(0) == before == set(allowed_cores())


def _seen_while_pinned(before: set[int]) -> list[int]:
    with pinned() as cores:
        assert os.sched_getaffinity(0) == {cores[0]} <= before
        return cores
