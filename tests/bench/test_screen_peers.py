"""Each part of a screening is timed beside work that is really the same."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from epiluma.bench.screen import write_drawn
from epiluma.bench.screen_peers import LARGE, enlarged, measure_peers
from epiluma.bundle import Bundle
from tests.conftest import with_outline


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder: Path = write_drawn(tmp_path_factory.mktemp("drawn"), count=1)
    return (folder / "drawn-000.jpg").read_bytes()


def test_an_enlarged_photo_has_twelve_megapixels(photo: bytes) -> None:
    large = Image.open(io.BytesIO(enlarged(photo)))
    assert (large.size, large.format) == (LARGE, "JPEG")


def test_each_task_has_its_peer_and_their_ratio(photo: bytes, tiny_bundle: Bundle) -> None:
    rows = measure_peers(tiny_bundle, photo, turns=2)
    assert [row.task for row in rows] == ["screening", "screening, 12 MP", "12 MP JPEG to tensor"]
    for row in rows:
        assert row.ours_ms > 0
        assert row.speedup == pytest.approx(row.peer_ms / row.ours_ms, rel=0.02, abs=0.002)


def test_a_bundle_that_outlines_has_its_network_timed_alone(photo: bytes, tiny_bundle: Bundle) -> None:
    row = measure_peers(with_outline(tiny_bundle), photo, turns=1)[-1]
    assert (row.task, row.peer) == ("photo to outline", "its network alone")
    assert row.peer_ms > 0
