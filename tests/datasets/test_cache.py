"""Decoded once, read ever after: the content, when it is made anew, and what a failure leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from epiluma.datasets import cache, catalog
from epiluma.datasets.record import DataError, Sample
from tests.datasets.conftest import Fixture

SIZE = 32


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Five noise photos of different shapes and formats."""
    random = np.random.default_rng(0)
    result = []
    for i, (width, height, extension) in enumerate(
        [(64, 48, "jpg"), (48, 64, "png"), (32, 32, "png"), (33, 40, "png"), (200, 150, "jpg")]
    ):
        path = tmp_path / f"{i}.{extension}"
        Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8)).save(path)
        result.append(_sample(path))
    return result


def _sample(path: Path) -> Sample:
    return Sample(
        image_id=path.stem, path=path, diagnosis="NV", lesion=path.stem, source="", modality="dermoscopy", licence=""
    )


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_photo_is_its_largest_centred_square(samples: list[Sample], tmp_path: Path) -> None:
    found = cache.decoded(samples, size=SIZE, folder=tmp_path / "cache")
    assert found.shape == (5, SIZE, SIZE, 3)
    assert found.dtype == np.uint8
    for sample, square in zip(samples, found, strict=True):
        with Image.open(sample.path) as photo:
            side = min(photo.size)
            left, top = (photo.width - side) / 2, (photo.height - side) / 2
            box = (left, top, left + side, top + side)
            expected = photo.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box)
        if sample.path.name != "4.jpg":  # large enough to be decoded at half its size
            np.testing.assert_array_equal(square, np.asarray(expected))
        else:
            assert abs(float(square.mean()) - float(np.asarray(expected).mean())) < 2


def test_a_catalogued_set_is_kept_in_the_samples_order(data_set: Fixture, tmp_path: Path) -> None:
    some = catalog.read(data_set.name, data_set.root)[:12]
    forward = cache.decoded(some, size=SIZE, folder=tmp_path)
    backward = cache.decoded(some[::-1], size=SIZE, folder=tmp_path)
    np.testing.assert_array_equal(forward, backward[::-1])


def test_the_second_use_reads_the_first_one_s_file(samples: list[Sample], tmp_path: Path) -> None:
    folder, calls = tmp_path / "cache", []
    first = cache.decoded(samples, size=SIZE, folder=folder, progress=lambda done, n: calls.append((done, n)))
    assert calls == [(i, 5) for i in range(1, 6)]
    (name,) = files(folder)
    written = (folder / name).stat().st_mtime_ns
    second = cache.decoded(samples, size=SIZE, folder=folder, progress=lambda *_: pytest.fail("decoded again"))
    np.testing.assert_array_equal(first, second)
    assert (folder / name).stat().st_mtime_ns == written
    assert files(folder) == [name]


def test_the_cache_cannot_be_written_by_its_readers(samples: list[Sample], tmp_path: Path) -> None:
    found = cache.decoded(samples, size=SIZE, folder=tmp_path / "cache")
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 0


def test_a_batch_is_gathered_in_the_order_of_its_indices() -> None:
    squares = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), np.uint8)
    chosen, out = np.array([7, 0, 0, 3]), np.zeros((4, 4, 4, 3), np.uint8)
    assert cache.gather(squares, chosen, out) is out
    np.testing.assert_array_equal(out, squares[chosen])
    np.testing.assert_array_equal(cache.gather(squares, chosen), squares[chosen])
    for wrong in ([9], [-1, 2]):
        with pytest.raises(IndexError, match="for 9 squares"):
            cache.gather(squares, np.array(wrong), out[: len(wrong)])


def test_a_changed_photo_is_decoded_anew(samples: list[Sample], tmp_path: Path) -> None:
    before = np.array(cache.decoded(samples, size=SIZE, folder=tmp_path / "cache"))
    Image.new("RGB", (40, 40), (200, 100, 50)).save(samples[2].path)
    after = cache.decoded(samples, size=SIZE, folder=tmp_path / "cache")
    assert (after[2] == (200, 100, 50)).all()
    np.testing.assert_array_equal(np.delete(before, 2, axis=0), np.delete(after, 2, axis=0))


