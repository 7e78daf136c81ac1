"""Which square of a photo a network is shown: the largest centred one, or one around the lesion."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.bundle import Bundle, Crop
from epiluma.imaging.decode import Decoded, decode_photo
from epiluma.imaging.preprocess import Box, centred_box, lesion_box, to_square
from epiluma.imaging.quality import SIDE
from epiluma.inference.outline import Outliner
from epiluma.inference.session import DEFAULT_PROVIDER

Mask = npt.NDArray[np.bool_]
SPARE = 0.75
"""Decoding keeps twice the pixels that are asked for, so that even the smallest square has half as many again as the
network sees. With all of twice, a photo of 12 megapixels would take twice as long to screen."""


class View:
    """Photos in, their masks and the squares for the network out; both on one thread."""

    def __init__(self, outliner: Outliner | None, crop: Crop | None, interpolation: str = "bilinear") -> None:
        """Without an outliner there are no masks, and without a crop they do not move the square."""
        self.outliner, self.crop, self.interpolation = outliner, crop, interpolation

    @classmethod
    def of(cls, bundle: Bundle, *, provider: str = DEFAULT_PROVIDER) -> View:
        """The bundle's own. Raises SessionError and KnownAnswerMismatch."""
        manifest = bundle.manifest
        outliner = Outliner.of(bundle, provider=provider) if manifest.outline else None
        return cls(outliner, manifest.crop, manifest.preprocessing.interpolation)

    def open(self, data: bytes, size: int) -> Decoded:
        """A photo's bytes decoded as far as its quality and a square of `size` need. Raises PhotoError."""
        return decode_photo(data, shorter_side=self.decoded_side(size))

    def decoded_side(self, size: int) -> int:
        """Of a photo's shorter side, pixels: as many as its quality and a square of `size` need."""
        return max(SIDE, math.ceil(SPARE * self.shorter_side(size)))

    def mask(self, photo: Image.Image) -> Mask | None:
        """(height, width) of an upright RGB photo, true on the lesion; None when nothing outlines it."""
        return self.outliner.mask(photo) if self.outliner else None

    def box(self, photo: Image.Image, mask: Mask | None) -> Box:
        """Where in a photo with its mask the square lies."""
        if self.crop is None or mask is None:
            return centred_box(*photo.size)
        return lesion_box(mask, margin=self.crop.margin, least=self.crop.least)

    def square(self, photo: Image.Image, box: Box, size: int) -> npt.NDArray[np.uint8]:
        """(size, size, 3) uint8 of an upright RGB photo."""
        return to_square(photo, size, self.interpolation, box)

    def shorter_side(self, size: int) -> int:
        """Of a photo, pixels, so that any square of it may have `size` of its own: more may be lost in decoding."""
        return math.ceil(size / self.crop.least) if self.crop and self.crop.least else size
