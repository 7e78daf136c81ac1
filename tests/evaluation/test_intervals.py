"""Intervals against scipy, published examples, and simulation."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from epiluma.evaluation import intervals, metrics
from epiluma.evaluation.intervals import Interval, bootstrap, clopper_pearson_lower, reflect, wilson

shares = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(share=shares)
def test_exact_bound_and_score_interval_agree_with_scipy(share: tuple[int, int]) -> None:
    successes, trials = share
    one_sided = binomtest(successes, trials, alternative="greater").proportion_ci(0.95, method="exact")
    assert clopper_pearson_lower(successes, trials) == pytest.approx(one_sided.low, abs=1e-9)
    score = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson(successes, trials) == pytest.approx((score.low, score.high), abs=1e-9)


@pytest.mark.parametrize(
    ("successes", "trials", "score", "exact_lower"),
    [
        (81, 263, (0.2553, 0.3662), 0.2527),
        (15, 148, (0.0624, 0.1605), 0.0578),
        (0, 20, (0.0000, 0.1611), 0.0000),
        (1, 29, (0.0061, 0.1718), 0.0009),
    ],
)
def test_examples_of_newcombe_1998(successes: int, trials: int, score: tuple[float, float], exact_lower: float) -> None:
    assert wilson(successes, trials) == pytest.approx(score, abs=5e-5)
    assert clopper_pearson_lower(successes, trials, confidence=0.975) == pytest.approx(exact_lower, abs=5e-5)


def test_fifty_nine_of_fifty_nine_prove_95_percent() -> None:
    assert clopper_pearson_lower(59, 59) >= 0.95 > clopper_pearson_lower(58, 58)


@pytest.mark.parametrize(("successes", "trials"), [(3, 2), (-1, 5), (0, 0)])
def test_what_is_no_share_is_refused(successes: int, trials: int) -> None:
    for interval in (clopper_pearson_lower, wilson):
        with pytest.raises(ValueError, match="is not a share"):
            interval(successes, trials)


def mean_of(values: metrics.Floats) -> intervals.Statistic:
    return lambda weights: weights @ values / weights.sum(axis=-1)


def test_resampling_lesions_covers_and_resampling_photos_does_not() -> None:
    covered = {"lesions": 0, "photos": 0}
    simulations, photos = 200, 4
    for seed in range(simulations):
        values = np.repeat(np.random.default_rng(seed).normal(0, 1, 60), photos)
        groups = {"lesions": np.arange(60).repeat(photos), "photos": np.arange(60 * photos)}
        for name, group in groups.items():
            interval = bootstrap({"mean": mean_of(values)}, group, replicates=300, seed=seed)["mean"]
            covered[name] += interval.lower <= 0 <= interval.upper
    assert 0.90 <= covered["lesions"] / simulations <= 0.985
    assert covered["photos"] / simulations < 0.80


def test_the_width_is_that_of_the_standard_error() -> None:
    values = np.random.default_rng(0).normal(0, 1, 400)
    lower, upper = bootstrap({"mean": mean_of(values)}, np.arange(400))["mean"]
    assert upper - lower == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.06)


def collect(group: np.ndarray, **options: object) -> metrics.Floats:
    """The weights of all replicates, through the public function."""
    seen: list[metrics.Floats] = []

    def statistic(weights: metrics.Floats) -> metrics.Floats:
        seen.append(weights.copy())
        return weights.sum(axis=-1)

    bootstrap({"any": statistic}, group, **options)  # type: ignore[arg-type]
    return np.concatenate(seen)


def test_a_replicate_draws_whole_lesions_as_many_as_there_are_in_each_class() -> None:
    group = np.array(["a", "a", "b", "c", "c", "c", "d", "e"])
    stratum = np.array([1, 1, 1, 0, 0, 0, 0, 2])
    weights = collect(group, stratum=stratum, replicates=500)
    assert weights.shape == (500, 8)
    for photos in ([0, 1], [3, 4, 5]):
        assert (weights[:, photos] == weights[:, photos[:1]]).all()
    assert (weights[:, 0] + weights[:, 2] == 2).all()
    assert (weights[:, 3] + weights[:, 6] == 2).all()
    assert (weights[:, 7] == 1).all()
    unstratified = collect(group, replicates=500)
    assert (unstratified[:, [0, 2, 3, 6, 7]].sum(axis=1) == 5).all()
    assert (unstratified[:, 7] == 0).any()


def test_a_lesion_of_two_classes_belongs_to_the_rarer() -> None:
    group, stratum = np.array(["a", "a", "b", "c", "d"]), np.array([0, 1, 1, 0, 0])
    weights = collect(group, stratum=stratum, replicates=200)
    assert (weights[:, 0] + weights[:, 2] == 2).all()


def test_seed_decides_and_blocks_lose_no_replicate(monkeypatch: pytest.MonkeyPatch) -> None:
    values, group = np.random.default_rng(1).normal(0, 1, 50), np.arange(50)
    first = bootstrap({"mean": mean_of(values)}, group, seed=3)
    assert first == bootstrap({"mean": mean_of(values)}, group, seed=3)
    assert first != bootstrap({"mean": mean_of(values)}, group, seed=4)
    monkeypatch.setattr(intervals, "_BLOCK", 50 * 7)
    assert collect(group, replicates=30).shape == (30, 50)


def test_undefined_replicates_are_left_out() -> None:
    score, positive = np.array([0.1, 0.4, 0.6, 0.9]), np.array([False, False, False, True])
    some = bootstrap({"auc": lambda w: metrics.auc(score, positive, w)}, np.arange(4), replicates=200)["auc"]
    assert some == Interval(1, 1)
    none = bootstrap({"auc": lambda w: metrics.auc(score, ~positive & False, w)}, np.arange(4), replicates=50)["auc"]
    assert np.isnan(none).all()
    with pytest.raises(ValueError, match="no images"):
        bootstrap({}, np.array([]))


def test_reflected_intervals_cover_calibration_errors_better() -> None:
    random = np.random.default_rng(0)

    def part(n: int) -> tuple[metrics.Floats, metrics.Bools]:
        true_risk = random.beta(0.6, 2, n)
        return true_risk**1.4, random.random(n) < true_risk

    true_error = float(metrics.binary_ece(*part(400_000)))
    covered = {"percentile": 0, "reflected": 0}
    for seed in range(80):
        risk, outcome = part(600)
        interval = bootstrap(
            {"ece": partial(metrics.binary_ece, risk, outcome)}, np.arange(600), replicates=200, seed=seed
        )["ece"]
        value = float(metrics.binary_ece(risk, outcome))
        reflected = reflect(interval, value)
        assert 0 <= reflected.lower <= value <= reflected.upper
        covered["percentile"] += interval.lower <= true_error <= interval.upper
        covered["reflected"] += reflected.lower <= true_error <= reflected.upper
    assert covered["reflected"] / 80 >= 0.85
    assert covered["reflected"] > covered["percentile"]


def test_two_thousand_replicates_of_ten_metrics_take_less_than_five_seconds() -> None:
    random = np.random.default_rng(0)
    n, classes = 1500, 8
    truth, predicted = random.integers(0, classes, n), random.integers(0, classes, n)
    risk, positive = random.random(n), random.random(n) < 0.3
    ten = {f"balanced {i}": partial(metrics.balanced_accuracy, truth, predicted, classes) for i in range(5)}
    ten |= {f"auc {i}": partial(metrics.auc, risk, positive) for i in range(5)}
    started = time.process_time()
    bootstrap(ten, np.arange(n) // 1.3, stratum=truth)
    assert time.process_time() - started < 5