def test_a_photo_with_another_date_is_decoded_anew(samples: list[Sample], tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    cache.decoded(samples, size=SIZE, folder=folder)
    os.utime(samples[0].path, (1, 1))
    cache.decoded(samples, size=SIZE, folder=folder)
    assert len(files(folder)) == 2


@pytest.mark.parametrize("change", [{"size": SIZE + 1}, {"count": 4}])
def test_another_size_or_set_of_photos_has_its_own_file(
    samples: list[Sample], tmp_path: Path, change: dict[str, int]
) -> None:
    folder = tmp_path / "cache"
    cache.decoded(samples, size=SIZE, folder=folder)
    found = cache.decoded(samples[: change.get("count")], size=change.get("size", SIZE), folder=folder)
    assert len(files(folder)) == 2
    assert found.shape[:2] == (change.get("count", 5), change.get("size", SIZE))


def test_a_moved_set_keeps_its_cache(samples: list[Sample], tmp_path: Path) -> None:
    """The key holds no path: the same photos elsewhere are the same photos."""
    folder = tmp_path / "cache"
    cache.decoded(samples, size=SIZE, folder=folder)
    (tmp_path / "moved").mkdir()
    moved = [_sample(Path(shutil.copy2(sample.path, tmp_path / "moved"))) for sample in samples]
    cache.decoded(moved, size=SIZE, folder=folder, progress=lambda *_: pytest.fail("decoded again"))


@pytest.mark.parametrize("content", [b"", b"not a photo", b"\xff\xd8\xff\xe0 cut short"])
def test_a_broken_photo_is_named_and_nothing_is_left(samples: list[Sample], tmp_path: Path, content: bytes) -> None:
    samples[3].path.write_bytes(content)
    with pytest.raises(DataError, match=r"3\.png: \w+"):
        cache.decoded(samples, size=SIZE, folder=tmp_path / "cache")
    assert files(tmp_path / "cache") == []


def test_a_photo_that_is_gone_or_no_file_is_named(samples: list[Sample], tmp_path: Path) -> None:
    samples[3].path.unlink()
    with pytest.raises(DataError, match=r"3\.png: No such file"):
        cache.decoded(samples, size=SIZE, folder=tmp_path / "cache")
    samples[3].path.mkdir()
    with pytest.raises(DataError, match=r"3\.png: Is a directory"):
        cache.decoded(samples, size=SIZE, folder=tmp_path / "cache")
    samples[3].path.rmdir()
    assert files(tmp_path / "cache") == []


def test_an_interrupted_decode_leaves_nothing(samples: list[Sample], tmp_path: Path) -> None:
    def interrupt(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.decoded(samples, size=SIZE, folder=tmp_path / "cache", progress=interrupt)
    assert files(tmp_path / "cache") == []
    assert cache.decoded(samples, size=SIZE, folder=tmp_path / "cache")[4].any()


KILLED = """
import os, signal, sys
from pathlib import Path
from epiluma.datasets import cache, catalog

def kill(done, total):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)

name, root, folder = sys.argv[1:]
cache.decoded(catalog.read(name, Path(root)), size=32, folder=Path(folder), progress=kill)
"""


def test_a_killed_decode_is_not_taken_for_a_whole_one(data_set: Fixture, tmp_path: Path) -> None:
    """A real kill after the second photo: no clean-up runs."""
    arguments = (data_set.name, str(data_set.root), str(tmp_path))
    assert subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False).returncode == -signal.SIGKILL
    assert [Path(name).suffix for name in files(tmp_path)] == [".partial"]
    found = cache.decoded(catalog.read(data_set.name, data_set.root), size=SIZE, folder=tmp_path)
    assert all(square.any() for square in found)


def test_masks_are_cut_as_their_photos_are(tmp_path: Path) -> None:
    """A wide photo: both lose their sides, and the lesion stays where it is."""
    photo = Image.new("RGB", (80, 40), (200, 150, 130))
    photo.paste((60, 30, 20), (30, 10, 50, 30))
    mask = Image.new("L", (80, 40), 0)
    mask.paste(255, (30, 10, 50, 30))
    photo.save(tmp_path / "a.png")
    mask.save(tmp_path / "a_mask.png")
    plain = Sample(image_id="a", path=tmp_path / "a.png", diagnosis="NV", source="s", modality="m", licence="l")
    samples = [msgspec.structs.replace(plain, mask=tmp_path / "a_mask.png"), plain]
    squares = cache.decoded(samples, size=20, folder=tmp_path / "cache")
    found = cache.masks(samples, size=20, folder=tmp_path / "cache")
    assert found.shape == (2, 20, 20)
    np.testing.assert_array_equal(found[0], squares[0, ..., 0] < 130)
    assert found[0].sum() == 100
    assert (found[1] == cache.NO_MASK).all()


def test_a_changed_mask_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    sample = Sample(image_id="a", path=path, diagnosis="NV", source="s", modality="m", licence="l", mask=path)
    for value in (0, 255):
        Image.new("L", (8, 8), value).save(path)
        os.utime(path, (value, value))
        assert (cache.masks([sample], size=8, folder=tmp_path / "cache")[0] == (value > 0)).all()


def test_a_mask_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    sample = Sample(image_id="a", path=path, diagnosis="NV", source="s", modality="m", licence="l", mask=path)
    with pytest.raises(DataError, match=r"mask\.png: No such file"):
        cache.masks([sample], size=8, folder=tmp_path / "cache")
    path.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"mask\.png: "):
        cache.masks([sample], size=8, folder=tmp_path / "cache")
