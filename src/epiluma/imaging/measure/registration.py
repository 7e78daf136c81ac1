"""Which shift, turn and enlargement lay a later photo of a lesion on an earlier one.

Turn and enlargement are read from the photos' spectra, whose size does not depend on the shift (Reddy and Chatterji
1996, doi:10.1109/83.506761); the shift by phase correlation; all are refined by least squares on the skin alone, since
the lesion may have changed (Lucas and Kanade 1981, with the increments composed as in Baker and Matthews 2004,
doi:10.1023/B:VISI.0000011205.11775.fd). What says how good the result is, is the correlation of the skin's texture.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.imaging.measure.lesion import Pixels
from epiluma.imaging.measure.pieces import Mask
from epiluma.imaging.measure.tone import DARK

Field = npt.NDArray[np.float32]
"""(H, W) texture: lightness less its surroundings, over its local spread."""

SIDE = 256
"""Longer side, pixels, at which photos are registered, at most; half of it while candidates are tried."""
NEIGHBOURHOOD = 12
"""Half the side of the square, pixels, against which a pixel's lightness is compared."""
NOISE = 2.0
"""Grey levels below which spread is taken for noise and not enlarged."""
MAX_ENLARGEMENT = 2.0
"""Photos that differ by more in scale are not registered."""
COARSE = SIDE // 2
ANGLES, RADII = 180, 96
"""Samples of the spectrum: one degree, and log-spaced radii."""
PEAKS = 8
"""Pairs of turn and enlargement that are tried."""
REFINED = 3
"""Of these, the most alike are refined."""
STEPS = 20
"""Of the refinement, at most."""
LESION_MARGIN = 8
"""Pixels around both lesions that do not count as skin."""
MIN_TEXTURE = 0.02
"""Standard deviation of a field below which there is nothing to compare."""
MIN_OVERLAP = 0.25
"""Least share of the earlier photo's skin that the later one must show."""


