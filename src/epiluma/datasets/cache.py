"""Decoded images, kept once in a memory-mapped array, so that an epoch reads memory instead of JPEG files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.datasets.record import DataError, Sample
from epiluma.imaging.decode import PhotoError, decode_photo
from epiluma.imaging.preprocess import to_square
from epiluma.imaging.quality import SIDE

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


NO_MASK = 255
"""All over the mask of an image that has none: nobody knows where the lesion is."""


class Squares(Protocol):
    """Another square of each photo than the largest centred one."""

    key: str
    """The same key, the same squares."""

    def decoded_side(self, size: int) -> int:
        """Of a photo's shorter side, pixels that are asked of decoding, so that its square may have `size`."""

    def __call__(self, photo: Image.Image, size: int) -> npt.NDArray[np.uint8]:
        """(size, size, 3) of an upright RGB photo."""


def decoded(
    samples: Sequence[Sample],
    *,
    size: int,
    folder: Path,
    progress: Progress | None = None,
    squares: Squares | None = None,
) -> npt.NDArray[np.uint8]:
    """(n, size, size, 3) uint8 in the samples' order: each photo's largest centred square, or another, resized.

    The array is a read-only memory map under `folder`, named by what went into it (ids, sizes and dates of the
    files, `size`), and made on first use: written under another name and renamed when complete, so that a
    killed run leaves nothing half-made in its place. Raises DataError naming an image that cannot be read.
    """
    facts = [(sample.image_id, *_stamp(sample.path)) for sample in samples]
    shape = (len(samples), size, size, 3)
    if squares is None:
        return _kept(folder, [size, *facts], shape, lambda i: _square(samples[i].path, size), progress)
    own, least = squares, squares.decoded_side(size)
    return _kept(folder, [own.key, size, *facts], shape, lambda i: own(_photo(samples[i].path, least), size), progress)


def masks(
    samples: Sequence[Sample], *, size: int, folder: Path, progress: Progress | None = None
) -> npt.NDArray[np.uint8]:
    """(n, size, size) uint8 in the samples' order: 1 on the lesion, 0 beside it, NO_MASK all over where none is named.

    The same square as of the photo, kept as `decoded` does. Raises DataError naming a mask that cannot be read.
    """
    facts = [(sample.image_id, *(_stamp(sample.mask) if sample.mask else ())) for sample in samples]

    def mask(i: int) -> npt.NDArray[np.uint8]:
        path = samples[i].mask
        if path is None:
            return np.full((size, size), NO_MASK, np.uint8)
        return (_square(path, size)[..., 0] >= 128).astype(np.uint8)

    return _kept(folder, ["masks", size, *facts], (len(samples), size, size), mask, progress)


def gather(
    squares: npt.NDArray[np.uint8], indices: npt.NDArray[np.intp], out: npt.NDArray[np.uint8] | None = None
) -> npt.NDArray[np.uint8]:
    """(b, S, S, 3) contiguous: the squares at `indices`; into `out` when given, whose pages are then already there.

    A new array of this size costs more than filling it. Raises IndexError for an index outside the cache.
    """
    if len(indices) and not 0 <= indices.min() <= indices.max() < len(squares):
        raise IndexError(f"indices {indices.min()} to {indices.max()} for {len(squares)} squares")
    result: npt.NDArray[np.uint8] = np.take(squares, indices, axis=0, out=out, mode="clip")  # `raise` would buffer
    return result


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    return stat.st_size, stat.st_mtime_ns


def _square(path: Path, size: int) -> npt.NDArray[np.uint8]:
    return to_square(_photo(path, max(size, SIDE)), size)  # decoded as far as a screening decodes


def _photo(path: Path, shorter_side: int) -> Image.Image:
    try:
        return decode_photo(path.read_bytes(), shorter_side=shorter_side).image
    except PhotoError as error:
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def _kept(
    folder: Path,
    facts: list[object],
    shape: tuple[int, ...],
    make: Callable[[int], npt.NDArray[np.uint8]],
    progress: Progress | None,
) -> npt.NDArray[np.uint8]:
    """The array whose rows `make` gives, from its file when the facts about it have not changed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]}.npy"
    if not path.is_file():
        _fill(path, shape, make, progress)
    array: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return array


def _fill(
    path: Path, shape: tuple[int, ...], make: Callable[[int], npt.NDArray[np.uint8]], progress: Progress | None
) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
    try:
        for i in range(shape[0]):
            array[i] = make(i)
            if progress:
                progress(i + 1, shape[0])
        array.flush()
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
