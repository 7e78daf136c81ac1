"""Pictures of chance: uniform, Gaussian and Perlin noise, blurred colours, colours of skin, salt and pepper, lines."""

from __future__ import annotations

import numpy as np

from epiluma.imaging.synthetic.fields import Floats, Shape, cloud, grain, noise
from epiluma.imaging.synthetic.outside.sheet import Painter, blend, colours, levels
from epiluma.imaging.synthetic.photo import SKIN


def uniform(random: np.random.Generator, shape: Shape) -> Floats:
    """Each pixel and channel, or each pixel, anywhere in a range of levels."""
    low, high = np.sort(random.uniform(0, 255, 2))
    grey = random.random() < 0.3
    drawn = random.uniform(low, high + 20, (*shape, 1 if grey else 3))
    return np.broadcast_to(drawn, (*shape, 3)).astype(np.float32)


def gaussian(random: np.random.Generator, shape: Shape) -> Floats:
    """Noise around one colour."""
    spread = random.uniform(8, 70)
    return (levels(colours(random, 1)[0]) + random.normal(0, spread, (*shape, 3))).astype(np.float32)


def perlin(random: np.random.Generator, shape: Shape) -> Floats:
    """Several octaves of smooth noise between two colours."""
    field = cloud(random, shape, max(shape) * random.uniform(0.05, 0.5), octaves=int(random.integers(2, 7)))
    first, second = colours(random, 2)
    return blend(0.5 + 0.4 * field, first, second)


def blurred(random: np.random.Generator, shape: Shape) -> Floats:
    """Smooth noise in each channel by itself."""
    cell = random.uniform(2, max(shape) / 4)
    planes = [128 + random.uniform(20, 90) * noise(random, shape, cell) for _ in range(3)]
    return np.stack(planes, axis=-1).astype(np.float32)


def skin_coloured(random: np.random.Generator, shape: Shape) -> Floats:
    """Smooth noise around the colour of a skin, with the colours of blood and pigment: skin without anything on it."""
    skin = levels(SKIN[random.integers(len(SKIN))])
    cell = random.uniform(2, max(shape) / 6)
    pigment, blood = (noise(random, shape, cell * scale)[..., None] for scale in (1, 1.7))
    strength = random.uniform(8, 45)
    grainy = random.normal(0, random.uniform(0, 12), (*shape, 1))
    result: Floats = (skin + strength * (pigment * (0.8, 1, 0.9) + blood * (0.2, 1, 0.7)) + grainy).astype(np.float32)
    return result


def salt_and_pepper(random: np.random.Generator, shape: Shape) -> Floats:
    """One colour of which some pixels are black or white."""
    picture = np.broadcast_to(levels(colours(random, 1)[0]), (*shape, 3)).copy()
    drawn, share = random.random(shape), random.uniform(0.02, 0.3)
    picture[drawn < share / 2] = 0
    picture[drawn > 1 - share / 2] = 255
    return picture


def lines(random: np.random.Generator, shape: Shape) -> Floats:
    """Streaks of a disturbed screen."""
    streaks = grain(random, shape, angle=random.choice([0, np.pi / 2]), length=max(shape), width=random.uniform(1, 6))
    first, second = colours(random, 2)
    return blend(0.5 + 0.35 * streaks, first, second) + random.normal(0, 10, (*shape, 3)).astype(np.float32)


KINDS: dict[str, Painter] = {
    "uniform": uniform, "gaussian": gaussian, "perlin": perlin, "blurred": blurred, "skin": skin_coloured,
    "salt_and_pepper": salt_and_pepper, "lines": lines,
}  # fmt: skip
