"""Figures over all thresholds against scikit-learn and torchmetrics, weights included, and by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from epiluma.evaluation import curves
from epiluma.evaluation.metrics import Bools, Floats


class Drawn:
    """60 scored images with ties; weights may be 0, but not for all of a kind."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.score = random.integers(0, 12, 60) / 11
        self.positive = random.random(60) < 0.15 + 0.7 * self.score
        self.positive[:2] = [True, False]
        self.weights = random.integers(0, 4, 60).astype(float)
        self.weights[:2] = 1


drawn = st.integers(0, 2**32 - 1).map(Drawn)

Metric = Callable[[Floats, Bools, Floats | None], Floats]
EVERY_METRIC: dict[str, Metric] = {
    "partial_auc": curves.partial_auc,
    "average_precision": curves.average_precision,
    "sensitivity_at_specificity": lambda s, p, w: curves.sensitivity_at_specificity(s, p, 0.8, w),
    "specificity_at_sensitivity": lambda s, p, w: curves.specificity_at_sensitivity(s, p, 0.9, w),
    "net_benefit": lambda s, p, w: curves.net_benefit(s >= 0.4, p, 0.25, w),
}


@pytest.mark.parametrize("name", EVERY_METRIC)
@given(data=drawn)
@settings(max_examples=25, deadline=None)
def test_a_weight_is_how_often_an_image_counts(name: str, data: Drawn) -> None:
    rows = np.repeat(np.arange(60), data.weights.astype(int))
    repeated = EVERY_METRIC[name](data.score[rows], data.positive[rows], None)
    weighted = EVERY_METRIC[name](data.score, data.positive, data.weights)
    np.testing.assert_allclose(weighted, repeated, atol=1e-12)


@pytest.mark.parametrize("name", EVERY_METRIC)
def test_replicates_at_once_equal_replicates_one_by_one(name: str) -> None:
    data = Drawn(1)
    weights = np.random.default_rng(2).integers(0, 3, (7, 60)).astype(float)
    expected = [EVERY_METRIC[name](data.score, data.positive, row) for row in weights]
    np.testing.assert_allclose(EVERY_METRIC[name](data.score, data.positive, weights), expected, atol=1e-12)


@given(data=drawn)
@settings(max_examples=40, deadline=None)
def test_areas_agree_with_scikit_learn(data: Drawn) -> None:
    how = {"sample_weight": data.weights}
    average = sk.average_precision_score(data.positive, data.score, **how)
    assert curves.average_precision(data.score, data.positive, data.weights) == pytest.approx(average)
    assert curves.partial_auc(data.score, data.positive, data.weights, least=0) == pytest.approx(
        sk.roc_auc_score(data.positive, data.score, **how)
    )
    assert curves.partial_auc(data.score, data.positive, data.weights) == pytest.approx(isic_2024(data))


def isic_2024(data: Drawn, least: float = 0.8) -> float:
    """The challenge's own scoring code: classes swapped, scikit-learn's scaled area, and its scaling undone."""
    reach = 1 - least
    scaled = sk.roc_auc_score(~data.positive, -data.score, max_fpr=reach, sample_weight=data.weights)
    return 0.5 * reach**2 + (reach - 0.5 * reach**2) / (1.0 - 0.5) * (scaled - 0.5)


def test_partial_area_of_a_perfect_and_of_a_blind_score() -> None:
    positive = np.arange(10) < 4
    assert curves.partial_auc(positive.astype(float), positive) == pytest.approx(0.2)
    assert curves.partial_auc(np.ones(10), positive) == pytest.approx(0.02)


@pytest.mark.parametrize("least", [0.5, 0.8, 0.9, 0.95])
@given(data=drawn)
@settings(max_examples=15, deadline=None)
def test_bounded_points_agree_with_torchmetrics(least: float, data: Drawn) -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    torch = pytest.importorskip("torch")
    score, positive = torch.tensor(data.score), torch.tensor(data.positive.astype(int))
    sensitivity, _ = functional.binary_sensitivity_at_specificity(score, positive, least)
    specificity, _ = functional.binary_specificity_at_sensitivity(score, positive, least)
    assert curves.sensitivity_at_specificity(data.score, data.positive, least) == pytest.approx(float(sensitivity))
    assert curves.specificity_at_sensitivity(data.score, data.positive, least) == pytest.approx(float(specificity))


