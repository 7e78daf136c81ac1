"""Surfaces that fill the picture: wood, cloth, grass, cloud, marble, brick, sand, leather, fur, checks, water."""

from __future__ import annotations

import numpy as np

from epiluma.imaging.synthetic.fields import (
    Floats,
    Shape,
    cloud,
    grain,
    network,
    noise,
    smoothstep,
    spots,
    strokes,
    wander,
)
from epiluma.imaging.synthetic.outside.sheet import Painter, Rgb, blend, colours, coordinates, levels


def wood(random: np.random.Generator, shape: Shape) -> Floats:
    """Year rings cut lengthwise, with fibres and perhaps a knot."""
    x, y = coordinates(shape)
    bend = cloud(random, shape, max(shape) / 2) * np.float32(random.uniform(0.02, 0.12))
    field = (y if random.random() < 0.5 else x) + bend
    if random.random() < 0.6:
        at = random.uniform(0.25, 0.75, 2)
        distance = np.hypot(x - at[0], (y - at[1]) * random.uniform(1, 3))
        field = field + 0.25 * np.exp(-distance * random.uniform(6, 14))
    rings = 0.5 + 0.5 * np.sin(field * 2 * np.pi * random.uniform(6, 28))
    fibres = grain(random, shape, angle=0.0, length=max(shape) / 3, width=1.5)
    pale, dark = colours(random, 2)
    return blend((0.7 * rings**2 + 0.12 * fibres + 0.15).astype(np.float32), pale, dark)


def cloth(random: np.random.Generator, shape: Shape) -> Floats:
    """Threads over and under each other, with folds."""
    x, y = coordinates(shape)
    threads = random.uniform(14, 60)
    turn = random.uniform(0, np.pi)
    fold = np.float32(0.02) * cloud(random, shape, max(shape) / 3)
    across = (x * np.cos(turn) + y * np.sin(turn) + fold) * threads * 2 * np.pi
    along = (y * np.cos(turn) - x * np.sin(turn) + fold) * threads * 2 * np.pi
    weave = 0.5 + 0.25 * np.sin(across) * np.sign(np.sin(along / 2)) + 0.25 * np.sin(along)
    shade = 0.2 * cloud(random, shape, max(shape) / 3)
    pale, dark = colours(random, 2)
    return blend((weave + shade).astype(np.float32), dark, pale)


def grass(random: np.random.Generator, shape: Shape) -> Floats:
    """Blades in many directions."""
    base, *blades = colours(random, 4)
    picture = blend(0.5 + 0.3 * cloud(random, shape, max(shape) / 6), base, blades[0])
    lie = random.uniform(0, 2 * np.pi)
    for colour in blades:
        picture = _stroked(random, picture, colour, count=160, lie=lie, spread=0.5, length=0.2)
    return picture


def fur(random: np.random.Generator, shape: Shape) -> Floats:
    """Hairs that lie one way."""
    base, *hairs = colours(random, 4)
    picture = blend(0.5 + 0.3 * cloud(random, shape, max(shape) / 4), hairs[-1], base)
    lie = random.uniform(0, 2 * np.pi)
    for colour in hairs:
        picture = _stroked(random, picture, colour, count=260, lie=lie, spread=0.18, length=0.35)
    return picture


def _stroked(
    random: np.random.Generator, picture: Floats, colour: Rgb, *, count: int, lie: float, spread: float, length: float
) -> Floats:
    rows, columns = picture.shape[:2]
    reach = length * min(rows, columns)
    starts = random.random((count, 2)) * (columns, rows)
    paths = [wander(random, start, lie + random.normal(0, spread), length=reach, bend=0.4) for start in starts]
    widths = random.uniform(0.004, 0.016, count) * min(rows, columns)
    cover = strokes((rows, columns), paths, widths, 0.5)[..., None]
    result: Floats = picture + cover * (levels(colour) - picture)
    return result


def sky(random: np.random.Generator, shape: Shape) -> Floats:
    """Clouds."""
    pale, deep = colours(random, 2)
    field = smoothstep(-0.6, 0.9, cloud(random, shape, max(shape) * random.uniform(0.2, 0.6), octaves=6))
    return blend(field, deep, pale)


