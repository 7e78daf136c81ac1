"""Which pixels of a mask hang together: the largest piece, and what an outline encloses.

Works on runs (stretches of True along a row), of which a mask has a few per row, so no pixel is visited twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
"""(H, W)."""
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class _Runs:
    """(n,) each, in reading order; `end` is the first column after the run."""

    row: Indices
    start: Indices
    end: Indices


def largest_piece(mask: Mask) -> tuple[Mask, int]:
    """(the piece with most pixels, how many pieces there are) of a mask that is not empty.

    Pixels that touch along a side or at a corner hang together. Of equal pieces the first in reading order is kept.
    """
    runs = _runs(mask)
    labels = _labels(runs, reach=1)
    names, piece = np.unique(labels, return_inverse=True)
    if len(names) == 1:
        return mask, 1
    sizes = np.bincount(piece, runs.end - runs.start)
    kept = piece == sizes.argmax()
    return _drawn(_Runs(runs.row[kept], runs.start[kept], runs.end[kept]), mask.shape), len(names)


def piece_sizes(mask: Mask) -> Indices:
    """(n,) pixels of each piece of a mask, in no order; none when it is empty. What hangs together: as above."""
    runs = _runs(mask)
    _, piece = np.unique(_labels(runs, reach=1), return_inverse=True)
    return np.bincount(piece, runs.end - runs.start).astype(np.intp)


def filled(mask: Mask) -> Mask:
    """The mask and whatever it encloses: background that cannot reach the frame by steps along sides."""
    background = _runs(~np.pad(mask, 1))
    labels = _labels(background, reach=0)
    outside = labels == labels[0]  # the padding, which comes first
    open_ = _Runs(background.row[outside], background.start[outside], background.end[outside])
    return ~_drawn(open_, (mask.shape[0] + 2, mask.shape[1] + 2))[1:-1, 1:-1]


def _runs(mask: Mask) -> _Runs:
    height, width = mask.shape
    edges = np.zeros((height, width + 2), bool)
    edges[:, 1:-1] = mask
    flat = np.flatnonzero(edges.ravel()[1:] != edges.ravel()[:-1])  # starts and ends in turn
    row, start = np.divmod(flat[::2], width + 2)
    return _Runs(row, start, flat[1::2] - row * (width + 2))


def _labels(runs: _Runs, *, reach: int) -> Indices:
    """(n,) the same number for runs that hang together; `reach` 1 lets corners join, 0 does not."""
    lower, upper = _neighbours(runs, reach)
    labels = np.arange(len(runs.row))
    while True:
        least = np.minimum(labels[lower], labels[upper])
        merged = labels.copy()
        for ends in (lower, upper):  # the root of each end learns of the smaller label
            np.minimum.at(merged, labels[ends], least)
            np.minimum.at(merged, ends, least)
        while not np.array_equal(shorter := merged[merged], merged):
            merged = shorter
        if np.array_equal(merged, labels):
            return labels
        labels = merged


def _neighbours(runs: _Runs, reach: int) -> tuple[Indices, Indices]:
    """Pairs (run, run in the next row) that touch."""
    width = int(runs.end.max(initial=0)) + 2
    starts, ends = runs.row * width + runs.start, runs.row * width + runs.end
    below = (runs.row + 1) * width
    first = np.searchsorted(ends, below + runs.start - reach, side="right")
    last = np.searchsorted(starts, below + runs.end + reach, side="left")
    # A reach beyond the row's ends would meet the rows before and after.
    first = np.maximum(first, np.searchsorted(runs.row, runs.row + 1, side="left"))
    last = np.minimum(last, np.searchsorted(runs.row, runs.row + 1, side="right"))
    count = np.maximum(last - first, 0)
    above = np.repeat(np.arange(len(runs.row)), count)
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return above, np.repeat(first, count) + offset


def _drawn(runs: _Runs, shape: tuple[int, ...]) -> Mask:
    """The mask that has these runs."""
    steps = np.zeros((shape[0], shape[1] + 1), np.int8)
    steps[runs.row, runs.start] = 1
    steps[runs.row, runs.end] = -1
    return np.asarray(np.cumsum(steps, axis=1, dtype=np.int8)[:, :-1], bool)
