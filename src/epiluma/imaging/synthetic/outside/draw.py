"""One family and one seed in, one drawn picture out."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from epiluma.imaging.synthetic.fields import Floats, Shape, cloud, smoothstep
from epiluma.imaging.synthetic.outside import documents, drawings, faces, landscapes, noises, textures, things
from epiluma.imaging.synthetic.outside.sheet import Painter, coordinates, levels
from epiluma.imaging.synthetic.photo import FRAME

SIZE = (256, 256)
SMALLEST = 16
"""Side below which nothing can be recognised, pixels."""

FAMILIES: dict[str, dict[str, Painter]] = {
    "drawings": drawings.KINDS,
    "textures": textures.KINDS,
    "documents": documents.KINDS,
    "noise": noises.KINDS,
    "landscapes": landscapes.KINDS,
    "things": things.KINDS,
    "faces": faces.KINDS,
}
"""Family -> kind -> painter."""

BLOTTED = 0.3
"""Share of pictures with a round dark blot near the middle, as a lesion would be."""
SURROUNDED = 0.15
"""Share with the dark surround of a dermatoscope."""


@dataclass(frozen=True)
class DrawnOutside:
    """A picture that is no photo of a lesion."""

    image: npt.NDArray[np.uint8]
    """(H, W, 3) RGB."""
    family: str
    kind: str
    blotted: bool
    seed: int


def draw_outside(family: str, seed: int, *, size: tuple[int, int] = SIZE) -> DrawnOutside:
    """Draw the picture of a seed; the same arguments give the same bytes. Seeds go through the kinds in turn.

    `size` is width and height in pixels. Raises ValueError for an unknown family and for a seed or size out of range.
    """
    if family not in FAMILIES:
        raise ValueError(f"unknown family {family!r}; known are {', '.join(FAMILIES)}")
    if min(size) < SMALLEST or seed < 0:
        raise ValueError(f"give a seed from 0 on and {SMALLEST} pixels a side; got {seed}, {size[0]} x {size[1]}")
    kinds = FAMILIES[family]
    kind = list(kinds)[seed % len(kinds)]
    random = np.random.default_rng([seed, zlib.crc32(f"{family} {kind}".encode())])
    shape = (size[1], size[0])
    picture = kinds[kind](random, shape)
    blotted = bool(random.random() < BLOTTED)
    if blotted:
        picture = _blot(random, picture)
    if random.random() < SURROUNDED:
        picture = _surround(random, picture)
    return DrawnOutside(_exposed(random, picture), family, kind, blotted, seed)


def _blot(random: np.random.Generator, picture: Floats) -> Floats:
    """A round or ragged dark blot of the colours of a lesion."""
    shape = picture.shape[:2]
    x, y = coordinates(shape)
    at, radius = random.uniform(0.35, 0.65, 2), random.uniform(0.08, 0.3)
    ragged = np.float32(random.uniform(0, 0.06)) * cloud(random, shape, max(shape) / 6)
    distance = np.hypot(x - at[0], y - at[1]) + ragged
    soft = random.uniform(0.005, 0.06)
    cover = smoothstep(radius + soft, radius - soft, distance.astype(np.float32))[..., None]
    colour = levels(random.uniform((40, 25, 25), (140, 95, 85)))
    shade = colour * (1 + np.float32(0.25) * cloud(random, shape, max(shape) / 12)[..., None])
    result: Floats = (picture + random.uniform(0.7, 1) * cover * (shade - picture)).astype(np.float32)
    return result


def _surround(random: np.random.Generator, picture: Floats) -> Floats:
    shape = picture.shape[:2]
    x, y = coordinates(shape)
    edge = random.uniform(0.49, 0.62)
    outside = smoothstep(edge - 0.02, edge + 0.02, np.hypot(x - 0.5, y - 0.5).astype(np.float32))[..., None]
    result: Floats = picture + outside * (levels(FRAME) - picture)
    return result


def _exposed(random: np.random.Generator, picture: Floats) -> npt.NDArray[np.uint8]:
    """Lens blur in most, sensor noise in most, eight bits: as a camera would see the thing."""
    shape: Shape = (picture.shape[0], picture.shape[1])
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    if random.random() < 0.7:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.2, 1.6) * min(shape) / SIZE[0]))
    strength = random.uniform(0, 5)
    noisy = np.asarray(image, np.float32) + np.float32(strength) * random.standard_normal((*shape, 1), dtype=np.float32)
    return np.clip(noisy, 0, 255).astype(np.uint8)