def marble(random: np.random.Generator, shape: Shape) -> Floats:
    """Veins through stone (Perlin 1985: a sine of turbulent coordinates)."""
    x, y = coordinates(shape)
    turbulence = np.abs(cloud(random, shape, max(shape) / 3, octaves=6))
    veins = np.abs(np.sin((x * random.uniform(1, 4) + y * random.uniform(1, 4) + turbulence) * np.pi))
    pale, dark = colours(random, 2)
    return blend((veins ** random.uniform(0.3, 1)).astype(np.float32), dark, pale)


def brick(random: np.random.Generator, shape: Shape) -> Floats:
    """Courses of bricks or tiles, each of its own shade."""
    x, y = coordinates(shape)
    courses, across = random.integers(3, 16), random.integers(2, 9)
    row = np.floor(y * courses)
    column = x * across + 0.5 * (row % 2)
    shade = random.normal(0.5, 0.15, (int(courses) + 1, int(across) + 2)).astype(np.float32)
    field = shade[row.astype(np.intp), np.floor(column).astype(np.intp)] + 0.1 * cloud(random, shape, 8)
    high = y * courses
    joint = (np.abs(column - np.round(column)) < 0.03 * across / 4) | (np.abs(high - np.round(high)) < 0.05)
    mortar, pale, dark = colours(random, 3)
    picture = blend(field, dark, pale)
    picture[joint] = mortar
    return picture


def sand(random: np.random.Generator, shape: Shape) -> Floats:
    """Grains with ripples."""
    grains = 0.5 + 0.25 * noise(random, shape, 1.5) + 0.15 * noise(random, shape, 4)
    ripples = 0.2 * grain(random, shape, angle=random.uniform(0, 3), length=max(shape) / 3, width=max(shape) / 16)
    pale, dark = colours(random, 2)
    return blend(grains + ripples, dark, pale)


def leather(random: np.random.Generator, shape: Shape) -> Floats:
    """A net of creases."""
    cell = random.uniform(0.02, 0.08) * min(shape)
    creases = network(random, np.ones(shape, bool), cell=cell, line=1.6, disorder=0.3, soft=0.8)
    pale, dark = colours(random, 2)
    field = np.float32(0.75) * creases + np.float32(0.2) * cloud(random, shape, max(shape) / 4) + np.float32(0.1)
    return blend(field, pale, dark)


def checks(random: np.random.Generator, shape: Shape) -> Floats:
    """Checks, stripes or dots."""
    x, y = coordinates(shape)
    count, kind = random.uniform(3, 20), random.integers(3)
    pale, dark = colours(random, 2)
    if kind == 0:
        field = (np.floor(x * count) + np.floor(y * count)) % 2
    elif kind == 1:
        turn = random.uniform(0, np.pi)
        field = np.floor((x * np.cos(turn) + y * np.sin(turn)) * count) % 2
    else:
        places = np.stack(np.meshgrid(np.arange(0.5, count), np.arange(0.5, count)), axis=-1).reshape(-1, 2)
        radii = np.full(len(places), 0.3 / count * min(shape))
        return blend(spots(shape, places / count * (shape[1], shape[0]), radii, 0.7), pale, dark)
    return blend((field + np.zeros(shape)).astype(np.float32), pale, dark)


def water(random: np.random.Generator, shape: Shape) -> Floats:
    """Waves with glints."""
    waves = np.zeros(shape, np.float32)
    for k in (1, 2, 4):
        waves += grain(random, shape, angle=random.normal(0, 0.3), length=max(shape) / 4 / k, width=max(shape) / 20 / k)
    pale, dark = colours(random, 2)
    picture = blend(0.5 + 0.2 * waves, dark, pale)
    glint = smoothstep(1.6, 2.2, waves)[..., None]
    result: Floats = picture + glint * (np.float32(250) - picture)
    return result


KINDS: dict[str, Painter] = {
    "wood": wood, "cloth": cloth, "grass": grass, "fur": fur, "sky": sky, "marble": marble, "brick": brick,
    "sand": sand, "leather": leather, "checks": checks, "water": water,
}  # fmt: skip
