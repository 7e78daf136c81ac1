"""The score against independent implementations, and what it must be whatever the numbers are."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis
from scipy.special import logsumexp
from sklearn.covariance import EmpiricalCovariance
from sklearn.decomposition import PCA

from epiluma.bundle import BundleError, Scope
from epiluma.export.scope import Seen, Shape, fit_scope
from epiluma.inference.scope import ScopeScorer, distances, energies, read_statistics

D, K, LEAVES = 24, 6, 4


def clusters(n: int, seed: int) -> tuple[Seen, np.ndarray]:
    random = np.random.default_rng(seed)
    leaf = random.integers(0, LEAVES, n)
    centres = np.random.default_rng(99).normal(0, 3, (LEAVES, D))
    features = centres[leaf] + random.normal(0, 1, (n, D)) * np.linspace(2, 0.2, D)
    return Seen(features.astype(np.float32), random.normal(0, 2, (n, LEAVES)).astype(np.float32)), leaf


@pytest.fixture(scope="module")
def fitted() -> tuple[Scope, bytes]:
    training, leaf = clusters(400, 1)
    calibration, _ = clusters(200, 2)
    return fit_scope(training, leaf, calibration, np.arange(200), shape=Shape(K, 0.3, 0.1))


@pytest.fixture(scope="module")
def scorer(fitted: tuple[Scope, bytes]) -> ScopeScorer:
    return ScopeScorer(*fitted)


def test_energy_is_that_of_scipy() -> None:
    logits = np.random.default_rng(0).normal(0, 300, (50, 8))
    np.testing.assert_allclose(energies(logits), -logsumexp(logits, axis=1))


def test_distances_are_those_of_scikit_learn_and_scipy(fitted: tuple[Scope, bytes]) -> None:
    (training, leaf), (asked, _) = clusters(400, 1), clusters(30, 3)
    pca = PCA(K, svd_solver="full").fit(training.features.astype(np.float64))
    inside, projected = pca.transform(training.features.astype(np.float64)), pca.transform(asked.features)
    centres = np.stack([inside[leaf == k].mean(axis=0) for k in range(LEAVES)])
    own = [EmpiricalCovariance(assume_centered=True).fit(inside[leaf == k] - centres[k]) for k in range(LEAVES)]
    inverse = np.linalg.inv(np.mean([one.covariance_ for one in own], axis=0))
    expected = [min(mahalanobis(row, centre, inverse) ** 2 for centre in centres) for row in projected]
    rest = asked.features - pca.inverse_transform(projected)
    nearest, left_over = distances(asked.features, read_statistics(*fitted))
    np.testing.assert_allclose(nearest, expected, rtol=1e-3)
    np.testing.assert_allclose(left_over, (rest**2).sum(axis=1), rtol=1e-3)


def test_the_score_is_the_formula_of_the_manifest(fitted: tuple[Scope, bytes], scorer: ScopeScorer) -> None:
    facts, (asked, _) = fitted[0], clusters(20, 4)
    nearest, left_over = distances(asked.features, scorer.statistics)
    energy = (-logsumexp(asked.logits.astype(float), axis=1) - facts.energy_mean) / facts.energy_spread
    expected = np.sqrt(nearest / K + 0.3 * left_over / facts.residual) + 0.1 * energy
    np.testing.assert_allclose(scorer(*asked), expected)


@given(st.integers(0, 2**31))
def test_the_score_is_finite_and_grows_along_any_way_out(seed: int) -> None:
    training, leaf = clusters(400, 1)
    scorer = ScopeScorer(*_small())
    random = np.random.default_rng(seed)
    way = random.normal(size=D)
    middle = training.features[leaf == 0].mean(axis=0)
    steps = 200 * 1.5 ** np.arange(6)[:, None]  # so far out that no centre comes nearer on the way
    scores = scorer(middle + steps * way / np.linalg.norm(way), np.zeros((6, LEAVES)))
    assert np.isfinite(scores).all()
    assert (np.diff(scores) > 0).all()


def _small() -> tuple[Scope, bytes]:
    if not _KEPT:
        training, leaf = clusters(400, 1)
        _KEPT.append(fit_scope(training, leaf, training, np.arange(400), shape=Shape(K, 0.3, 0.1)))
    return _KEPT[0]


_KEPT: list[tuple[Scope, bytes]] = []


def test_the_score_does_not_depend_on_the_batch_or_its_order(scorer: ScopeScorer) -> None:
    asked, _ = clusters(40, 5)
    together, order = scorer(*asked), np.random.default_rng(0).permutation(40)
    alone = [scorer(asked.features[i : i + 1], asked.logits[i : i + 1])[0] for i in range(40)]
    np.testing.assert_allclose(together, alone, rtol=1e-12)
    np.testing.assert_allclose(scorer(asked.features[order], asked.logits[order]), together[order], rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_not_finite(scorer: ScopeScorer, bad: float) -> None:
    asked, _ = clusters(1, 6)
    features = asked.features.copy()
    features[0, 3] = bad
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(scorer(features, asked.logits)).any()


def test_features_of_another_length_are_an_error(scorer: ScopeScorer) -> None:
    with pytest.raises(ValueError, match="24 features"):
        scorer(np.zeros((1, D + 1)), np.zeros((1, LEAVES)))


def test_a_file_of_another_length_or_with_a_hole_is_refused(fitted: tuple[Scope, bytes]) -> None:
    facts, data = fitted
    with pytest.raises(BundleError, match="bytes where"):
        read_statistics(facts, data[:-4])
    with pytest.raises(BundleError, match="bytes where"):
        read_statistics(msgspec.structs.replace(facts, centres=facts.centres + 1), data)
    with pytest.raises(BundleError, match="finite"):
        read_statistics(facts, np.float32(np.nan).tobytes() + data[4:])
