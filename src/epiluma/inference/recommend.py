"""What to do about a mark: the most severe finding decides, whatever is most probable.

Who is referred is decided in `decide.refers`, for a table of predictions and for one person alike; here it is decided
how soon, and who photographs the mark again. What a person reports can raise the level and never lowers it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import msgspec
import numpy as np

from epiluma.bundle import Manifest
from epiluma.inference.decide import Floats, abstains, expected_harm, malignancy_risk, refers
from epiluma.taxonomy import Diagnosis

Level = Literal["no_sign", "recheck", "cannot_judge", "refer", "urgent"]
LEVELS: tuple[Level, ...] = get_args(Level)
"""From the least to the most severe: of photo and symptoms the later one wins."""

RECHECK_HARM = 0.5
"""Visits: below a referral, from this harm on the mark is photographed again."""
URGENT_PROBABILITY = 0.1
"""Of all urgent malignant diagnoses together, from which a referral is urgent."""

WEEKS: dict[Level, int] = {"urgent": 2, "refer": 4, "recheck": 12}
"""Two weeks is what NICE guideline NG12 asks for a suspected melanoma or squamous cell carcinoma; basal cell carcinoma
and actinic keratosis grow slowly. Twelve is the interval of short-term monitoring (Menzies et al. 2001,
doi:10.1001/archderm.137.12.1583), in which a melanoma changes visibly."""

Symptom = Literal["bleeds", "grew", "changed", "itches"]
SYMPTOMS: tuple[Symptom, ...] = get_args(Symptom)
ALARMING: tuple[Symptom, ...] = ("bleeds", "grew", "changed")
"""Reported signs that a doctor should look at, whatever the photo says."""

TEXTS: dict[Level, str] = {
    "urgent": "Show this mark to a doctor within {weeks} weeks.",
    "refer": "Show this mark to a doctor within {weeks} weeks.",
    "recheck": (
        "Photograph this mark again in {weeks} weeks, "
        "and show it to a doctor at once if it changes, bleeds or worries you."
    ),
    "no_sign": (
        "No sign of skin cancer was found in this photo. "
        "Come back if the mark changes, bleeds, itches or worries you: a photo can miss a cancer."
    ),
    "cannot_judge": "Take another photo: this one cannot be judged.",
}
UNCERTAIN = "The model cannot tell whether this mark needs a doctor: its answer lies too near the threshold."


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, the threshold behind it, and the words for it."""

    level: Level
    text: str
    """One plain sentence that starts with what to do."""
    reason: str
    threshold: float
    """Malignancy risk at or above which the level is `refer` or `urgent`."""
    within_weeks: int | None = None
    """By when a doctor should see the mark, or when to photograph it again; None for the other levels."""


def is_uncertain(probabilities: Floats, diagnosis: int, manifest: Manifest) -> bool:
    """Whether the answer lies in the bundle's abstention band, and nothing but the risk would refer."""
    row, called = probabilities[None], np.array([diagnosis])
    if manifest.abstention is None or refers(row, called, np.inf, manifest.taxonomy)[0]:
        return False
    return bool(abstains(malignancy_risk(row, manifest.taxonomy), np.array([False]), manifest.abstention)[0])


def level_of(probabilities: Floats, diagnosis: int, manifest: Manifest) -> Level:
    """Level of a photo with (leaves,) calibrated probabilities; `diagnosis` is the index by the bundle's rule."""
    if is_uncertain(probabilities, diagnosis, manifest):
        return "cannot_judge"
    taxonomy, row = manifest.taxonomy, probabilities[None]
    if refers(row, np.array([diagnosis]), manifest.operating_point.threshold, taxonomy)[0]:
        urgent = np.array([leaf.malignant and leaf.urgency == "urgent" for leaf in taxonomy.leaves])
        return "urgent" if urgent[diagnosis] or probabilities[urgent].sum() >= URGENT_PROBABILITY else "refer"
    return "recheck" if expected_harm(row, taxonomy)[0] >= RECHECK_HARM else "no_sign"


def recommend(
    probabilities: Floats, diagnosis: int, manifest: Manifest, *, symptoms: Iterable[Symptom] = ()
) -> Recommendation:
    """The recommendation on a judged photo, and on what the person reports."""
    level = level_of(probabilities, diagnosis, manifest)
    threshold = manifest.operating_point.threshold
    risk = float(malignancy_risk(probabilities[None], manifest.taxonomy)[0])
    reason = _why(level, risk, threshold, manifest.taxonomy.leaves[diagnosis])
    return _with_symptoms(level, reason, threshold, symptoms)


def unjudged(reason: str, manifest: Manifest, *, symptoms: Iterable[Symptom] = ()) -> Recommendation:
    """The recommendation on a photo that the gate refuses, for the given reason."""
    return _with_symptoms("cannot_judge", reason, manifest.operating_point.threshold, symptoms)


def _with_symptoms(level: Level, reason: str, threshold: float, symptoms: Iterable[Symptom]) -> Recommendation:
    alarming = [symptom for symptom in ALARMING if symptom in set(symptoms)]
    if alarming:
        reported = f"It was reported that the mark {_listed(alarming)}: a doctor should look, whatever a photo shows."
        reason = f"{reason} {reported}"
        level = max(level, "refer", key=LEVELS.index)
    weeks = WEEKS.get(level)
    return Recommendation(
        level=level, text=TEXTS[level].format(weeks=weeks), reason=reason, threshold=threshold, within_weeks=weeks
    )


def _listed(symptoms: list[Symptom]) -> str:
    *first, last = symptoms
    return f"{', '.join(first)} and {last}" if first else last


def _why(level: Level, risk: float, threshold: float, diagnosis: Diagnosis) -> str:
    if level == "cannot_judge":
        return UNCERTAIN
    if risk >= threshold:
        return f"The malignancy risk is {risk:.2f}; from {threshold:.2f} on, a doctor should look."
    below = f"The malignancy risk is {risk:.2f}, below the threshold of {threshold:.2f}"
    if level in {"no_sign", "recheck"}:
        return f"{below}." if level == "no_sign" else f"{below}, but not small enough to forget."
    if diagnosis.malignant:
        return f"{below}, but the diagnosis that fits best, {diagnosis.name}, counts as malignant."
    return f"{below}, but what it may be is dangerous enough that a doctor should look."
