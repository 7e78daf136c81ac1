"""Rooms and what stands in them: a room, balls and fruit, cups, keys, shelves, a plate, coins."""

from __future__ import annotations

import numpy as np

from epiluma.imaging.synthetic.fields import Floats, Shape, cloud, smoothstep
from epiluma.imaging.synthetic.outside.sheet import Painter, Rgb, Sheet, blend, colours, coordinates, levels


def _ground(random: np.random.Generator, shape: Shape) -> Floats:
    """A table or a wall, unevenly lit."""
    first, second = colours(random, 2)
    x, y = coordinates(shape)
    light = 0.5 + random.normal(0, 0.5) * (x - 0.5) + random.normal(0, 0.5) * (y - 0.5)
    return blend((light + 0.1 * cloud(random, shape, max(shape) / 8, octaves=5)).astype(np.float32), second, first)


def _ball(picture: Floats, x: float, y: float, across: float, colour: Rgb) -> Floats:
    """A lit ball with its shadow (Lambert's cosine), light from the upper left."""
    rows, columns = picture.shape[:2]
    across_x, down_y = coordinates((rows, columns))
    unit = min(rows, columns)
    dx, dy = (across_x - x) * columns / unit * 2 / across, (down_y - y) * rows / unit * 2 / across
    shadow = 1 - 0.45 * smoothstep(1.3, 0.7, np.hypot(dx - 0.25, dy - 0.35).astype(np.float32))
    distance = np.hypot(dx, dy).astype(np.float32)
    depth = np.sqrt(np.clip(1 - distance**2, 0, 1))
    lambert = 0.3 + 0.7 * np.clip(-0.45 * dx - 0.55 * dy + 0.7 * depth, 0, 1)
    glint = smoothstep(0.25, 0.05, np.hypot(dx + 0.4, dy + 0.45).astype(np.float32))
    inside = smoothstep(1.02, 0.97, distance)[..., None]
    lit = levels(colour) * lambert[..., None] + 160 * glint[..., None]
    shaded = picture * shadow[..., None]
    result: Floats = (shaded + inside * (lit - shaded)).astype(np.float32)
    return result


def balls(random: np.random.Generator, shape: Shape) -> Floats:
    """Balls or fruit on a table."""
    picture, tones = _ground(random, shape), colours(random, 5)
    for _ in range(random.integers(1, 8)):
        x, y = random.uniform(0.15, 0.85, 2)
        picture = _ball(picture, x, y, random.uniform(0.15, 0.6), tones[random.integers(5)])
    return picture


def room(random: np.random.Generator, shape: Shape) -> Floats:
    """Floor and walls in perspective, with window, picture, table and lamp."""
    wall, side, floor, wooden, dark = colours(random, 5)
    sheet = Sheet(shape, wall)
    left, right, low = random.uniform(0.1, 0.3), random.uniform(0.7, 0.9), random.uniform(0.55, 0.75)
    top = random.uniform(0.05, 0.2)
    sheet.shape([(0, 1), (left, low), (right, low), (1, 1)], floor)
    sheet.shape([(0, 0), (left, top), (left, low), (0, 1)], side)
    sheet.shape([(1, 0), (right, top), (right, low), (1, 1)], side)
    x = random.uniform(left + 0.05, 0.5)
    sheet.box(x, top + 0.06, x + 0.2, top + 0.3, (205, 226, 240), outline=dark)
    sheet.line([(x + 0.1, top + 0.06), (x + 0.1, top + 0.3)], dark)
    x = random.uniform(0.2, 0.5)
    sheet.box(x, low + 0.05, x + 0.35, low + 0.1, wooden)
    for foot in (x + 0.03, x + 0.32):
        sheet.line([(foot, low + 0.1), (foot, low + 0.25)], wooden, 0.02)
    sheet.disc(random.uniform(0.3, 0.7), top, 0.12, (250, 240, 200))
    return sheet.pixels() * (1 + 0.06 * cloud(random, shape, max(shape) / 4)[..., None])


