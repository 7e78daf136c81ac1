"""DermaMNIST's npz: images written once as files, and an archive that is never trusted."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from epiluma.datasets.record import DataError
from epiluma.datasets.sources import dermamnist
from tests.datasets.published_others import write_dermamnist


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Fourteen images of 64 px: nine, two and three."""
    return write_dermamnist(tmp_path, 14)


def arrays(root: Path) -> dict[str, np.ndarray]:
    with np.load(root / "dermamnist_64.npz", allow_pickle=False) as file:
        return dict(file)


def write(root: Path, found: dict[str, np.ndarray]) -> None:
    np.savez_compressed(root / "dermamnist_64.npz", **found)


def test_every_image_is_written_as_it_is_and_labelled(root: Path) -> None:
    samples = dermamnist.read(root).samples
    expected = arrays(root)
    assert Counter(s.part for s in samples) == {"train": 9, "validation": 2, "test": 3}
    codes = ["", "BCC", "BKL", "DF", "MEL", "NV", "VASC"]
    for sample in samples:
        part, number = sample.image_id.split("_")
        with Image.open(sample.path) as image:
            assert (np.asarray(image) == expected[f"{part}_images"][int(number)]).all()
        assert sample.diagnosis == codes[expected[f"{part}_labels"][int(number), 0]]
        assert sample.path == root / "dermamnist_64" / part / f"{number}.png"
    assert {s.malignant for s in samples if s.label == "akiec"} == {True}
    assert {s.malignant for s in samples if s.label != "akiec"} == {None}
    assert {(s.geometry, s.lesion, s.licence) for s in samples} == {("squashed", "", "CC BY-NC 4.0")}


def test_the_largest_file_is_read(root: Path) -> None:
    write_dermamnist(root, 7, side=28)
    assert len(dermamnist.read(root).samples) == 14
    (root / "dermamnist_64.npz").unlink()
    assert {s.path.parent.parent.name for s in dermamnist.read(root).samples} == {"dermamnist"}


def test_images_are_written_once(root: Path) -> None:
    path = dermamnist.read(root).samples[0].path
    before = path.stat().st_mtime_ns
    dermamnist.read(root)
    assert path.stat().st_mtime_ns == before


def test_images_are_written_again_when_the_file_changes(root: Path) -> None:
    dermamnist.read(root)
    found = arrays(root)
    found["val_images"] = 255 - found["val_images"]
    write(root, found)
    sample = next(s for s in dermamnist.read(root).samples if s.image_id == "val_00001")
    with Image.open(sample.path) as image:
        assert (np.asarray(image) == found["val_images"][1]).all()
    assert {path.name for path in root.iterdir()} == {"dermamnist_64.npz", "dermamnist_64"}


def test_a_deleted_image_is_missing_and_the_message_says_what_to_do(root: Path) -> None:
    dermamnist.read(root).samples[0].path.unlink()
    (omitted,) = dermamnist.read(root).omitted
    assert (omitted.kind, omitted.image_id) == ("missing", "test_00000")
    assert f"delete {root / 'dermamnist_64'} to have all written again" in omitted.reason


def test_a_label_out_of_range_is_a_broken_row(root: Path) -> None:
    found = arrays(root)
    found["train_labels"][3] = 7
    write(root, found)
    reading = dermamnist.read(root)
    assert (len(reading.samples), reading.rows) == (13, 14)
    assert reading.omitted[0].where.endswith("dermamnist_64.npz: train_labels[3]")
    assert reading.omitted[0].reason == "label 7 is none of 0 to 6"


def test_a_folder_that_cannot_be_written_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(DataError, match=r"dermamnist_64: .* not possible \(Read-only file system\); copy the file"):
        dermamnist.read(root)


def test_a_folder_that_someone_else_made_is_left_alone(root: Path) -> None:
    (root / "dermamnist_64").mkdir()
    (root / "dermamnist_64" / "notes.txt").touch()
    with pytest.raises(DataError, match=r"dermamnist_64: was not written from dermamnist_64\.npz; move it away"):
        dermamnist.read(root)
    assert (root / "dermamnist_64" / "notes.txt").is_file()


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("val_labels", None, "is missing"),
        ("val_images", None, "is missing"),
        ("val_images", np.zeros((2, 64, 64, 3), np.float32), "holds float32, not row-major bytes"),
        ("val_images", np.zeros((2, 64, 64, 3), np.uint8, order="F"), "holds uint8, not row-major"),
        ("val_images", np.zeros((1, 64, 64, 3), np.uint8), "not 2 RGB squares of at most 224 px"),
        ("val_images", np.zeros((2, 64, 64), np.uint8), "not 2 RGB squares"),
        ("val_images", np.zeros((2, 300, 300, 3), np.uint8), "not 2 RGB squares"),
        ("val_labels", np.zeros((2, 2), np.uint8), "not one label for each image"),
        ("val_labels", np.zeros((), np.uint8), "not one label for each image"),
        ("val_labels", np.zeros((dermamnist.MOST + 1,), np.uint8), "not one label for each image"),
        ("val_labels", np.array([{}, {}], object), "holds object, not row-major bytes"),
    ],
)
def test_another_array_is_refused_and_nothing_is_written(
    root: Path, name: str, array: np.ndarray | None, reason: str
) -> None:
    found = arrays(root)
    found.pop(name)
    if array is not None:
        found[name] = array
    write(root, found)
    with pytest.raises(DataError, match=rf"^{root}/dermamnist_64\.npz: array {name} .*{reason}"):
        dermamnist.read(root)
    assert [path.name for path in root.iterdir()] == ["dermamnist_64.npz"]


def claim(shape: str) -> bytes:
    """An array's header with no data after it."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.zeros(2, np.uint8), version=(1, 0))
    return file.getvalue()[:-2].replace(b"(2,)", shape.encode())[: len(file.getvalue()) - 2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (claim("(2,)"), "is 128 bytes long, not what its shape"),
        (claim("(9,)") + bytes(100_000), "is 100,128 bytes long, not what its shape"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f", "has no readable header .*version"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "has no readable header"),
        (b"\x80\x04K\x01.", "has no readable header"),
        (b"", "has no readable header"),
    ],
)
def test_a_header_that_promises_something_else_is_refused(root: Path, content: bytes, reason: str) -> None:
    path = root / "dermamnist_64.npz"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, "val_labels.npy": content}.items():
            archive.writestr(name, data)
    with pytest.raises(DataError, match=f"array val_labels {reason}"):
        dermamnist.read(root)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:2000] + bytes(200) + data[2200:],
        lambda _: b"no archive",
    ],
)
def test_a_damaged_file_is_named_and_nothing_is_left(root: Path, damage: Callable[[bytes], bytes]) -> None:
    path = root / "dermamnist_64.npz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"dermamnist_64"):
        dermamnist.read(root)
    assert [left.name for left in root.iterdir()] == [path.name]


def test_a_folder_without_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{tmp_path}: none of dermamnist_224\.npz, .* is there"):
        dermamnist.read(tmp_path)
