"""Decoded images, kept once in a memory-mapped array, so that an epoch reads memory instead of JPEG files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from epiluma.datasets.record import DataError, Sample
from epiluma.imaging.decode import PhotoError, decode_photo
from epiluma.imaging.preprocess import to_square

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


def decoded(
    samples: Sequence[Sample], *, size: int, folder: Path, progress: Progress | None = None
) -> npt.NDArray[np.uint8]:
    """(n, size, size, 3) uint8 in the samples' order: each photo's largest centred square, resized.

    The array is a read-only memory map under `folder`, named by what went into it (ids, sizes and dates of the
    files, `size`), and made on first use: written under another name and renamed when complete, so that a
    killed run leaves nothing half-made in its place. Raises DataError naming an image that cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_key(samples, size)}.npy"
    if not path.is_file():
        _decode_all(samples, size, path, progress)
    array: npt.NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return array


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


def _key(samples: Sequence[Sample], size: int) -> str:
    facts: list[object] = [size]
    for sample in samples:
        try:
            stat = sample.path.stat()
        except OSError as error:
            raise DataError(f"{sample.path}: {error.strerror}") from error
        facts.append((sample.image_id, stat.st_size, stat.st_mtime_ns))
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


def _decode_all(samples: Sequence[Sample], size: int, path: Path, progress: Progress | None) -> None:
    partial = path.with_suffix(f".{os.getpid()}.partial")
    array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=(len(samples), size, size, 3))
    try:
        for i, sample in enumerate(samples):
            try:
                photo = decode_photo(sample.path.read_bytes(), shorter_side=size)
            except PhotoError as error:
                raise DataError(f"{sample.path}: {error}") from error
            except OSError as error:
                raise DataError(f"{sample.path}: {error.strerror}") from error
            array[i] = to_square(photo.image, size)
            if progress:
                progress(i + 1, len(samples))
        array.flush()
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