@dataclass(frozen=True)
class View:
    """One photo, ready to be registered."""

    field: Field
    lesion: Mask
    """The lesion, the dark surround, and a margin: what does not count as skin."""
    factor: float
    """Pixels of the photo along a side of a pixel of the field."""

    def halved(self) -> View:
        """The same at half the resolution, for a first look."""
        height, width = (length // 2 * 2 for length in self.field.shape)
        quarters = [self.field[i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]
        lesion = np.logical_or.reduce([self.lesion[i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)])
        return View(np.asarray(sum(quarters) / np.float32(4), np.float32), np.asarray(lesion), 2 * self.factor)


@dataclass(frozen=True)
class Similarity:
    """z -> turn * z + shift on complex coordinates (column + i row) from the middle of each field."""

    turn: complex
    """Its absolute value enlarges, its argument turns."""
    shift: complex

    def after(self, first: Similarity) -> Similarity:
        """`first`, then this."""
        return Similarity(self.turn * first.turn, self.turn * first.shift + self.shift)


@dataclass(frozen=True)
class Fit:
    """A similarity from the earlier field to the later one, and how well it fits."""

    similarity: Similarity
    correlation: float
    """Of the skin's texture where both show it, -1 to 1."""
    overlap: float
    """Share of the earlier field's skin that the later one shows, 0 to 1."""


def view_of(pixels: Pixels, mask: Mask) -> View:
    """A photo (H, W, 3) and its mask (H, W), reduced to at most `SIDE` pixels."""
    factor = max(1.0, max(mask.shape) / SIDE)
    grey = Image.fromarray(np.ascontiguousarray(pixels)).convert("L")
    outline = Image.fromarray(np.ascontiguousarray(mask).view(np.uint8) * np.uint8(255))
    if factor > 1:
        size = (max(1, round(grey.width / factor)), max(1, round(grey.height / factor)))
        grey, outline = (image.resize(size, Image.Resampling.BOX) for image in (grey, outline))
    level = np.asarray(grey, np.float64)
    # The dark surround of the tube stays where it is when the skin moves.
    aside = (np.asarray(outline) >= 128) | (level <= DARK)
    lesion = np.asarray(blurred(aside, LESION_MARGIN // 2) > 1e-6)
    return View(_texture(level, ~lesion), lesion, factor)


def _texture(level: npt.NDArray[np.float64], skin: Mask) -> Field:
    """Of skin alone, else the lesion's edge would pass for skin, and a lesion that grew would be shrunk to fit."""
    weight = np.maximum(blurred(skin, NEIGHBOURHOOD), 1e-6)
    centred = np.where(skin, level - blurred(np.where(skin, level, 0), NEIGHBOURHOOD) / weight, 0)
    spread = np.sqrt(np.maximum(blurred(centred**2, NEIGHBOURHOOD), 0) / weight)
    return np.asarray(blurred(np.where(skin, centred / (spread + NOISE), 0), 1), np.float32)


def register(earlier: View, later: View) -> Fit:
    """The best similarity found from the earlier view to the later one; look at its figures before using it."""
    small, smaller = earlier.halved(), later.halved()
    tried = sorted((_fit(small, smaller, s) for s in _candidates(small, smaller)), key=lambda fit: -_merit(fit))
    best = max((_refined(small, smaller, fit) for fit in tried[:REFINED]), key=_merit)
    doubled = Similarity(best.similarity.turn, 2 * best.similarity.shift)
    return _refined(earlier, later, _fit(earlier, later, doubled))


def blurred(values: npt.ArrayLike, reach: int) -> npt.NDArray[np.float64]:
    """(H, W) means over squares of 2 * reach + 1 pixels, twice, the edge pixels going on beyond the edge."""
    result = np.asarray(values, np.float64)
    side = 2 * reach + 1
    for _ in range(2):
        for axis in (0, 1):
            pad = [(0, 0), (0, 0)]
            pad[axis] = (reach + 1, reach)
            sums = np.cumsum(np.pad(result, pad, mode="edge"), axis=axis)
            ends = [slice(None), slice(None)]
            starts = [slice(None), slice(None)]
            ends[axis], starts[axis] = slice(side, None), slice(None, -side)
            result = (sums[tuple(ends)] - sums[tuple(starts)]) / side
    return result


def warped(values: npt.NDArray[np.floating], similarity: Similarity, shape: tuple[int, ...]) -> Field:
    """(H, W) of the later frame -> `shape` of the earlier one, bilinear; NaN where the later photo shows nothing."""
    height, width = shape
    turn, shift = similarity.turn, similarity.shift
    # From a column and row, counted from the corner, to those of the later field.
    x0 = shift.real + values.shape[1] / 2 - turn.real * width / 2 + turn.imag * height / 2
    y0 = shift.imag + values.shape[0] / 2 - turn.imag * width / 2 - turn.real * height / 2
    place = (turn.real, -turn.imag, x0, turn.imag, turn.real, y0)
    image = Image.fromarray(np.asarray(values, np.float32))
    moved = image.transform((width, height), Image.Transform.AFFINE, place, Image.Resampling.BILINEAR, fillcolor=np.nan)
    return np.asarray(moved, np.float32)


def _merit(fit: Fit) -> float:
    """Alike over little is worth less than alike over much."""
    return fit.correlation * math.sqrt(fit.overlap)


def _fit(earlier: View, later: View, similarity: Similarity) -> Fit:
    moved, skin, overlap = _laid_over(earlier, later, similarity)
    if overlap < MIN_OVERLAP / 2:
        return Fit(similarity, 0.0, overlap)
    return Fit(similarity, _correlation(earlier.field[skin], moved[skin]), overlap)


def _laid_over(earlier: View, later: View, similarity: Similarity) -> tuple[Field, Mask, float]:
    """(the later field in the earlier frame, where both show skin, share of the earlier skin)."""
    moved = warped(later.field, similarity, earlier.field.shape)
    lesion = warped(later.lesion.astype(np.float32), similarity, earlier.field.shape)
    own = max(1, int(np.count_nonzero(~earlier.lesion)))
    skin = ~earlier.lesion & (lesion == 0)  # NaN beyond the later photo is not 0
    return moved, skin, float(np.count_nonzero(skin) / own)


def _correlation(first: Field, second: Field) -> float:
    first, second = first - first.mean(), second - second.mean()
    spreads = float(first.std()), float(second.std())
    return float((first * second).mean() / (spreads[0] * spreads[1])) if min(spreads) > MIN_TEXTURE else 0.0


def _refined(earlier: View, later: View, start: Fit) -> Fit:
    """Gauss-Newton on the four numbers of the similarity, on skin only; the best step is kept."""
    best = start
    height, width = earlier.field.shape
    x, y = np.arange(width) + 0.5 - width / 2, (np.arange(height) + 0.5 - height / 2)[:, None]
    similarity = start.similarity
    for _ in range(STEPS):
        moved, skin, overlap = _laid_over(earlier, later, similarity)
        if overlap < MIN_OVERLAP / 2 or np.count_nonzero(skin) < 100:
            break
        down, across = np.gradient(moved)
        skin &= np.isfinite(down) & np.isfinite(across)
        slopes = np.stack([across * x + down * y, down * x - across * y, across, down], axis=-1)[skin]
        target = earlier.field[skin] - earlier.field[skin].mean()
        values = moved[skin] - moved[skin].mean()
        gain = float((target * values).sum() / max(float((values**2).sum()), 1e-9))
        slopes -= slopes.mean(axis=0)
        normal = gain * gain * (slopes.T @ slopes)
        step = np.linalg.lstsq(normal, gain * (slopes.T @ (target - gain * values)), rcond=None)[0]
        similarity = similarity.after(Similarity(complex(1 + step[0], step[1]), complex(step[2], step[3])))
        if not 1 / MAX_ENLARGEMENT < abs(similarity.turn) < MAX_ENLARGEMENT:
            break
        fit = _fit(earlier, later, similarity)
        best = max(best, fit, key=_merit)
        if abs(complex(step[2], step[3])) < 0.01 and math.hypot(step[0], step[1]) < 5e-5:
            break
    return best


def _candidates(earlier: View, later: View) -> Iterator[Similarity]:
    """Turns and enlargements by the spectra, and none at all; each with the shift that fits it best."""
    turns = [1 + 0j, *_turns(earlier.field, later.field)]
    for turn in turns:
        for sign in (1, -1):  # a spectrum looks the same when turned by 180 degrees
            yield Similarity(sign * turn, _shift(earlier.field, later.field, sign * turn))


def _turns(earlier: Field, later: Field) -> list[complex]:
    """The likeliest turns and enlargements, up to half a turn."""
    power = _correlated(_log_polar(earlier), _log_polar(later))
    step = _radius_step()
    reach = int(math.log(MAX_ENLARGEMENT) / step)
    near = np.zeros(power.shape, bool)
    near[:, : reach + 1] = near[:, -reach:] = True
    power = np.where(near, power, -np.inf)
    found = []
    for _ in range(PEAKS):
        row, column = np.unravel_index(int(power.argmax()), power.shape)
        angle = (row if row <= ANGLES // 2 else row - ANGLES) * math.pi / ANGLES
        radius = column if column <= RADII else column - 2 * RADII
        found.append(cmath.rect(math.exp(-radius * step), angle))
        rows = (np.arange(row - 3, row + 4)) % power.shape[0]
        columns = (np.arange(column - 2, column + 3)) % power.shape[1]
        power[np.ix_(rows, columns)] = -np.inf
    return found


def _radius_step() -> float:
    return math.log((COARSE / 2 - 4) / 4) / (RADII - 1)


def _log_polar(field: Field) -> npt.NDArray[np.float64]:
    """(ANGLES, RADII) of the spectrum's logarithm, over half a turn."""
    canvas = _windowed(field)
    spectrum = np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(canvas))))
    radius = 4 * np.exp(np.arange(RADII) * _radius_step())
    angle = np.arange(ANGLES) * math.pi / ANGLES
    x = COARSE / 2 + radius * np.cos(angle)[:, None]
    y = COARSE / 2 + radius * np.sin(angle)[:, None]
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    u, v = x - column, y - row
    upper = spectrum[row, column] * (1 - u) + spectrum[row, column + 1] * u
    lower = spectrum[row + 1, column] * (1 - u) + spectrum[row + 1, column + 1] * u
    polar = upper * (1 - v) + lower * v
    return np.asarray(polar - polar.mean(axis=0), np.float64)


def _windowed(field: Field) -> npt.NDArray[np.float64]:
    """The field in the middle of a square of `COARSE`, fading out to its edges."""
    height, width = field.shape
    fading = np.hanning(height + 2)[1:-1, None] * np.hanning(width + 2)[1:-1]
    canvas = np.zeros((COARSE, COARSE))
    top, left = (COARSE - height) // 2, (COARSE - width) // 2
    canvas[top : top + height, left : left + width] = field * fading
    return canvas


def _correlated(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(ANGLES, 2 RADII) phase correlation, in turn around, in radius not."""
    size = (ANGLES, 2 * RADII)
    cross = np.fft.rfft2(second, size) * np.conj(np.fft.rfft2(first, size))
    return np.asarray(np.fft.irfft2(cross / (np.abs(cross) + 1e-9), size), np.float64)


def _shift(earlier: Field, later: Field, turn: complex) -> complex:
    """The shift that goes with a turn: where the two fields, laid over, correlate most."""
    moved = np.nan_to_num(warped(later, Similarity(turn, 0), (COARSE, COARSE)))
    canvas = np.zeros((2 * COARSE, 2 * COARSE))
    canvas[:COARSE, :COARSE] = moved
    other = np.zeros_like(canvas)
    other[:COARSE, :COARSE] = _windowed(earlier)
    cross = np.fft.rfft2(canvas) * np.conj(np.fft.rfft2(other))
    power = np.fft.irfft2(cross / np.sqrt(np.abs(cross) + 1e-9))
    row, column = np.unravel_index(int(power.argmax()), power.shape)
    x, y = (int(place) - (2 * COARSE if place > COARSE else 0) for place in (column, row))
    # The earlier field may be a pixel off the middle of the square.
    height, width = earlier.shape
    x, y = x + (COARSE - width) / 2 - (COARSE - width) // 2, y + (COARSE - height) / 2 - (COARSE - height) // 2
    return turn * complex(x, y)
