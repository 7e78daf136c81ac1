"""The numbers behind the charts, against scikit-learn and against the figures of the scorecard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from epiluma.evaluation.charts import Bin, Charts
from epiluma.evaluation.scorecard import Evaluation, score
from epiluma.predictions import Predictions

LESIONS_NEEDED = 10


@pytest.fixture(scope="module")
def split(make_table: Callable[..., Predictions]) -> Predictions:
    table = make_table(lesions=800, seed=1)
    return replace(table, part=np.where(np.arange(len(table)) < 600, "calibration", "test"))


@pytest.fixture(scope="module")
def evaluation(split: Predictions) -> Evaluation:
    return score(split, replicates=100)


@pytest.fixture(scope="module")
def charts(evaluation: Evaluation) -> Charts:
    return evaluation.charts


@pytest.fixture(scope="module")
def part(split: Predictions) -> Predictions:
    return split.only("test")


def malignant(table: Predictions) -> np.ndarray:
    return np.array(table.header.malignant)[table.truth]


def test_the_curve_turns_where_scikit_learns_does(charts: Charts, part: Predictions) -> None:
    assert charts.malignant is not None
    missed, caught, _ = sk.roc_curve(malignant(part), part.risk)
    theirs = set(zip(caught.round(5).tolist(), (1 - missed).round(5).tolist(), strict=True))
    assert set(zip(charts.malignant.sensitivity, charts.malignant.specificity, strict=True)) <= theirs
    area = np.trapezoid(charts.malignant.specificity, 1 - np.array(charts.malignant.sensitivity))
    assert area == pytest.approx(sk.roc_auc_score(malignant(part), part.risk), abs=1e-5)
    assert charts.malignant.precision[0] == pytest.approx(malignant(part).mean(), abs=1e-5)
    assert charts.malignant.precision[-1] is None


def test_marks_are_the_figures_of_the_scorecard(charts: Charts, evaluation: Evaluation, part: Predictions) -> None:
    figures = evaluation.subsets["all"].figures
    in_use, most_accurate = charts.marks
    assert in_use.precision == pytest.approx(sk.precision_score(malignant(part), part.referred))
    for mark, keys in (
        (in_use, ("malignant_sensitivity_by_image", "specificity_by_image")),
        (most_accurate, ("binary_sensitivity", "binary_specificity")),
    ):
        values = [metric.value for key in keys if (metric := figures[key].metric)]
        assert [mark.sensitivity, mark.specificity] == pytest.approx(values)


def test_reliability_agrees_with_scikit_learn_and_adds_up_to_the_ece(
    charts: Charts, evaluation: Evaluation, part: Predictions
) -> None:
    observed, predicted = calibration_curve(malignant(part), part.risk, n_bins=15)
    assert [b.predicted for b in charts.risk_reliability] == pytest.approx(predicted)
    for found, expected in zip(charts.risk_reliability, observed, strict=True):
        if found.observed:
            assert found.observed.value == pytest.approx(expected)
            assert found.observed.lower <= found.observed.value <= found.observed.upper + 1e-12
            assert found.observed.n >= LESIONS_NEEDED
    for key, bins in (("ece_malignancy_risk", charts.risk_reliability), ("ece_top_label", charts.label_reliability)):
        metric = evaluation.subsets["all"].figures[key].metric
        assert metric is not None
        assert sum(b.images for b in bins) == len(part)
        known = sum(gap(b) for b in bins if b.observed) / len(part)
        unknown = sum(b.images for b in bins if not b.observed) / len(part)
        assert known <= metric.value + 1e-9 <= known + unknown + 2e-9


def gap(found: Bin) -> float:
    assert found.observed is not None
    return found.images * abs(found.observed.value - found.predicted)


def test_net_benefit_by_hand(charts: Charts, part: Predictions) -> None:
    truth = malignant(part)
    assert [point.threshold for point in charts.decision] == pytest.approx(np.arange(1, 51) / 100)
    for point in charts.decision[::7]:
        odds, flagged = point.threshold / (1 - point.threshold), part.risk >= point.threshold
        expected = (flagged & truth).mean() - odds * (flagged & ~truth).mean()
        assert point.model.value == pytest.approx(expected)
        assert point.model.lower <= expected <= point.model.upper
        assert point.refer_all == pytest.approx(truth.mean() - odds * (~truth).mean())


def test_classes_with_too_few_lesions_have_no_curve(split: Predictions, charts: Charts, part: Predictions) -> None:
    groups = np.array(part.header.groups)[part.truth]
    enough = {code for code in set(groups) if len(set(part.group[groups == code])) >= LESIONS_NEEDED}
    assert set(charts.classes) == enough
    nevi = score(split.where((split.part == "test") & (split.truth == 1)), replicates=5).charts
    assert (nevi.malignant, nevi.classes, nevi.marks, nevi.decision) == (None, {}, (), ())
    assert nevi.risk_reliability
