"""What the charts of a report show, as numbers: curves, reliability, and the net benefit of deciding by the model."""

from __future__ import annotations

from functools import partial

import msgspec
import numpy as np

from epiluma import bundle
from epiluma.evaluation import curves, metrics
from epiluma.evaluation.definition import Definition, Weights, malignant_and_benign
from epiluma.evaluation.measure import measure, too_few
from epiluma.evaluation.metrics import ECE_BINS, Bools, Floats
from epiluma.evaluation.view import View

DECISION_THRESHOLDS = tuple(percent / 100 for percent in range(1, 51))
"""Risks at which a person may just accept to be referred, at which the net benefit is given."""

_DIGITS = 5


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Where a score's ROC curve turns, from the threshold that flags all to the one that flags nothing."""

    sensitivity: tuple[float, ...]
    specificity: tuple[float, ...]
    precision: tuple[float | None, ...]
    """None where nothing is flagged."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that is in use or could be, as a point on the curves."""

    name: str
    sensitivity: float
    specificity: float
    precision: float | None


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Images whose confidence lies in (low, high]."""

    low: float
    high: float
    images: int
    predicted: float
    """Mean confidence."""
    observed: bundle.Metric | None
    """Share for which it came true, with its interval by lesion; None when the evidence is insufficient."""


class Benefit(msgspec.Struct, frozen=True, kw_only=True):
    """Net benefit per image of referring those whose risk reaches a threshold; of referring nobody it is 0."""

    threshold: float
    model: bundle.Metric
    refer_all: float


class Charts(msgspec.Struct, frozen=True, kw_only=True):
    """All charts of one part, by image; what needs malignant and benign lesions is empty without enough of both."""

    malignant: Curve | None
    classes: dict[str, Curve]
    """Each grouped class against the rest, those with enough lesions."""
    marks: tuple[Mark, ...]
    risk_reliability: tuple[Bin, ...]
    label_reliability: tuple[Bin, ...]
    """Of the most probable leaf."""
    decision: tuple[Benefit, ...]


def draw(view: View, *, seed: int, replicates: int) -> Charts:
    """Compute what the charts of a part show; intervals by lesion."""
    probabilities, risk = view.table.probabilities, view.table.risk
    both = not too_few(malignant_and_benign(view), view)
    label_right = probabilities.argmax(axis=1) == view.table.truth
    how = {"seed": seed, "replicates": replicates}
    return Charts(
        malignant=_curve(risk, view.malignant) if both else None,
        classes=_class_curves(view),
        marks=_marks(view) if both else (),
        risk_reliability=_reliability(view, risk, view.malignant, **how),
        label_reliability=_reliability(view, probabilities.max(axis=1), label_right, **how),
        decision=_decision(view, **how) if both else (),
    )


def _curve(score: Floats, positive: Bools) -> Curve:
    counts = curves.sweep(score, positive)
    turns = curves.corners(counts)
    return Curve(
        sensitivity=_rounded(counts.sensitivity[turns]),
        specificity=_rounded(counts.specificity[turns]),
        precision=tuple(None if np.isnan(p) else round(float(p), _DIGITS) for p in counts.precision[turns]),
    )


def _class_curves(view: View) -> dict[str, Curve]:
    found = {}
    for index, code in enumerate(view.groups):
        own = view.truth == index
        if not too_few({code: own, "other": ~own}, view):
            found[code] = _curve(view.group_probabilities[:, index], own)
    return found


def _marks(view: View) -> tuple[Mark, ...]:
    flagged = {"recommendation": view.table.referred}
    if view.calibration is not None:
        flagged["most accurate on calibration"] = view.called_malignant(view.most_accurate) == 1
    return tuple(
        Mark(
            name=name,
            sensitivity=float(metrics.sensitivity(flags, view.malignant)),
            specificity=float(metrics.specificity(flags, ~view.malignant)),
            precision=float(metrics.share(view.malignant, flags)) if flags.any() else None,
        )
        for name, flags in flagged.items()
    )


def _reliability(view: View, confidence: Floats, outcome: Bools, *, seed: int, replicates: int) -> tuple[Bin, ...]:
    """The bins of the ECE that hold images."""
    bins = metrics.calibration_bin(confidence)
    members = {str(index): bins == index for index in range(ECE_BINS) if (bins == index).any()}

    def share_in(name: str) -> Definition:
        def formula(_: View, weights: Weights) -> Floats:
            return metrics.share(outcome, members[name], weights)

        return Definition(
            key=name,
            section="probabilities",
            title="",
            formula=formula,
            kinds=lambda _: {"": members[name]},
            share=True,
        )

    observed = measure([share_in(name) for name in members], view, seed=seed, replicates=replicates)
    return tuple(
        Bin(
            low=int(name) / ECE_BINS,
            high=(int(name) + 1) / ECE_BINS,
            images=int(member.sum()),
            predicted=float(confidence[member].mean()),
            observed=observed[name].metric,
        )
        for name, member in members.items()
    )


def _decision(view: View, *, seed: int, replicates: int) -> tuple[Benefit, ...]:
    def gained(view: View, weights: Weights, *, threshold: float) -> Floats:
        odds = threshold / (1 - threshold)
        return curves.net_benefit(view.table.risk >= threshold, view.malignant, odds, weights)

    definitions = {
        threshold: Definition(
            key=str(threshold),
            section="curve",
            title="",
            formula=partial(gained, threshold=threshold),
            kinds=malignant_and_benign,
        )
        for threshold in DECISION_THRESHOLDS
    }
    figures = measure(list(definitions.values()), view, seed=seed, replicates=replicates)
    everybody = {
        t: float(curves.net_benefit(view.everything, view.malignant, t / (1 - t))) for t in DECISION_THRESHOLDS
    }
    return tuple(
        Benefit(threshold=threshold, model=metric, refer_all=everybody[threshold])
        for threshold, definition in definitions.items()
        if (metric := figures[definition.key].metric)
    )


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), _DIGITS) for value in values)
