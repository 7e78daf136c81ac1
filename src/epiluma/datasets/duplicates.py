"""Duplicate photos: the same picture again, perhaps turned, mirrored, cropped, brightened or compressed anew.

`find` looks in three steps. Hashes (and a bundle's features) propose pairs without comparing all with all; the
proposed pairs are aligned on their thumbnails; what still agrees is aligned on the pixels of the files and must agree
in its details. Two photos of one lesion differ there (hairs, bubbles, the angle), unless the camera hardly moved
between them: such a pair is a duplicate here too.

A pair whose frames correlate as they lie, but not in detail, is a look-alike: mostly two lesions of one sitting under
one lamp. It is no duplicate, but a split keeps it together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.datasets import alignment, hashing
from epiluma.datasets.cache import Progress
from epiluma.datasets.groups import Kind, Pair
from epiluma.datasets.inspection import Inspections
from epiluma.datasets.record import DataError, Sample
from epiluma.imaging.decode import PhotoError, decode_photo

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Pictures = npt.NDArray[Any]
T = TypeVar("T")

HASH_DISTANCE = 11
"""Bits of 63 by which the hashes of a proposed pair may differ."""
SPECTRUM = 0.95
"""Least correlation of the low frequencies of a pair that the hashes propose."""
CLOSEST = 64
"""Of the pairs that the hashes propose for one picture, at most so many, the most alike, are looked at further."""
FEATURES_DISTANCE = 16
"""Bits of 63 by which the signs of a proposed pair's features may differ: a correlation of 0.9 makes 9 expected."""
FEATURES, FEATURES_SPECTRUM = 0.9, 0.9
"""Least correlation of the features, and then of the low frequencies, of a pair that the features propose."""
THUMBNAIL = 0.8
"""Least agreement of the aligned thumbnails' details, for a pair to be looked at closely."""
DETAIL = 0.78
"""Least agreement of the aligned pictures' texture. Of 100 such pairs of published photos none showed two lesions, and
31 were two photos from nearly one position: 1 in 7 from 0.92 on, none from 0.96 on (docs/evidence)."""
LOOK_ALIKE = 0.985
"""Least correlation of the frames of a look-alike, as they lie. The pairs of HAM10000 and ISIC 2017 that a 24 x 24
pixel search finds above it are one lesion or one picture but for one pair: two lesions under one lamp."""
PROMISING = 0.5
"""The same at half the size, for a pair to be aligned at full size: less is a stranger."""
OVERLAP = 0.5
"""Least share of a frame in which the two must agree."""
FULL_SIDE = 128
"""Pixels of the square to which a file's frame is squashed to compare its details."""
_BLOCK = 1024
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601

VERSION = 2
"""Raised with every change of what is found: results are kept under it."""


class _Candidates(NamedTuple):
    """k pairs that may be copies, each with the view in which they look alike."""

    fixed: Indices
    moving: Indices
    fixed_turn: Indices
    moving_turn: Indices
    """Of `hashing.SYMMETRIES`, in which the two are laid over each other."""
    maps: Floats
    """(k, 2, 3) of `alignment`, from the fixed picture to the moving one, both turned."""
    score: Floats

    def take(self, keep: npt.NDArray[np.bool_] | Indices) -> _Candidates:
        return _Candidates._make(column[keep] for column in self)


def find(
    inspections: Inspections,
    samples: Sequence[Sample],
    *,
    threshold: float = DETAIL,
    confirm: bool = True,
    progress: Progress | None = None,
) -> list[Pair]:
    """All pairs that are one picture, sorted: the same file, or the same picture turned, mirrored, cropped by a tenth,
    relit, compressed anew or squashed otherwise. And the look-alikes: pairs that are not, though their frames agree.

    Identical files are each paired with the first of them, and only that one is compared further. Without `confirm`
    no file is opened, `threshold` applies to the thumbnails, and other photos of a lesion may be among the pairs.
    Images with an `error` and images without contrast are in no near pair. `progress` counts the files opened.
    Raises DataError for a file that can no longer be read.
    """
    if len(inspections) != len(samples):
        raise DataError(f"{len(inspections)} inspections for {len(samples)} samples; inspect the samples again")
    exact, rows = _identical(inspections)
    grey = (inspections.thumbs[rows] @ _LUMA).astype(np.float32, copy=False)
    proposed = [*_by_hash(grey), *_by_features(inspections.features[rows], grey)]
    candidates = _one_of_each(proposed)
    found = _compare_thumbnails(candidates, grey)
    found = found.take(found.score >= (THUMBNAIL if confirm else threshold))
    if confirm:
        found = _compare_pixels(found, [samples[i] for i in rows], progress)
        found = found.take(found.score >= threshold)
    alike = _look_alikes(candidates, found, grey)
    return sorted(exact + _pairs(found, rows, "near") + _pairs(alike, rows, "alike"))


