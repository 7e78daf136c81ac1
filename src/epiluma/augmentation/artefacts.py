"""What lies on the skin or before the lens, drawn as soft layers: hair, pen marks, bubbles, a ruler, dark corners.

Sizes are in shares of the image's side, judged by eye beside published dermoscopy (600 x 450 originals).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from epiluma.augmentation.chance import Uniform, chosen
from epiluma.augmentation.recipes import ARTEFACTS, Recipe
from epiluma.imaging.synthetic.fields import Floats, noise, rings, smoothstep, spots, strokes
from epiluma.imaging.synthetic.photo import FRAME, Rgb

BLACK: Rgb = (0, 0, 0)
WHITE: Rgb = (255, 255, 255)
HAIRS: tuple[Rgb, ...] = ((26, 18, 20), (52, 34, 32), (84, 50, 42), (96, 74, 58), (164, 122, 84))
"""Black, brown and, rarest, fair."""
HAIR_SHARE = (0.28, 0.28, 0.24, 0.12, 0.08)
INKS: tuple[Rgb, ...] = ((58, 48, 104), (44, 44, 72), (40, 62, 130), (30, 30, 36))
"""Violet, faded, blue and black skin markers."""
_PEN = 2
"""Lines are drawn this many times larger and averaged down: Pillow draws without antialiasing."""


class Layer(NamedTuple):
    """A colour laid over the picture: where `cover` is 0 nothing changes, where it is 1 the colour alone is seen."""

    cover: Floats
    """(size, size) in [0, 1]."""
    colour: Rgb
    """0 to 255."""


def lay_artefacts(pixels: Tensor, recipe: Recipe, generator: torch.Generator, uniform: Uniform) -> None:
    """Draw the recipe's artefacts on (n, 3, S, S) images in [0, 1], in place: each on its share of them."""
    seed = int(torch.randint(2**62, (), generator=generator))
    size = pixels.shape[-1]
    for kind, name in enumerate(ARTEFACTS):
        share = getattr(recipe, name)
        if not share:
            continue
        for i in chosen(share, uniform):
            # A stream of its own for each image and kind: no artefact depends on how many others were drawn.
            for cover, colour in DRAWINGS[name](np.random.default_rng([seed, kind, i]), size):
                target = torch.tensor(colour, dtype=torch.float32).div_(255)[:, None, None]
                pixels[i].lerp_(target.expand(pixels[i].shape), torch.from_numpy(cover))


def hair(random: np.random.Generator, size: int) -> list[Layer]:
    """3 to 22 long curved hairs that mostly lie one way, or 6 to 30 straight stubs, over a soft shadow."""
    shaved = random.random() < 0.3
    count = round(random.uniform(6, 30)) if shaved else round(3 + 19 * random.random() ** 1.5)
    lie, spread = random.uniform(0, 2 * np.pi), random.uniform(0.15, 0.9)
    thick = random.uniform(0.004, 0.009)
    paths, widths = [], []
    for _ in range(count):
        # Long hairs start beyond the edges as well: most are seen without their ends.
        start = size * (random.random(2) if shaved else random.uniform(-0.4, 1.1, 2))
        length = size * (random.uniform(0.05, 0.14) if shaved else random.uniform(0.5, 1.6))
        bend = 0.1 if shaved else random.uniform(0.2, 1.3)
        paths.append(start + length * _arc(random, lie + random.normal(0, spread), bend))
        widths.append(max(0.5, size * thick * random.uniform(0.6, 1.4)))
    cover = strokes((size, size), paths, widths, 0.0015 * size)
    drop = max(1, round(0.006 * size))
    shade = HAIRS[random.choice(len(HAIRS), p=HAIR_SHARE)]
    shadow: Floats = np.float32(0.25) * np.roll(cover, (drop, drop), (0, 1))
    return [Layer(shadow, BLACK), Layer(np.float32(random.uniform(0.75, 0.95)) * cover, shade)]


def ink(random: np.random.Generator, size: int) -> list[Layer]:
    """A felt-pen line around the lesion, or one or two across a corner, broken up by the furrows of the skin."""
    ring = random.random() < 0.5
    paths = [_ring(random)] if ring else [_corner_line(random) for _ in range(1 + int(random.random() < 0.4))]
    width = size * random.uniform(0.018, 0.04)
    cover = _lines(size, [path * size for path in paths], [width] * len(paths), soft=0.3 * width)
    dry = random.uniform(-0.7, 0.4)
    skin = noise(random, (size, size), 0.014 * size) + np.float32(0.6) * noise(random, (size, size), 0.007 * size)
    stain = np.float32(random.uniform(0.05, 0.25))
    grains = stain + (1 - stain) * smoothstep(dry, dry + 1.2, skin)
    strength = np.float32(random.uniform(0.5, 0.85))
    return [Layer(strength * cover * grains, INKS[random.integers(len(INKS))])]


def bubbles(random: np.random.Generator, size: int) -> list[Layer]:
    """1 to 12 bubbles of 1 to 4% of the side, now and then a large one at the edge: dark rim, bright ring, glint."""
    count = int(random.integers(1, 13))
    places = size * random.random((count, 2))
    radii = size * np.exp(random.normal(np.log(0.018), 0.45, count)).clip(0.008, 0.05)
    if random.random() < 0.3:
        angle = random.uniform(0, 2 * np.pi)
        places[0] = size * (0.5 + 0.55 * np.array([np.cos(angle), np.sin(angle)]))
        radii[0] = size * random.uniform(0.08, 0.2)
    shape, line = (size, size), max(0.7, 0.0055 * size)
    glints = np.maximum(radii.clip(max=0.03 * size) * 0.28, 0.6)
    strength = np.float32(random.uniform(0.5, 0.9))
    return [
        Layer(np.float32(0.35) * rings(shape, places, radii + line, line), BLACK),
        Layer(np.float32(0.08) * spots(shape, places, radii, line), WHITE),
        Layer(strength * rings(shape, places, radii, line), WHITE),
        Layer(strength * spots(shape, places - 0.45 * radii[:, None], glints, 0.4 * line), WHITE),
    ]


