"""Which places of a photo speak for a diagnosis, and how much of that lies on the lesion."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.imaging.preprocess import Box
from epiluma.inference.result import Explanation

Heat = npt.NDArray[np.float32]
"""(h, w), 0 and up: what each cell of the network's square adds to the logit of one diagnosis."""


def heat_of(activations: npt.NDArray[np.float32], leaf: int) -> Heat:
    """What speaks for a leaf in (leaves, h, w) activations; what speaks against it is left out."""
    heat: Heat = np.maximum(activations[leaf], 0)
    return heat


def explain(heat: Heat, code: str, mask: npt.NDArray[np.bool_] | None, box: Box) -> Explanation:
    """The record of a heat map over the square `box` of a photo with its mask (height, width)."""
    total, share = float(heat.sum()), None
    if mask is not None and total > 0:
        share = float((heat * _covered(mask, box, heat.shape)).sum()) / total
    return Explanation(diagnosis=code, share_inside=share, cells=(heat.shape[0], heat.shape[1]))


def _covered(mask: npt.NDArray[np.bool_], box: Box, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """(h, w) share of each cell of the square that is lesion."""
    whole = Image.fromarray(mask.astype(np.uint8) * 255)
    covered = whole.resize((shape[1], shape[0]), Image.Resampling.BOX, box=box.corners)
    return np.asarray(covered, np.float32) / np.float32(255)
