"""Paired differences: intervals by simulation, DeLong by its covariance matrix written out, McNemar against scipy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_auc_score

from epiluma.evaluation.intervals import two_sided_p
from epiluma.evaluation.paired import compare, delong, mcnemar
from epiluma.evaluation.scorecard import score
from epiluma.evaluation.selection import LeakedPredictions
from epiluma.predictions import Predictions, PredictionsError

QUICK = 200


def another(table: Predictions, noise: float, seed: int = 9) -> Predictions:
    """The same images as another network sees them: its logits have noise."""
    random = np.random.default_rng(seed)
    probabilities = table.probabilities * np.exp(random.normal(0, noise, table.probabilities.shape))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return replace(
        table, probabilities=probabilities, diagnosis=(probabilities / np.array(table.header.prevalence)).argmax(axis=1)
    )


def test_differences_are_those_of_the_two_scorecards(table: Predictions) -> None:
    worse = another(table, 1.5)
    found = compare(table, worse, replicates=QUICK)
    ours, theirs = (score(t, replicates=1).subsets["all"].figures for t in (table, worse))
    assert found.figures.keys() == {key for key, figure in ours.items() if figure.metric}
    for key, figure in found.figures.items():
        mine, other = ours[key].metric, theirs[key].metric
        assert mine is not None
        assert other is not None
        assert (figure.first, figure.second) == (mine.value, other.value)
        assert figure.difference.value == pytest.approx(mine.value - other.value)
        assert figure.difference.n == mine.n
    clear = found.figures["malignant_auc"]
    assert 0 < clear.difference.lower < clear.difference.upper
    assert clear.p == pytest.approx(2 / (QUICK + 1))
    assert {test.p < 0.001 for test in found.tests} == {True}


def test_a_table_does_not_differ_from_itself_in_another_order(table: Predictions) -> None:
    order = np.random.default_rng(0).permutation(len(table))
    found = compare(table, table.where(order), replicates=QUICK)
    assert {figure.p for figure in found.figures.values()} == {1.0}
    assert {test.p for test in found.tests} == {1.0}
    assert all(figure.difference.upper == pytest.approx(0, abs=1e-12) for figure in found.figures.values())


def test_two_networks_of_the_same_skill_are_rarely_told_apart(make_table: Callable[..., Predictions]) -> None:
    found = []
    for seed in range(40):
        table = make_table(lesions=100, seed=seed)
        pair = (another(table, 1, seed=seed + 1000), another(table, 1, seed=seed + 2000))
        found.append(compare(*pair, replicates=QUICK, seed=seed))
    for p in (
        np.array([comparison.figures["malignant_auc"].p for comparison in found]),
        np.array([comparison.tests[0].p for comparison in found]),
    ):
        assert (p < 0.05).mean() <= 0.2
        assert 0.3 < p.mean() < 0.7


def delong_written_out(score: np.ndarray, other: np.ndarray, positive: np.ndarray) -> float:
    """DeLong et al. 1988, eq. 3 to 5: kernel of every pair, structural components, covariance matrix, z."""
    components_10, components_01 = [], []
    for values in (score, other):
        pairs = values[positive][:, None] - values[~positive][None, :]
        kernel = (pairs > 0) + (pairs == 0) / 2
        components_10.append(kernel.mean(axis=1))
        components_01.append(kernel.mean(axis=0))
    covariance = np.cov(components_10) / positive.sum() + np.cov(components_01) / (~positive).sum()
    contrast = np.array([1.0, -1.0])
    difference = roc_auc_score(positive, score) - roc_auc_score(positive, other)
    return float(2 * norm.sf(abs(difference) / math.sqrt(contrast @ covariance @ contrast)))


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_delong_agrees_with_its_covariance_matrix(seed: int) -> None:
    random = np.random.default_rng(seed)
    positive = np.r_[[True, True, False, False], random.random(60) < 0.3]
    score = np.round(positive + random.normal(0, 1.5, 64), 1)
    other = np.round(positive + random.normal(0, 1.5, 64), 1)
    assert delong(score, other, positive) == pytest.approx(delong_written_out(score, other, positive), abs=1e-9)


def test_delong_of_too_few_is_unknown_and_of_equals_one() -> None:
    score = np.array([0.1, 0.4, 0.3, 0.8])
    assert math.isnan(delong(score, score, np.array([False, False, False, True])))
    assert delong(score, score, np.array([False, False, True, True])) == 1


@given(right=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_the_binomial_test_of_the_discordant(right: list[tuple[bool, bool]]) -> None:
    first, second = np.array(right).T
    only_first, discordant = int((first & ~second).sum()), int((first != second).sum())
    expected = binomtest(only_first, discordant).pvalue if discordant else 1.0
    assert mcnemar(first, second) == pytest.approx(expected)


def test_p_counts_replicates_beyond_zero() -> None:
    assert two_sided_p(np.r_[np.full(960, 0.1), np.full(39, -0.1)]) == pytest.approx(2 * 40 / 1000)
    assert two_sided_p(np.full(999, -1.0)) == pytest.approx(2 / 1000)
    assert two_sided_p(np.array([np.nan, np.nan])) != two_sided_p(np.array([0.0]))
    assert two_sided_p(np.array([0.0, np.nan])) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.where(np.arange(len(t)) > 0), "1 images are in one table only, such as image0"),
        (lambda t: replace(t, truth=np.where(np.arange(len(t)) == 5, (t.truth + 1) % 8, t.truth)), "image5 has anoth"),
        (lambda t: replace(t, group=np.where(np.arange(len(t)) == 7, "x", t.group)), "image7 has another lesion"),
        (
            lambda t: replace(t, header=msgspec.structs.replace(t.header, malignant=(True,) * 8)),
            "other malignant diagnoses",
        ),
    ],
)
def test_what_is_not_the_same_is_not_compared(
    table: Predictions, change: Callable[[Predictions], Predictions], reason: str
) -> None:
    with pytest.raises(PredictionsError, match=reason):
        compare(table, change(table), replicates=1)


def test_a_leak_in_either_table_is_refused(make_table: Callable[..., Predictions]) -> None:
    clean, leaked = make_table(lesions=60), make_table(lesions=60, audit="leak: 2 lesions")
    for pair in ((clean, leaked), (leaked, clean)):
        with pytest.raises(LeakedPredictions, match="2 lesions"):
            compare(*pair, replicates=1)
    assert "leak" in compare(clean, leaked, allow_leakage=True, replicates=1).audits[1]
