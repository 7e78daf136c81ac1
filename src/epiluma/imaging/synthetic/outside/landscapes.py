"""Places outdoors: hills, the sea, a town, woods, a road, the night sky."""

from __future__ import annotations

import numpy as np

from epiluma.imaging.synthetic.fields import Floats, Shape, cloud, grain, smoothstep, spots
from epiluma.imaging.synthetic.outside.sheet import Painter, Point, Rgb, Sheet, blend, colours, coordinates, levels


def _sky(random: np.random.Generator, shape: Shape) -> Floats:
    """A gradient with clouds and perhaps a sun."""
    pale, deep = colours(random, 2)
    _, y = coordinates(shape)
    haze = smoothstep(0.2, 1.2, cloud(random, shape, max(shape) / 3, octaves=5))
    picture = blend(np.clip(y * 1.4 + np.zeros(shape), 0, 1).astype(np.float32), deep, pale)
    picture += 0.7 * haze[..., None] * (np.float32(245) - picture)
    if random.random() < 0.5:
        centre = random.uniform((0.1, 0.05), (0.9, 0.4), (1, 2)) * (shape[1], shape[0])
        sun = spots(shape, centre, np.array([random.uniform(0.03, 0.1) * min(shape)]), 2.0)[..., None]
        picture += sun * (levels((255, 236, 180)) - picture)
    return picture


def _ridge(random: np.random.Generator, picture: Floats, level: float, height: float, colour: Rgb) -> Floats:
    """Everything below a rough line at about `level` (share of the height) gets the colour, with some detail."""
    rows, columns = picture.shape[:2]
    line = level + height * cloud(random, (4, columns), columns * random.uniform(0.1, 0.5), octaves=6)[0]
    _, y = coordinates((rows, columns))
    below = smoothstep(-0.006, 0.006, (y - line[None, :]).astype(np.float32))[..., None]
    detail = 1 + 0.18 * cloud(random, (rows, columns), 12, octaves=4)[..., None]
    result: Floats = (picture + below * (levels(colour) * detail - picture)).astype(np.float32)
    return result


def hills(random: np.random.Generator, shape: Shape) -> Floats:
    """Ridges, the near ones darker."""
    picture, tones = _sky(random, shape), colours(random, 4)
    for k in range(random.integers(2, 5)):
        picture = _ridge(random, picture, 0.4 + 0.15 * k, random.uniform(0.02, 0.14), tones[k % 4])
    return picture


def sea(random: np.random.Generator, shape: Shape) -> Floats:
    """Water to the horizon, a beach or a boat."""
    picture = _sky(random, shape)
    _, y = coordinates(shape)
    level = random.uniform(0.35, 0.65)
    waves = 0.5 + 0.25 * grain(random, shape, angle=0.0, length=max(shape) / 5, width=max(shape) / 60)
    pale, deep = colours(random, 2)
    below = smoothstep(-0.004, 0.004, (y - level + np.zeros(shape)).astype(np.float32))[..., None]
    picture = picture + below * (blend(waves, deep, pale) - picture)
    if random.random() < 0.6:
        picture = _ridge(random, picture, 0.85, 0.03, (214, 190, 150))
    return picture


def town(random: np.random.Generator, shape: Shape) -> Floats:
    """Houses with windows against the sky."""
    tones = colours(random, 5)
    sheet, x = Sheet(shape, tones[0]), -0.05
    while x < 1:
        width, top = random.uniform(0.08, 0.25), random.uniform(0.15, 0.7)
        sheet.box(x, top, x + width, 1, tones[random.integers(1, 5)])
        lit = random.random() < 0.5
        for row in np.arange(top + 0.04, 0.95, 0.07):
            for column in np.arange(x + 0.02, x + width - 0.03, 0.05):
                sheet.box(column, row, column + 0.025, row + 0.035, (245, 225, 150) if lit else (50, 56, 70))
        x += width * random.uniform(0.8, 1.1)
    return sheet.pixels() + 6 * cloud(random, shape, 6)[..., None]


