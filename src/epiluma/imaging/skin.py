"""How light the skin around a lesion is: the individual typology angle (ITA), with its uncertainty.

ITA = atan2(L* - 50, b*) in degrees, in CIELAB under D65 (Chardon et al. 1991, doi:10.1111/j.1467-2494.1991.tb00561.x).
It was made for colorimeters. From a photo with unknown white balance and light it is good for comparing groups of
photos, and no measurement of one person; it is not a Fitzpatrick type either, which is about how skin burns.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from epiluma.imaging.artefacts import Artefacts, Frame, Mask
from epiluma.imaging.colour import linear_light
from epiluma.imaging.typology import GLARE, Category, camera_error, category_of, turn, typology_angle

__all__ = ["SkinTone", "category_of", "estimate_lesion", "skin_tone"]

MARGIN = 0.04
"""Skin this close to the lesion is left out: its edge is pigmented. Share of the frame's shorter side."""
MIN_PIXELS = 0.02
"""Less skin than this share of the frame gives no angle."""
SECTORS = 4
"""The frame is cut into 4 x 4 sectors; how their medians differ is the spread over the skin."""
STEP = 3
"""Every third row and column is looked at: the median over thousands of pixels needs no more."""


@dataclass(frozen=True)
class SkinTone:
    """The skin of one photo."""

    ita: float
    """Degrees; larger is lighter. NaN when too little skin is seen."""
    uncertainty: float
    """Standard uncertainty, degrees. NaN likewise."""
    pixels: int
    """Pixels of skin that were looked at."""

    @property
    def category(self) -> Category:
        """Del Bino's name for the angle; empty for NaN."""
        return category_of(self.ita)


def skin_tone(frame: Frame, lesion: Mask, artefacts: Artefacts | None = None) -> SkinTone:
    """The tone of what is neither lesion, its edge, hair, ink, dark surround nor glare, on a working frame.

    `lesion` (H, W) is a mask, or `estimate_lesion(frame)` where there is none.
    """
    skin = _skin(frame, lesion, artefacts)[::STEP, ::STEP]
    if skin.sum() < MIN_PIXELS * skin.size:
        return SkinTone(np.nan, np.nan, int(skin.sum()))
    pixels = frame[::STEP, ::STEP]
    middle = np.median(pixels[skin], axis=0) / 255
    angle = float(typology_angle(linear_light(middle)))
    uncertainty = np.hypot(_spread(pixels, skin, angle), camera_error(middle))
    return SkinTone(angle, float(uncertainty), int(skin.sum()))


def estimate_lesion(frame: Frame, artefacts: Artefacts | None = None) -> Mask:
    """A rough mask of the lesion: Otsu's threshold on the smoothed frame, the dark piece that lies most centrally.

    The threshold always finds something: without a lesion it is a shadow. Otsu 1979, doi:10.1109/TSMC.1979.4310076.
    """
    grey = cv2.blur(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (7, 7))
    seen = np.ones(grey.shape, bool) if artefacts is None else ~artefacts.dark_corners
    values = grey[seen]
    if not values.size or values.min() == values.max():
        return np.zeros(grey.shape, bool)
    threshold, _ = cv2.threshold(values.reshape(1, -1), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    dark = ((grey <= threshold) & seen).astype(np.uint8)
    count, labels = cv2.connectedComponents(dark, connectivity=4)
    if count == 1:
        return np.zeros(grey.shape, bool)
    centrality = np.outer(*(np.hanning(length + 2)[1:-1] for length in grey.shape))
    weight = np.bincount(labels.ravel(), centrality.ravel(), count)
    weight[0] = 0  # the background
    return np.asarray(labels == weight.argmax())


def _skin(frame: Frame, lesion: Mask, artefacts: Artefacts | None) -> Mask:
    reach = max(1, round(MARGIN * min(lesion.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    excluded = cv2.dilate(lesion.astype(np.uint8), disc).astype(bool)
    red, green, blue = cv2.split(frame)
    excluded |= cv2.min(cv2.min(red, green), blue) >= GLARE
    if artefacts is not None:
        dark = cv2.dilate(artefacts.dark_corners.astype(np.uint8), disc).astype(bool)  # it fades out
        excluded |= artefacts.hair | artefacts.ink | dark
    return ~excluded


def _spread(pixels: Frame, skin: Mask, angle: float) -> float:
    """Standard deviation of the angle over the sectors of the frame that show skin, degrees; of one sector's pixels."""
    rows, columns = (np.linspace(0, length, SECTORS + 1).astype(int) for length in skin.shape)
    colours = []
    for i in range(SECTORS):
        for j in range(SECTORS):
            part = (slice(rows[i], rows[i + 1]), slice(columns[j], columns[j + 1]))
            if skin[part].size and skin[part].mean() >= 0.25:
                colours.append(np.median(pixels[part][skin[part]], axis=0))
    several = len(colours) > 1
    angles = typology_angle(linear_light((np.array(colours) if several else pixels[skin]) / 255))
    return float(np.std(turn(angles - angle), ddof=int(several)))
