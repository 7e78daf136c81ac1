"""Drawings and cartoons: flat shapes, creatures, doodles, flags, comics, emblems."""

from __future__ import annotations

import numpy as np

from epiluma.imaging.synthetic.fields import Floats, Shape, spots
from epiluma.imaging.synthetic.outside.sheet import Painter, Point, Sheet, colours

_OUTLINE = (24, 20, 20)


def shapes(random: np.random.Generator, shape: Shape) -> Floats:
    """Discs, boxes and triangles over each other."""
    paper, *tones = colours(random, 7)
    sheet = Sheet(shape, paper)
    for _ in range(random.integers(3, 20)):
        x, y, side = random.uniform(0, 1), random.uniform(0, 1), random.uniform(0.05, 0.45)
        tone, kind = tones[random.integers(len(tones))], random.integers(3)
        if kind == 0:
            sheet.disc(x, y, side, tone, line=_OUTLINE if random.random() < 0.5 else None)
        elif kind == 1:
            sheet.box(x - side / 2, y - side / 2, x + side / 2, y + side / 2, tone)
        else:
            turn = random.uniform(0, 6.3)
            corners = [(x + side * np.cos(turn + k) / 2, y + side * np.sin(turn + k) / 2) for k in (0, 2.1, 4.2)]
            sheet.shape(corners, tone)
    return sheet.pixels()


def creature(random: np.random.Generator, shape: Shape) -> Floats:
    """A cartoon animal: body, head, ears, eyes, legs, outlined."""
    paper, coat, belly, dark = colours(random, 4)
    sheet, x, y = Sheet(shape, paper), random.uniform(0.35, 0.65), random.uniform(0.5, 0.65)
    across = random.uniform(0.3, 0.5)
    sheet.box(0, y + 0.25, 1, 1, dark)
    for step in (-0.3, -0.1, 0.1, 0.3):
        sheet.line([(x + step * across, y), (x + step * across, y + 0.3)], coat, 0.05)
    sheet.disc(x, y, across * 1.3, coat, tall=0.65, line=_OUTLINE)
    sheet.disc(x, y + 0.05, across * 0.8, belly, tall=0.5)
    head = (x + across * 0.6, y - across * 0.5)
    for side in (-1, 1):
        ear = (head[0] + side * across * 0.25, head[1] - across * 0.3)
        sheet.disc(*ear, across * 0.25, coat, tall=random.uniform(0.8, 2.2), line=_OUTLINE)
    sheet.disc(*head, across * 0.75, coat, line=_OUTLINE)
    for side in (-1, 1):
        eye = (head[0] + side * across * 0.15, head[1] - across * 0.05)
        sheet.disc(*eye, across * 0.18, (250, 250, 250), line=_OUTLINE)
        sheet.disc(*eye, across * 0.08, _OUTLINE)
    sheet.disc(head[0], head[1] + across * 0.12, across * 0.12, _OUTLINE)
    sheet.arc((head[0], head[1] + across * 0.15), across * 0.25, (10, 170), _OUTLINE, width=0.012)
    return sheet.pixels()


def doodle(random: np.random.Generator, shape: Shape) -> Floats:
    """Pencil lines and stick figures."""
    paper, *tones = colours(random, 4)
    sheet = Sheet(shape, paper)
    for _ in range(random.integers(2, 6)):
        x, y, tall = random.uniform(0.15, 0.85), random.uniform(0.2, 0.6), random.uniform(0.15, 0.4)
        tone = tones[random.integers(len(tones))]
        sheet.disc(x, y, tall * 0.4, None, line=tone)
        neck, hip = (x, y + tall * 0.2), (x, y + tall * 0.7)
        sheet.line([neck, hip], tone, 0.012)
        for side in (-0.25, 0.25):
            sheet.line([(x, y + tall * 0.35), (x + side * tall, y + tall * random.uniform(0.3, 0.6))], tone, 0.012)
            sheet.line([hip, (x + side * tall, y + tall * 1.1)], tone, 0.012)
    for _ in range(random.integers(0, 6)):
        walk = np.cumsum(random.normal(0, 0.05, (30, 2)), axis=0) + random.random(2)
        points: list[Point] = [(float(a), float(b)) for a, b in walk]
        sheet.line(points, tones[random.integers(len(tones))], random.uniform(0.004, 0.015))
    return sheet.pixels()


