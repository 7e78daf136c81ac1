"""One figure of one run, or the reason why there is none."""

from __future__ import annotations

import msgspec


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A value with its interval where it has one; a value of None is missing, and `note` says why."""

    value: float | None
    lower: float | None = None
    upper: float | None = None
    note: str = ""


def missing(reason: str) -> Cell:
    """No figure, and why."""
    return Cell(value=None, note=reason)
