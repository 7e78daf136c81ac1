"""Out-of-distribution AUROC from two tables: against scikit-learn, and refused without scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from epiluma.evaluation.scorecard import score
from epiluma.predictions import Predictions, PredictionsError


def scored(table: Predictions, values: np.ndarray) -> Predictions:
    return replace(table, subgroups={"ood_score": values.astype(str)})


def test_auroc_of_two_tables(make_table: Callable[..., Predictions]) -> None:
    random = np.random.default_rng(0)
    inside, outside = make_table(lesions=80), make_table(lesions=60, seed=1)
    low, high = random.normal(0, 1, len(inside)).round(3), random.normal(1, 1, len(outside)).round(3)
    figure = score(scored(inside, low), outside=scored(outside, high), replicates=200).outside
    assert figure is not None
    assert figure.metric is not None
    truth = np.r_[np.zeros(len(low)), np.ones(len(high))]
    assert figure.metric.value == pytest.approx(roc_auc_score(truth, np.r_[low, high]))
    assert figure.metric.lower < figure.metric.value < figure.metric.upper
    # Both tables name their lesions alike, and they are different lesions all the same.
    assert figure.metric.n == 140
    few = score(scored(inside, low), outside=scored(outside, high).where(outside.group == "lesion1"), replicates=5)
    assert few.outside is not None
    assert few.outside.metric is None
    assert score(scored(inside, low), replicates=5).outside is None


@pytest.mark.parametrize(
    ("values", "reason"), [(None, "no column 'ood_score'"), ("high", "must hold numbers"), ("nan", "finite numbers")]
)
def test_scores_that_are_none_are_refused(
    make_table: Callable[..., Predictions], values: str | None, reason: str
) -> None:
    table = make_table(lesions=30)
    other = replace(table, subgroups={"ood_score": np.full(len(table), values)} if values else {})
    with pytest.raises(PredictionsError, match=reason):
        score(other, outside=scored(table, np.ones(len(table))), replicates=1)
