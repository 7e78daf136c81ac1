"""Arithmetic of the decision, against independent implementations."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from epiluma.bundle import Abstention, Bundle, Calibration, Conformal, DecisionRule
from epiluma.inference.decide import (
    abstains,
    at_prevalence,
    diagnose,
    log_softmax,
    malignancy_risk,
    prediction_sets,
    probabilities_from_logits,
    refers,
)
from epiluma.taxonomy import ISIC_2019

LEAVES = len(ISIC_2019.leaves)
logits = arrays(np.float64, (3, LEAVES), elements=st.floats(-80, 80))


def calibration(temperature: float = 1.0, prevalence: tuple[float, ...] = (1 / LEAVES,) * LEAVES) -> Calibration:
    return Calibration(
        method="temperature", temperature=temperature, prevalence=prevalence, prevalence_source="test", n=1
    )


@given(logits, st.floats(0.2, 5))
def test_softmax_with_temperature(values: np.ndarray, temperature: float) -> None:
    found = probabilities_from_logits(values, calibration(temperature))
    for row, scores in zip(found, values, strict=True):
        terms = [math.exp((score - max(scores)) / temperature) for score in scores]
        np.testing.assert_allclose(row, np.array(terms) / math.fsum(terms), rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(found.sum(1), 1)


def test_softmax_survives_large_logits() -> None:
    found = probabilities_from_logits(np.array([[1e30, *[-1e30] * (LEAVES - 1)]], np.float32), calibration())
    assert found[0, 0] == 1


@given(logits)
def test_prior_power_zero_takes_the_most_probable(values: np.ndarray) -> None:
    probabilities = probabilities_from_logits(values, calibration())
    rule = DecisionRule(prior_power=0, cost=(1.0,) * LEAVES)
    assert (diagnose(probabilities, rule, calibration()) == probabilities.argmax(1)).all()


def test_prior_correction_and_cost_by_hand() -> None:
    prevalence = (0.1, 0.7, 0.05, 0.03, 0.06, 0.02, 0.02, 0.02)
    probabilities = np.array([[0.2, 0.6, 0.0, 0.0, 0.2, 0.0, 0.0, 0.0]])
    even = (1.0,) * LEAVES
    # p / prevalence: 2.0, 0.857, 3.33 for MEL, NV, BKL; to the power of one half: 0.632, 0.717, 0.816
    expected = [(1.0, even, "BKL"), (0.5, even, "BKL"), (0.0, even, "NV"), (1.0, (2.0, *even[1:]), "MEL")]
    for power, cost, code in expected:
        rule = DecisionRule(prior_power=power, cost=cost)
        assert ISIC_2019.codes[diagnose(probabilities, rule, calibration(prevalence=prevalence))[0]] == code


def test_risk_sums_the_malignant_leaves() -> None:
    probabilities = np.array([[0.1, 0.2, 0.05, 0.15, 0.1, 0.1, 0.1, 0.2]])
    assert malignancy_risk(probabilities, ISIC_2019)[0] == pytest.approx(0.1 + 0.05 + 0.15 + 0.2)


@pytest.mark.parametrize(
    ("malignant", "risk", "code", "threshold", "referred"),
    [
        ("AK", 0.1, "NV", 0.1, True),
        ("AK", 0.0999, "NV", 0.1, False),
        ("AK", 0.01, "MEL", 0.1, True),
        ("AK", 0.01, "AK", 0.1, True),
        ("MEL", 0.05, "NV", 0.9, True),
        ("SCC", 0.0499, "NV", 0.9, False),
        ("BCC", 0.125, "NV", 0.9, True),
        ("BCC", 0.1249, "NV", 0.9, False),
        ("BKL", 0.9, "BKL", 0.01, False),
    ],
)
def test_refers_by_risk_by_diagnosis_or_by_harm(
    malignant: str, risk: float, code: str, threshold: float, referred: bool
) -> None:
    probabilities = np.zeros((1, LEAVES))
    probabilities[0, ISIC_2019.index("NV")] = 1 - risk
    probabilities[0, ISIC_2019.index(malignant)] = risk
    assert refers(probabilities, np.array([ISIC_2019.index(code)]), threshold, ISIC_2019).tolist() == [referred]


def test_a_prevalence_of_zero_does_not_divide_by_zero(tiny_bundle: Bundle) -> None:
    zero = msgspec.structs.replace(tiny_bundle.manifest.calibration, prevalence=(0.0, 1.0, *(0.0,) * 6))
    rule = DecisionRule(prior_power=1, cost=(1.0,) * LEAVES)
    assert diagnose(np.array([[0.0, 1.0, *(0.0,) * 6]]), rule, zero)[0] == 1


@given(logits, st.floats(0.2, 5), arrays(np.float64, LEAVES, elements=st.floats(0.1, 4)), st.floats(-3, 3))
@settings(deadline=None)
def test_vector_scaling_by_hand(values: np.ndarray, temperature: float, scale: np.ndarray, step: float) -> None:
    bias = step * np.arange(LEAVES)
    vector = msgspec.structs.replace(
        calibration(temperature), method="vector", scale=tuple(scale), bias=tuple(bias.tolist())
    )
    expected = scipy.special.softmax(scipy.special.log_softmax(values / temperature, axis=1) * scale + bias, axis=1)
    np.testing.assert_allclose(probabilities_from_logits(values, vector), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(log_softmax(values), scipy.special.log_softmax(values, axis=1), atol=1e-12)


def test_a_scale_of_one_and_no_bias_change_nothing() -> None:
    values = np.random.default_rng(0).normal(0, 3, (20, LEAVES))
    neutral = msgspec.structs.replace(calibration(1.3), method="vector", scale=(1.0,) * LEAVES, bias=(0.0,) * LEAVES)
    np.testing.assert_allclose(
        probabilities_from_logits(values, neutral), probabilities_from_logits(values, calibration(1.3)), rtol=1e-12
    )


def test_a_moved_prevalence_is_exact_where_only_the_shares_differ() -> None:
    """Three diagnoses, each with its own bell curve of one measurement: Bayes' theorem at both prevalences."""
    there, here = (0.7, 0.2, 0.1), (0.1, 0.3, 0.6)
    seen = np.linspace(-4, 5, 50)[:, None]
    likelihood = scipy.stats.norm.pdf(seen, loc=(-1, 0.5, 2), scale=(1, 0.7, 1.5))

    def posterior(shares: tuple[float, ...]) -> np.ndarray:
        joint = likelihood * shares
        return joint / joint.sum(axis=1, keepdims=True)

    moved = at_prevalence(posterior(there), calibrated_at=there, prevalence=here)
    np.testing.assert_allclose(moved, posterior(here), rtol=1e-12)
    np.testing.assert_allclose(at_prevalence(moved, calibrated_at=here, prevalence=there), posterior(there), rtol=1e-12)


