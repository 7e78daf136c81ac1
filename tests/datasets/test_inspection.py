"""Every photo is a row; each content is looked at once; whatever is broken is said and nothing crashes."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from epiluma.bundle import Bundle
from epiluma.datasets import inspection_look
from epiluma.datasets.inspection import MEASURES, SIDE, Inspections, inspect
from epiluma.datasets.inspection_store import FILE
from epiluma.datasets.record import DataError, Sample
from epiluma.imaging.decode import MAX_BYTES
from epiluma.imaging.quality import grade_quality
from epiluma.imaging.synthetic import draw_lesion
from epiluma.inference.features import FeatureSession

COUNT = 6


def sample(path: Path, mask: Path | None = None) -> Sample:
    return Sample(
        image_id=path.stem, path=path, diagnosis="NV", source="", modality="dermoscopy", licence="", mask=mask
    )


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Six drawn lesions with their masks, the last without."""
    result = []
    for i in range(COUNT):
        drawn = draw_lesion(i, size=(160, 120))
        path, mask = tmp_path / f"{i}.png", tmp_path / f"{i}_mask.png"
        Image.fromarray(drawn.image).save(path)
        Image.fromarray(drawn.mask.astype(np.uint8) * 255).save(mask)
        result.append(sample(path, mask if i < COUNT - 1 else None))
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each photo or mask that is decoded in this process."""
    calls: list[int] = []
    decode = inspection_look.decode_photo

    def counting(source: bytes, **options: int) -> object:
        calls.append(len(source))
        return decode(source, **options)

    monkeypatch.setattr(inspection_look, "decode_photo", counting)
    return calls


def assert_same(a: Inspections, b: Inspections) -> None:
    for name in ("sha256", "error", "width", "height", "thumbs", "features"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert set(a.measures) == set(b.measures) == set(MEASURES)
    for name, column in a.measures.items():
        np.testing.assert_array_equal(column, b.measures[name], err_msg=name)


def test_rows_say_what_the_photos_show(samples: list[Sample], folder: Path) -> None:
    found = inspect(samples, folder=folder, workers=1)
    assert len(found) == COUNT
    for i, s in enumerate(samples):
        assert found.sha256[i] == hashlib.sha256(s.path.read_bytes()).hexdigest()
        with Image.open(s.path) as file:
            photo = file.convert("RGB")
        assert (found.width[i], found.height[i]) == photo.size
        cells = np.repeat(np.asarray(photo, float), 4, axis=0).reshape(SIDE, 480 // SIDE, SIDE, 160 // SIDE, 3)
        assert np.abs(found.thumbs[i] - cells.mean(axis=(1, 3))).max() <= 1
        grade = grade_quality(photo)
        measured = {name: float(column[i]) for name, column in found.measures.items()}
        assert measured["sharpness"] == pytest.approx(grade.sharpness, abs=0.01)
        assert measured["contrast"] == pytest.approx(grade.contrast, abs=0.01)
        pixels = np.asarray(photo, float)
        assert [measured[c] for c in ("red", "green", "blue")] == pytest.approx(pixels.mean((0, 1)), abs=0.01)
        if s.mask:
            mask = np.asarray(Image.open(s.mask)) > 0
            assert measured["lesion_share"] == pytest.approx(mask.mean(), abs=1e-6)
            edge = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
            assert measured["lesion_touches"] == pytest.approx(edge.mean(), abs=1e-6)
        assert not any(np.isnan(value) for value in measured.values())
    assert found.features.shape == (COUNT, 0)
    assert (found.error == "").all()


def test_a_turned_photo_is_measured_upright(tmp_path: Path, folder: Path) -> None:
    photo = Image.fromarray(draw_lesion(3, size=(160, 120)).image)
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(tmp_path / "turned.png", exif=exif)
    ImageOps.exif_transpose(Image.open(tmp_path / "turned.png")).save(tmp_path / "upright.png")
    found = inspect([sample(tmp_path / "turned.png"), sample(tmp_path / "upright.png")], folder=folder, workers=1)
    assert (found.width[0], found.height[0]) == (120, 160)
    np.testing.assert_array_equal(found.thumbs[0], found.thumbs[1])


def test_light_without_detail_is_counted(tmp_path: Path, folder: Path) -> None:
    pixels = np.asarray(draw_lesion(1, size=(200, 100)).image).clip(20, 230).copy()
    pixels[10:30, 50:100], pixels[40:50, 100:200] = 255, 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = inspect([sample(tmp_path / "a.png")], folder=folder, workers=1)
    assert found.measures["clipped_bright"][0] == pytest.approx(0.05)
    assert found.measures["clipped_dark"][0] == pytest.approx(0.05)


def test_nothing_is_decoded_twice(samples: list[Sample], folder: Path, decoded: list[int]) -> None:
    first = inspect(samples, folder=folder, workers=1)
    assert len(decoded) == 2 * COUNT - 1
    decoded.clear()
    second = inspect(samples, folder=folder, workers=1, progress=lambda *_: pytest.fail("looked again"))
    assert decoded == []
    assert_same(first, second)


def test_moved_and_touched_photos_are_read_and_not_decoded(
    samples: list[Sample], tmp_path: Path, folder: Path, decoded: list[int]
) -> None:
    first = inspect(samples, folder=folder, workers=1)
    decoded.clear()
    (tmp_path / "moved").mkdir()
    moved = [sample(Path(shutil.copy(s.path, tmp_path / "moved")), s.mask) for s in samples]
    os.utime(samples[0].path, (1, 1))
    assert_same(first, inspect(moved, folder=folder, workers=1))
    assert_same(first, inspect(samples, folder=folder, workers=1))
    assert decoded == []


def test_a_changed_photo_and_a_changed_mask_are_looked_at_again(samples: list[Sample], folder: Path) -> None:
    before = inspect(samples, folder=folder, workers=1)
    Image.new("RGB", (50, 40), (200, 100, 50)).save(samples[5].path)
    assert samples[2].mask
    Image.new("L", (160, 120), 255).save(samples[2].mask)
    after = inspect(samples, folder=folder, workers=1)
    assert (after.thumbs[5] == (200, 100, 50)).all()
    assert after.measures["lesion_share"][2] == 1
    assert before.sha256[2] == after.sha256[2]
    np.testing.assert_array_equal(before.thumbs[:5], after.thumbs[:5])


def test_rows_follow_the_samples_and_copies_share_what_is_kept(
    samples: list[Sample], tmp_path: Path, folder: Path, decoded: list[int]
) -> None:
    copy = sample(Path(shutil.copy(samples[0].path, tmp_path / "copy.png")), samples[0].mask)
    found = inspect([*samples[::-1], copy], folder=folder, workers=1)
    forward = inspect(samples, folder=folder, workers=1)
    np.testing.assert_array_equal(found.thumbs[:COUNT], forward.thumbs[::-1])
    assert found.sha256[COUNT] == forward.sha256[0]
    np.testing.assert_array_equal(found.thumbs[COUNT], forward.thumbs[0])


def test_features_are_the_bundle_s_and_kept_apart(
    samples: list[Sample], folder: Path, tiny_bundle: Bundle, decoded: list[int]
) -> None:
    without = inspect(samples, folder=folder, workers=1)
    found = inspect(samples, folder=folder, bundle=tiny_bundle, workers=1)
    session = FeatureSession(tiny_bundle)
    for i, s in enumerate(samples):
        with Image.open(s.path) as photo:
            expected = session.of_photo(photo.convert("RGB"))
        np.testing.assert_allclose(found.features[i], expected, atol=1e-3)
    np.testing.assert_array_equal(without.thumbs, found.thumbs)
    decoded.clear()
    assert_same(found, inspect(samples, folder=folder, bundle=tiny_bundle, workers=1))
    assert_same(without, inspect(samples, folder=folder, workers=1))
    assert decoded == []


@pytest.mark.parametrize("content", [b"", b"not a photo", b"\x89PNG\r\n\x1a\n cut short"])
def test_a_broken_photo_is_a_row_with_an_error(samples: list[Sample], folder: Path, content: bytes) -> None:
    samples[2].path.write_bytes(content)
    found = inspect(samples, folder=folder, workers=1)
    assert [bool(error) for error in found.error] == [i == 2 for i in range(COUNT)]
    assert found.sha256[2] == hashlib.sha256(content).hexdigest()
    assert not found.thumbs[2].any()
    assert all(np.isnan(column[2]) for column in found.measures.values())
    assert_same(found, inspect(samples, folder=folder, workers=1))


def test_a_photo_that_is_gone_or_no_file_is_a_row_with_an_error(
    samples: list[Sample], folder: Path, tiny_bundle: Bundle
) -> None:
    samples[1].path.unlink()
    samples[3].path.unlink()
    samples[3].path.mkdir()
    samples[4].path.unlink()
    os.mkfifo(samples[4].path)  # reading it would wait for ever
    found = inspect(samples, folder=folder, bundle=tiny_bundle, workers=1)
    assert found.error.tolist() == ["", "No such file or directory", "", *["Not a regular file"] * 2, ""]
    assert [bool(value) for value in found.sha256] == [True, False, True, False, False, True]
    assert not found.features[[1, 3, 4]].any()
    assert np.isfinite(found.measures["sharpness"][[0, 2, 5]]).all()


def test_a_file_too_large_for_a_photo_is_not_read(
    samples: list[Sample], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert samples[2].mask
    for path in (samples[1].path, samples[2].mask):
        with path.open("r+b") as file:
            file.truncate(MAX_BYTES + 1)
    read: list[int] = []
    sha256 = hashlib.sha256
    monkeypatch.setattr(inspection_look.hashlib, "sha256", lambda source: read.append(len(source)) or sha256(source))
    found = inspect(samples[:3], folder=folder, workers=1)
    assert found.error.tolist() == ["", "The file is larger than 64 MB", ""]
    assert np.isnan(found.measures["lesion_share"][2])
    assert max(read) < 1_000_000


def test_a_mask_that_cannot_be_used_leaves_a_gap(samples: list[Sample], folder: Path) -> None:
    masks = [s.mask for s in samples if s.mask]
    masks[0].write_bytes(b"broken")
    masks[1].unlink()
    Image.new("L", (80, 60), 255).save(masks[2])
    found = inspect(samples, folder=folder, workers=1)
    for name in ("lesion_share", "lesion_touches"):
        assert [bool(np.isnan(value)) for value in found.measures[name]] == [True] * 3 + [False] * 3
    assert (found.error == "").all()
    assert np.isfinite(found.measures["ita"]).all()


def test_masks_of_zeros_and_ones_are_masks(samples: list[Sample], folder: Path) -> None:
    before = inspect(samples[:2], folder=folder, workers=1)
    for mask in (s.mask for s in samples[:2] if s.mask):
        Image.fromarray((np.asarray(Image.open(mask)) > 0).astype(np.uint8)).save(mask)
    after = inspect(samples[:2], folder=folder, workers=1)
    np.testing.assert_array_equal(before.measures["lesion_share"], after.measures["lesion_share"])


def test_no_samples_are_no_rows(folder: Path) -> None:
    found = inspect([], folder=folder)
    assert len(found) == 0
    assert found.thumbs.shape == (0, SIDE, SIDE, 3)


def damage_header(path: Path) -> None:
    path.write_bytes(b"this is no database, whatever its name says" * 100)


def damage_pages(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize("damage", [damage_header, damage_pages, cut_short])
def test_a_damaged_store_is_named_and_begun_anew(samples: list[Sample], folder: Path, damage: object) -> None:
    first = inspect(samples, folder=folder, workers=1)
    damage(folder / FILE)  # type: ignore[operator]
    with pytest.warns(UserWarning, match=rf"{FILE}: is damaged \(.*\); begun anew, the old one is inspections\.dam"):
        second = inspect(samples, folder=folder, workers=1)
    assert_same(first, second)
    assert_same(first, inspect(samples, folder=folder, workers=1))


def test_a_damaged_entry_is_made_anew(samples: list[Sample], folder: Path) -> None:
    first = inspect(samples, folder=folder, workers=1)
    with sqlite3.connect(folder / FILE) as connection:
        connection.execute("UPDATE kept SET body = zeroblob(length(body)) WHERE rowid = 2")
    connection.close()
    with pytest.warns(UserWarning, match="1 entries are damaged"):
        assert_same(first, inspect(samples, folder=folder, workers=1))
    assert_same(first, inspect(samples, folder=folder, workers=1))


def test_a_file_in_place_of_the_folder_is_named(samples: list[Sample], folder: Path) -> None:
    folder.write_text("")
    for place in (folder, folder / "deep"):
        with pytest.raises(DataError, match=rf"{place}: cannot be used \(.*\); give another folder"):
            inspect(samples, folder=place, workers=1)


def test_a_folder_that_cannot_be_used_is_named(samples: list[Sample], folder: Path) -> None:
    (folder / FILE).mkdir(parents=True)
    with pytest.raises(DataError, match=rf"{FILE}: cannot be used"):
        inspect(samples, folder=folder, workers=1)


def test_another_version_looks_again(
    samples: list[Sample], folder: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    inspect(samples, folder=folder, workers=1)
    decoded.clear()
    monkeypatch.setattr(inspection_look, "VERSION", inspection_look.VERSION + 1)
    inspect(samples, folder=folder, workers=1)
    assert len(decoded) == 2 * COUNT - 1


RUN = """
import os, signal, sys
from pathlib import Path
from epiluma.datasets import inspection
from tests.datasets.test_inspection import sample

