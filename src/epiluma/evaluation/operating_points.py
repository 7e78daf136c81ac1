"""Thresholds on malignancy risk, set on the calibration part: to refer a person, and to make the fewest errors."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from epiluma.bundle import AccuracyPoint, OperatingPoint
from epiluma.errors import EpilumaError
from epiluma.evaluation.curves import accuracy_of, best_threshold
from epiluma.evaluation.intervals import clopper_pearson_lower
from epiluma.evaluation.metrics import Bools, Floats, every_photo, share, specificity
from epiluma.evaluation.metrics import sensitivity as sensitivity_of

MARGIN = 2e-4
"""Least distance of the threshold below the lowest caught risk: twice the 1e-4 that two graphs may differ by."""

_CONFIDENCE = 0.95


class TooFewLesions(EpilumaError):
    """The calibration part is too small to prove what the operating point promises."""

    def __init__(self, found: int, needed: int, why: str) -> None:
        super().__init__(f"{found} lesions, at least {needed} needed: {why}")
        self.found = found
        self.needed = needed


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
    protected: str = "melanoma",
) -> OperatingPoint:
    """The largest threshold on `risk` whose melanoma sensitivity and its lower bound reach what is asked.

    Everything is counted by lesion, read strictly: a melanoma counts as caught only when every photo of it reaches
    the threshold, a benign lesion as spared only when every photo of it stays below. The lower bound is the
    one-sided 95% Clopper-Pearson bound. The threshold is put between the lowest risk it must catch and the next
    lower risk of any image (midway, and at least MARGIN below the former where that is possible), so that rounding
    does not flip the decision. `also_referred` marks images that the runner refers whatever their risk, such as
    those whose diagnosis is itself malignant; they count as reaching every threshold. `protected` says in words what
    `truth_is_melanoma` marks, where it is not melanoma.

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
            f"largest threshold with {protected} sensitivity by lesion >= {sensitivity:g} and its one-sided 95% "
            f"Clopper-Pearson lower bound >= {lower_bound:g}; a lesion is caught when every photo of it is"
        ),
        sensitivity=float(share(caught, melanomas)),
        sensitivity_lower_bound=clopper_pearson_lower(int(caught.sum()), lesions, confidence=_CONFIDENCE),
        lesions=lesions,
        specificity=float(share(spared, benign)),
    )


def most_accurate_point(risk: Floats, malignant: Bools) -> AccuracyPoint:
    """The threshold on `risk` (n,) that tells `malignant` (n,) from benign with the fewest wrong images.

    Of equals the lowest, which misses less. Raises TooFewLesions when either kind is absent.
    """
    if malignant.all() or not malignant.any():
        absent = "benign" if malignant.any() else "malignant"
        raise TooFewLesions(0, 1, f"no {absent} lesion, so no threshold tells the two kinds apart")
    threshold = min(best_threshold(risk, malignant, accuracy_of), 1.0)
    called = risk >= threshold
    return AccuracyPoint(
        threshold=threshold,
        accuracy=float((called == malignant).mean()),
        sensitivity=float(sensitivity_of(called, malignant)),
        specificity=float(specificity(called, ~malignant)),
        images=len(risk),
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
