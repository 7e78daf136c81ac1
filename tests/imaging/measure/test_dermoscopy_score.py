"""The score is Stolz's formula, and says what it cannot know."""

from __future__ import annotations

from itertools import product

import pytest

from epiluma.imaging.measure.dermoscopy_score import band_of, dermoscopy_score, total_score
from epiluma.imaging.measure.figures import COLOURS
from epiluma.imaging.measure.records import Asymmetry, Border, ColourShare

EVEN = Asymmetry(
    shape_long_axis=0.02, shape_short_axis=0.02, colour_long_axis=3.0, colour_short_axis=3.0, elongation=1.2
)


def border(*abruptness: float | None) -> Border:
    return Border(compactness=0.9, solidity=0.95, radial_variation=0.1, abruptness=abruptness)


def colours(present: int) -> list[ColourShare]:
    return [ColourShare(name=name, share=0.1, present=i < present) for i, name in enumerate(COLOURS)]


def test_the_ends_of_the_scale() -> None:
    scores = [total_score(*abcd) for abcd in product(range(3), range(9), range(1, 7), range(1, 6))]
    assert (min(scores), max(scores), len(scores)) == (1.0, 8.9, 810)


@pytest.mark.parametrize(
    ("score", "band"),
    [(1.0, "benign"), (4.7, "benign"), (4.75, "suspicious"), (5.4, "suspicious"), (5.5, "highly suspicious")],
)
def test_the_bands(score: float, band: str) -> None:
    assert band_of(score) == band


def test_a_plain_nevus() -> None:
    found = dermoscopy_score(EVEN, border(*[0.1] * 8), colours(1), 0.5)
    assert (found.a, found.b, found.c, found.lowest, found.highest) == (0, 0, 1, 1.0, 3.0)
    assert (found.lowest_band, found.highest_band) == ("benign", "benign")


def test_each_criterion_counts() -> None:
    one_axis = Asymmetry(
        shape_long_axis=0.3, shape_short_axis=0.02, colour_long_axis=30.0, colour_short_axis=3.0, elongation=1.2
    )
    both = Asymmetry(
        shape_long_axis=0.3, shape_short_axis=0.02, colour_long_axis=3.0, colour_short_axis=30.0, elongation=1.2
    )
    first = dermoscopy_score(one_axis, border(0.9, 0.9, None, 0.1, 0.1, 0.1, 0.1, 0.1), colours(3), 0.5)
    assert (first.a, first.b, first.c) == (1, 2, 3)
    assert first.lowest == pytest.approx(1.3 + 0.2 + 1.5 + 0.5)
    second = dermoscopy_score(both, border(*[0.9] * 8), colours(6), 0.5)
    assert (second.a, second.b, second.c, second.highest) == (2, 8, 6, 8.9)
    assert second.lowest_band == "highly suspicious"


def test_no_colour_counts_as_one() -> None:
    assert dermoscopy_score(EVEN, border(), colours(0), 0.0).c == 1
