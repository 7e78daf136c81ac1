"""Perceptual hashes of thumbnails, and an index that finds the near ones without comparing all with all.

The hash is 63 signs of a thumbnail's lowest cosine coefficients (Zauner 2010, "pHash"). Turning or mirroring a
picture only swaps and negates coefficients, so one picture is indexed once, upright by a rule, and looked for in
those of its eight symmetries that the rule may have chosen. A crop is found because a picture is also looked for
through windows of itself. The index splits the hash into blocks and keeps one table per pair of blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]

BITS = 63
ORDER = 10
"""Cosine coefficients per axis."""
SPANS = ((0.0, 1.0), (0.0, 0.9), (0.05, 0.95), (0.1, 1.0), (1 / 8, 7 / 8), (1 / 6, 5 / 6))
"""Shares of one axis through which a picture is looked for: whole, crops to 90%, and the middle that a square
crop leaves of a 4:3 and of a 3:2 photo."""
WINDOWS = (*((a, b) for a in range(4) for b in range(4)), (0, 4), (4, 0), (0, 5), (5, 0))
"""(rows, columns) as indices of `SPANS`; the first is the whole frame."""
SYMMETRIES = tuple((swap, up, left) for swap in (0, 1) for up in (0, 1) for left in (0, 1))
"""(transpose first, then mirror rows, then mirror columns)."""
_TOLERANCE = 0.1
"""How far noise moves the quantities that decide which way is up: 99% stay within it on cropped JPEG 60 copies."""
_FLAT = 1.0
"""Grey levels of contrast (norm of the coefficients / 32) below which a picture has no hash."""
_EXPANDED = 1 << 19
"""Comparisons held in memory at a time."""

_NEAR = np.add.outer(np.arange(ORDER), np.arange(ORDER)) <= ORDER
_NEAR[0, 0] = False
_ROWS, _COLUMNS = (axis[np.argsort(np.add(*np.nonzero(_NEAR)), kind="stable")] for axis in np.nonzero(_NEAR))
_MIDDLE = np.zeros((ORDER, ORDER), np.float32)
_MIDDLE[0, 2] = _MIDDLE[2, 0] = 0.38  # medians over HAM10000: a dark blob in the middle of pale skin;
_MIDDLE[2, 2], _MIDDLE[0, 4], _MIDDLE[4, 0] = -0.34, -0.06, -0.06  # the median of all others is near zero


class Views(NamedTuple):
    """Ways of looking at pictures; one row each."""

    picture: Indices
    """(m,) index of the picture."""
    window: Indices
    """(m,) of `WINDOWS`."""
    symmetry: Indices
    """(m,) of `SYMMETRIES`, applied to the window's content."""
    spectrum: Floats
    """(m, 10, 10) cosine coefficients without the mean, unit length."""

    @property
    def codes(self) -> Codes:
        """(m,) their hashes."""
        return _packed((self.spectrum > _MIDDLE)[:, _ROWS, _COLUMNS])


def upright(grey: Floats) -> Views:
    """One view of each picture (n, S, S) that has contrast: whole, in the symmetry that the rule calls upright."""
    views = _views(grey, WINDOWS[:1], tolerance=0.0)
    first = np.unique(views.picture, return_index=True)[1]  # a picture with a symmetry of its own has two
    return Views._make(column[first] for column in views)


def lookups(grey: Floats) -> Views:
    """Every view of each picture (n, S, S) under which a copy, or the picture it was cropped from, may be indexed."""
    return _views(grey, WINDOWS, tolerance=_TOLERANCE)


def spectra(grey: Floats, windows: tuple[tuple[int, int], ...] = WINDOWS) -> Floats:
    """(n, S, S) -> (n, windows, 10, 10) cosine coefficients without the mean, unit length; zero for flat content."""
    bases = [_basis(*span, cells=grey.shape[1]) for span in SPANS]
    half = {a: np.matmul(bases[a], grey) for a in {a for a, _ in windows}}
    result = np.stack([np.matmul(half[a], bases[b].T) for a, b in windows], axis=1)
    result[..., 0, 0] = 0
    norms = np.linalg.norm(result, axis=(2, 3), keepdims=True)
    unit: Floats = (result / np.where(norms > _FLAT * grey.shape[1], norms, np.inf)).astype(np.float32)
    return unit


def turned(spectrum: Floats, symmetry: int) -> Floats:
    """(..., 10, 10) coefficients of the picture under one of `SYMMETRIES`."""
    swap, up, left = SYMMETRIES[symmetry]
    signs = np.outer((-1.0) ** (up * np.arange(ORDER)), (-1.0) ** (left * np.arange(ORDER))).astype(np.float32)
    result: Floats = (np.swapaxes(spectrum, -1, -2) if swap else spectrum) * signs
    return result


