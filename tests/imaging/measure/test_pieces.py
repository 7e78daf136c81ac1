"""Pieces and holes are those of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from epiluma.imaging.measure.pieces import filled, largest_piece, piece_sizes

masks = st.tuples(st.integers(1, 20), st.integers(1, 20)).flatmap(lambda shape: arrays(bool, shape))


@given(masks.filter(np.any))
def test_the_largest_piece_is_scipy_s(mask: np.ndarray) -> None:
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())[1:]
    piece, pieces = largest_piece(mask)
    assert pieces == count
    assert np.array_equal(piece, labels == sizes.argmax() + 1)


@given(masks)
def test_the_sizes_of_pieces_are_scipy_s(mask: np.ndarray) -> None:
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    assert sorted(piece_sizes(mask)) == sorted(np.bincount(labels.ravel())[1:])


@given(masks)
def test_holes_are_filled_as_scipy_does(mask: np.ndarray) -> None:
    assert np.array_equal(filled(mask), ndimage.binary_fill_holes(mask))


@pytest.mark.parametrize("turns", range(4))
def test_a_long_winding_piece_is_one(turns: int) -> None:
    mask = np.zeros((41, 41), bool)
    for i in range(0, 40, 4):
        mask[i] = mask[i + 2] = True
        mask[i : i + 3, -1] = mask[i + 2 : i + 5, 0] = True
    assert largest_piece(np.rot90(mask, turns))[1] == 1
