"""Arithmetic of the decision, against independent implementations."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from epiluma.bundle import Bundle, Calibration, DecisionRule
from epiluma.inference.decide import diagnose, malignancy_risk, probabilities_from_logits, refers
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
    ("risk", "code", "referred"),
    [(0.2, "NV", True), (0.1999, "NV", False), (0.01, "MEL", True), (0.01, "AK", True), (0.9, "BKL", True)],
)
def test_refers_by_risk_or_by_diagnosis(risk: float, code: str, referred: bool) -> None:
    assert refers(np.array([risk]), np.array([ISIC_2019.index(code)]), 0.2, ISIC_2019).tolist() == [referred]


def test_a_prevalence_of_zero_does_not_divide_by_zero(tiny_bundle: Bundle) -> None:
    zero = msgspec.structs.replace(tiny_bundle.manifest.calibration, prevalence=(0.0, 1.0, *(0.0,) * 6))
    rule = DecisionRule(prior_power=1, cost=(1.0,) * LEAVES)
    assert diagnose(np.array([[0.0, 1.0, *(0.0,) * 6]]), rule, zero)[0] == 1
