"""What is fitted on the calibration part: the temperature and the threshold at which a person is referred."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from epiluma.bundle import OperatingPoint
from epiluma.errors import EpilumaError
from epiluma.evaluation.intervals import clopper_pearson_lower
from epiluma.evaluation.metrics import Bools, Floats, Ints, every_photo, share

MARGIN = 2e-4
"""Least distance of the threshold below the lowest caught risk: twice the 1e-4 that two graphs may differ by."""

_TEMPERATURES = (0.05, 20.0)
_CONFIDENCE = 0.95


class TooFewLesions(EpilumaError):
    """The calibration part is too small to prove what the operating point promises."""

    def __init__(self, found: int, needed: int, why: str) -> None:
        super().__init__(f"{found} lesions, at least {needed} needed: {why}")
        self.found = found
        self.needed = needed


def fit_temperature(logits: npt.NDArray[np.floating], truth: Ints) -> float:
    """Temperature T that minimises the negative log-likelihood of softmax(logits / T) (Guo et al. 2017, sec. 4.2).

    `logits` (n, leaves) are a network's raw outputs, never probabilities; `truth` (n,) indexes leaves. T is kept
    within 0.05 to 20, so logits that separate the classes perfectly, whose best T is 0, still give a usable one.
    Raises ValueError on an empty, ragged or non-finite input.
    """
    from scipy.optimize import minimize_scalar  # scipy comes with the training extra; reading a scorecard needs none
    from scipy.special import logsumexp

    logits = np.asarray(logits, np.float64)
    if logits.ndim != 2 or truth.shape != logits.shape[:1] or not len(truth):
        raise ValueError(f"expected logits (n, leaves) and truth (n,), n >= 1; got {logits.shape} and {truth.shape}")
    if not np.isfinite(logits).all():
        raise ValueError("logits must be finite")
    own = logits[np.arange(len(truth)), truth]

    def loss(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)
        return float((logsumexp(logits * scale, axis=1) - own * scale).mean())

    # The loss is convex in 1/T, hence has one minimum in log T too, where equal steps are equal factors.
    low, high = map(math.log, _TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-8})
    return math.exp(float(found.x))


def choose_operating_point(
    risk: Floats,
    truth_is_melanoma: Bools,
    truth_is_benign: Bools,
    group: npt.NDArray[np.generic],
    *,
    sensitivity: float = 0.97,
    lower_bound: float = 0.92,
    also_referred: Bools | None = None,
    name: str = "referral",
) -> OperatingPoint:
    """The largest threshold on `risk` whose melanoma sensitivity and its lower bound reach what is asked.

    Everything is counted by lesion, read strictly: a melanoma counts as caught only when every photo of it reaches
    the threshold, a benign lesion as spared only when every photo of it stays below. The lower bound is the
    one-sided 95% Clopper-Pearson bound. The threshold is put between the lowest risk it must catch and the next
    lower risk of any image (midway, and at least MARGIN below the former where that is possible), so that rounding
    does not flip the decision. `also_referred` marks images that the runner refers whatever their risk, such as
    those whose diagnosis is itself malignant; they count as reaching every threshold.

    All arrays are (n,), over the calibration part. Raises TooFewLesions when no threshold can give the bound.
    """
    if not np.isfinite(risk).all() or (risk < 0).any() or (risk > 1 + 1e-6).any():
        raise ValueError("risk must lie in 0 to 1")
    if also_referred is not None:
        risk = np.where(also_referred, 1.0, risk)
    lesion_risk = _lowest_per_lesion(risk[truth_is_melanoma], group[truth_is_melanoma])
    lesions = len(lesion_risk)
    needed = _lesions_to_catch(lesions, sensitivity, lower_bound)
    if not truth_is_benign.any():
        raise TooFewLesions(0, 1, "no benign lesion, so the specificity cannot be stated")
    threshold = _just_below(float(np.sort(lesion_risk)[lesions - needed]), risk)
    melanomas, caught = every_photo(risk >= threshold, group, truth_is_melanoma)
    benign, spared = every_photo(risk < threshold, group, truth_is_benign)
    return OperatingPoint(
        name=name,
        threshold=threshold,
        target=(
            f"largest threshold with melanoma sensitivity by lesion >= {sensitivity:g} and its one-sided 95% "
            f"Clopper-Pearson lower bound >= {lower_bound:g}; a lesion is caught when every photo of it is"
        ),
        sensitivity=float(share(caught, melanomas)),
        sensitivity_lower_bound=clopper_pearson_lower(int(caught.sum()), lesions, confidence=_CONFIDENCE),
        lesions=lesions,
        specificity=float(share(spared, benign)),
    )


def _lowest_per_lesion(risk: Floats, group: npt.NDArray[np.generic]) -> Floats:
    order = np.argsort(risk, kind="stable")
    _, first = np.unique(group[order], return_index=True)
    lowest: Floats = risk[order][first]
    return lowest


def _lesions_to_catch(lesions: int, sensitivity: float, lower_bound: float) -> int:
    """Smallest number of caught lesions that meets both demands. Raises TooFewLesions."""
    if not (0 < sensitivity <= 1 and 0 < lower_bound < 1):
        raise ValueError("sensitivity must lie in 0 to 1 and lower_bound strictly inside it")
    for caught in range(lesions + 1):
        if caught and caught / lesions >= sensitivity and clopper_pearson_lower(caught, lesions) >= lower_bound:
            return caught
    # With all n caught the bound is (1 - confidence)^(1/n).
    least = math.ceil(math.log(1 - _CONFIDENCE) / math.log(lower_bound))
    best = clopper_pearson_lower(lesions, lesions) if lesions else 0.0
    raise TooFewLesions(
        lesions,
        least,
        f"catching every melanoma of the calibration part proves a sensitivity of {best:.3f} at best, "
        f"{lower_bound:g} is asked; add melanomas to the calibration part or ask for a lower bound",
    )


def _just_below(lowest_caught: float, risk: Floats) -> float:
    """A threshold that `lowest_caught` reaches with a margin (half of it when it is itself below the margin)."""
    lower = risk[risk < lowest_caught]
    next_lower = float(lower.max()) if len(lower) else 0.0
    return max(min((lowest_caught + next_lower) / 2, lowest_caught - MARGIN), lowest_caught / 2)