def _pairs(found: _Candidates, rows: Indices, kind: Kind) -> list[Pair]:
    ends = np.sort(rows[np.stack([found.fixed, found.moving])], axis=0)
    return [Pair(a, b, s, kind) for a, b, s in zip(*ends.tolist(), found.score.tolist(), strict=True)]


def _identical(inspections: Inspections) -> tuple[list[Pair], Indices]:
    """Pairs of files with the same bytes, and the readable images that are the first of their bytes."""
    readable = np.flatnonzero((inspections.error == "") & (inspections.sha256 != ""))
    _, first, group = np.unique(inspections.sha256[readable], return_index=True, return_inverse=True)
    original = readable[first][group]
    copies = original != readable
    pairs = [Pair(int(a), int(b), 1.0, "exact") for a, b in zip(original[copies], readable[copies], strict=True)]
    return pairs, readable[~copies]


def _by_hash(grey: Floats) -> list[_Candidates]:
    upright = hashing.upright(grey)
    index = hashing.HashIndex(upright.codes)

    def look_up(part: slice) -> _Candidates:
        views = hashing.lookups(grey[part])
        picture = views.picture + part.start
        hits = []
        for view, code in index.within(views.codes, HASH_DISTANCE):
            score = np.einsum("kij,kij->k", views.spectrum[view], upright.spectrum[code])
            alike = (score >= SPECTRUM) & (picture[view] != upright.picture[code])
            hits.append((view[alike], code[alike], score[alike]))
        if not hits:  # no picture of the block has contrast
            return _NONE
        view, code, score = (np.concatenate(column) for column in zip(*hits, strict=True))
        fixed, moving = upright.picture[code], picture[view]
        turns = upright.symmetry[code], views.symmetry[view]
        each = _one_of_each([_Candidates(fixed, moving, *turns, _starts(views.window[view], turns[1]), score)])
        return each.take(_rank(each.moving, each.score) < CLOSEST)

    return _in_blocks(look_up, len(grey), _BLOCK)


