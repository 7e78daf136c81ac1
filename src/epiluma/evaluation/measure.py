"""From definitions to figures: each with its interval by lesion, or with why it cannot be given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from epiluma import bundle
from epiluma.evaluation.definition import Definition, Section, malignant_and_benign
from epiluma.evaluation.intervals import Interval, bootstrap, reflect, wilson
from epiluma.evaluation.metrics import Bools, Floats
from epiluma.evaluation.view import View

MIN_LESIONS = 10
"""With fewer lesions of a kind that a figure needs, the figure is not given."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One metric on one subset."""

    title: str
    section: Section
    unit: str
    """What `metric.n` counts: `lesions` or `images`."""
    metric: bundle.Metric | None
    """None when the evidence is insufficient; `note` says why."""
    baseline: float | None
    """The majority baseline on the same images."""
    note: str = ""


def measure(
    definitions: Sequence[Definition], view: View, *, seed: int, replicates: int, baseline: View | None = None
) -> dict[str, Figure]:
    """Every figure of `definitions` on the same replicates, by key; beside that of `baseline` where there is one."""
    gaps = {definition.key: missing_evidence(definition, view) for definition in definitions}
    intervals = bootstrap(
        {d.key: partial(d.formula, view) for d in definitions if not gaps[d.key]},
        view.table.group,
        stratum=view.table.truth,
        replicates=replicates,
        seed=seed,
    )
    return {d.key: _figure(d, view, baseline, gaps[d.key], intervals.get(d.key)) for d in definitions}


def missing_evidence(definition: Definition, view: View) -> str:
    """Why the figure cannot be given, or nothing."""
    if gap := too_few(definition.kinds(view), view):
        return gap
    if not definition.fixed_on_calibration:
        return ""
    if view.calibration is None:
        return "insufficient evidence: no calibration part beside the scored one to fix the threshold on"
    part = View(view.calibration)
    gap = too_few(malignant_and_benign(part), part)
    return f"{gap} in the calibration part" if gap else ""


def too_few(kinds: Mapping[str, Bools], view: View) -> str:
    """Which kind has fewer than MIN_LESIONS lesions, in words, or nothing."""
    for kind, among in kinds.items():
        if (found := view.lesions(among)) < MIN_LESIONS:
            what = f"{kind} lesion".strip() + ("" if found == 1 else "s")
            return f"insufficient evidence: {found} {what}, {MIN_LESIONS} needed"
    return ""


def _figure(definition: Definition, view: View, baseline: View | None, gap: str, interval: Interval | None) -> Figure:
    metric, note = (None, gap) if interval is None else _metric(definition, view, interval)
    return Figure(
        title=definition.words(view),
        section=definition.section,
        unit=definition.unit,
        metric=metric,
        baseline=_defined(definition.formula(baseline, None)) if metric and baseline else None,
        note=note,
    )


def _metric(definition: Definition, view: View, interval: Interval) -> tuple[bundle.Metric, str]:
    """The value with the interval that suits it, and a note where that is not the percentiles of the replicates."""
    value = float(definition.formula(view, None))
    lesions = view.lesions(definition.counted(view))
    note = ""
    if definition.noise_raises:
        interval = reflect(interval, value)
    elif interval.lower == interval.upper and definition.share:
        # When all lesions of each class agree, no replicate can differ; the lesions are then plain trials.
        interval, note = wilson(round(value * lesions), lesions), "Wilson interval: every replicate gave this value"
    elif interval.lower == interval.upper:
        note = "every replicate gave this value: the interval understates the doubt"
    return bundle.Metric(value=value, lower=interval.lower, upper=interval.upper, n=definition.n(view)), note


def _defined(value: Floats) -> float | None:
    return None if math.isnan(value) else float(value)
