"""One seed in, one drawn lesion out: photo, mask and diagnosis."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from epiluma.imaging.synthetic.diagnoses import PAINTERS
from epiluma.imaging.synthetic.photo import draw_person, photograph
from epiluma.taxonomy import UnknownDiagnosis

SIZE = (600, 450)
"""Width and height of a HAM10000 original, pixels."""

SMALLEST = 16
"""Side below which nothing can be recognised, pixels."""


@dataclass(frozen=True)
class DrawnLesion:
    """A drawn photo and the truth about it."""

    image: npt.NDArray[np.uint8]
    """(H, W, 3) RGB."""
    mask: npt.NDArray[np.bool_]
    """(H, W), true on the lesion."""
    diagnosis: str
    """Code in `epiluma.taxonomy.ISIC_2019`."""
    seed: int


def draw_lesion(
    seed: int, *, diagnosis: str | None = None, size: tuple[int, int] = SIZE, photo: int = 0
) -> DrawnLesion:
    """Draw the lesion of a seed; the same arguments give the same bytes.

    `size` is width and height in pixels. `photo` 0 is the first photo of the lesion; 1, 2, ... are later ones of
    the same lesion, turned and under other light. Raises UnknownDiagnosis, and ValueError for a size, seed or
    photo out of range.
    """
    if min(size) < SMALLEST:
        raise ValueError(f"a lesion cannot be drawn at {size[0]} x {size[1]} pixels; give at least {SMALLEST} a side")
    if seed < 0 or photo < 0:
        raise ValueError(f"seed and photo count from 0; got seed {seed}, photo {photo}")
    code = diagnosis if diagnosis is not None else list(PAINTERS)[_stream(seed, "diagnosis").integers(len(PAINTERS))]
    if code not in PAINTERS:
        raise UnknownDiagnosis(code, list(PAINTERS))
    # The lesion, the person and each photo have their own stream, so that one can change without the others.
    person = draw_person(_stream(seed, "person"))
    random = _stream(seed, code)
    shorter = min(size)
    radius, pixel = shorter * random.uniform(0.2, 0.36), shorter / SIZE[1]
    lesion = PAINTERS[code](random, radius, pixel)
    camera = _stream(seed, f"photo {photo}")
    if photo:
        lesion = lesion.turned(camera.uniform(15, 345), camera.uniform(0.88, 1.12))
    image, mask = photograph(camera, person, lesion, size=size)
    return DrawnLesion(image, mask, code, seed)


def _stream(seed: int, purpose: str) -> np.random.Generator:
    """An independent generator for one purpose of one seed."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])
