"""Copies correlate whatever was done to them, strangers do not, and the pairs are those of a plain corrcoef."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from epiluma.datasets import correlation
from epiluma.imaging.synthetic import draw_lesion
from tests.datasets.copies import Squares, as_jpeg, relit, symmetry

SIDE = 96


@pytest.fixture(scope="module")
def drawings() -> Squares:
    """Thirty lesions, three or four of each diagnosis."""
    return np.stack([draw_lesion(seed, size=(SIDE, SIDE)).image for seed in range(30)])


def pairs(squares: Squares, threshold: float = correlation.THRESHOLD) -> set[tuple[int, int]]:
    thumbs = correlation.thumbnails(squares)
    return {(i, j) for i, j, _ in correlation.near_duplicates(thumbs, threshold)}


CHANGES = {
    **{f"symmetry {k}": lambda square, k=k: symmetry(square, k) for k in range(8)},
    "darker": lambda square: relit(square, gain=0.7),
    "brighter": lambda square: relit(square, gain=0.8, offset=40),
    "less contrast": lambda square: relit(square, gain=0.4, offset=80),
    "colour cast": lambda square: (square * np.array([0.95, 0.85, 0.75])).astype(np.uint8),
    "JPEG 60": lambda square: as_jpeg(square, 60),
    "half the size": lambda square: np.asarray(
        Image.fromarray(square).resize((SIDE // 2, SIDE // 2)).resize((SIDE, SIDE))
    ),
    "turned, darker, JPEG 60": lambda square: as_jpeg(relit(symmetry(square, 5), gain=0.75), 60),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_planted_copy_is_found_and_nothing_else(drawings: Squares, change: str) -> None:
    planted = {3: 30, 11: 31, 26: 32}
    copies = [CHANGES[change](drawings[i]) for i in planted]
    assert pairs(np.concatenate([drawings, np.stack(copies)])) == set(planted.items())


def test_strangers_do_not_correlate(drawings: Squares) -> None:
    assert pairs(drawings) == set()


def test_another_photo_of_one_lesion_is_no_copy() -> None:
    """That is what the lesion identifier is for; the correlation only finds the same picture."""
    photos = [draw_lesion(seed, size=(SIDE, SIDE), photo=photo).image for seed in (1, 2, 3) for photo in (0, 1)]
    assert pairs(np.stack(photos)) == set()


@settings(max_examples=30, deadline=None)
@given(
    side=st.integers(24, 300),
    colours=st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=2, max_size=4),
)
def test_a_blank_photo_correlates_with_nothing(side: int, colours: list[tuple[int, int, int]]) -> None:
    blanks = [np.full((side, side, 3), colour, np.uint8) for colour in colours]
    assert pairs(np.stack(blanks), threshold=0.01) == set()


@settings(max_examples=30, deadline=None)
@given(side=st.integers(24, 80), seed=st.integers(0, 2**32 - 1))
def test_thumbnails_are_the_means_of_the_cells(side: int, seed: int) -> None:
    squares = np.random.default_rng(seed).integers(0, 256, (2, side, side, 3), np.uint8)
    found = correlation.thumbnails(squares)
    edges = [int(i * side / 24) for i in range(25)]
    for n, row, column in [(0, 0, 0), (0, 7, 13), (1, 23, 23), (1, 23, 0)]:
        cell = squares[n, edges[row] : edges[row + 1], edges[column] : edges[column + 1]].reshape(-1, 3)
        assert found[n, row, column] == pytest.approx(float((cell @ [0.299, 0.587, 0.114]).mean()), abs=1e-3)


def by_corrcoef(thumbs: npt.NDArray[np.float32], threshold: float) -> dict[tuple[int, int], float]:
    """The same by numpy's own correlation, pair by pair, symmetry by symmetry."""
    found = {}
    for i in range(len(thumbs)):
        for j in range(i + 1, len(thumbs)):
            views = [symmetry(thumbs[i], k).ravel() for k in range(8)]
            best = max(float(np.corrcoef(view, thumbs[j].ravel())[0, 1]) for view in views)
            if best > threshold:
                found[i, j] = best
    return found


@pytest.mark.parametrize("rows", [1, 2, 7, 16, 1000])
def test_pairs_agree_with_numpy_in_blocks_of_any_size(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(7)
    base = random.normal(0, 1, (4, 24, 24))
    thumbs = np.concatenate([base + noise * random.normal(0, 1, base.shape) for noise in (0, 0.3, 1, 2)])
    thumbs[5] = symmetry(thumbs[5], 6)
    thumbs = thumbs.astype(np.float32)
    monkeypatch.setattr(correlation, "_ROWS", rows)
    listed = list(correlation.near_duplicates(thumbs, 0.4))
    found = {(i, j): score for i, j, score in listed}
    assert len(found) == len(listed), "no pair twice"
    assert found == pytest.approx(by_corrcoef(thumbs, 0.4), abs=1e-5)
    assert 5 < len(found) < 16 * 15 / 2


def test_no_images_no_pairs() -> None:
    assert list(correlation.near_duplicates(np.empty((0, 24, 24), np.float32))) == []