def ruler(random: np.random.Generator, size: int) -> list[Layer]:
    """Ticks along an edge, every fifth or tenth longer, grey and half transparent, a few degrees askew."""
    step, offset = size * random.uniform(0.014, 0.045), size * random.uniform(0.01, 0.14)
    short, every = size * random.uniform(0.015, 0.035), int(random.choice([5, 10]))
    tilt, first = random.normal(0, 0.03), int(random.integers(every))
    middle, along = size / 2, np.array([np.cos(tilt), np.sin(tilt)])
    inward = np.array([-along[1], along[0]])
    reach = int(0.75 * size / step)
    ticks = []
    for k in range(-reach, reach + 1):
        foot = np.array([middle, offset]) + k * step * along
        ticks.append(np.stack([foot, foot + inward * short * (1.9 if (k + first) % every == 0 else 1.0)]))
    if random.random() < 0.3:
        ticks.append(np.array([middle, offset]) + np.outer([-size, size], along))
    width = max(0.5, size * random.uniform(0.0025, 0.005))
    cover = np.rot90(_lines(size, ticks, [width] * len(ticks)), int(random.integers(4)))
    grey = float(random.uniform(15, 80))
    return [Layer(np.ascontiguousarray(np.float32(random.uniform(0.35, 0.9)) * cover), (grey, grey, grey + 6))]


def corners(random: np.random.Generator, size: int) -> list[Layer]:
    """A round field of view of 0.95 to 1.3 half-sides, not quite centred, with light falling off inside it."""
    axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size / 2) - 1
    x, y = random.normal(0, 0.05, 2).astype(np.float32)
    far = np.sqrt((axis[None, :] - x) ** 2 + (axis[:, None] - y) ** 2)
    edge, soft = random.uniform(0.95, 1.3), random.uniform(0.025, 0.1)
    falloff = np.float32(random.uniform(0.05, 0.35)) * np.minimum(far / np.float32(edge), 1) ** 3
    return [Layer(falloff, BLACK), Layer(smoothstep(edge - soft, edge + soft, far), FRAME)]


DRAWINGS: dict[str, Callable[[np.random.Generator, int], list[Layer]]] = {
    "hair": hair, "ink": ink, "bubbles": bubbles, "ruler": ruler, "corners": corners,
}  # fmt: skip
"""One per name in `ARTEFACTS`: layers for a square image of so many pixels a side, first one lowest."""


def _ring(random: np.random.Generator) -> npt.NDArray[np.float64]:
    """(60, 2) points of a wobbly circle about the middle that need not close, in shares of the side."""
    start, turn = random.uniform(0, 2 * np.pi), random.uniform(1.2, 2.1) * np.pi
    angle = start + np.linspace(0, turn, 60)
    phase = random.uniform(0, 2 * np.pi, 2)
    wobble = 1 + 0.09 * np.sin(2 * angle + phase[0]) + 0.04 * np.sin(3 * angle + phase[1])
    radius = random.uniform(0.32, 0.48) * wobble
    return np.stack([0.5 + radius * np.cos(angle), 0.5 + radius * np.sin(angle)], axis=1)


def _corner_line(random: np.random.Generator) -> npt.NDArray[np.float64]:
    """(25, 2) points of a curved line that passes the middle at 0.28 to 0.48 sides, in shares of the side."""
    angle, far = random.uniform(0, 2 * np.pi), random.uniform(0.28, 0.48)
    out = np.array([np.cos(angle), np.sin(angle)])
    length = random.uniform(0.3, 1.0)
    start = 0.5 + far * out - length / 2 * np.array([-out[1], out[0]])
    path: npt.NDArray[np.float64] = start + length * _arc(random, angle + np.pi / 2, 0.6)
    return path


def _arc(random: np.random.Generator, angle: float, bend: float) -> npt.NDArray[np.float64]:
    """(25, 2) points of a smooth curve of length 1 from (0, 0), turning by about `bend` radians, seldom back."""
    along = np.linspace(0, 1, 24)
    heading = angle + bend * (random.normal() * along + 0.7 * random.normal() * along**2)
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) / 24
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def _lines(size: int, paths: Sequence[npt.NDArray[np.floating]], widths: Sequence[float], soft: float = 0.0) -> Floats:
    """(size, size) in [0, 1]: polylines of constant width, blurred by `soft` pixels; one too thin is drawn paler."""
    canvas = Image.new("L", (size * _PEN, size * _PEN))
    pen = ImageDraw.Draw(canvas)
    for path, width in zip(paths, widths, strict=True):
        line = width * _PEN
        chain = (path * _PEN).ravel().tolist()
        pen.line(chain, fill=round(255 * min(1.0, line)), width=max(1, round(line)), joint="curve")
    small = canvas.reduce(_PEN).filter(ImageFilter.BoxBlur(soft))
    return np.asarray(small, np.float32) / np.float32(255)