def cup(random: np.random.Generator, shape: Shape) -> Floats:
    """A cup or bottle."""
    tones, x = colours(random, 4), random.uniform(0.35, 0.6)
    ground, ware, dark, label = tones
    sheet, width, top = Sheet(shape, ground), random.uniform(0.2, 0.4), random.uniform(0.15, 0.4)
    sheet.box(0, 0.75, 1, 1, dark)
    sheet.arc((x + width / 2, (top + 0.8) / 2), width * 0.7, (-90, 90), ware, width=0.05)
    sheet.disc(x, 0.8, width, ware, tall=0.3)
    sheet.box(x - width / 2, top, x + width / 2, 0.8, ware)
    sheet.disc(x, top, width, dark, tall=0.3, line=ware)
    sheet.box(x - width / 2, top + 0.15, x + width / 2, top + 0.3, label)
    y = coordinates(shape)[0]
    shade = 1 - 0.35 * smoothstep(0.0, 1.0, (y + np.zeros(shape)).astype(np.float32))[..., None]
    return sheet.pixels() * shade + 4 * cloud(random, shape, 4)[..., None]


def keys(random: np.random.Generator, shape: Shape) -> Floats:
    """A keyboard or a calculator."""
    ground, key, dark = colours(random, 3)
    sheet, rows, columns = Sheet(shape, dark), int(random.integers(3, 7)), int(random.integers(4, 13))
    for i in range(rows):
        for j in range(columns):
            x, y = 0.02 + 0.96 * j / columns, 0.02 + 0.96 * i / rows
            sheet.box(x, y, x + 0.84 / columns, y + 0.82 / rows, key, outline=ground)
            sheet.text(x + 0.2 / columns, y + 0.15 / rows, chr(int(random.integers(65, 91))), ground, 0.4 / rows)
    return sheet.pixels() + 5 * cloud(random, shape, 5)[..., None]


def shelf(random: np.random.Generator, shape: Shape) -> Floats:
    """Books on boards."""
    wooden, *tones = colours(random, 7)
    sheet, boards = Sheet(shape, (36, 28, 24)), int(random.integers(2, 5))
    for i in range(boards):
        foot, x = (i + 0.92) / boards, 0.01
        while x < 0.97:
            width, tall = random.uniform(0.02, 0.07), random.uniform(0.5, 0.85) / boards
            sheet.box(x, foot - tall, x + width, foot, tones[random.integers(6)])
            x += width + 0.004
        sheet.box(0, foot, 1, foot + 0.06 / boards, wooden)
    return sheet.pixels()


def plate(random: np.random.Generator, shape: Shape) -> Floats:
    """Food on a plate: a pale disc with darker things on it."""
    picture, tones = _ground(random, shape), colours(random, 5)
    sheet = Sheet(shape, (0, 0, 0))
    x, y = random.uniform(0.4, 0.6, 2)
    sheet.disc(x, y, 0.85, (236, 232, 226), line=(200, 196, 190))
    sheet.disc(x, y, 0.6, (226, 222, 216))
    for _ in range(random.integers(2, 9)):
        at = (x + random.normal(0, 0.1), y + random.normal(0, 0.1))
        sheet.disc(*at, random.uniform(0.1, 0.3), tones[random.integers(5)], tall=random.uniform(0.5, 1.2))
    drawn = sheet.pixels()
    cover = smoothstep(0, 12, drawn.max(axis=-1))[..., None]
    lit = drawn * (1 + np.float32(0.1) * cloud(random, shape, 5)[..., None])
    result: Floats = (picture + cover * (lit - picture)).astype(np.float32)
    return result


def coins(random: np.random.Generator, shape: Shape) -> Floats:
    """Coins, buttons or pills: discs with rims."""
    first, *tones = colours(random, 4)
    sheet = Sheet(shape, first)
    for _ in range(random.integers(1, 12)):
        x, y = random.uniform(0.1, 0.9, 2)
        across, tone = random.uniform(0.12, 0.4), tones[random.integers(3)]
        sheet.disc(x, y, across, tone, line=tones[2])
        sheet.disc(x, y, across * 0.8, None, line=tones[0])
        sheet.text(x - across * 0.2, y - across * 0.25, str(random.integers(1, 100)), tones[0], across * 0.45)
    return sheet.pixels() + 6 * cloud(random, shape, 6)[..., None]


KINDS: dict[str, Painter] = {
    "balls": balls, "room": room, "cup": cup, "keys": keys, "shelf": shelf, "plate": plate, "coins": coins,
}  # fmt: skip
