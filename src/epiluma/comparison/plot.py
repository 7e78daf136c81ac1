"""Curves over time as SVG text that stands in a page by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

POINTS = 240
"""A longer curve is drawn through the means of so many stretches."""
COLOURS = ("#4a82b5", "#c2513f", "#5b8c3e", "#8a63b0", "#b0781f", "#2f8f8b", "#7a7f86")
DASHES = ("", "6 3", "2 3")
"""After the colours are used up they come again, dashed: nothing hangs on colour alone."""
_WIDTH, _HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 10, 34
"""Around the axes, in SVG units."""


class Curve(NamedTuple):
    """Values over time, in the order of the time."""

    label: str
    minutes: Sequence[float]
    values: Sequence[float]


def line_chart(title: str, unit: str, curves: Sequence[Curve]) -> str:
    """SVG of curves over minutes, from 0 up, with a legend below. Raises ValueError when no curve has a point."""
    drawn = [(curve.label, *thinned(curve)) for curve in curves if len(curve.minutes)]
    if not drawn:
        raise ValueError(f"{title}: no curve has a point")
    right, top = (nice(max(float(axis.max()) for axis in axes)) for axes in zip(*(c[1:] for c in drawn), strict=True))
    rows = math.ceil(len(drawn) / 2)
    height = _HEIGHT + 20 * rows
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" font-family="inherit" '
        f'font-size="12" fill="currentColor"><title>{escape(title)}</title>'
        f"<desc>{escape(unit)} over minutes: {escape(', '.join(label for label, *_ in drawn))}</desc>"
        f"{_axes(right, top, unit)}"
        f"{''.join(_line(i, xs / right, ys / top) for i, (_, xs, ys) in enumerate(drawn))}"
        f"{''.join(_legend(i, label) for i, (label, *_) in enumerate(drawn))}</svg>"
    )


def thinned(curve: Curve) -> tuple[Floats, Floats]:
    """Minutes and values of at most `POINTS` points: means over stretches of equally many readings."""
    xs, ys = np.asarray(curve.minutes, float), np.asarray(curve.values, float)
    if len(xs) <= POINTS:
        return xs, ys
    parts = np.array_split(np.arange(len(xs)), POINTS)
    return np.array([xs[part].mean() for part in parts]), np.array([ys[part].mean() for part in parts])


def nice(largest: float) -> float:
    """The end of an axis: 1, 2, 2.5 or 5 times a power of ten, at or above the largest value; 1 for nothing."""
    if largest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= largest * (1 - 1e-9))


def _axes(right: float, top: float, unit: str) -> str:
    parts = []
    for i in range(5):
        x, y = _place(i / 4, 0)[0], _place(0, i / 4)[1]
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="currentColor" opacity="0.15"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{top * i / 4:,g}</text>')
        anchor = "end" if i == 4 else "middle"
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="{anchor}">{right * i / 4:,g}</text>')
    words = f"{escape(unit)} over minutes"
    parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 4}" text-anchor="end" opacity="0.7">{words}</text>')
    return "".join(parts)


def _line(index: int, xs: Floats, ys: Floats) -> str:
    points = " ".join("{:.1f},{:.1f}".format(*_place(x, y)) for x, y in zip(xs.tolist(), ys.tolist(), strict=True))
    return f'<polyline points="{points}" fill="none" stroke-width="1.6" {_stroke(index)}/>'


def _legend(index: int, label: str) -> str:
    x, y = _LEFT + (index % 2) * (_WIDTH - _LEFT) / 2, _HEIGHT + 12 + 20 * (index // 2)
    return (
        f'<path d="M{x:.0f} {y - 4}h24" stroke-width="2" {_stroke(index)}/>'
        f'<text x="{x + 30:.0f}" y="{y}">{escape(label)}</text>'
    )


def _stroke(index: int) -> str:
    dash = DASHES[index // len(COLOURS) % len(DASHES)]
    return f'stroke="{COLOURS[index % len(COLOURS)]}"' + (f' stroke-dasharray="{dash}"' if dash else "")


def _place(x: float, y: float) -> tuple[float, float]:
    """SVG coordinates of a point whose axes run from 0 to 1."""
    return _LEFT + x * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - y * (_HEIGHT - _BOTTOM - _TOP)
