"""How much of a heat map lies on the lesion, on maps with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epiluma.imaging.preprocess import Box
from epiluma.inference.explain import explain, heat_of

WHOLE = Box(0, 0, 40)


def left_half() -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[:, :20] = True
    return mask


def test_the_share_is_of_what_speaks_for_the_diagnosis() -> None:
    heat = np.zeros((4, 4), np.float32)
    heat[0, 0], heat[3, 3] = 3, 1
    found = explain(heat, "MEL", left_half(), WHOLE)
    assert (found.diagnosis, found.cells) == ("MEL", (4, 4))
    assert found.share_inside == pytest.approx(0.75)


def test_a_cell_on_the_edge_counts_in_part_and_the_square_may_lie_anywhere() -> None:
    heat = np.ones((1, 2), np.float32)
    assert explain(heat, "MEL", left_half(), Box(10, 0, 40)).share_inside == pytest.approx(0.25, abs=0.01)
    assert explain(heat, "MEL", left_half(), Box(20, 0, 40)).share_inside == pytest.approx(0, abs=0.01)


def test_nothing_is_said_without_outline_or_heat() -> None:
    assert explain(np.ones((2, 2), np.float32), "NV", None, WHOLE).share_inside is None
    assert explain(np.zeros((2, 2), np.float32), "NV", left_half(), WHOLE).share_inside is None


def test_what_speaks_against_a_leaf_is_left_out() -> None:
    activations = np.arange(-4, 4, dtype=np.float32).reshape(2, 2, 2)
    assert (heat_of(activations, 0) == 0).all()
    assert (heat_of(activations, 1) == activations[1]).all()


@given(st.integers(0, 2**32 - 1))
def test_the_shares_of_a_mask_and_of_the_rest_make_the_whole(seed: int) -> None:
    random = np.random.default_rng(seed)
    heat, mask = random.random((7, 7)).astype(np.float32), random.random((40, 60)) < 0.4
    parts = [explain(heat, "NV", half, Box(7, 3, 30)).share_inside for half in (mask, ~mask)]
    assert parts[0] is not None
    assert parts[1] is not None
    assert sum(parts) == pytest.approx(1, abs=0.01)  # Pillow rounds each cell to 1/255