def turned_window(window: tuple[int, int], symmetry: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """(rows, columns) shares that one of `WINDOWS` covers of a picture after one of `SYMMETRIES`."""
    swap, up, left = SYMMETRIES[symmetry]
    rows, columns = (SPANS[span] for span in (window[::-1] if swap else window))
    return (1 - rows[1], 1 - rows[0]) if up else rows, (1 - columns[1], 1 - columns[0]) if left else columns


def turned_pictures(pictures: npt.NDArray[Any], symmetry: Indices) -> npt.NDArray[Any]:
    """(k, S, S) each under its own of `SYMMETRIES` (k,)."""
    result = np.empty_like(pictures)
    for which, (swap, up, left) in enumerate(SYMMETRIES):
        some = pictures[symmetry == which]
        some = some.swapaxes(1, 2) if swap else some
        result[symmetry == which] = some[:, :: -1 if up else 1, :: -1 if left else 1]
    return result


def signs(vectors: Floats) -> Codes:
    """(n, d) -> (n,) hashes of 63 bits: on which side of random planes each vector lies (Charikar 2002)."""
    planes = np.random.default_rng(0).standard_normal((vectors.shape[1], BITS)).astype(np.float32)
    return _packed(vectors @ planes > 0)


def _packed(bits: npt.NDArray[np.bool_]) -> Codes:
    padded = np.zeros((len(bits), 64), bool)
    padded[:, :BITS] = bits
    return np.packbits(padded, axis=1, bitorder="little").view("<u8")[:, 0].astype(np.uint64)


def _views(grey: Floats, windows: tuple[tuple[int, int], ...], *, tolerance: float) -> Views:
    """A view is upright when its left is brighter than its right, its top than its bottom, and its columns vary more
    towards the sides than its rows do towards top and bottom: each to within the tolerance.
    """
    of = spectra(grey, windows)
    found: list[tuple[Indices, Indices, Indices, Floats]] = []
    for symmetry in range(len(SYMMETRIES)):
        view = turned(of, symmetry)
        rules = (view[..., 1, 0], view[..., 0, 1], view[..., 0, 2] - view[..., 2, 0])
        picture, window = np.nonzero(np.all([rule >= -tolerance for rule in rules], axis=0) & view.any(axis=(2, 3)))
        found.append((picture, window, np.full(len(picture), symmetry), view[picture, window]))
    picture, window, which, spectrum = (np.concatenate(column) for column in zip(*found, strict=True))
    return Views(picture, window, which, spectrum)


def _basis(low: float, high: float, *, cells: int) -> Floats:
    """(10, cells): the orthonormal cosines (DCT-II) of the part [low, high] of an axis, resampled by area."""
    edges = np.linspace(low, high, cells + 1) * cells
    ends = np.minimum(edges[1:, None], np.arange(1, cells + 1))
    share = np.clip(ends - np.maximum(edges[:-1, None], np.arange(cells)), 0, None)
    share /= share.sum(axis=1, keepdims=True)
    cosines = np.cos(np.pi * np.arange(ORDER)[:, None] * (np.arange(cells) + 0.5) / cells) * np.sqrt(2 / cells)
    cosines[0] /= np.sqrt(2)
    basis: Floats = (cosines @ share).astype(np.float32)
    return basis


class HashIndex:
    """Codes of 63 bits, in tables by pairs of blocks: the codes near a given one, without looking at all of them."""

    def __init__(self, codes: Codes, *, blocks: int | None = None) -> None:
        """More blocks find more distant codes and cost more; by default fewer, the more codes there are."""
        self.codes = codes
        self.blocks = blocks or (9 if len(codes) < 30_000 else 8 if len(codes) < 300_000 else 7)
        edges = np.linspace(0, BITS, self.blocks + 1).astype(int).tolist()
        spans = list(pairwise(edges))
        self._tables = [_Table(codes, one, other) for one, other in combinations(spans, 2)]

    @property
    def radius(self) -> int:
        """Hamming distance up to which every code is found: it leaves at least two blocks untouched."""
        return self.blocks - 2

    def within(self, queries: Codes, distance: int) -> Iterator[tuple[Indices, Indices]]:
        """(query, code) indices at a Hamming distance of at most `distance`, in batches; each pair once or more.

        All of them when `distance` <= `radius`, otherwise those that share two blocks with the query.
        """
        for table in self._tables:
            for query, code in table.matches(queries):
                near = np.bitwise_count(queries[query] ^ self.codes[code]) <= distance
                yield query[near], code[near]


class _Table:
    """Codes sorted by the bits of two blocks."""

    def __init__(self, codes: Codes, *spans: tuple[int, int]) -> None:
        self._spans = spans
        keys = self._keys(codes)
        self._codes = np.argsort(keys, kind="stable")
        width = sum(high - low for low, high in spans)
        self._starts = np.searchsorted(keys[self._codes], np.arange((1 << width) + 1))

    def _keys(self, codes: Codes) -> Indices:
        keys = np.zeros(len(codes), np.uint64)
        for low, high in self._spans:
            keys = (keys << np.uint64(high - low)) | ((codes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1))
        return keys.astype(np.int64)

    def matches(self, queries: Codes) -> Iterator[tuple[Indices, Indices]]:
        """(query, code) indices with equal bits in both blocks, in batches of bounded memory."""
        keys = self._keys(queries)
        starts = self._starts[keys]
        counts = self._starts[keys + 1] - starts
        ends = np.cumsum(counts)
        begun = 0
        while begun < len(queries):
            before = int(ends[begun - 1]) if begun else 0
            until = max(begun + 1, int(np.searchsorted(ends, before + _EXPANDED, side="right")))
            query = np.repeat(np.arange(begun, until), counts[begun:until])
            nth = np.arange(len(query)) - np.repeat(
                ends[begun:until] - counts[begun:until] - before, counts[begun:until]
            )
            yield query, self._codes[starts[query] + nth]
            begun = until
