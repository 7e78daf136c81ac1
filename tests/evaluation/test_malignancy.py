"""Thresholds fixed on the calibration rows: by hand, never from the scored ones, and open without evidence."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from epiluma.evaluation.scorecard import Evaluation, score
from epiluma.evaluation.selection import CALIBRATION, select
from epiluma.predictions import Predictions

QUICK = 50


@pytest.fixture(scope="module")
def split(make_table: Callable[..., Predictions]) -> Predictions:
    """A table whose first 400 lesions calibrate and whose others are scored; one image in 40 was not judged."""
    table = make_table(lesions=900, seed=3)
    number = np.char.replace(table.group, "lesion", "").astype(int)
    judged = np.arange(len(table)) % 40 > 0
    return replace(
        table,
        part=np.where(number < 400, CALIBRATION, "test"),
        diagnosis=np.where(judged, table.diagnosis, -1),
    )


@pytest.fixture(scope="module")
def evaluation(split: Predictions) -> Evaluation:
    return score(split, replicates=QUICK)


def malignant(table: Predictions) -> np.ndarray:
    return np.array(table.header.malignant)[table.truth]


def value(evaluation: Evaluation, key: str) -> float:
    metric = evaluation.subsets["all"].figures[key].metric
    assert metric is not None
    return metric.value


def test_the_threshold_is_the_most_accurate_of_the_calibration_part(split: Predictions, evaluation: Evaluation) -> None:
    part = split.only(CALIBRATION)
    part = part.where(part.diagnosis >= 0)
    threshold = evaluation.fixed_thresholds["most_accurate"]

    def accuracy(t: float) -> float:
        return sk.accuracy_score(malignant(part), part.risk >= t)

    assert accuracy(threshold) == pytest.approx(max(accuracy(t) for t in [*part.risk, 2.0]))


def test_figures_at_the_fixed_threshold_agree_with_scikit_learn(split: Predictions, evaluation: Evaluation) -> None:
    part = split.only("test")
    flagged = part.risk >= evaluation.fixed_thresholds["most_accurate"]
    right = (flagged == malignant(part)) & (part.diagnosis >= 0)
    assert value(evaluation, "binary_accuracy") == pytest.approx(right.mean())
    assert value(evaluation, "binary_sensitivity") == pytest.approx(right[malignant(part)].mean())
    assert value(evaluation, "binary_specificity") == pytest.approx(right[~malignant(part)].mean())


def test_balanced_f1_is_that_of_equally_many_malignant_and_benign(split: Predictions, evaluation: Evaluation) -> None:
    part = split.only("test")
    said = np.where(part.diagnosis < 0, -1, part.risk >= evaluation.fixed_thresholds["balanced_f1"])
    truth = malignant(part).astype(int)
    weight = 1 / np.bincount(truth)[truth]
    benign, ill = sk.f1_score(truth, said, labels=[0, 1], average=None, sample_weight=weight)
    assert value(evaluation, "balanced_f1_malignant") == pytest.approx(ill)
    assert value(evaluation, "balanced_f1_benign") == pytest.approx(benign)
    assert value(evaluation, "balanced_binary_f1") == pytest.approx((ill + benign) / 2)


def test_nothing_of_the_scored_part_moves_a_threshold(split: Predictions, evaluation: Evaluation) -> None:
    random = np.random.default_rng(0)
    shuffled = split.probabilities.copy()
    scored = split.part == "test"
    shuffled[scored] = random.permutation(shuffled[scored])
    other = score(replace(split, probabilities=shuffled), replicates=1)
    assert other.fixed_thresholds == evaluation.fixed_thresholds
    assert value(other, "binary_accuracy") < value(evaluation, "binary_accuracy")


def test_every_subset_uses_the_same_threshold(evaluation: Evaluation, split: Predictions) -> None:
    confirmed = split.where((split.subgroups["confirmation"] == "histo") | (split.part == CALIBRATION))
    alone = score(confirmed, replicates=QUICK)
    assert alone.fixed_thresholds == evaluation.fixed_thresholds
    ours, theirs = evaluation.subsets["histology"].figures, alone.subsets["all"].figures
    assert all(ours[key].metric == theirs[key].metric for key in ours if key.startswith(("binary", "balanced_f1")))


@pytest.mark.parametrize(
    ("calibrating", "reason"),
    [
        (0, "no calibration part beside the scored one"),
        (20, "malignant lesions?, 10 needed in the calibration part"),
    ],
)
def test_without_evidence_the_figures_stay_open(
    make_table: Callable[..., Predictions], calibrating: int, reason: str
) -> None:
    table = make_table(lesions=300)
    number = np.char.replace(table.group, "lesion", "").astype(int)
    evaluation = score(replace(table, part=np.where(number < calibrating, CALIBRATION, "test")), replicates=QUICK)
    for figure in evaluation.subsets["all"].figures.values():
        if figure.section == "threshold":
            assert figure.metric is None
            assert re.search(reason, figure.note)


def test_the_calibration_part_is_not_scored_with_itself(split: Predictions) -> None:
    assert select(split, CALIBRATION).calibration is None
    assert score(split, part=CALIBRATION, replicates=1).fixed_thresholds == {}