def test_a_diagnosis_that_does_not_occur_gets_no_probability() -> None:
    moved = at_prevalence(np.array([[0.5, 0.3, 0.2]]), calibrated_at=(0.5, 0.25, 0.25), prevalence=(0.5, 0.5, 0.0))
    np.testing.assert_allclose(moved, [[0.5 / 1.1, 0.6 / 1.1, 0]])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ((0.5, 0.5), (0.5, 0.6), "sum to 1"),
        ((0.5, 0.5), (1.5, -0.5), "sum to 1"),
        ((0.5, 0.5), (0.2, 0.3, 0.5), "one share per diagnosis"),
        ((1.0, 0.0), (0.5, 0.5), "share of 0"),
        ((0.5, 0.5), (0.0, 1.0), "no probability left"),
    ],
)
def test_a_prevalence_that_cannot_be_moved_to(old: tuple[float, ...], new: tuple[float, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        at_prevalence(np.array([[1.0, 0.0]]), calibrated_at=old, prevalence=new)


def test_a_set_holds_what_reaches_its_threshold_and_never_nothing() -> None:
    conformal = Conformal(coverage=0.9, thresholds=(0.1, 0.6, 0.0), lesions=(20, 20, 3), covered=0.95, mean_size=1.5)
    probabilities = np.array([[0.1, 0.6, 0.3], [0.09, 0.59, 0.32], [0.3, 0.3, 0.4]])
    assert prediction_sets(probabilities, conformal).tolist() == [
        [True, True, True],
        [False, True, True],  # the most probable, although below its threshold
        [True, False, True],
    ]


@pytest.mark.parametrize(
    ("risk", "called_malignant", "abstained"),
    [(0.1, False, False), (0.11, False, True), (0.29, False, True), (0.3, False, False), (0.2, True, False)],
)
def test_abstains_inside_the_band_unless_the_diagnosis_refers(
    risk: float, called_malignant: bool, abstained: bool
) -> None:
    band = Abstention(lower=0.1, upper=0.3, max_share=0.05, share=0.04, error=0.2, error_outside=0.1, lesions=100)
    assert abstains(np.array([risk]), np.array([called_malignant]), band).tolist() == [abstained]
