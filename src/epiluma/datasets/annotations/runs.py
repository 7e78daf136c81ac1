"""Run-length codes: the lengths of runs of equal pixels, beginning with background.

COCO counts down the columns of the whole image and may pack the lengths into text; CVAT counts along the rows of the
region's box. pycocotools reads past the end of a damaged text, so texts are unpacked here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco_mask

from epiluma.datasets.annotations.region import Mask, check_count
from epiluma.datasets.record import DataError


def mask_of(runs: Sequence[int], height: int, width: int, *, by_column: bool = False) -> Mask:
    """(height, width) from the run lengths. Raises DataError when they do not fill it exactly."""
    check_count(len(runs), "runs")
    if min(runs, default=0) < 0 or sum(runs) != height * width:
        raise DataError(f"a run-length code of {sum(runs):,} pixels for {width} x {height}")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(width, height).T if by_column else flat.reshape(height, width)


def runs_of(mask: Mask) -> list[int]:
    """Run lengths along the rows. Raises DataError for more than can be read again."""
    flat = mask.ravel()
    ends = np.concatenate([np.flatnonzero(np.diff(flat)) + 1, [flat.size]])
    runs: list[int] = np.diff(ends, prepend=0).tolist()
    check_count(len(runs), "runs")
    return [0, *runs] if flat[0] else runs


def pack(mask: Mask) -> str:
    """COCO's text for a mask of the image's size. Raises DataError for more than can be read again."""
    code: bytes = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    check_count(len(code), "characters in a run-length code")
    return code.decode("ascii")


def unpack(text: str) -> list[int]:
    """Run lengths from COCO's text: 6 bits a character from `0` on, the last of a number without the bit 32.

    From the fourth on, a number is the difference to the one two before. Raises DataError.
    """
    check_count(len(text), "characters in a run-length code")
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 30:
            raise DataError(f"a damaged run-length code, near {character!r}")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:  # negative
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise DataError("a run-length code that is cut off")
    return runs