def flag(random: np.random.Generator, shape: Shape) -> Floats:
    """Bands, a cross or a disc."""
    tones, kind = colours(random, 5), random.integers(3)
    order = random.permutation(5)
    sheet, count = Sheet(shape, tones[order[0]]), int(random.integers(2, 6))
    if kind == 0:
        for k in range(count):
            sheet.box(k / count, 0, (k + 1) / count, 1, tones[order[k % 5]])
    elif kind == 1:
        at, width = random.uniform(0.3, 0.7), random.uniform(0.08, 0.25)
        sheet.box(at - width / 2, 0, at + width / 2, 1, tones[order[1]])
        sheet.box(0, 0.5 - width / 2, 1, 0.5 + width / 2, tones[order[1]])
    else:
        for k in range(count):
            sheet.box(0, k / count, 1, (k + 1) / count, tones[order[k % 5]])
        sheet.disc(0.5, 0.5, random.uniform(0.2, 0.5), tones[order[4]])
    return sheet.pixels()


def comic(random: np.random.Generator, shape: Shape) -> Floats:
    """Panels with speech bubbles over printed dots."""
    tones = colours(random, 6)
    sheet, rows, columns = Sheet(shape, (245, 240, 228)), int(random.integers(1, 4)), int(random.integers(1, 4))
    for i in range(rows):
        for j in range(columns):
            left, top = (j + 0.04) / columns, (i + 0.04) / rows
            right, bottom = (j + 0.96) / columns, (i + 0.96) / rows
            sheet.box(left, top, right, bottom, tones[random.integers(6)], outline=_OUTLINE)
            middle = (left + right) / 2
            sheet.disc(middle, bottom - 0.25 / rows, 0.4 / max(rows, columns), tones[random.integers(6)], line=_OUTLINE)
            sheet.disc(middle, top + 0.2 / rows, 0.35 / max(rows, columns), (250, 250, 250), tall=0.6, line=_OUTLINE)
    picture = sheet.pixels()
    step = random.uniform(0.02, 0.05) * min(shape)
    grid = np.mgrid[0 : shape[0] : step, 0 : shape[1] : step].reshape(2, -1).T[:, ::-1]
    dots = spots(shape, grid, np.full(len(grid), step * 0.28), 0.3)[..., None]
    result: Floats = picture * (1 - np.float32(random.uniform(0.1, 0.5)) * dots)
    return result


def emblem(random: np.random.Generator, shape: Shape) -> Floats:
    """Rings, rays and a star on plain ground."""
    paper, *tones = colours(random, 5)
    sheet = Sheet(shape, paper)
    points = int(random.integers(5, 25))
    reach, turn = random.uniform(0.25, 0.48), random.uniform(0, 6.3)
    star = [
        (
            0.5 + reach * share * np.cos(turn + k * np.pi / points),
            0.5 + reach * share * np.sin(turn + k * np.pi / points),
        )
        for k in range(2 * points)
        for share in ((1.0 if k % 2 else 0.55),)
    ]
    sheet.shape(star, tones[0])
    for k, across in enumerate(np.linspace(reach * 1.3, 0.1, int(random.integers(2, 5)))):
        sheet.disc(0.5, 0.5, float(across), tones[k % 4], line=_OUTLINE if random.random() < 0.3 else None)
    return sheet.pixels()


KINDS: dict[str, Painter] = {
    "shapes": shapes, "creature": creature, "doodle": doodle, "flag": flag, "comic": comic, "emblem": emblem,
}  # fmt: skip
