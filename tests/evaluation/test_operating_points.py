"""Operating points against brute force, lesion by lesion."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, recall_score

from epiluma.evaluation.metrics import Bools, Floats, Ints
from epiluma.evaluation.operating_points import MARGIN, TooFewLesions, choose_operating_point, most_accurate_point


class Part(NamedTuple):
    """A calibration part."""

    risk: Floats
    melanoma: Bools
    benign: Bools
    group: Ints


def draw_part(seed: int, melanomas: int = 70, others: int = 120, decimals: int = 3) -> Part:
    """One to three photos a lesion; a third kind (malignant, no melanoma) belongs to neither mask."""
    random = np.random.default_rng(seed)
    kind = np.repeat([0, 1, 2], [melanomas, others, 20])
    photos = random.integers(1, 4, len(kind))
    lesion, kind = np.repeat(np.arange(len(kind)), photos), np.repeat(kind, photos)
    risk = np.round(random.beta(np.where(kind == 1, 1.0, 4.0), np.where(kind == 1, 6.0, 2.0)), decimals)
    return Part(risk, kind == 0, kind == 1, lesion)


def by_hand(part: Part, threshold: float) -> tuple[float, float, float]:
    """(sensitivity, its lower bound, specificity), counted lesion by lesion."""
    caught = [
        all(part.risk[(part.group == lesion) & part.melanoma] >= threshold)
        for lesion in np.unique(part.group[part.melanoma])
    ]
    spared = [
        all(part.risk[(part.group == lesion) & part.benign] < threshold)
        for lesion in np.unique(part.group[part.benign])
    ]
    bound = binomtest(sum(caught), len(caught), alternative="greater").proportion_ci(0.95, method="exact").low
    return float(np.mean(caught)), float(bound), float(np.mean(spared))


parts = st.builds(draw_part, st.integers(0, 2**32 - 1), decimals=st.sampled_from([1, 2, 4]))


@given(part=parts, sensitivity=st.sampled_from([0.8, 0.9, 0.97]), lower_bound=st.sampled_from([0.7, 0.85, 0.92]))
@settings(max_examples=40, deadline=None)
def test_the_threshold_is_the_largest_that_meets_both_demands(
    part: Part, sensitivity: float, lower_bound: float
) -> None:
    point = choose_operating_point(*part, sensitivity=sensitivity, lower_bound=lower_bound)
    reached, bound, specificity = by_hand(part, point.threshold)
    assert point.sensitivity == pytest.approx(reached)
    assert point.sensitivity_lower_bound == pytest.approx(bound)
    assert point.specificity == pytest.approx(specificity)
    assert point.lesions == 70
    assert reached >= sensitivity
    assert bound >= lower_bound

    candidates = np.unique(part.risk)
    meeting = [t for t in candidates if (got := by_hand(part, t))[0] >= sensitivity and got[1] >= lower_bound]
    largest = max(meeting)
    assert point.threshold <= largest - min(MARGIN, largest / 2) + 1e-12
    below = candidates[candidates < largest]
    if len(below) and largest - below[-1] >= 2 * MARGIN:
        assert point.threshold == pytest.approx((largest + below[-1]) / 2)


@given(part=parts)
@settings(max_examples=25, deadline=None)
def test_asking_for_more_sensitivity_never_raises_the_threshold(part: Part) -> None:
    points = [choose_operating_point(*part, sensitivity=s, lower_bound=0.6) for s in (0.7, 0.8, 0.9, 0.97, 1.0)]
    for easier, harder in pairwise(points):
        assert harder.threshold <= easier.threshold
        assert harder.sensitivity >= easier.sensitivity
        assert harder.specificity <= easier.specificity


@given(part=parts, noise=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_another_graph_within_1e_4_loses_no_caught_lesion(part: Part, noise: int) -> None:
    assume(part.risk[part.melanoma].min() > 2 * MARGIN)
    point = choose_operating_point(*part)
    shift = np.random.default_rng(noise).uniform(-1e-4, 1e-4, len(part.risk))
    assert by_hand(part._replace(risk=part.risk + shift), point.threshold)[0] >= point.sensitivity


def test_crowded_risks_still_leave_the_margin() -> None:
    risk = np.linspace(0.3, 0.301, 200)
    melanoma = np.arange(200) % 2 == 0
    point = choose_operating_point(risk, melanoma, ~melanoma, np.arange(200), sensitivity=0.9, lower_bound=0.8)
    lowest_needed = risk[melanoma][10]
    assert point.threshold == pytest.approx(lowest_needed - MARGIN)
    assert point.sensitivity > 0.9


def one_photo_each(melanomas: int, benign: int = 5) -> Part:
    kind = np.arange(melanomas + benign) < melanomas
    return Part(np.where(kind, 0.8, 0.1), kind, ~kind, np.arange(len(kind)))


def test_too_few_melanomas_say_how_many_are_needed() -> None:
    with pytest.raises(TooFewLesions, match=r"30 lesions, at least 36 needed.*0\.905 at best") as caught:
        choose_operating_point(*one_photo_each(30))
    assert (caught.value.found, caught.value.needed) == (30, 36)
    with pytest.raises(TooFewLesions):
        choose_operating_point(*one_photo_each(35))
    point = choose_operating_point(*one_photo_each(36))
    assert (point.sensitivity, point.specificity) == (1, 1)
    assert point.sensitivity_lower_bound == pytest.approx(0.05 ** (1 / 36))
    assert point.threshold == pytest.approx(0.45)


@pytest.mark.parametrize(("melanomas", "benign"), [(0, 5), (40, 0)])
def test_a_part_without_a_kind_is_refused(melanomas: int, benign: int) -> None:
    with pytest.raises(TooFewLesions, match="0 lesions"):
        choose_operating_point(*one_photo_each(melanomas, benign))


def test_one_missed_photo_loses_the_lesion() -> None:
    part = one_photo_each(40)
    part = Part(
        *(np.append(column, value) for column, value in zip(part, (0.3, True, False, part.group[0]), strict=True))
    )
    assert choose_operating_point(*part, sensitivity=1).threshold == pytest.approx(0.2)
    assert choose_operating_point(*part, sensitivity=0.95, lower_bound=0.8).sensitivity == pytest.approx(39 / 40)


def test_images_referred_anyway_reach_every_threshold() -> None:
    part = one_photo_each(40)
    risk, anyway = part.risk.copy(), np.zeros(45, bool)
    risk[0], anyway[[0, 44]] = 0.01, True
    point = choose_operating_point(risk, *part[1:], sensitivity=1, also_referred=anyway)
    assert point.threshold == pytest.approx(0.45)
    assert point.sensitivity == 1
    assert point.specificity == pytest.approx(4 / 5)
    alone = choose_operating_point(risk, *part[1:], sensitivity=1)
    assert alone.threshold == pytest.approx(0.005)


@pytest.mark.parametrize("bad", [math.nan, -0.1, 1.5])
def test_what_is_no_risk_is_refused(bad: float) -> None:
    part = one_photo_each(40)
    part.risk[3] = bad
    with pytest.raises(ValueError, match="risk must lie"):
        choose_operating_point(*part)


@given(
    risk=st.lists(st.sampled_from([0.0, 0.01, 0.2, 0.35, 0.5, 0.8, 0.99]), min_size=2, max_size=30),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_no_other_threshold_makes_fewer_errors(risk: list[float], seed: int) -> None:
    found, malignant = np.array(risk), np.random.default_rng(seed).random(len(risk)) < 0.5
    assume(malignant.any() and not malignant.all())
    point = most_accurate_point(found, malignant)
    assert 0 <= point.threshold <= 1
    called = found >= point.threshold
    assert point.accuracy == pytest.approx(accuracy_score(malignant, called))
    assert point.sensitivity == pytest.approx(recall_score(malignant, called))
    assert point.specificity == pytest.approx(recall_score(~malignant, ~called))
    assert point.images == len(risk)
    best = max(accuracy_score(malignant, found >= t) for t in [*np.unique(found), 1.0])
    assert point.accuracy == pytest.approx(best)


def test_the_threshold_is_a_probability_even_when_a_benign_risk_is_1() -> None:
    point = most_accurate_point(np.array([0.1, 0.2, 1.0, 1.0]), np.array([True, False, False, False]))
    assert (point.threshold, point.specificity) == (1.0, pytest.approx(1 / 3))


@pytest.mark.parametrize(("malignant", "absent"), [(True, "benign"), (False, "malignant")])
def test_one_kind_alone_has_no_threshold(malignant: bool, absent: str) -> None:
    with pytest.raises(TooFewLesions, match=f"no {absent} lesion"):
        most_accurate_point(np.array([0.2, 0.8]), np.full(2, malignant))


def test_another_protected_kind_is_named() -> None:
    assert "malignant sensitivity" in choose_operating_point(*one_photo_each(40), protected="malignant").target
    assert "melanoma sensitivity" in choose_operating_point(*one_photo_each(40)).target