def test_a_share_that_meets_its_bound_exactly_counts() -> None:
    # Nine of ten negatives lie below every positive, and 0.9 is no exact binary fraction.
    score = np.array([*[0.1] * 9, 0.7, 0.6, 0.6, 0.2])
    positive = np.arange(13) >= 10
    assert curves.sensitivity_at_specificity(score, positive, 0.9) == 1
    assert curves.sensitivity_at_specificity(score, positive, 0.91) == 0


@given(data=drawn)
@settings(max_examples=25, deadline=None)
def test_every_threshold_counts_what_reaches_it(data: Drawn) -> None:
    counts = curves.sweep(data.score, data.positive)
    for i, threshold in enumerate(counts.threshold):
        flagged = data.score >= threshold
        assert counts.true_positive[i] == (flagged & data.positive).sum()
        assert counts.false_positive[i] == (flagged & ~data.positive).sum()
        assert counts.false_negative[i] == (~flagged & data.positive).sum()
        assert counts.true_negative[i] == (~flagged & ~data.positive).sum()


@given(data=drawn, equal=st.booleans())
@settings(max_examples=15, deadline=None)
def test_no_threshold_beats_the_best(data: Drawn, equal: bool) -> None:
    weights = np.where(data.positive, 1 / data.positive.sum(), 1 / (~data.positive).sum()) if equal else np.ones(60)

    def score_of(threshold: float) -> tuple[float, float]:
        flagged = data.score >= threshold
        how = {"sample_weight": weights}
        both = sk.f1_score(data.positive, flagged, average="macro", zero_division=0, **how)
        return sk.accuracy_score(data.positive, flagged, **how), both

    for goal, index in ((curves.accuracy_of, 0), (curves.mean_f1_of, 1)):
        found = score_of(curves.best_threshold(data.score, data.positive, goal, weights))[index]
        assert found == pytest.approx(max(score_of(t)[index] for t in (np.arange(13) - 0.5) / 11))


def test_of_equally_good_thresholds_the_lower_flags_more() -> None:
    score, positive = np.array([0.2, 0.4, 0.6, 0.8]), np.array([False, True, False, True])
    assert curves.best_threshold(score, positive, curves.accuracy_of) == pytest.approx(0.3)


@given(data=drawn)
@settings(max_examples=25, deadline=None)
def test_corners_keep_the_area(data: Drawn) -> None:
    counts = curves.sweep(data.score, data.positive)
    turns = curves.corners(counts)
    area = np.trapezoid(counts.sensitivity[turns][::-1], 1 - counts.specificity[turns][::-1])
    assert area == pytest.approx(sk.roc_auc_score(data.positive, data.score))
    assert len(turns) <= len(counts.threshold)


@given(data=drawn, threshold=st.floats(0.05, 0.9))
@settings(max_examples=25, deadline=None)
def test_net_benefit_is_that_of_vickers_and_elkin(data: Drawn, threshold: float) -> None:
    flagged, odds = data.score >= threshold, threshold / (1 - threshold)
    tn, fp, fn, tp = sk.confusion_matrix(data.positive, flagged, labels=[False, True]).ravel()
    assert curves.net_benefit(flagged, data.positive, odds) == pytest.approx((tp - fp * odds) / (tn + fp + fn + tp))


@pytest.mark.parametrize("name", [name for name in EVERY_METRIC if name != "net_benefit"])
def test_one_kind_alone_defines_nothing(name: str) -> None:
    score, positive = np.array([0.1, 0.5, 0.9]), np.zeros(3, bool)
    assert np.isnan(EVERY_METRIC[name](score, positive, None))
    without = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    assert np.isnan(EVERY_METRIC[name](score, np.array([False, False, True]), without)).tolist() == [True, False]


def test_neighbouring_floats_have_a_threshold_between_them() -> None:
    low = 0.3
    score = np.array([low, np.nextafter(low, 1)])
    counts = curves.sweep(score, np.array([False, True]))
    assert counts.true_positive.tolist() == [1, 1, 0]
    assert (score >= counts.threshold[1]).tolist() == [False, True]
