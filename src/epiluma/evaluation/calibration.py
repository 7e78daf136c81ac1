"""Probabilities that are true to frequency: temperature and vector scaling, chosen by cross-validation."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from epiluma.bundle import Calibration, CalibrationChoice
from epiluma.evaluation.metrics import Floats, Ints
from epiluma.inference.decide import log_softmax

STRENGTHS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Pulls towards one temperature that are tried for vector scaling, the strongest first."""

_TEMPERATURES = (0.05, 20.0)
_SCALES = (0.05, 20.0)
_DECIMALS = 6


Method = Literal["best", "temperature", "vector", "none"]
"""`none` fits nothing: the network's own softmax, to see what calibration changes; it is never shipped."""


class Vector(NamedTuple):
    """Scale and bias of each leaf, both (leaves,)."""

    scale: Floats
    bias: Floats


def fit_temperature(
    logits: npt.NDArray[np.floating], truth: Ints, weights: npt.NDArray[np.floating] | None = None
) -> float:
    """Temperature T that minimises the negative log-likelihood of softmax(logits / T) (Guo et al. 2017, sec. 4.2).

    `logits` (n, leaves) are a network's raw outputs, never probabilities; `truth` (n,) indexes leaves; `weights` (n,)
    say how much each image counts. T is kept within 0.05 to 20, so logits that separate the classes perfectly, whose
    best T is 0, still give a usable one. Raises ValueError on an empty, ragged or non-finite input.
    """
    from scipy.optimize import minimize_scalar  # scipy comes with the training extra; reading a scorecard needs none
    from scipy.special import logsumexp

    logits = _checked(logits, truth)
    own = logits[np.arange(len(truth)), truth]

    def loss(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)
        return float(np.average(logsumexp(logits * scale, axis=1) - own * scale, weights=weights))

    # The loss is convex in 1/T, hence has one minimum in log T too, where equal steps are equal factors.
    low, high = map(math.log, _TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-8})
    return math.exp(float(found.x))


def fit_vector(
    logits: npt.NDArray[np.floating],
    truth: Ints,
    *,
    temperature: float,
    strength: float,
    weights: npt.NDArray[np.floating] | None = None,
) -> Vector:
    """Vector scaling (Guo et al. 2017, sec. 4.2) of the log-probabilities at `temperature`, pulled towards no change.

    Minimises the mean negative log-likelihood of softmax(scale * log p + bias) plus, for each leaf,
    `strength` / (leaves * its share of the images) * ((scale - 1)^2 + bias^2): convex, so with one solution, and the
    rarer a leaf, the less it moves. It scales log-probabilities instead of logits, as the diagonal form of Dirichlet
    calibration does (Kull et al. 2019): a number that is added to all logits of an image changes nothing. Raises
    ValueError as `fit_temperature` does.
    """
    from scipy.optimize import minimize

    scores = log_softmax(_checked(logits, truth) / temperature)
    n, leaves = scores.shape
    share = np.full(n, 1 / n) if weights is None else weights / weights.sum()
    rows, neutral = np.arange(n), np.concatenate([np.ones(leaves), np.zeros(leaves)])
    pull = strength / (leaves * np.maximum(np.bincount(truth, share, minlength=leaves), 1 / n))
    pull = np.concatenate([pull, pull])

    def loss(parameters: Floats) -> tuple[float, Floats]:
        scaled = log_softmax(scores * parameters[:leaves] + parameters[leaves:])
        excess = np.exp(scaled)
        excess[rows, truth] -= 1
        excess *= share[:, None]
        step = parameters - neutral
        slope = np.concatenate([(excess * scores).sum(axis=0), excess.sum(axis=0)])
        return float(pull @ step**2 - share @ scaled[rows, truth]), slope + 2 * pull * step

    bounds = [_SCALES] * leaves + [(None, None)] * leaves
    found = minimize(loss, neutral, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 1000}).x
    if loss(found)[0] > loss(neutral)[0]:  # an interrupted search may end a rounding error above where it began
        found = neutral
    return Vector(found[:leaves], found[leaves:])


