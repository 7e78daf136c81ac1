"""The skin around a drawn lesion and the camera in front of it: light, hair, gel, frame, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from epiluma.imaging.synthetic.fields import (
    Floats,
    Shape,
    cloud,
    enlarge,
    grain,
    noise,
    smoothstep,
    spots,
    strokes,
    wander,
)
from epiluma.imaging.synthetic.tissue import Tissue

Rgb = tuple[float, float, float]
Box = tuple[slice, slice]

SKIN: tuple[Rgb, ...] = (
    (228, 196, 204),
    (230, 162, 156),
    (226, 186, 172),
    (208, 168, 142),
    (164, 118, 94),
    (112, 76, 60),
)
"""Bare skin under polarised light, palest first; after Fitzpatrick types I to VI."""

SKIN_SHARE = (0.25, 0.27, 0.2, 0.14, 0.09, 0.05)
"""How often each is drawn: darker skin is rarer, as in the published sets, but never absent."""


FRAME: Rgb = (30, 18, 30)
"""The dark edge around a round field of view."""


@dataclass(frozen=True)
class Person:
    """What two photos of one lesion share."""

    skin: Rgb
    melanin: Rgb
    """Absorbance of one unit of melanin in red, green and blue, as cameras saw it in published dermoscopy."""
    blood: Rgb
    """The same of blood; its hue runs from scarlet to magenta."""
    hairs: int
    hair: Rgb
    weathered: float
    """Strength of the brown blotches that years of sun leave."""
    lined: float
    """Strength of the fine furrows of the skin."""


def draw_person(random: np.random.Generator) -> Person:
    """A random skin with its hair and marks."""
    tone = int(random.choice(len(SKIN), p=SKIN_SHARE))
    shift = random.normal(0, 5, 3)
    red, green, blue = (float(np.clip(value + shift[i], 20, 245)) for i, value in enumerate(SKIN[tone]))
    fair = tone < 3 and random.random() < 0.25
    return Person(
        skin=(red, green, blue),
        melanin=(random.uniform(0.42, 0.68), 1.0, random.uniform(1.0, 1.25)),
        blood=(0.1, 1.0, random.uniform(0.5, 0.85)),
        hairs=int(random.choice([0, 0, 3, 7, 14])),
        hair=(150, 106, 62) if fair else (34, 24, 22),
        weathered=random.uniform(0.08, 0.3) if random.random() < 0.3 else 0.0,
        lined=random.uniform(0.3, 1.0),
    )


def photograph(
    random: np.random.Generator, person: Person, lesion: Tissue, *, size: tuple[int, int]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """(H, W, 3) uint8 photo of the lesion, somewhere near the middle, and its (H, W) mask."""
    shape = (size[1], size[0])
    # A lesion that fills the frame is centred; a small one may lie anywhere that keeps it in view.
    slack = [max(0.0, length / 2 - lesion.radius * 1.2) * 0.6 for length in shape]
    top, left = (
        round(length / 2 + random.uniform(-1, 1) * room - side / 2)
        for length, room, side in zip(shape, slack, lesion.shape, strict=True)
    )
    melanin, blood = _skin(random, person, shape, lesion.pixel)
    frame, patch = _overlap(shape, lesion.shape, top, left)
    melanin[frame] += np.maximum(lesion.melanin[patch], 0)
    blood[frame] += np.maximum(lesion.blood[patch], 0)
    planes = _colours(person, melanin, blood, lesion=lesion, frame=frame, patch=patch)
    mask = np.zeros(shape, bool)
    mask[frame] = lesion.depth[patch] > 0
    _lay_hair(random, person, planes, lesion.pixel)
    _lay_bubbles(random, planes, lesion.pixel)
    _light(random, planes)
    return _expose(random, planes, lesion.pixel), mask


def _colours(person: Person, melanin: Floats, blood: Floats, *, lesion: Tissue, frame: Box, patch: Box) -> Floats:
    """(3, h, w) light that comes back from skin and lesion, before the camera."""
    planes = np.empty((3, *melanin.shape), np.float32)
    # Covers are lit as the skin around them is, so that scale on dark skin does not glow.
    lit = 0.45 + 0.55 * person.skin[0] / SKIN[0][0]
    for c in range(3):
        absorbance = np.float32(person.melanin[c]) * melanin + np.float32(person.blood[c]) * blood
        planes[c] = np.exp(-absorbance) * np.float32(person.skin[c])
        view = planes[c][frame]
        for colour, opacity in lesion.covers:
            view += opacity[patch] * (np.float32(colour[c] * lit) - view)
    return planes


def _overlap(shape: Shape, patch: Shape, top: int, left: int) -> tuple[Box, Box]:
    """Where a patch at (top, left) meets the frame, in the frame's and in the patch's coordinates."""
    inside, own = [], []
    for length, side, start in zip(shape, patch, (top, left), strict=True):
        first, last = max(0, start), min(length, start + side)
        inside.append(slice(first, last))
        own.append(slice(first - start, last - start))
    return (inside[0], inside[1]), (own[0], own[1])


def _skin(random: np.random.Generator, person: Person, shape: Shape, pixel: float) -> tuple[Floats, Floats]:
    """Melanin and blood of bare skin: mottling, furrows, a faint net, sun spots, pores and fine vessels."""
    rows, columns = shape
    blood = 0.1 + 0.035 * cloud(random, shape, 80 * pixel, octaves=5)
    melanin: Floats = 0.03 * cloud(random, shape, 150 * pixel, octaves=4) + 0.018 * noise(random, shape, 2.5 * pixel)
    angle = random.uniform(0, np.pi)
    # Furrows are several pixels wide, so half the resolution draws them as well.
    furrows = np.zeros(((rows + 1) // 2, (columns + 1) // 2), np.float32)
    for turn, width, strength in ((0.0, 2.2, 0.024), (random.uniform(0.8, 1.4), 3.5, 0.012)):
        lines = grain(random, furrows.shape, angle=angle + turn, length=35 * pixel, width=width * pixel)
        furrows += np.float32(strength * person.lined) * lines
    melanin += enlarge(furrows, shape)
    if person.skin[0] < 215:
        melanin += 0.045 * smoothstep(-0.3, 0.5, noise(random, shape, 7 * pixel))
    if person.weathered:
        melanin += np.float32(person.weathered) * smoothstep(0.1, 2.2, cloud(random, shape, 64 * pixel, octaves=4))
    pores = random.random((round(random.uniform(0, 60)), 2)) * (columns, rows)
    melanin += 0.12 * spots(shape, pores, random.uniform(1, 2.2, len(pores)) * pixel, 1.2 * pixel)
    starts = random.random((int(random.integers(0, 8)), 2)) * (columns, rows)
    vessels = [
        wander(random, start, random.uniform(0, 6.3), length=random.uniform(30, 90) * pixel, bend=1.2)
        for start in starts
    ]
    blood += 0.3 * strokes(shape, vessels, [max(1.6 * pixel, 0.3)] * len(vessels), 0.9 * pixel)
    return melanin, blood


def _lay_hair(random: np.random.Generator, person: Person, planes: Floats, pixel: float) -> None:
    """Tapered curved hairs over a soft shadow, mostly lying one way."""
    if not person.hairs:
        return
    rows, columns = planes[0].shape
    lie = random.uniform(0, 2 * np.pi)
    terminal = random.random() < 0.4
    paths, widths = [], []
    for _ in range(person.hairs):
        start = random.random(2) * (columns, rows)
        length = (random.uniform(25, 90) if terminal else random.uniform(140, 420)) * pixel
        paths.append(wander(random, start, lie + random.normal(0, 0.45), length=length, bend=0.15 if terminal else 0.6))
        widths.append((random.uniform(2.6, 4.2) if terminal else random.uniform(1.2, 2.8)) * pixel)
    hair = strokes((rows, columns), paths, widths, 0.45 * pixel)
    drop = max(1, round(3 * pixel))
    small = Image.fromarray((hair * 255).astype(np.uint8)).reduce(2).filter(ImageFilter.GaussianBlur(2 * pixel))
    shadow = np.roll(enlarge(np.asarray(small, np.float32) / np.float32(255), (rows, columns)), (drop, drop), (0, 1))
    planes *= 1 - np.float32(0.22) * shadow
    planes += np.float32(0.9) * hair * (np.array(person.hair, np.float32)[:, None, None] - planes)


def _lay_bubbles(random: np.random.Generator, planes: Floats, pixel: float) -> None:
    """Bubbles in the immersion gel: a dark rim, a bright crescent and a pale inside."""
    if random.random() > 0.3:
        return
    rows, columns = planes[0].shape
    count = int(random.integers(1, 9))
    # Bubbles gather away from the middle, where the glass presses them out.
    angle, far = random.uniform(0, 2 * np.pi, count), random.uniform(0.55, 1.0, count)
    places = np.stack([columns * (0.5 + 0.5 * far * np.cos(angle)), rows * (0.5 + 0.5 * far * np.sin(angle))], axis=1)
    radii = np.exp(random.normal(np.log(7), 0.5, count)) * pixel
    for place, radius in zip(places, radii, strict=True):
        # Each is drawn in a square of its own, so that it costs its own size and not the photo's.
        side = 2 * int(1.2 * radius + 4 * pixel) + 2
        corner = np.floor(place - side / 2).astype(int)
        (down, along), own = _overlap((rows, columns), (side, side), corner[1], corner[0])
        _lay_bubble(planes[:, down, along], own, (place - corner)[None], radius, pixel=pixel, side=side)


def _lay_bubble(
    view: Floats, own: Box, centre: npt.NDArray[np.floating], radius: float, *, pixel: float, side: int
) -> None:
    """One bubble on `view`, which is the part `own` of a square of `side` pixels; `centre` (1, 2) lies in it."""
    outer = spots((side, side), centre, np.array([radius]), 0.7 * pixel)[own]
    inner = spots((side, side), centre, np.array([radius * 0.82]), pixel)[own]
    glint = spots((side, side), centre - radius * 0.4, np.array([radius * 0.25]), 0.8 * pixel)[own]
    view *= 1 - 0.28 * (outer - inner) + 0.06 * inner
    view += 0.75 * glint * (250 - view)


def _light(random: np.random.Generator, planes: Floats) -> None:
    """Uneven light, fall-off to the corners, a colour cast and, in some, the dark round edge of the lens."""
    rows, columns = planes[0].shape
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    y = np.linspace(-rows / columns, rows / columns, rows, dtype=np.float32)[:, None]
    tilt_x, tilt_y = random.normal(0, 0.05, 2)
    squared = x * x + y * y
    light = np.float32(random.uniform(0.96, 1.16)) * (1 + np.float32(tilt_x) * x + np.float32(tilt_y) * y)
    light *= 1 - np.float32(random.uniform(0.04, 0.22)) * squared
    cast = np.exp(random.normal(0, (0.02, 0.03, 0.07))).astype(np.float32)
    planes *= light * cast[:, None, None]
    if random.random() < 0.22:
        shift_x, shift_y = random.normal(0, 0.04, 2).astype(np.float32)
        edge = random.uniform(0.98, 1.12)
        outside = smoothstep(edge - 0.03, edge + 0.03, np.sqrt((x - shift_x) ** 2 + (y - shift_y) ** 2))
        planes += outside * (np.array(FRAME, np.float32)[:, None, None] - planes)


def _expose(random: np.random.Generator, planes: Floats, pixel: float) -> npt.NDArray[np.uint8]:
    """Lens blur, then sensor noise (mostly luminance), then eight bits."""
    shape = planes[0].shape
    soft = random.uniform(0.3, 0.8) * pixel
    strength = np.float32(random.uniform(1.2, 3.2))
    luminance = strength * random.standard_normal(shape, dtype=np.float32) + np.float32(0.5)
    chroma = strength * noise(random, shape, 2.0)
    photo = np.empty((*shape, 3), np.uint8)
    for c, share in enumerate((0.6, -0.2, -0.6)):
        plane = Image.fromarray(np.clip(planes[c], 0, 255).astype(np.uint8)).filter(ImageFilter.BoxBlur(soft))
        noisy = np.asarray(plane, np.float32) + luminance + np.float32(share) * chroma
        photo[..., c] = np.clip(noisy, 0, 255)
    return photo
