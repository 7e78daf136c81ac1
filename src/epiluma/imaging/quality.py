"""Whether a photo can be judged at all: size, light, contrast and sharpness.

The bounds refuse photos that show nothing, not photos that are merely poor. Measured on 256 px squares
(the long form of `tests/imaging/test_quality.py` checks the counts, except for the last row, on another random draw):

                              sharpness        contrast         brightness
    1,500 HAM10000 images     1.85 to 42.9     4.9 to 72.8      83 to 221      0 refused
    124 originals 600 x 450   3.34 to 15.0     5.0 to 55.3      94 to 215      0 refused
    300 blurred, sigma 8      0.83 to 1.42     4.3 to 70.1      96 to 206      300 refused
    the same, JPEG quality 75 0.74 to 1.79     4.3 to 70.1      96 to 206      300 refused

The bounds were set on these very images, so the zeros are no forecast. Rounding to whole grey levels alone gives a
sharpness of about 1.3, so blur hardly falls below that.
"""

from __future__ import annotations

import msgspec
import numpy as np
from PIL import Image

from epiluma.imaging.decode import Decoded
from epiluma.imaging.preprocess import to_square

SIDE = 256
"""Pixels of the square on which everything is measured, so that the bounds hold for photos of any size."""
MIN_SIDE, MIN_SHARPNESS, MIN_CONTRAST = 96, 1.8, 3.5
MIN_BRIGHTNESS, MAX_BRIGHTNESS = 45.0, 235.0

TOO_SMALL = "The photo is too small. Send the photo as the camera took it, or move closer."
EMPTY = "The photo shows only one colour. Point the camera at the mark and take it again."
TOO_DARK = "The photo is too dark. Take it again in daylight or with the flash."
TOO_BRIGHT = "The photo is too bright. Take it again without glare and without the flash."
BLURRED = "The photo is blurred. Hold still, tap the mark to focus, and take it again."


class QualityGrade(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a photo is good enough to judge, and why not when it is not."""

    usable: bool
    reasons: tuple[str, ...]
    """Plain sentences, worst first; empty when nothing was found."""
    sharpness: float
    """Standard deviation of the Laplacian of the grey image at 256 px, grey levels."""
    brightness: float
    """Mean grey level, 0 to 255."""
    contrast: float
    """Standard deviation of the grey level, grey levels."""


def grade_decoded(photo: Decoded) -> QualityGrade:
    """Grade a photo as it was decoded, by the size that its file has."""
    return grade_quality(photo.image, shorter_side=min(photo.width, photo.height))


def grade_quality(photo: Image.Image, *, shorter_side: int | None = None) -> QualityGrade:
    """Grade an upright RGB photo. `shorter_side` is the original's, pixels, when `photo` was decoded smaller."""
    grey = to_square(photo.convert("L"), SIDE).astype(np.float32)  # one channel to resize instead of three
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * grey[1:-1, 1:-1]
    sharpness, brightness, contrast = float(laplacian.std()), float(grey.mean()), float(grey.std())
    found = {
        TOO_SMALL: (shorter_side or min(photo.size)) < MIN_SIDE,
        TOO_DARK: brightness < MIN_BRIGHTNESS,
        TOO_BRIGHT: brightness > MAX_BRIGHTNESS,
        EMPTY: contrast < MIN_CONTRAST,
        BLURRED: contrast >= MIN_CONTRAST and sharpness < MIN_SHARPNESS,  # one colour is not blur
    }
    reasons = tuple(reason for reason, true in found.items() if true)
    return QualityGrade(
        usable=not reasons,
        reasons=reasons,
        sharpness=round(sharpness, 2),
        brightness=round(brightness, 1),
        contrast=round(contrast, 2),
    )
