"""A tiny bundle that outlines, drawn photos of which the first is refused, and little effort."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from epiluma import bundle as bundles
from epiluma.bench.drawn import write_drawn
from epiluma.bench.screening.subject import Effort, Subject
from tests.conftest import with_outline

BLANK = "a-blank.jpg"


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: one photo of nothing, which comes first, and two drawn lesions that the tiny outline finds."""
    folder = write_drawn(tmp_path_factory.mktemp("photos"), count=2)
    Image.new("RGB", (600, 450), "grey").save(folder / BLANK)
    return folder


@pytest.fixture(scope="session")
def outlining_path(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: bundles.Bundle) -> Path:
    """The tiny bundle with an outline, on disk."""
    return bundles.write(with_outline(tiny_bundle), tmp_path_factory.mktemp("bundle") / "outlining")


@pytest.fixture(scope="session")
def subject(photos: Path, outlining_path: Path) -> Subject:
    return Subject([photos], outlining_path)


@pytest.fixture(scope="session")
def effort() -> Effort:
    return Effort(screenings=3, runs=2, decoded=2, seconds=0.1)
