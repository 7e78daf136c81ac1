"""Plots place points where their values are, and stay small."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epiluma.comparison.plot import POINTS, Curve, line_chart, nice, thinned


def points(svg: str) -> list[list[tuple[float, float]]]:
    """The points of each curve of a plot."""
    found = re.findall(r'points="([^"]+)"', svg)
    return [[tuple(map(float, pair.split(","))) for pair in line.split()] for line in found]  # type: ignore[misc]


def test_points_lie_on_the_scale_of_the_axes() -> None:
    svg = line_chart("Load <now>", "%", [Curve("a & b", [0, 5, 10], [0, 50, 100]), Curve("c", [10], [25])])
    (first, second) = points(svg)
    assert first[1] == pytest.approx(((first[0][0] + first[2][0]) / 2, (first[0][1] + first[2][1]) / 2), abs=0.1)
    assert first[2][1] < first[0][1]  # up is more
    assert second[0][1] == pytest.approx(first[0][1] + 0.25 * (first[2][1] - first[0][1]), abs=0.1)
    root = ElementTree.fromstring(svg)  # well-formed, so escaped
    assert {node.text for node in root.iter("{http://www.w3.org/2000/svg}text")} >= {"a & b", "c", "100", "10"}


def test_a_long_curve_keeps_its_mean() -> None:
    random = np.random.default_rng(0)
    minutes, values = np.arange(4800.0), random.random(4800)
    xs, ys = thinned(Curve("a", minutes.tolist(), values.tolist()))
    assert len(xs) == len(ys) == POINTS
    assert ys.mean() == pytest.approx(values.mean())
    assert (np.diff(xs) > 0).all()


@given(st.floats(1e-6, 1e9))
def test_an_axis_ends_at_or_little_above_the_largest_value(largest: float) -> None:
    end = nice(largest)
    assert largest * (1 - 1e-9) <= end <= 2.5 * largest * (1 + 1e-9)
    assert end / 10 ** math.floor(math.log10(end) + 1e-9) == pytest.approx(
        min((1, 2, 2.5, 5), key=lambda step: abs(step - end / 10 ** math.floor(math.log10(end) + 1e-9)))
    )


def test_nothing_to_draw_is_an_error_and_zero_is_drawn() -> None:
    with pytest.raises(ValueError, match="no curve has a point"):
        line_chart("Load", "%", [Curve("a", [], [])])
    assert len(points(line_chart("Load", "%", [Curve("a", [0, 0], [0, 0])]))[0]) == 2


def test_more_runs_than_colours_differ_by_dashes() -> None:
    svg = line_chart("Load", "%", [Curve(str(i), [0, 1], [1, i]) for i in range(20)])
    strokes = re.findall(r"<polyline[^>]*(stroke=\"#[^/]*)/>", svg)
    assert len(strokes) == len(set(strokes)) == 20
