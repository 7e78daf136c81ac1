"""People in simple form: a face, a profile, a group, an eye, a mouth, a hand. Much skin, and nothing to screen."""

from __future__ import annotations

import numpy as np

from epiluma.imaging.synthetic.fields import Floats, Shape, cloud
from epiluma.imaging.synthetic.outside.sheet import Painter, Rgb, Sheet, colours, rgb
from epiluma.imaging.synthetic.photo import SKIN

_HAIR: tuple[Rgb, ...] = ((30, 22, 20), (86, 56, 36), (186, 150, 92), (130, 128, 126), (150, 70, 40))
_LIPS = np.array([0.82, 0.52, 0.55])


def _person(random: np.random.Generator) -> tuple[Rgb, Rgb, Rgb]:
    """Skin, lips and hair."""
    skin = np.array(SKIN)[random.integers(len(SKIN))] + random.normal(0, 6, 3)
    return rgb(skin), rgb(skin * _LIPS), _HAIR[random.integers(len(_HAIR))]


def _lit(random: np.random.Generator, picture: Floats) -> Floats:
    """Uneven light and the mottling of skin."""
    shape = picture.shape[:2]
    result: Floats = picture * (1 + 0.1 * cloud(random, shape, max(shape) / 2)[..., None])
    return result + 3 * cloud(random, shape, 4)[..., None]


def _head(sheet: Sheet, random: np.random.Generator, x: float, y: float, across: float) -> None:
    skin, lips, hair = _person(random)
    sheet.disc(x, y - across * 0.12, across * 1.15, hair, tall=1.25)
    sheet.disc(x, y + across * 0.05, across, skin, tall=1.3)
    for side in (-1, 1):
        eye = x + side * across * 0.2
        sheet.disc(eye, y - across * 0.05, across * 0.18, (242, 240, 238), tall=0.6)
        sheet.disc(eye, y - across * 0.05, across * 0.08, (50, 36, 30))
        sheet.arc((eye, y - across * 0.08), across * 0.28, (200, 340), hair, width=across * 0.03)
    sheet.line([(x, y), (x - across * 0.06, y + across * 0.2), (x + across * 0.03, y + across * 0.22)], lips, 0.006)
    sheet.disc(x, y + across * 0.4, across * random.uniform(0.25, 0.4), lips, tall=random.uniform(0.2, 0.5))


def face(random: np.random.Generator, shape: Shape) -> Floats:
    """One face, small or filling the picture."""
    sheet, across = Sheet(shape, colours(random, 2)[random.integers(2)]), random.uniform(0.35, 0.85)
    x, y = random.uniform(0.4, 0.6, 2)
    sheet.box(x - across * 0.25, y + across * 0.4, x + across * 0.25, 1, _person(random)[0])
    sheet.disc(x, 1.15, across * 1.8, colours(random, 3)[1], tall=0.8)
    _head(sheet, random, x, y, across)
    return _lit(random, sheet.pixels())


def group(random: np.random.Generator, shape: Shape) -> Floats:
    """Several people."""
    sheet = Sheet(shape, colours(random, 2)[0])
    for _ in range(random.integers(2, 6)):
        x, y, across = random.uniform(0.1, 0.9), random.uniform(0.25, 0.6), random.uniform(0.15, 0.3)
        sheet.disc(x, y + across * 1.6, across * 1.8, colours(random, 2)[1], tall=1.3)
        _head(sheet, random, x, y, across)
    return _lit(random, sheet.pixels())