def wood(random: np.random.Generator, shape: Shape) -> Floats:
    """Trunks and crowns."""
    picture, tones = _ridge(random, _sky(random, shape), 0.7, 0.04, colours(random, 1)[0]), colours(random, 4)
    rows, columns = shape
    for _ in range(random.integers(2, 9)):
        x, foot, tall = random.uniform(0, 1), random.uniform(0.7, 0.95), random.uniform(0.3, 0.65)
        places = np.array([x, foot - tall]) + random.normal(0, tall * 0.12, (24, 2))
        radii = random.uniform(0.04, 0.11, 24) * tall * 2 * min(shape)
        trunk = spots(shape, np.array([[x, foot - 0.05 * k] for k in range(int(tall * 16))]) * (columns, rows),
                      np.full(int(tall * 16), 0.03 * min(shape)), 1.0)  # fmt: skip
        picture = picture + trunk[..., None] * (levels((84, 62, 46)) - picture)
        crown = spots(shape, places * (columns, rows), radii, 1.5)[..., None]
        leaf = levels(tones[random.integers(4)]) * (1 + 0.25 * cloud(random, shape, 5)[..., None])
        picture = (picture + crown * (leaf - picture)).astype(np.float32)
    return picture


def road(random: np.random.Generator, shape: Shape) -> Floats:
    """A road to the horizon with a car on it."""
    field, grey, paint, body = colours(random, 4)
    sheet, x, level = Sheet(shape, field), random.uniform(0.3, 0.7), random.uniform(0.35, 0.55)
    sheet.box(0, 0, 1, level, (170, 200, 228) if random.random() < 0.6 else paint)
    left: Point = (random.uniform(-0.2, 0.2), 1.0)
    sheet.shape([(x - 0.02, level), (x + 0.02, level), (random.uniform(0.8, 1.2), 1.0), left], grey)
    for k in range(5):
        y = level + (1 - level) * (0.1 + 0.2 * k)
        sheet.line([(x, y), (x, y + 0.05)], (240, 236, 220), 0.006 + 0.004 * k)
    y, side = random.uniform(level + 0.15, 0.8), random.uniform(0.15, 0.4)
    sheet.box(x - side / 2, y - side * 0.25, x + side / 2, y + side * 0.15, body)
    sheet.box(x - side * 0.3, y - side * 0.5, x + side * 0.3, y - side * 0.2, (60, 70, 84))
    for step in (-0.3, 0.3):
        sheet.disc(x + step * side, y + side * 0.15, side * 0.25, (24, 24, 26))
    return sheet.pixels() + 8 * cloud(random, shape, 5)[..., None]


def night(random: np.random.Generator, shape: Shape) -> Floats:
    """Stars, a moon and a dark ridge."""
    _, dark = colours(random, 2)
    picture = blend(0.3 + 0.2 * cloud(random, shape, max(shape) / 3), (12, 14, 30), dark)
    places = random.random((int(random.integers(40, 250)), 2)) * (shape[1], shape[0])
    stars = spots(shape, places, random.uniform(0.3, 1.3, len(places)), 0.3)[..., None]
    moon = spots(shape, random.uniform(0.2, 0.6, (1, 2)) * (shape[1], shape[0]),
                 np.array([random.uniform(0.05, 0.18) * min(shape)]), 1.0)[..., None]  # fmt: skip
    picture = picture + stars * (np.float32(250) - picture)
    picture = picture + moon * (levels((238, 232, 212)) - picture)
    return _ridge(random, picture, random.uniform(0.65, 0.85), 0.08, (18, 18, 24))


KINDS: dict[str, Painter] = {
    "hills": hills, "sea": sea, "town": town, "wood": wood, "road": road, "night": night,
}  # fmt: skip
