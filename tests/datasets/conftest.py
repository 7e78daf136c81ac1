"""One drawn copy of every catalogued data set, and the published ones where they lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from epiluma.datasets.catalog import CATALOG
from epiluma.imaging.synthetic import write_folder
from tests.datasets import published_archive, published_isic, published_others


class Fixture(NamedTuple):
    """A small data set on disk in its publisher's layout."""

    name: str
    root: Path
    count: int


WRITERS: dict[str, Callable[[Path, int], Path]] = {
    "ham10000": lambda folder, count: write_folder(folder, count=count, seed=2, size=(64, 48)),
    **published_archive.WRITERS,
    **published_isic.WRITERS,
    **published_others.WRITERS,
}
"""How to draw each catalogued set: adding one means a line here or there, and the tests run over it."""


@pytest.fixture(scope="session", params=sorted(CATALOG))
def data_set(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fixture:
    """Forty drawn images of a catalogued set, in a folder of its name."""
    name: str = request.param
    if name not in WRITERS:
        pytest.fail(f"{name} is in the catalog but has no writer in {__file__}")
    count = 40
    return Fixture(name, WRITERS[name](tmp_path_factory.mktemp("sets") / name, count), count)


@pytest.fixture(scope="session")
def published(data_root: Path) -> Path:
    """The folder of the published data sets."""
    if not (data_root / "HAM10000").is_dir():
        pytest.skip(f"HAM10000 is not under {data_root} (EPILUMA_DATA_ROOT)")
    return data_root
