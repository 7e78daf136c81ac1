"""Which images stand for a larger part."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def evenly(count: int, most: int) -> npt.NDArray[np.intp]:
    """(min(count, most),) indices below `count`, evenly spread in order; the same each time."""
    return np.linspace(0, count - 1, min(most, count)).astype(np.intp)
