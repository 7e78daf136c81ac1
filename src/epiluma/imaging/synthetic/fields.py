"""Random fields and soft brushes that the drawn lesions are made of. Pure functions of a generator."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Floats = npt.NDArray[np.float32]
Shape = tuple[int, int]
"""Rows, columns."""

_OVERSAMPLING = 2
"""Pillow draws without antialiasing; shapes are drawn this many times larger and averaged down."""

_RAMP = np.linspace(0, 1, 24)


def smoothstep(low: float, high: float, x: npt.NDArray[np.floating]) -> Floats:
    """0 below `low`, 1 above `high`, a smooth cubic between (Perlin's 3t^2 - 2t^3)."""
    t = np.clip((np.asarray(x, np.float32) - np.float32(low)) / np.float32(high - low), 0, 1)
    result: Floats = t * t * (3 - 2 * t)
    return result


def noise(random: np.random.Generator, shape: Shape, cell: float) -> Floats:
    """(h, w) smooth noise, mean about 0 and standard deviation about 0.7, varying over `cell` pixels."""
    cell = max(cell, 1.0)
    rows, columns = (length / cell for length in shape)
    grid = random.standard_normal((int(rows) + 3, int(columns) + 3), dtype=np.float32)
    left, top = random.random(2)
    image = Image.fromarray(grid).resize(
        shape[::-1], Image.Resampling.BICUBIC, box=(left + 0.5, top + 0.5, left + 0.5 + columns, top + 0.5 + rows)
    )
    return np.asarray(image)


def cloud(random: np.random.Generator, shape: Shape, cell: float, octaves: int = 3) -> Floats:
    """(h, w) noise with detail: each octave has half the cell and half the height of the one before."""
    # Detail finer than a pixel and a half would only be noise, at the full price of an octave.
    octaves = max(1, min(octaves, 1 + int(np.log2(max(cell, 1.5) / 1.5))))
    finest = cell / 2 ** (octaves - 1)
    # Smooth fields are summed small and enlarged once: the eye cannot tell and it is several times quicker.
    step = max(1, int(finest / 2))
    small = (-(-shape[0] // step), -(-shape[1] // step))
    total = np.zeros(small, np.float32)
    for octave in range(octaves):
        total += noise(random, small, cell / step / 2**octave) * np.float32(0.5**octave)
    return total if step == 1 else enlarge(total, shape)


def enlarge(field: Floats, shape: Shape) -> Floats:
    """`field` resized to (h, w) without steps."""
    return np.asarray(Image.fromarray(field).resize(shape[::-1], Image.Resampling.BILINEAR))


def grain(random: np.random.Generator, shape: Shape, *, angle: float, length: float, width: float) -> Floats:
    """(h, w) noise drawn out along `angle` (radians): streaks about `length` by `width` pixels."""
    length, width = max(length, 1.0), max(width, 1.0)
    reach = float(np.hypot(*shape))
    grid = random.standard_normal((int(reach / width) + 3, int(reach / length) + 3), dtype=np.float32)
    cosine, sine = np.cos(angle), np.sin(angle)
    middle_x, middle_y = shape[1] / 2, shape[0] / 2
    along = (cosine / length, sine / length)
    across = (-sine / width, cosine / width)
    matrix = (
        *along,
        grid.shape[1] / 2 - along[0] * middle_x - along[1] * middle_y,
        *across,
        grid.shape[0] / 2 - across[0] * middle_x - across[1] * middle_y,
    )
    image = Image.fromarray(grid).transform(shape[::-1], Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.asarray(image)


def network(
    random: np.random.Generator, where: npt.NDArray[np.bool_], *, cell: float, line: float, disorder: float, soft: float
) -> Floats:
    """(h, w) in [0, 1]: a net of lines `line` pixels wide around holes about `cell` pixels apart, inside `where`.

    A honeycomb whose holes and corners are moved at random by about `disorder` cells, with half that share of its
    lines missing: neighbouring holes run together, as they do in skin.
    """
    canvas, pen = _canvas(where.shape)
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    if not rows.size:
        return np.zeros(where.shape, np.float32)
    middle = np.array([(columns[0] + columns[-1]) / 2, (rows[0] + rows[-1]) / 2])
    reach = int(np.hypot(rows[-1] - rows[0], columns[-1] - columns[0]) / (2 * cell) / 0.8) + 2
    up, down = _honeycomb_corners(random, reach, cell, disorder)
    edges = np.concatenate(
        [
            np.stack([up[1:, 1:], down[1:, 1:]], axis=2),
            np.stack([up[1:, 1:], down[:-1, 1:]], axis=2),
            np.stack([up[1:, 1:], down[1:, :-1]], axis=2),
        ]
    ).reshape(-1, 2, 2)
    edges += middle
    at = edges.mean(axis=1).astype(np.intp)
    fits = (at >= 0).all(axis=1) & (at[:, 0] < where.shape[1]) & (at[:, 1] < where.shape[0])
    fits[fits] = where[at[fits, 1], at[fits, 0]]
    fits &= random.random(len(edges)) > 0.5 * disorder
    kept = edges[fits] * _OVERSAMPLING
    widths = np.maximum(np.round(line * _OVERSAMPLING * random.uniform(0.55, 1.35, len(kept))), 1).astype(int)
    for points, width in zip(kept.reshape(-1, 4).tolist(), widths.tolist(), strict=True):
        pen.line(points, fill=255, width=width)
    return _averaged(canvas, soft)


def _honeycomb_corners(
    random: np.random.Generator, reach: int, cell: float, disorder: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Corners of a honeycomb around (0, 0): the middles of the triangles between the holes' centres."""
    i, j = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1), indexing="ij")
    turn = random.random() * np.pi
    steps = cell * np.array([[np.cos(turn), np.sin(turn)], [np.cos(turn + np.pi / 3), np.sin(turn + np.pi / 3)]])
    holes = i[..., None] * steps[0] + j[..., None] * steps[1]
    holes += random.normal(0, disorder * cell, holes.shape)
    up = (holes[:-1, :-1] + holes[1:, :-1] + holes[:-1, 1:]) / 3
    down = (holes[1:, 1:] + holes[1:, :-1] + holes[:-1, 1:]) / 3
    wobble = 0.3 * disorder * cell
    return up + random.normal(0, wobble, up.shape), down + random.normal(0, wobble, down.shape)


def spots(shape: Shape, centres: npt.NDArray[np.floating], radii: npt.NDArray[np.floating], soft: float) -> Floats:
    """(h, w) in [0, 1]: filled circles at `centres` (n, 2; x, y) with `radii`, blurred by `soft` pixels."""
    canvas, pen = _canvas(shape)
    for box in _boxes(centres, radii):
        pen.ellipse(box, fill=255)
    return _averaged(canvas, soft)


def rings(shape: Shape, centres: npt.NDArray[np.floating], radii: npt.NDArray[np.floating], width: float) -> Floats:
    """(h, w) in [0, 1]: circles of line `width` pixels at `centres` (n, 2; x, y)."""
    canvas, pen = _canvas(shape)
    line = max(1, round(width * _OVERSAMPLING))
    for box in _boxes(centres, radii):
        pen.ellipse(box, outline=255, width=line)
    return _averaged(canvas, width / 3)


def strokes(shape: Shape, paths: Iterable[npt.NDArray[np.floating]], widths: Iterable[float], soft: float) -> Floats:
    """(h, w) in [0, 1]: curves through the points of each path (k, 2; x, y) that taper from `widths` pixels.

    A stroke too thin to draw is drawn one fine pixel wide and paler, as a camera would see it.
    """
    canvas, pen = _canvas(shape)
    for path, width in zip(paths, widths, strict=True):
        points = np.asarray(path) * _OVERSAMPLING
        last = len(points) - 1
        # Four pieces give a visible taper; one polyline per piece is far quicker than one line per segment.
        for quarter, share in enumerate((1.0, 0.85, 0.65, 0.4)):
            chain = points[quarter * last // 4 : (quarter + 1) * last // 4 + 1].ravel().tolist()
            line = width * share * _OVERSAMPLING
            pen.line(chain, fill=round(255 * min(1.0, line)), width=max(1, round(line)), joint="curve")
    return _averaged(canvas, soft)


def wander(
    random: np.random.Generator, start: npt.NDArray[np.floating], angle: float, *, length: float, bend: float
) -> Floats:
    """(25, 2) points of a smooth curve from `start`, `length` pixels long, turning by about `bend` radians."""
    drift = random.standard_normal(25)
    headings = angle + bend * (np.cumsum(drift[:24]) * 24**-0.5 + _RAMP * drift[24])
    moves = np.stack([np.cos(headings), np.sin(headings)], axis=1) * (length / 24)
    points = np.zeros((25, 2), np.float32)
    points[1:] = np.cumsum(moves, axis=0)
    points += np.asarray(start, np.float32)
    return points


def _canvas(shape: Shape) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    canvas = Image.new("L", (shape[1] * _OVERSAMPLING, shape[0] * _OVERSAMPLING))
    return canvas, ImageDraw.Draw(canvas)


def _boxes(centres: npt.NDArray[np.floating], radii: npt.NDArray[np.floating]) -> list[list[float]]:
    """Corners of the squares around circles, on the canvas."""
    # Pillow fills both ends of a box, so a circle would come out one canvas pixel too wide.
    middle, half = np.asarray(centres) * _OVERSAMPLING - 0.5, np.asarray(radii)[:, None] * _OVERSAMPLING - 0.5
    half = np.maximum(half, 0)
    boxes: list[list[float]] = np.concatenate([middle - half, middle + half], axis=1).tolist()
    return boxes


def _averaged(canvas: Image.Image, soft: float) -> Floats:
    small = canvas.reduce(_OVERSAMPLING)
    if soft > 0.2:
        small = small.filter(ImageFilter.BoxBlur(soft))
    return np.asarray(small, np.float32) * np.float32(1 / 255)