def eye(random: np.random.Generator, shape: Shape) -> Floats:
    """One eye from near: a round dark pupil amid skin."""
    skin, lips, hair = _person(random)
    iris = colours(random, 2)[1]
    sheet, x, y = Sheet(shape, skin), random.uniform(0.4, 0.6), random.uniform(0.45, 0.6)
    across = random.uniform(0.6, 0.95)
    sheet.arc((x, y + 0.1), across * 1.3, (215, 325), hair, width=0.06)
    sheet.disc(x, y, across, (236, 230, 228), tall=random.uniform(0.4, 0.6), line=lips)
    sheet.disc(x, y, across * 0.4, iris)
    sheet.disc(x, y, across * 0.18, (14, 12, 12))
    sheet.disc(x - 0.04, y - 0.04, 0.05, (250, 250, 250))
    for step in np.linspace(-0.45, 0.45, 16):
        lid = y - across * 0.26 * np.sqrt(1 - (2 * step) ** 2 * 0.9)
        sheet.line([(x + step * across, lid), (x + step * across * 1.15, lid - 0.06)], hair, 0.006)
    return _lit(random, sheet.pixels())


def mouth(random: np.random.Generator, shape: Shape) -> Floats:
    """Lips and teeth from near."""
    skin, lips, _ = _person(random)
    sheet, x, y, across = Sheet(shape, skin), 0.5, random.uniform(0.4, 0.6), random.uniform(0.5, 0.9)
    sheet.disc(x, y, across, lips, tall=random.uniform(0.4, 0.6))
    sheet.disc(x, y, across * 0.8, (70, 24, 28), tall=0.32)
    for k in range(-4, 5):
        left = x + k * across * 0.075
        sheet.box(left, y - across * 0.1, left + across * 0.065, y - across * 0.01, (240, 236, 224))
    return _lit(random, sheet.pixels())


def hand(random: np.random.Generator, shape: Shape) -> Floats:
    """A palm with five fingers."""
    skin, lips, _ = _person(random)
    sheet, x, y = Sheet(shape, colours(random, 3)[random.integers(3)]), random.uniform(0.42, 0.58), 0.65
    across = random.uniform(0.35, 0.5)
    sheet.box(x - across * 0.3, y, x + across * 0.3, 1, skin)
    fingers = ((-1.1, 0.75), (-0.3, 1.05), (-0.05, 1.15), (0.2, 1.05), (0.45, 0.85))  # radians, length
    for k, (turn, length) in enumerate(fingers):
        root = (x + across * (-0.4 + 0.2 * k), y - across * (0.1 if k else -0.1))
        tip = (root[0] + across * length * np.sin(turn), root[1] - across * length * np.cos(turn))
        sheet.line([root, tip], skin, across * 0.2)
        sheet.disc(*tip, across * 0.2, skin)
        sheet.disc(tip[0], tip[1], across * 0.11, lips)
    sheet.disc(x, y, across, skin, tall=1.05)
    for step in (-0.1, 0.02, 0.14):
        sheet.arc((x, y + step), across * 0.7, (200, 330), lips, width=0.008)
    return _lit(random, sheet.pixels())


def profile(random: np.random.Generator, shape: Shape) -> Floats:
    """A face from the side."""
    skin, lips, hair = _person(random)
    sheet, x, y = Sheet(shape, colours(random, 2)[random.integers(2)]), random.uniform(0.45, 0.6), 0.5
    across = random.uniform(0.45, 0.8)
    sheet.disc(x + across * 0.12, y - across * 0.1, across, hair, tall=1.15)
    outline = [(0.0, -0.55), (-0.38, -0.35), (-0.42, -0.1), (-0.58, 0.12), (-0.42, 0.18), (-0.45, 0.3), (-0.4, 0.38),
               (-0.38, 0.55), (0.05, 0.6), (0.1, 1.2), (0.4, 1.2), (0.3, 0.2)]  # fmt: skip
    sheet.shape([(x + across * a, y + across * b) for a, b in outline], skin)
    sheet.disc(x - across * 0.3, y - across * 0.08, across * 0.08, (40, 30, 28))
    sheet.line([(x - across * 0.44, y + across * 0.3), (x - across * 0.3, y + across * 0.3)], lips, 0.02)
    sheet.disc(x + across * 0.15, y + across * 0.05, across * 0.16, lips, tall=1.5)
    return _lit(random, sheet.pixels())


KINDS: dict[str, Painter] = {
    "face": face, "group": group, "eye": eye, "mouth": mouth, "hand": hand, "profile": profile,
}  # fmt: skip