def fit_calibration(
    logits: npt.NDArray[np.floating],
    truth: Ints,
    group: npt.NDArray[np.generic],
    *,
    prevalence: npt.NDArray[np.floating],
    prevalence_source: str,
    method: Method = "best",
    folds: int = 5,
) -> Calibration:
    """Temperature or vector scaling of (n, leaves) logits; `best` takes what predicts left-out lesions better.

    Images count so that each leaf weighs what `prevalence` says, whatever its share here: the probabilities are then
    calibrated at that prevalence. Lesions (`group`) are left out whole. Vector scaling is chosen only when it gains
    more than one standard error over the temperature (Breiman et al. 1984, sec. 3.4.3), at the strength that gains
    most. With fewer lesions than folds nothing can be left out, and one temperature is kept. Raises ValueError as
    `fit_temperature` does.
    """
    _checked(logits, truth)
    at_prevalence = partial(Calibration, prevalence=_rounded(prevalence), prevalence_source=prevalence_source)
    if method == "none":
        return at_prevalence(method="temperature", temperature=1.0, n=0)
    weights = prevalence_weights(truth, prevalence)
    choice: CalibrationChoice | None = None
    strength: float | None = None
    if method != "temperature" and len(np.unique(group)) >= folds:
        choice, strength = _cross_validate(logits, truth, group, weights, folds)
        if method == "best" and choice.temperature - choice.vector <= choice.standard_error:
            strength = None
    temperature = round(fit_temperature(logits, truth, weights), _DECIMALS)
    scale: tuple[float, ...] = ()
    bias: tuple[float, ...] = ()
    if strength is not None:
        vector = fit_vector(logits, truth, temperature=temperature, strength=strength, weights=weights)
        scale, bias = _rounded(vector.scale), _rounded(vector.bias)
    return at_prevalence(
        method="temperature" if strength is None else "vector",
        temperature=temperature,
        scale=scale,
        bias=bias,
        n=len(truth),
        choice=choice,
    )


def prevalence_weights(truth: Ints, prevalence: npt.NDArray[np.floating]) -> Floats:
    """(n,) weights, mean 1, under which each leaf that occurs in `truth` has its share in `prevalence`."""
    counts = np.bincount(truth, minlength=len(prevalence))
    # A leaf that the prevalence gives no share, yet is here, counts next to nothing instead of making all weights 0.
    weights: Floats = np.maximum(np.asarray(prevalence, np.float64), 1e-6)[truth] / counts[truth]
    weights /= weights.mean()
    return weights


def _cross_validate(
    logits: npt.NDArray[np.floating], truth: Ints, group: npt.NDArray[np.generic], weights: Floats, folds: int
) -> tuple[CalibrationChoice, float]:
    """What left-out lesions say of both methods, and the strength of vector scaling that suits them best."""
    _, member = np.unique(group, return_inverse=True)
    fold = _folds(truth, member, folds)[member]
    losses = np.empty((1 + len(STRENGTHS), len(truth)))
    for k in range(folds):
        fitted, left_out = fold != k, fold == k
        temperature = fit_temperature(logits[fitted], truth[fitted], weights[fitted])
        scores = log_softmax(np.asarray(logits[left_out], np.float64) / temperature)
        own = np.arange(len(scores)), truth[left_out]
        losses[0, left_out] = -scores[own]
        for i, strength in enumerate(STRENGTHS, 1):
            vector = fit_vector(
                logits[fitted], truth[fitted], temperature=temperature, strength=strength, weights=weights[fitted]
            )
            losses[i, left_out] = -log_softmax(scores * vector.scale + vector.bias)[own]
    means = losses @ weights / weights.sum()
    best = 1 + int(means[1:].argmin())
    gain = np.bincount(member, weights=weights * (losses[0] - losses[best]))
    error = float(gain.std(ddof=1) * math.sqrt(len(gain)) / weights.sum())
    choice = CalibrationChoice(
        folds=folds,
        temperature=round(float(means[0]), _DECIMALS),
        vector=round(float(means[best]), _DECIMALS),
        standard_error=round(error, _DECIMALS),
    )
    return choice, STRENGTHS[best - 1]


def _folds(truth: Ints, member: Ints, folds: int) -> Ints:
    """(lesions,) fold of each lesion: those of one diagnosis are dealt out evenly, in an order that is drawn."""
    _, first = np.unique(member, return_index=True)
    drawn = np.random.default_rng(0).permutation(len(first))
    order = drawn[np.argsort(truth[first][drawn], kind="stable")]
    result = np.empty(len(first), np.intp)
    result[order] = np.arange(len(first)) % folds
    return result


def _checked(logits: npt.NDArray[np.floating], truth: Ints) -> Floats:
    result = np.asarray(logits, np.float64)
    if result.ndim != 2 or truth.shape != result.shape[:1] or not len(truth):
        raise ValueError(f"expected logits (n, leaves) and truth (n,), n >= 1; got {result.shape} and {truth.shape}")
    if not np.isfinite(result).all():
        raise ValueError("logits must be finite")
    return result


def _rounded(values: npt.NDArray[np.floating]) -> tuple[float, ...]:
    return tuple(round(float(value), _DECIMALS) for value in values)
