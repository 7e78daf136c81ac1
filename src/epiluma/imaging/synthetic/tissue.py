"""A patch of lesion as layers of pigment, blood and cover, and the brushes that dermoscopic structures need.

Light passes through melanin and blood (absorbance adds up, Beer-Lambert) and is covered by veil, scar, keratin
and scale (opacity). Lengths are in lesion radii unless a name says pixels; depth is positive inside.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.imaging.synthetic.fields import (
    Floats,
    Shape,
    cloud,
    enlarge,
    network,
    smoothstep,
    spots,
)

REACH = 1.8
"""Half the side of a patch, in lesion radii: a lesion never reaches further from its centre."""

VEIL, NEST, SCAR = (104, 112, 148), (98, 100, 124), (232, 208, 208)
KERATIN, SCALE = (206, 164, 100), (240, 226, 204)
"""Colours of what covers the pigment: blue-white veil, blue-grey nests, scar, keratin, dry scale."""


@dataclass
class Tissue:
    """Layers of one patch, all (side, side) float32."""

    random: np.random.Generator
    radius: float
    """Lesion radius in pixels."""
    pixel: float
    """Pixels per pixel of a 450-pixel-high photo: the magnification that structures are drawn at."""
    depth: Floats
    """Height above the outline, radii; about 1 in the middle, negative outside."""
    melanin: Floats
    blood: Floats
    covers: list[tuple[tuple[int, int, int], Floats]] = field(default_factory=list)
    """Colour and opacity of each cover, lowest first."""

    @property
    def shape(self) -> Shape:
        """Rows, columns."""
        rows, columns = self.depth.shape
        return rows, columns

    def size(self, pixels: float, smallest: float = 1.2) -> float:
        """A structure's size on a 450-pixel-high photo, in this patch's pixels; never too small to be seen."""
        return max(pixels * self.pixel, smallest)

    def body(self, soft: float) -> Floats:
        """Coverage in [0, 1] that fades, unevenly, over about `soft` radii at the outline."""
        uneven = self.depth + np.float32(0.14 * soft) * self.clouds(0.25, 4)
        return smoothstep(-soft / 2, soft / 2, uneven)

    def mottle(self, strength: float) -> None:
        """Make the pigment granular, as it is at every scale."""
        self.melanin *= np.exp(np.float32(strength) * cloud(self.random, self.shape, self.size(10, 3), octaves=2))

    def clouds(self, cell: float, octaves: int = 3) -> Floats:
        """Noise over `cell` radii."""
        return cloud(self.random, self.shape, cell * self.radius, octaves)

    def zone(self, cell: float, share: float, soft: float = 1.0) -> Floats:
        """Irregular areas in [0, 1] that hold about `share` of the lesion."""
        field_ = self.clouds(cell)
        inside = field_[self.depth > 0]
        level = float(np.quantile(inside, 1 - share)) if inside.size else 0.0
        return smoothstep(level - soft / 2, level + soft / 2, field_)

    def patch_at(self, *, off_centre: float, spread: float, soft: float = 0.7) -> Floats:
        """One round-ish area in [0, 1] of `spread` radii, `off_centre` radii away from the middle."""
        heading = self.random.uniform(0, 2 * np.pi)
        axis = (np.arange(self.shape[0], dtype=np.float32) - self.shape[0] / 2) / np.float32(self.radius)
        x, y = axis - np.float32(off_centre * np.cos(heading)), axis - np.float32(off_centre * np.sin(heading))
        distance = np.sqrt(x[None, :] ** 2 + y[:, None] ** 2) + np.float32(0.3 * spread + 0.08) * self.clouds(0.5, 4)
        return 1 - smoothstep(spread * (1 - soft), spread * (1 + soft), distance)

    def points(self, count: int, low: float = 0.03, high: float = 9.0, within: Floats | None = None) -> Floats:
        """(n, 2) random positions (x, y; pixels) with depth between `low` and `high`; none where none fit."""
        fits = (self.depth > low) & (self.depth < high)
        if within is not None:
            fits &= within > 0.5
        where = np.flatnonzero(fits)
        if not where.size:
            return np.zeros((0, 2), np.float32)
        chosen = where[self.random.integers(0, where.size, count)]
        return np.stack([chosen % self.shape[1], chosen // self.shape[1]], axis=1).astype(np.float32)

    def dots(self, places: Floats, smallest: float, largest: float, soft: float = 0.8) -> Floats:
        """Filled circles of `smallest` to `largest` pixels (at 450) at `places`, in [0, 1]."""
        radii = np.maximum(self.random.uniform(smallest, largest, len(places)) * self.pixel, 0.6)
        return spots(self.shape, places, radii.astype(np.float32), soft * self.pixel)

    def net(self, cell: float, *, line: float, disorder: float = 0.2, soft: float = 0.08) -> Floats:
        """Network with holes `cell` pixels (at 450) apart; `line` and `soft` in cells. Drawn inside the lesion."""
        # Below about three pixels a cell is lost between the samples: small drawings get larger cells.
        cell = max(cell * self.pixel, 3.2)
        return network(self.random, self.depth > -0.1, cell=cell, line=line * cell, disorder=disorder, soft=soft * cell)

    def cover(self, colour: tuple[int, int, int], opacity: npt.NDArray[np.floating]) -> None:
        """Lay a cover over everything so far."""
        self.covers.append((colour, np.clip(opacity, 0, 1).astype(np.float32)))

    def turned(self, angle: float, zoom: float) -> Tissue:
        """The same tissue seen turned by `angle` degrees and `zoom` times larger."""
        side = round(self.shape[0] * zoom)

        def turn(layer: Floats, outside: float = 0.0) -> Floats:
            image = Image.fromarray(layer).resize((side, side), Image.Resampling.BILINEAR)
            return np.asarray(image.rotate(angle, Image.Resampling.BILINEAR, fillcolor=outside))

        return replace(
            self,
            radius=self.radius * zoom,
            depth=turn(self.depth, -1.0),
            melanin=turn(self.melanin),
            blood=turn(self.blood),
            covers=[(colour, turn(opacity)) for colour, opacity in self.covers],
        )


def outlined(
    random: np.random.Generator,
    *,
    radius: float,
    pixel: float,
    lobes: int = 1,
    wobble: float = 0.08,
    ragged: float = 0.08,
    aspect: float = 1.2,
) -> Tissue:
    """An empty patch with an irregular outline.

    `lobes` overlapping blobs, each a Fourier contour of strength `wobble` and `aspect` long to wide, roughened
    by noise of strength `ragged`.
    """
    side = max(8, int(2 * REACH * radius))
    # The outline has no detail finer than two pixels, so it is worked out at half size.
    half = -(-side // 2)
    axis = np.linspace(-REACH, REACH, half, dtype=np.float32)
    depth = np.full((half, half), -9, np.float32)
    heading = random.uniform(0, 2 * np.pi)
    for lobe in range(lobes):
        # Lobes lie to different sides at different sizes, so that two halves of the lesion do not match.
        share = 1.0 if lobes == 1 else random.uniform(0.5, 0.78)
        away = 0.0 if lobes == 1 else random.uniform(0.25, 0.48)
        turn = heading + lobe * 2 * np.pi / lobes + random.normal(0, 0.4)
        x = axis[None, :] - np.float32(away * np.cos(turn))
        y = axis[:, None] - np.float32(away * np.sin(turn))
        depth = np.maximum(depth, _blob(random, x, y, wobble=wobble, aspect=aspect) * np.float32(share))
    depth += np.float32(ragged) * cloud(random, depth.shape, 0.18 * radius, octaves=4)
    # The outline, and what fades out beyond it, stay inside the patch whatever the noise says.
    from_middle = np.sqrt(axis[None, :] ** 2 + axis[:, None] ** 2)
    depth = np.minimum(depth, np.float32(REACH - 0.45) - from_middle)
    melanin, blood = np.zeros((2, side, side), np.float32)
    return Tissue(random, radius, pixel, enlarge(depth, (side, side)), melanin, blood)


def _blob(random: np.random.Generator, x: Floats, y: Floats, *, wobble: float, aspect: float) -> Floats:
    """Depth below a Fourier contour: its radius at each angle minus the distance from its centre."""
    turn = random.uniform(0, np.pi)
    cosine, sine, stretch = np.float32(np.cos(turn)), np.float32(np.sin(turn)), np.float32(np.sqrt(aspect))
    along, across = (x * cosine + y * sine) / stretch, (y * cosine - x * sine) * stretch
    steps = 1024
    circle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    contour = np.ones(steps)
    for k in range(2, 8):
        contour += random.normal(0, wobble / k**0.7) * np.cos(k * circle + random.uniform(0, 2 * np.pi))
    table: npt.NDArray[np.float32] = np.clip(contour, 0.65, 1.2).astype(np.float32)
    angle = np.arctan2(across, along)
    at = (angle * np.float32(steps / (2 * np.pi))).astype(np.int32) % steps
    result: Floats = table[at] - np.sqrt(along * along + across * across)
    return result
