"""Picked images stand for the whole part."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from epiluma.export.picking import evenly


@given(count=st.integers(0, 500), most=st.integers(1, 600))
def test_indices_are_spread_over_all(count: int, most: int) -> None:
    found = evenly(count, most)
    assert len(found) == min(count, most)
    if count <= most:
        assert found.tolist() == list(range(count))
    elif most > 1:
        assert (found[0], found[-1]) == (0, count - 1)
        assert np.ptp(np.diff(found)) <= 1