def kill(done, total):
    if done == 4 and sys.argv[3] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    inspection.CHUNK = 2
    samples = [sample(path) for path in sorted(Path(sys.argv[1]).glob("?.png"))]
    found = inspection.inspect(samples, folder=Path(sys.argv[2]), workers=int(sys.argv[4]), progress=kill)
    print(len(found), found.thumbs.astype(int).sum(), int((found.error == "").sum()))
"""


def run(tmp_path: Path, folder: Path, *, kill: bool, workers: int) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "run.py"
    script.write_text(RUN)
    arguments = [str(tmp_path), str(folder), "kill" if kill else "", str(workers)]
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def test_a_killed_run_keeps_all_but_its_last_chunk(
    samples: list[Sample], tmp_path: Path, folder: Path, decoded: list[int]
) -> None:
    assert run(tmp_path, folder, kill=True, workers=1).returncode == -signal.SIGKILL
    found = inspect([sample(s.path) for s in samples], folder=folder, workers=1)
    assert len(decoded) == COUNT - 4
    assert (found.error == "").all()


@pytest.mark.slow
def test_several_processes_find_the_same(samples: list[Sample], tmp_path: Path, folder: Path) -> None:
    expected = inspect([sample(s.path) for s in samples], folder=tmp_path / "alone", workers=1)
    done = run(tmp_path, folder, kill=False, workers=2)
    assert done.stdout.split() == [str(COUNT), str(expected.thumbs.astype(int).sum()), str(COUNT)], done.stderr
