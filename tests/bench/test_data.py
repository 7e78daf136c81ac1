"""The benchmark takes the same batches in two ways, and its ratios are those of its rates."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from epiluma.bench import data as bench
from epiluma.bench.errors import BenchError
from epiluma.datasets import cache


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six noise photos of 256 px and one larger, as JPEG."""
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for i, size in enumerate([(256, 256)] * 6 + [(300, 280)]):
        noise = random.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(folder / f"{i}.jpg")
    return folder


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DRAWN", 2), ("REPEATS", 2), ("BATCH", 4)):
        monkeypatch.setattr(bench, name, value)


def test_both_ways_give_the_same_batch(photos: Path, tmp_path: Path) -> None:
    paths = sorted(photos.iterdir())[:6]
    squares = cache.decoded([bench._sample(path) for path in paths], size=256, folder=tmp_path / "cache")
    chosen = np.array([4, 0, 3])
    cached = bench.from_cache(squares, chosen, np.zeros((len(chosen), *squares.shape[1:]), np.uint8))
    decoded = bench.by_pillow([paths[i] for i in (0, 3, 4)], np.zeros((3, 256, 256, 3), np.uint8))
    np.testing.assert_array_equal(cached, decoded)
    assert cached.flags.c_contiguous
    assert not np.shares_memory(cached, squares)


def test_a_larger_original_is_its_centred_square(photos: Path) -> None:
    (found,) = bench.by_pillow([photos / "6.jpg"], np.zeros((1, 256, 256, 3), np.uint8))
    with Image.open(photos / "6.jpg") as photo:
        expected = photo.resize((256, 256), Image.Resampling.BILINEAR, box=(10, 0, 290, 280))
    np.testing.assert_array_equal(found, np.asarray(expected))


@pytest.mark.usefixtures("short")
def test_a_folder_s_photos_are_measured(photos: Path, tmp_path: Path) -> None:
    measured = bench.measure(photos, originals=photos, scratch=tmp_path)
    assert (measured.images, measured.source, measured.saved_again) == (7, "files", 1)
    assert (measured.originals, measured.originals_source) == (7, "files")
    for rate in (measured.cached, measured.cached_first_pass, measured.copy):
        assert rate > measured.jpeg > 0
    assert measured.cached_over_jpeg == pytest.approx(measured.cached / measured.jpeg, rel=0.01)
    assert measured.cached_over_original == pytest.approx(measured.cached / measured.original, rel=0.01)


@pytest.mark.usefixtures("short")
def test_without_folders_drawn_lesions_are_measured_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    bench.run(None, originals=None, as_json=True)
    measured = msgspec.convert(json.loads(capsys.readouterr().out), bench.DataBench)
    assert (measured.source, measured.originals_source) == ("drawn", "drawn")
    assert (measured.images, measured.saved_again, measured.originals) == (16, 16, 2)


def test_the_table_says_figures_and_conditions(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = bench.DataBench(
        images=2048, source="files", saved_again=0, originals=124, originals_source="files", batch=64, repeats=15,
        cached=70_000, cached_first_pass=40_000, copy=73_000, jpeg=2_000, original=200,
        cached_over_jpeg=35.0, cached_over_original=350.0, pillow_version="13", numpy_version="2",
    )  # fmt: skip
    monkeypatch.setattr(bench, "measure", lambda *_, **__: measured)
    bench.run(None, originals=None)
    printed = capsys.readouterr().out
    for part in ("70,000", "35.0x", "20x", "350.0x", "50x", "page cache", bench.conditions(measured)):
        assert part in printed


def test_a_large_folder_is_measured_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "MOST", 5)
    assert bench._spread_out([Path(str(i)) for i in range(9)]) == [Path(str(i)) for i in (0, 2, 4, 6, 8)]


def test_a_folder_without_photos_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchError, match="empty: no JPEG file is there"):
        bench.measure(tmp_path / "empty", originals=None, scratch=tmp_path)


@pytest.mark.slow
@pytest.mark.real_data
def test_published_images_are_measured_as_they_are(data_root: Path, tmp_path: Path) -> None:
    """How many times faster the cache is hangs on the machine: `epiluma bench data` prints it beside the aim."""
    measured = bench.measure(data_root / "HAM10000", originals=data_root / "originals_600x450", scratch=tmp_path)
    assert (measured.source, measured.images, measured.saved_again) == ("files", bench.MOST, 0)
    assert (measured.originals_source, measured.originals) == ("files", 124)
    assert measured.cached > measured.jpeg > measured.original > 0
    assert measured.cached_over_jpeg == pytest.approx(measured.cached / measured.jpeg, rel=0.01)
    assert measured.cached_over_original == pytest.approx(measured.cached / measured.original, rel=0.01)
