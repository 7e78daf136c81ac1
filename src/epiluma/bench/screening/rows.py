"""One figure, what is sought, and whether it is reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Literal, NamedTuple

import msgspec
from rich.table import Table

Unit = Literal["ms", "times", "share", "risk", "s", "MB", "photos"]
_WORDS: dict[Unit, str] = {
    "ms": "{:.2f} ms",
    "times": "{:.2f}x",
    "share": "{:.3f}",
    "risk": "{:.4f}",
    "s": "{:.2f} s",
    "MB": "{:.0f} MB",
    "photos": "{:.0f}",
}


class Aim(NamedTuple):
    """What is sought of a figure."""

    value: float
    sense: Literal["at most", "at least"]

    def reached(self, value: float) -> bool:
        """Whether a figure is as sought."""
        return value <= self.value if self.sense == "at most" else value >= self.value


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of `epiluma bench screen`."""

    section: str
    task: str
    """What was measured, in few words."""
    value: float | None
    """Median of the runs; None where nothing could be measured, and `note` says why."""
    unit: Unit
    aim: Aim | None
    reached: bool | None
    """None without an aim, and where the figure cannot tell."""
    runs: tuple[float, ...]
    """The figure of each run."""
    figures: dict[str, tuple[float, ...]]
    """What each run's figure was computed from, by name."""
    note: str
    """On what it was measured, and how often; or what is missing."""


def row(
    section: str,
    task: str,
    unit: Unit,
    runs: Sequence[float],
    *,
    aim: Aim | None = None,
    figures: Mapping[str, Sequence[float]] | None = None,
    note: str = "",
    tells: bool = True,
) -> Row:
    """The row of a figure that was measured in each of `runs`; `tells` is false where that is too little to tell."""
    middle = median(runs)
    return Row(
        section=section,
        task=task,
        value=_rounded(middle),
        unit=unit,
        aim=aim,
        reached=aim.reached(middle) if aim and tells else None,
        runs=tuple(map(_rounded, runs)),
        figures={name: tuple(map(_rounded, values)) for name, values in (figures or {}).items()},
        note=note,
    )


def missing(section: str, task: str, unit: Unit, *, aim: Aim | None = None, note: str) -> Row:
    """The row of a figure that cannot be measured here; `note` says what it needs."""
    return Row(section=section, task=task, value=None, unit=unit, aim=aim, reached=None, runs=(), figures={}, note=note)


def render(rows: Sequence[Row]) -> Table:
    """The figures as an aligned table, narrow enough for a terminal."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for name in ("", "figure", "aim", "reached"):
        table.add_column(name, justify="right" if name in ("figure", "aim") else "left", no_wrap=True)
    for one in rows:
        figure = "-" if one.value is None else in_words(one.value, one.unit)
        aim = f"{one.aim.sense} {in_words(one.aim.value, one.unit)}" if one.aim else ""
        table.add_row(one.task, figure, aim, _verdict(one))
    return table


def details(rows: Sequence[Row]) -> list[str]:
    """What figures were computed from, and on what they were measured: a line for all of a section that share it."""
    lines = (f"{one.section}: {'; '.join((*_sources(one), one.note))}" for one in rows)
    return list(dict.fromkeys(lines))


def in_words(value: float, unit: Unit) -> str:
    """A figure with its unit."""
    return _WORDS[unit].format(value)


def _verdict(one: Row) -> str:
    if one.reached is None:
        return "cannot tell" if one.aim else ""
    return "yes" if one.reached else "no"


def _sources(one: Row) -> list[str]:
    return [f"{name} {median(values):.4g}" for name, values in one.figures.items()]


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
