"""DermaMNIST of MedMNIST (Yang et al. 2023, doi:10.1038/s41597-022-01721-8): HAM10000 squashed to small squares.

Layout: `dermamnist.npz` (28 px), `dermamnist_64.npz`, `dermamnist_128.npz` or `dermamnist_224.npz`; where several are
there, the largest is read, since all hold the same images. The official split leaks: photos of one lesion lie in more
than one part, and the file carries no lesion identifiers by which to mend it (Abhishek et al. 2024,
arXiv:2401.14497). Use HAM10000 itself for anything that is to be measured.

Images are written once as PNG into a folder beside the file, `dermamnist_224/train/00000.png`, numbered as in the
array. `akiec` joins actinic keratosis with squamous cell carcinoma: it is malignant, with no leaf.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.datasets import fields, table
from epiluma.datasets.record import DataError, MissingImage, Reading, Sample

LICENCE = "CC BY-NC 4.0"
_FILES = ("dermamnist_224.npz", "dermamnist_128.npz", "dermamnist_64.npz", "dermamnist.npz")
_PARTS = {"train": "train", "val": "validation", "test": "test"}
_LABELS = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
_LEAF: dict[str, str | None] = {
    "akiec": "", "bcc": "BCC", "bkl": "BKL", "df": "DF", "mel": "MEL", "nv": "NV", "vasc": "VASC",
}  # fmt: skip
_MARKER = "complete.sha256"
"""Hash of the npz that a folder was written from; written last."""
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError)
"""What zipfile raises for a file that is damaged, encrypted or compressed in another way."""
MOST = 20_000
"""Images of a part; the published one has 7,007 in its largest."""
WIDEST = 224
"""Side, pixels."""


class _Array(NamedTuple):
    """An array inside the npz, as its header declares it."""

    name: str
    shape: tuple[int, ...]
    start: int
    """Bytes before the data."""


def read(root: Path) -> Reading:
    """All images of the largest file; writes them beside it at the first reading.

    Raises DataError for a missing or damaged file, or when the images cannot be written.
    """
    path = next((root / name for name in _FILES if (root / name).is_file()), None)
    if path is None:
        raise DataError(f"{root}: none of {', '.join(_FILES)} is there; give the folder that holds one")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            with zipfile.ZipFile(file) as archive:
                labels = {part: _labels(path, archive, part) for part in _PARTS}
                folder = _written(path, archive, digest, {part: len(labels[part]) for part in _PARTS})
    except DataError:
        raise
    except _DAMAGE as error:
        raise DataError(f"{path}: is not an intact npz file ({error})") from error
    rows = (
        table.Row(f"{path}: {part}_labels[{i}]", {"image": f"{part}_{i:05}", "part": part, "label": str(label)})
        for part in _PARTS
        for i, label in enumerate(labels[part].tolist())
    )
    return table.collect(rows, lambda row: _sample(row.values, folder), id_column="image")


def _sample(row: dict[str, str], folder: Path) -> Sample:
    image_id, part, number = row["image"], row["part"], row["label"]
    if not 0 <= int(number) < len(_LABELS):
        raise DataError(f"label {number} is none of 0 to {len(_LABELS) - 1}")
    label = _LABELS[int(number)]
    image = folder / part / f"{image_id.removeprefix(part + '_')}.png"
    if not image.is_file():
        raise MissingImage(f"image {image_id} is not at {image}; delete {folder} to have all written again")
    leaf = fields.leaf_of(label, _LEAF)
    return Sample(
        image_id=image_id,
        path=image,
        diagnosis=leaf,
        malignant=None if leaf else True,
        label=label,
        source="dermamnist",
        modality="dermoscopy",
        licence=LICENCE,
        part=_PARTS[part],
        geometry="squashed",
    )


def _header(path: Path, archive: zipfile.ZipFile, name: str) -> _Array:
    """What an array claims to be, checked against the size of its member before any of it is read."""
    try:
        member = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise DataError(f"{path}: array {name} is missing; is this MedMNIST's file?") from None
    try:
        with archive.open(member) as file:
            # Later versions, which no array of plain bytes needs, may declare a header of gigabytes.
            if (version := np.lib.format.read_magic(file)) != (1, 0):
                raise ValueError(f"version {version} of the format")
            shape, column_major, dtype = np.lib.format.read_array_header_1_0(file)
            start = file.tell()
    except ValueError as error:
        raise DataError(f"{path}: array {name} has no readable header ({error})") from error
    if dtype != np.uint8 or column_major:
        raise DataError(f"{path}: array {name} holds {dtype}, not row-major bytes (uint8)")
    if start + math.prod(shape) != member.file_size:
        raise DataError(f"{path}: array {name} is {member.file_size:,} bytes long, not what its shape {shape} needs")
    return _Array(name, shape, start)


def _labels(path: Path, archive: zipfile.ZipFile, part: str) -> npt.NDArray[np.uint8]:
    """(n,) labels of a part."""
    array = _header(path, archive, f"{part}_labels")
    if array.shape[1:] not in {(), (1,)} or not array.shape or array.shape[0] > MOST:
        raise DataError(f"{path}: array {array.name} has the shape {array.shape}, not one label for each image")
    with archive.open(f"{array.name}.npy") as file:
        return np.frombuffer(file.read()[array.start :], np.uint8)


def _written(path: Path, archive: zipfile.ZipFile, digest: str, counts: dict[str, int]) -> Path:
    """The folder of PNG files, written now unless it is there from this very file; all of it or nothing."""
    folder = path.with_suffix("")
    marker = folder / _MARKER
    if marker.is_file() and marker.read_text(encoding="utf-8").strip() == digest:
        return folder
    if folder.exists() and not marker.is_file():
        raise DataError(f"{folder}: was not written from {path.name}; move it away, its images go there")
    arrays = {part: _images(path, archive, part, count) for part, count in counts.items()}
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    try:
        for part, array in arrays.items():
            (partial / part).mkdir(parents=True)
            with archive.open(f"{array.name}.npy") as file:
                for i, image in enumerate(_frames(file, array)):
                    image.save(partial / part / f"{i:05}.png", compress_level=1)
        (partial / _MARKER).write_text(f"{digest}\n", encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except OSError as error:
        raise DataError(
            f"{folder}: the images of {path.name} are written there as PNG, which is not possible "
            f"({error.strerror}); copy the file into a folder that can be written"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _images(path: Path, archive: zipfile.ZipFile, part: str, count: int) -> _Array:
    array = _header(path, archive, f"{part}_images")
    side = array.shape[1] if len(array.shape) == 4 else 0
    if array.shape != (count, side, side, 3) or not 0 < side <= WIDEST:
        raise DataError(
            f"{path}: array {array.name} has the shape {array.shape}, not {count} RGB squares of at most {WIDEST} px"
        )
    return array


def _frames(file: IO[bytes], array: _Array) -> Iterator[Image.Image]:
    """One image after the other: the largest part would fill a gigabyte at once."""
    count, side = array.shape[:2]
    file.read(array.start)
    for _ in range(count):
        yield Image.frombytes("RGB", (side, side), file.read(side * side * 3))