def _in_blocks(work: Callable[[slice], T], count: int, size: int) -> list[T]:
    """What `work` gives for each block of 0 to `count`, in order; on all cores, since numpy works outside the lock."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, [slice(i, min(i + size, count)) for i in range(0, count, size)]))


def _rank(of: Indices, score: Floats) -> Indices:
    """(k,) place of each score, best first from 0, among those with the same `of`."""
    order = np.lexsort((-score, of))
    starts = np.searchsorted(of[order], of[order])
    rank = np.empty(len(of), np.int64)
    rank[order] = np.arange(len(of)) - starts
    return rank


def _by_features(features: npt.NDArray[np.float16], grey: Floats) -> Iterator[_Candidates]:
    """Pairs whose features point the same way from the mean, in the view in which their thumbnails agree best."""
    if not features.shape[1] or len(features) < 2:
        return
    centred = features.astype(np.float32) - features.mean(axis=0, dtype=np.float32)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    codes = hashing.signs(centred)
    index = hashing.HashIndex(codes)
    for begun in range(0, len(codes), _BLOCK):
        for query, other in index.within(codes[begun : begun + _BLOCK], FEATURES_DISTANCE):
            one = query + begun
            alike = one < other
            alike[alike] = np.einsum("kd,kd->k", centred[one[alike]], centred[other[alike]]) >= FEATURES
            ends = np.unique(np.stack([one[alike], other[alike]]), axis=1)
            yield _best_views(ends[0], ends[1], grey)
            yield _best_views(ends[1], ends[0], grey)


def _best_views(fixed: Indices, moving: Indices, grey: Floats) -> _Candidates:
    whole = hashing.spectra(grey[fixed], hashing.WINDOWS[:1])
    through = hashing.spectra(grey[moving])
    each = [np.einsum("kwij,kwij->kw", hashing.turned(through, turn), whole) for turn in range(8)]
    fits = np.stack(each, axis=2).reshape(len(fixed), -1)
    window, turn = np.divmod(fits.argmax(axis=1) if len(fits) else np.empty(0, np.int64), 8)
    found = _Candidates(fixed, moving, np.zeros_like(turn), turn, _starts(window, turn), fits.max(axis=1, initial=-1))
    return found.take(found.score >= FEATURES_SPECTRUM)


def _starts(window: Indices, turn: Indices) -> Floats:
    """(k, 2, 3) maps onto windows of pictures that were turned as a whole."""
    table = [[alignment.through(*hashing.turned_window(w, t)) for t in range(8)] for w in hashing.WINDOWS]
    result: Floats = np.array(table)[window, turn]
    return result


def _one_of_each(parts: Sequence[_Candidates]) -> _Candidates:
    """The best view of each pair; a pair is the same both ways round."""
    parts = [_NONE, *parts]
    together = _Candidates._make(np.concatenate(column) for column in zip(*parts, strict=True))
    together = together.take(np.argsort(-together.score, kind="stable"))
    return together.take(np.unique(_names(together), return_index=True)[1])


def _names(candidates: _Candidates) -> Indices:
    """(k,) one number for each pair, the same both ways round."""
    low, high = np.minimum(candidates.fixed, candidates.moving), np.maximum(candidates.fixed, candidates.moving)
    names: Indices = (low << 32) | high
    return names


def _compare_thumbnails(candidates: _Candidates, grey: Floats) -> _Candidates:
    """Aligned at half the size; only where that leaves them close to the line, at full size."""
    coarse, fine = alignment.halved(grey), alignment.detail(grey, fine=0.3, coarse=1.5)
    maps, score = candidates.maps.copy(), candidates.score.copy()

    def compare(part: slice) -> None:
        maps[part] = alignment.align(*_laid(candidates, coarse, part), maps[part], steps=2).maps
        score[part] = alignment.correlation(*_laid(candidates, fine, part), maps[part])
        close = part.start + np.flatnonzero((score[part] >= THUMBNAIL - 0.1) & (score[part] < THUMBNAIL))
        maps[close] = alignment.align(*_laid(candidates, grey, close), maps[close], steps=2).maps
        score[close] = alignment.correlation(*_laid(candidates, fine, close), maps[close])

    _in_blocks(compare, len(score), _BLOCK)
    return candidates._replace(maps=maps, score=score)


def _look_alikes(candidates: _Candidates, found: _Candidates, grey: Floats) -> _Candidates:
    """Those candidates that were not found, though their frames correlate, turned but neither moved nor cropped."""
    centred = grey - grey.mean(axis=(1, 2), keepdims=True)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=(1, 2), keepdims=True), 1e-3)

    def correlate(part: slice) -> Floats:
        alike: Floats = np.einsum("kij,kij->k", *_laid(candidates, unit, part))
        return alike

    scores = _in_blocks(correlate, len(candidates.score), _BLOCK)
    judged = candidates._replace(score=np.concatenate([_NONE.score, *scores]))
    missed = ~np.isin(_names(judged), _names(found))
    return judged.take((judged.score >= LOOK_ALIKE) & missed)


def _laid(candidates: _Candidates, pictures: Pictures, which: slice | Indices) -> tuple[Pictures, Pictures]:
    """The fixed and the moving picture of some pairs, each turned as its pair wants it."""
    fixed = hashing.turned_pictures(pictures[candidates.fixed[which]], candidates.fixed_turn[which])
    moving = hashing.turned_pictures(pictures[candidates.moving[which]], candidates.moving_turn[which])
    return fixed, moving


def _compare_pixels(candidates: _Candidates, samples: Sequence[Sample], progress: Progress | None) -> _Candidates:
    needed, ends = np.unique(np.stack([candidates.fixed, candidates.moving]), return_inverse=True)
    frames = np.empty((len(needed), FULL_SIDE, FULL_SIDE), np.uint8)
    for k, i in enumerate(needed):
        frames[k] = _frame(samples[i])
        if progress:
            progress(k + 1, len(needed))
    renumbered = candidates._replace(fixed=ends[0], moving=ends[1])
    maps, score = candidates.maps.copy(), candidates.score.copy()

    def compare(part: slice) -> None:
        fixed, moving = (pictures.astype(np.float32) for pictures in _laid(renumbered, frames, part))
        coarse = alignment.halved(fixed), alignment.halved(moving)
        maps[part] = alignment.align(*coarse, maps[part], steps=3).maps
        score[part] = _agreement(*coarse, maps[part])
        close = np.flatnonzero(score[part] >= PROMISING)
        some = part.start + close
        maps[some], _, overlap = alignment.align(fixed[close], moving[close], maps[some], steps=2)
        score[some] = np.where(overlap >= OVERLAP, _agreement(fixed[close], moving[close], maps[some]), 0)

    _in_blocks(compare, len(score), _BLOCK // 4)
    return candidates._replace(maps=maps, score=score)


def _agreement(fixed: Floats, moving: Floats, maps: Floats) -> Floats:
    return alignment.correlation(alignment.texture(fixed), alignment.texture(moving), maps)


def _frame(sample: Sample) -> npt.NDArray[np.uint8]:
    """(128, 128) grey levels of the whole frame, squashed."""
    try:
        photo = decode_photo(sample.path.read_bytes(), shorter_side=FULL_SIDE // 2).image
    except (PhotoError, OSError) as error:
        raise DataError(f"{sample.path}: {getattr(error, 'strerror', None) or error}") from error
    return np.asarray(photo.convert("L").resize((FULL_SIDE, FULL_SIDE), Image.Resampling.BOX))


_NONE = _Candidates._make(
    np.empty(shape, kind) for shape, kind in [(0, np.int64)] * 4 + [((0, 2, 3), np.float32), (0, np.float32)]
)
