"""A sheet to draw on in shares of its side, and the colours of pictures that are no skin but may look like it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from epiluma.imaging.synthetic.fields import Floats, Shape
from epiluma.imaging.synthetic.photo import SKIN

Rgb = tuple[int, int, int]
Painter = Callable[[np.random.Generator, Shape], Floats]
"""From a generator and (rows, columns) to (h, w, 3), 0 to 255."""
Point = tuple[float, float]
"""x and y as shares of width and height."""

_OVERSAMPLING = 2
_LESION: tuple[Rgb, ...] = ((92, 56, 44), (128, 82, 64), (64, 40, 38), (150, 88, 84), (110, 70, 90))


def colours(random: np.random.Generator, count: int) -> list[Rgb]:
    """`count` colours of one palette, palest first; four palettes in ten are those of skin and its marks."""
    kind = random.random()
    if kind < 0.4:
        skin = np.array(SKIN)[random.integers(len(SKIN))]
        pool = np.concatenate([[skin, skin * 0.9, skin * (1, 0.9, 0.86)], _LESION])
        picked = pool[random.choice(len(pool), count, replace=count > len(pool))] + random.normal(0, 8, (count, 3))
    elif kind < 0.6:
        picked = random.uniform(0, 255, (count, 3))
    elif kind < 0.8:
        base = random.uniform(30, 225, 3)
        picked = base + random.normal(0, 45, (count, 3))
    else:
        grey = random.uniform(20, 245, (count, 1))
        picked = grey + random.normal(0, 6, (count, 3))
    picked = np.clip(picked, 0, 255)
    order = np.argsort(-picked.sum(axis=1))
    return [rgb(colour) for colour in picked[order]]


def levels(colour: npt.ArrayLike) -> Floats:
    """(3,) float32, so that sums stay in it."""
    return np.array(colour, np.float32)


def rgb(colour: npt.ArrayLike) -> Rgb:
    """Whole levels, 0 to 255."""
    red, green, blue = (int(level) for level in np.clip(np.asarray(colour, np.float64), 0, 255))
    return red, green, blue


def blend(field: Floats, low: Rgb, high: Rgb) -> Floats:
    """(h, w) in [0, 1] -> (h, w, 3): `low` at 0, `high` at 1."""
    share = np.clip(field, 0, 1)[..., None]
    result: Floats = levels(low) + share * (levels(high) - levels(low))
    return result


def coordinates(shape: Shape) -> tuple[Floats, Floats]:
    """(1, w) x and (h, 1) y, 0 to 1 over the sheet."""
    rows, columns = shape
    x, y = ((np.arange(length, dtype=np.float32) + np.float32(0.5)) / np.float32(length) for length in (columns, rows))
    return x[None, :], y[:, None]


class Sheet:
    """Pillow's pen with antialiasing; all lengths are shares of the shorter side, all points of width and height."""

    def __init__(self, shape: Shape, colour: Rgb) -> None:
        self.width, self.height = shape[1] * _OVERSAMPLING, shape[0] * _OVERSAMPLING
        self._unit = min(self.width, self.height)
        self._image = Image.new("RGB", (self.width, self.height), colour)
        self._pen = ImageDraw.Draw(self._image)

    def box(
        self, left: float, top: float, right: float, bottom: float, fill: Rgb, *, outline: Rgb | None = None
    ) -> None:
        """A rectangle."""
        corners = (*self._at((left, top)), *self._at((max(left, right), max(top, bottom))))
        self._pen.rectangle(corners, fill=fill, outline=outline, width=_OVERSAMPLING)

    def disc(
        self, x: float, y: float, across: float, fill: Rgb | None, *, tall: float = 1.0, line: Rgb | None = None
    ) -> None:
        """An ellipse `across` wide and `tall` times as high; `line` is the colour of its edge."""
        reach_x, reach_y = across / 2 * self._unit, across / 2 * self._unit * tall
        middle_x, middle_y = self._at((x, y))
        corners = (middle_x - reach_x, middle_y - reach_y, middle_x + reach_x, middle_y + reach_y)
        self._pen.ellipse(corners, fill=fill, outline=line, width=max(1, round(0.012 * self._unit)))

    def shape(self, points: Sequence[Point], fill: Rgb) -> None:
        """A polygon."""
        self._pen.polygon([self._at(point) for point in points], fill=fill)

    def line(self, points: Sequence[Point], fill: Rgb, width: float = 0.008) -> None:
        """A polyline."""
        thick = max(1, round(width * self._unit))
        self._pen.line([self._at(point) for point in points], fill=fill, width=thick, joint="curve")

    def arc(self, centre: Point, across: float, degrees: Point, fill: Rgb, *, width: float) -> None:
        """Part of a circle, between two angles in degrees, clockwise from three o'clock."""
        reach = across / 2 * self._unit
        middle_x, middle_y = self._at(centre)
        box = (middle_x - reach, middle_y - reach, middle_x + reach, middle_y + reach)
        self._pen.arc(box, *degrees, fill=fill, width=max(1, round(width * self._unit)))

    def text(self, x: float, y: float, words: str, fill: Rgb, height: float) -> None:
        """One line of letters `height` high, from its upper left corner on."""
        font = ImageFont.load_default(max(6.0, height * self._unit))
        self._pen.text(self._at((x, y)), words, fill=fill, font=font)

    def pixels(self) -> Floats:
        """(h, w, 3) as drawn, averaged down."""
        return np.asarray(self._image.reduce(_OVERSAMPLING), np.float32)

    def _at(self, point: Point) -> Point:
        return point[0] * self.width, point[1] * self.height
