"""Temperature and vector scaling against known truths and an independent optimiser."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn.metrics import log_loss

from epiluma.bundle import Calibration
from epiluma.evaluation.calibration import fit_calibration, fit_temperature, fit_vector, prevalence_weights
from epiluma.evaluation.metrics import Floats, Ints
from epiluma.inference.decide import probabilities_from_logits


def draw_logits(temperature: float, n: int = 20_000) -> tuple[Floats, Ints]:
    """Logits that are right when divided by `temperature`."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (n, 6))
    probabilities = np.exp(log_softmax(logits, axis=1))
    truth = (probabilities.cumsum(axis=1) > random.random((n, 1))).argmax(axis=1)
    return logits * temperature, truth


@pytest.mark.parametrize("temperature", [0.4, 1.0, 1.7, 6.0])
def test_a_known_temperature_is_found_again(temperature: float) -> None:
    assert fit_temperature(*draw_logits(temperature)) == pytest.approx(temperature, rel=0.03)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_no_other_temperature_is_likelier(seed: int) -> None:
    random = np.random.default_rng(seed)
    logits, truth = random.normal(0, 3, (80, 4)).astype(np.float32), random.integers(0, 4, 80)
    truth[:40] = logits[:40].argmax(axis=1)

    def loss(temperature: float) -> float:
        return -float(log_softmax(logits.astype(float) / temperature, axis=1)[np.arange(80), truth].mean())

    fitted = loss(fit_temperature(logits, truth))
    assert all(fitted <= loss(t) + 1e-9 for t in np.geomspace(0.05, 20, 200))


def test_a_perfect_network_still_gets_a_usable_temperature() -> None:
    temperature = fit_temperature(np.eye(3) * 5, np.arange(3))
    assert 0.05 <= temperature < 0.2


@pytest.mark.parametrize(
    ("logits", "truth", "reason"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), "n >= 1"),
        (np.zeros((4, 3)), np.zeros(5, int), "expected logits"),
        (np.zeros(4), np.zeros(4, int), "expected logits"),
        (np.array([[0.0, math.nan]]), np.zeros(1, int), "finite"),
    ],
)
def test_logits_that_cannot_be_fitted_are_refused(logits: Floats, truth: Ints, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        fit_temperature(logits, truth)


def draw_truth(scores: Floats, seed: int) -> Ints:
    """Classes drawn with the probabilities softmax(scores)."""
    chance = np.random.default_rng(seed).random((len(scores), 1))
    return (np.exp(log_softmax(scores, axis=1)).cumsum(axis=1) > chance).argmax(axis=1)


def draw_vector(n: int, seed: int = 0) -> tuple[Floats, Ints]:
    """Logits of four classes that want the scales 0.5, 1, 1.5, 1 and the biases 0.4, 0, -0.4, 0."""
    logits = np.random.default_rng(seed).normal(0, 2, (n, 4))
    wanted = log_softmax(logits, axis=1) * (0.5, 1, 1.5, 1) + (0.4, 0, -0.4, 0)
    return logits, draw_truth(wanted, seed + 1)


def test_a_known_scale_and_bias_are_found_again() -> None:
    scale, bias = fit_vector(*draw_vector(40_000), temperature=1.0, strength=1e-9)
    np.testing.assert_allclose(scale, (0.5, 1, 1.5, 1), atol=0.04)
    np.testing.assert_allclose(bias - bias.mean(), (0.4, 0, -0.4, 0), atol=0.06)


@pytest.mark.parametrize("strength", [1e-3, 0.1])
def test_vector_scaling_is_where_another_optimiser_ends(strength: float) -> None:
    logits, truth = draw_vector(300)
    weights = np.random.default_rng(3).uniform(0.2, 2, 300)
    share = np.bincount(truth, weights, minlength=4) / weights.sum()
    scores = torch.log_softmax(torch.from_numpy(logits) / 1.3, dim=1)
    scale, bias = torch.ones(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    for parameter in (scale, bias):
        parameter.requires_grad_()
    optimiser = torch.optim.LBFGS([scale, bias], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        own = torch.log_softmax(scores * scale + bias, dim=1)[torch.arange(300), torch.from_numpy(truth)]
        pull = strength / (4 * torch.from_numpy(share)) * ((scale - 1) ** 2 + bias**2)
        total = -(own * torch.from_numpy(weights)).sum() / weights.sum() + pull.sum()
        total.backward()
        return total

    optimiser.step(loss)
    found = fit_vector(logits, truth, temperature=1.3, strength=strength, weights=weights)
    np.testing.assert_allclose(found.scale, scale.detach(), atol=1e-3)
    np.testing.assert_allclose(found.bias, bias.detach(), atol=1e-3)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60), strength=st.sampled_from([1e-6, 0.01, 1.0]))
@settings(max_examples=40, deadline=None)
def test_vector_scaling_never_fits_worse_than_the_temperature(seed: int, n: int, strength: float) -> None:
    random = np.random.default_rng(seed)
    logits, truth = random.normal(0, 4, (n, 4)), random.integers(0, 4, n)
    temperature = fit_temperature(logits, truth)
    scale, bias = fit_vector(logits, truth, temperature=temperature, strength=strength)
    before = log_softmax(logits / temperature, axis=1)
    after = log_softmax(before * scale + bias, axis=1)
    assert -after[np.arange(n), truth].mean() <= -before[np.arange(n), truth].mean() + 1e-12


def test_the_rarer_a_leaf_the_less_it_moves() -> None:
    logits = np.zeros((200, 3))
    truth = np.repeat([0, 1, 2], [150, 48, 2])
    _, bias = fit_vector(logits, truth, temperature=1.0, strength=0.3)
    free = np.log(np.bincount(truth) / 200)
    moved = np.abs(bias / (free - free.mean()))
    assert moved[0] > moved[1] > moved[2]
    # a leaf without images has nothing that could hold it but the pull, which is strongest there
    _, bias = fit_vector(np.zeros((10, 2)), np.zeros(10, int), temperature=1.0, strength=0.3)
    assert abs(bias[1]) < 0.2 * abs(bias[0])


def test_a_number_added_to_all_logits_of_an_image_changes_nothing() -> None:
    logits, truth = draw_vector(200)
    shifted = logits + np.random.default_rng(1).normal(0, 5, (200, 1))
    one, other = (fit_vector(z, truth, temperature=1.2, strength=0.01) for z in (logits, shifted))
    np.testing.assert_allclose(one.scale, other.scale, atol=1e-3)
    np.testing.assert_allclose(one.bias, other.bias, atol=1e-3)


EVEN = np.full(4, 0.25)


def fitted(logits: Floats, truth: Ints, **settings: object) -> Calibration:
    group = np.arange(len(truth)) // 2
    return fit_calibration(logits, truth, group, prevalence=EVEN, prevalence_source="test", **settings)  # type: ignore[arg-type]


def test_left_out_lesions_choose_the_method() -> None:
    vector = fitted(*draw_vector(1500))
    assert vector.method == "vector"
    assert vector.choice is not None
    assert vector.choice.temperature - vector.choice.vector > vector.choice.standard_error
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (300, 4))
    one = fitted(logits * 1.7, draw_truth(logits, 2))
    assert one.method == "temperature"
    assert (one.scale, one.bias) == ((), ())
    assert one.choice is not None
    assert one.choice.temperature - one.choice.vector <= one.choice.standard_error


