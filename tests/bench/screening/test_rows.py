"""A row is the median of its runs and says whether its aim is reached, or that it cannot tell."""

from __future__ import annotations

import msgspec
import pytest
from rich.console import Console

from epiluma.bench.screening.rows import Aim, Row, details, missing, render, row

FAST, MUCH = Aim(15, "at most"), Aim(0.65, "at least")


@pytest.mark.parametrize(
    ("aim", "runs", "reached"),
    [
        (FAST, (30, 15, 14), True),
        (FAST, (15.01, 15.01, 1), False),
        (MUCH, (0.1, 0.65, 0.9), True),
        (MUCH, (0.6499, 0.6499, 1), False),
        (None, (1,), None),
    ],
)
def test_the_median_of_the_runs_is_held_against_the_aim(
    aim: Aim | None, runs: tuple[float, ...], reached: bool | None
) -> None:
    found = row("shares", "a task", "share", runs, aim=aim)
    assert found.value == sorted(runs)[len(runs) // 2]
    assert found.runs == runs
    assert found.reached is reached


def test_a_row_that_is_too_small_to_tell_says_so() -> None:
    assert row("decoding", "changed", "photos", [0], aim=Aim(0, "at most"), tells=False).reached is None


def test_the_table_fits_a_terminal_and_leaves_no_row_out() -> None:
    rows = [
        row("screening", "screening, median", "ms", [12.345], aim=FAST, note="600 x 450 px, n 3"),
        row("screening", "screening, p99", "ms", [20.0], note="600 x 450 px, n 3"),
        row("shares", "complete screening over bare", "share", [0.5], aim=MUCH, figures={"bare/s": [40.0, 60.0]}),
        row("decoding", "changed by scaled decoding", "photos", [0], aim=Aim(0, "at most"), tells=False),
        missing("stack", "beside usual stack, U-Net 256 px", "times", aim=Aim(5, "at least"), note="needs torch"),
    ]
    console = Console(width=80)
    with console.capture() as capture:
        console.print(render(rows))
    lines = [line.split() for line in capture.get().splitlines()]
    assert lines[1:] == [
        ["screening,", "median", "12.35", "ms", "at", "most", "15.00", "ms", "yes"],
        ["screening,", "p99", "20.00", "ms"],
        ["complete", "screening", "over", "bare", "0.500", "at", "least", "0.650", "no"],
        ["changed", "by", "scaled", "decoding", "0", "at", "most", "0", "cannot", "tell"],
        ["beside", "usual", "stack,", "U-Net", "256", "px", "-", "at", "least", "5.00x", "cannot", "tell"],
    ]
    assert details(rows)[:2] == ["screening: 600 x 450 px, n 3", "shares: bare/s 50; "]
    assert details(rows)[-1] == "stack: needs torch"


def test_a_row_is_read_back_from_json() -> None:
    found = row("tensor", "a task", "times", [1.5, 2.5], aim=FAST, figures={"ours ms": [2.0, 4.0]})
    assert msgspec.json.decode(msgspec.json.encode(found), type=Row) == found
