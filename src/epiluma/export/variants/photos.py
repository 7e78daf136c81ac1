"""Photos to convert and compare with: found by part, decoded and graded exactly as the runtime does."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from epiluma.bundle import Bundle
from epiluma.datasets import manifest as manifests
from epiluma.datasets import split as splits
from epiluma.export.variants.network import VariantError
from epiluma.imaging.decode import PhotoError
from epiluma.imaging.quality import grade_decoded
from epiluma.inference.command import photo_files
from epiluma.inference.view import View

LEARNT = "train"
"""Part that ranges are taken from."""
COMPARED = ("validation", "calibration")
"""Parts on which formats are compared; the test part is left alone."""
Progress = Callable[[int, int], None]


class Pool(NamedTuple):
    """Where photos may be taken from."""

    learnt: tuple[Path, ...]
    compared: tuple[Path, ...]
    source: str
    """In words, for the certificate."""


class Photos(NamedTuple):
    """Photos that the runtime would judge."""

    ids: tuple[str, ...]
    """File names without suffix."""
    squares: npt.NDArray[np.uint8]
    """(n, S, S, 3)."""


def from_manifest(path: Path) -> Pool:
    """The parts of a data manifest (Parquet). Raises DataError, or VariantError when the parts are empty."""
    used = [entry for entry in manifests.read(path).entries if entry.used]
    learnt = tuple(entry.sample.path for entry in used if entry.part == LEARNT)
    return _pool(learnt, tuple(entry.sample.path for entry in used if entry.part in COMPARED), path.name)


def from_folder(folder: Path, split: Path | None) -> Pool:
    """The photos of a folder, told apart by a split's image ids, which are the file names without suffix.

    Without a split nothing says which photos a network may learn from: all are for comparing. Raises DataError, or
    VariantError when no photo is found.
    """
    files = tuple(path for path in photo_files([folder]) if isinstance(path, Path) and path.is_file())
    if split is None:
        return _pool((), files, folder.name)
    part = {image_id: assignment.part for image_id, assignment in splits.read(split).of.items()}
    learnt = tuple(path for path in files if part.get(path.stem) == LEARNT)
    compared = tuple(path for path in files if part.get(path.stem) in COMPARED)
    return _pool(learnt, compared, f"{folder.name} by {split.name}")


def read(paths: Sequence[Path], bundle: Bundle, count: int, *, progress: Progress | None = None) -> Photos:
    """Up to `count` photos, drawn with a fixed seed; one that the runtime would refuse or not judge is passed over."""
    view, size, order = View.of(bundle), bundle.manifest.preprocessing.size, sorted(paths)
    random.Random(0).shuffle(order)
    ids: list[str] = []
    squares = []
    for path in order:
        if len(ids) == count:
            break
        square = _square(path, view, size)
        if square is not None:
            ids.append(path.stem)
            squares.append(square)
            if progress:
                progress(len(ids), min(count, len(order)))
    return Photos(tuple(ids), np.stack(squares) if squares else np.empty((0, size, size, 3), np.uint8))


def _square(path: Path, view: View, size: int) -> npt.NDArray[np.uint8] | None:
    try:
        photo = view.open(path.read_bytes(), size)
    except (PhotoError, OSError):
        return None
    if not grade_decoded(photo).usable:
        return None
    return view.square(photo.image, view.box(photo.image, view.mask(photo.image)), size)


def _pool(learnt: tuple[Path, ...], compared: tuple[Path, ...], source: str) -> Pool:
    if not compared:
        raise VariantError(f"{source}: holds no photo to compare formats on (parts {' and '.join(COMPARED)})")
    return Pool(learnt, compared, source)
