"""Sets of diagnoses: the promise on exchangeable draws, and thresholds against a published recipe."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import beta

from epiluma.evaluation.conformal import fit_conformal, set_figures
from epiluma.evaluation.metrics import Floats, Ints
from epiluma.inference.decide import prediction_sets
from epiluma.predictions import Header, Predictions

MALIGNANT = (True, False, False)


def draw(random: np.random.Generator, lesions: int, shares: tuple[float, ...] = (0.2, 0.7, 0.1)) -> tuple:
    """(probabilities, truth, lesion) of lesions with one to three photos that resemble each other."""
    kind = random.choice(3, lesions, p=shares)
    photos = random.integers(1, 4, lesions)
    lesion = np.repeat(np.arange(lesions), photos)
    seen = np.eye(3)[kind] * 1.5 + random.normal(0, 1, (lesions, 3))
    scores = seen[lesion] + random.normal(0, 0.5, (len(lesion), 3)) + np.log(shares)
    return softmax(scores, axis=1), kind[lesion], lesion


def covered_lesions(sets: np.ndarray, truth: Ints, lesion: Ints, kind: int) -> list[bool]:
    """Lesion by lesion, whether the truth is in the set of every photo."""
    return [all(sets[i, kind] for i in np.flatnonzero(lesion == one)) for one in np.unique(lesion[truth == kind])]


def test_of_new_lesions_of_every_kind_the_promised_share_is_covered() -> None:
    random = np.random.default_rng(0)
    found: dict[int, list[bool]] = {0: [], 1: [], 2: []}
    for _ in range(250):
        fitted = fit_conformal(*draw(random, 80), MALIGNANT, coverage=0.8, rare=1)
        probabilities, truth, lesion = draw(random, 40)
        sets = prediction_sets(probabilities, fitted)
        for kind in found:
            found[kind] += covered_lesions(sets, truth, lesion, kind)
    for covered in found.values():
        assert len(covered) > 500
        assert np.mean(covered) >= 0.8 - 3 * math.sqrt(0.8 * 0.2 / len(covered))
    assert np.mean(found[0]) < 0.9, "sets that hold everything would keep the promise too"


def test_coverage_of_one_fit_varies_as_it_must() -> None:
    """Beyond the mean: the coverage of a fit on n lesions is Beta(k, n + 1 - k) (Vovk 2012, prop. 2a)."""
    random, n = np.random.default_rng(1), 39
    k = math.ceil((n + 1) * 0.9)
    achieved = []
    for _ in range(400):
        own = random.random(n)
        rows = np.column_stack([own, 1 - own])
        threshold = fit_conformal(rows, np.zeros(n, int), np.arange(n), (True, False), rare=1).thresholds[0]
        achieved.append(1 - threshold)  # of new uniform scores, this share is at least the threshold
    expected = beta(k, n + 1 - k)
    assert np.mean(achieved) == pytest.approx(expected.mean(), abs=4 * expected.std() / 20)
    assert np.std(achieved) == pytest.approx(expected.std(), rel=0.2)


@given(
    own=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=60), coverage=st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])
)
@settings(deadline=None)
def test_a_threshold_is_that_of_the_published_recipe(own: list[float], coverage: float) -> None:
    """Angelopoulos and Bates 2021, sec. 1: the quantile of 1 - p at level ceil((n + 1) coverage) / n."""
    n = len(own)
    rows = np.column_stack([own, 1 - np.array(own)])
    fitted = fit_conformal(rows, np.zeros(n, int), np.arange(n), (True, False), coverage=coverage, rare=1)
    level = math.ceil((n + 1) * coverage - 1e-9) / n
    scores = 1 - np.array(own)
    expected = 1 - np.quantile(scores, level - 1e-9, method="inverted_cdf") if level <= 1 else 0.0
    assert fitted.thresholds[0] == pytest.approx(expected, abs=1.1e-6)
    assert fitted.thresholds[0] <= expected + 1e-12
    assert fitted.thresholds[1] == 0


def test_the_least_typical_photo_of_a_lesion_counts() -> None:
    own = np.r_[np.full(10, 0.9), 0.05]
    lesion = np.r_[np.arange(10), 0]
    rows = np.column_stack([own, 1 - own])
    fitted = fit_conformal(rows, np.zeros(11, int), lesion, (True, False), coverage=0.9, rare=1)
    assert fitted.lesions == (10, 0)
    assert fitted.thresholds == (0.05, 0.0)


def test_rare_leaves_of_equal_malignancy_share_a_threshold() -> None:
    truth = np.repeat([0, 1, 2, 3, 4], [30, 6, 6, 5, 5])
    random = np.random.default_rng(0)
    rows = softmax(random.normal(0, 1, (len(truth), 5)), axis=1)
    fitted = fit_conformal(rows, truth, np.arange(len(truth)), (False, True, True, False, False), rare=20)
    assert fitted.lesions == (30, 12, 12, 10, 10)
    pool = np.sort(rows[np.arange(len(truth)), truth][(truth == 1) | (truth == 2)])
    assert fitted.thresholds[1] == fitted.thresholds[2] == pytest.approx(pool[0], abs=1e-6)
    assert fitted.thresholds[3] == fitted.thresholds[4] > 0
    alone = fit_conformal(rows, truth, np.arange(len(truth)), (False, True, True, False, False), rare=1)
    assert alone.thresholds[1:] == (0, 0, 0, 0), "six lesions alone promise nothing at 0.9"


@given(seed=st.integers(0, 2**32 - 1), coverage=st.sampled_from([0.6, 0.9]))
@settings(max_examples=25, deadline=None)
def test_the_evidence_is_what_the_sets_do_where_they_were_fitted(seed: int, coverage: float) -> None:
    probabilities, truth, lesion = draw(np.random.default_rng(seed), 60)
    fitted = fit_conformal(probabilities, truth, lesion, MALIGNANT, coverage=coverage, rare=1)
    sets = prediction_sets(probabilities, fitted)
    covered = [one for kind in range(3) for one in covered_lesions(sets, truth, lesion, kind)]
    assert fitted.covered == pytest.approx(np.mean(covered), abs=1e-6)
    assert fitted.covered >= coverage
    assert fitted.mean_size == pytest.approx(sets.sum(axis=1).mean(), abs=1e-6)


def table(probabilities: Floats, truth: Ints, lesion: Ints, judged: np.ndarray) -> Predictions:
    n = len(truth)
    header = Header(
        codes=("A", "B", "C"),
        groups=("A", "B", "C"),
        malignant=MALIGNANT,
        runner="test",
        model="test",
        manifest_sha256="",
        audit="clean",
        prevalence=(0.2, 0.7, 0.1),
    )
    return Predictions(
        header=header,
        image_id=np.arange(n).astype(str),
        group=lesion.astype(str),
        part=np.full(n, "test"),
        truth=truth,
        probabilities=probabilities,
        diagnosis=np.where(judged, probabilities.argmax(axis=1), -1),
        referred=np.zeros(n, bool),
    )


def test_figures_of_a_table_count_its_judged_photos() -> None:
    random = np.random.default_rng(4)
    fitted = fit_conformal(*draw(random, 200), MALIGNANT, rare=1)
    probabilities, truth, lesion = draw(random, 300)
    judged = random.random(len(truth)) > 0.1
    figures = set_figures(table(probabilities, truth, lesion, judged), fitted, replicates=200)
    sets = prediction_sets(probabilities[judged], fitted)
    by_kind = [covered_lesions(sets, truth[judged], lesion[judged], kind) for kind in range(3)]
    everything = [one for covered in by_kind for one in covered]
    assert figures.coverage.value == pytest.approx(np.mean(everything))
    assert figures.coverage.n == len(everything)
    assert figures.coverage.lower < figures.coverage.value < figures.coverage.upper
    assert figures.size.value == pytest.approx(sets.sum(axis=1).mean())
    assert figures.size.lower < figures.size.value < figures.size.upper
    for code, covered in zip("ABC", by_kind, strict=True):
        assert (figures.by_code[code].value, figures.by_code[code].n) == (np.mean(covered), len(covered))


@pytest.mark.parametrize("coverage", [0.0, 1.0, -1.0])
def test_a_promise_outside_0_to_1_is_refused(coverage: float) -> None:
    with pytest.raises(ValueError, match="coverage"):
        fit_conformal(np.eye(2), np.arange(2), np.arange(2), (True, False), coverage=coverage)
