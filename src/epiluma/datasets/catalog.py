"""The data sets that Epiluma can read, by name. Adding one: a module in sources/, a line here, a fixture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from epiluma.datasets.record import DataError, Sample
from epiluma.datasets.sources import ham10000


class DataSet(NamedTuple):
    """How to read one published set."""

    read: Callable[[Path], list[Sample]]
    licence: str
    citation: str


CATALOG = {
    "ham10000": DataSet(ham10000.read, ham10000.LICENCE, "Tschandl et al. 2018, doi:10.1038/sdata.2018.161"),
}


def read(name: str, root: Path) -> list[Sample]:
    """All samples of a catalogued set under `root`. Raises DataError."""
    if name not in CATALOG:
        raise DataError(f"unknown data set {name!r}; known are {', '.join(sorted(CATALOG))}")
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give the place where {name} lies")
    samples = CATALOG[name].read(root)
    if not samples:
        raise DataError(f"{root}: {name} is there, but its table names no image")
    return samples