def test_a_method_can_be_asked_for() -> None:
    logits, truth = draw_vector(400)
    assert fitted(logits, truth, method="temperature").choice is None
    asked = fitted(logits, truth, method="vector")
    assert len(asked.scale) == len(asked.bias) == 4
    assert fitted(logits[:6], truth[:6], method="best").method == "temperature"  # three lesions cannot be left out


def test_the_choice_predicts_new_images_better() -> None:
    logits, truth = draw_vector(1500)
    new, new_truth = draw_vector(4000, seed=50)
    losses = {
        method: log_loss(new_truth, probabilities_from_logits(new, fitted(logits, truth, method=method)))
        for method in ("temperature", "best")
    }
    assert losses["best"] < losses["temperature"] - 0.01


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
@settings(deadline=None)
def test_weights_give_each_leaf_its_share(labels: list[int]) -> None:
    truth, prevalence = np.array(labels), np.array([0.1, 0.2, 0.3, 0.4])
    weights = prevalence_weights(truth, prevalence)
    present = np.unique(truth)
    shares = np.bincount(truth, weights, minlength=4)[present] / weights.sum()
    np.testing.assert_allclose(shares, prevalence[present] / prevalence[present].sum())
    assert weights.mean() == pytest.approx(1)


def test_probabilities_hold_at_the_prevalence_that_is_named() -> None:
    """Images of another mix than the named one: after fitting, the mean probability is the named share."""
    random = np.random.default_rng(0)
    named, here = np.array([0.7, 0.2, 0.1]), np.array([0.2, 0.4, 0.4])
    truth = random.choice(3, 8_000, p=here)
    seen = random.normal(np.array([-1.0, 0.5, 1.5])[truth], 1.0)
    likelihood = -0.5 * (seen[:, None] - (-1.0, 0.5, 1.5)) ** 2
    logits = likelihood + np.log(here)  # right here, and hence wrong at the named shares
    group = np.arange(len(truth))
    found = fit_calibration(logits, truth, group, prevalence=named, prevalence_source="", method="vector")
    probabilities = probabilities_from_logits(logits, found)
    weights = prevalence_weights(truth, named)
    np.testing.assert_allclose(np.average(probabilities, axis=0, weights=weights), named, atol=0.02)
