"""From Predictions to a scorecard: every figure with its interval by lesion, beside the majority baseline."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import msgspec
import numpy as np

from epiluma import bundle
from epiluma.evaluation import metrics
from epiluma.evaluation.figures import DEFINITIONS, Definition, Section, View, recall_of
from epiluma.evaluation.intervals import REPLICATES, Interval, bootstrap, reflect, wilson
from epiluma.predictions import Predictions, PredictionsError

MIN_LESIONS = 10
"""With fewer lesions of a kind that a figure needs, the figure is not given."""

HISTOLOGY = ("confirmation", "histo")
"""Subgroup column and value of the lesions whose truth was read under a microscope."""


class LeakedPredictions(PredictionsError):
    """Predictions whose audit found test images in training; their figures would flatter."""


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


class ClassRow(msgspec.Struct, frozen=True, kw_only=True):
    """One class of the grouped view, one against the rest, counted by image."""

    recall: Figure
    precision: float | None
    f1: float | None
    images: int


class Subset(msgspec.Struct, frozen=True, kw_only=True):
    """All figures on some of the images."""

    images: int
    lesions: int
    figures: dict[str, Figure]
    classes: dict[str, ClassRow]
    confusion: tuple[tuple[int, ...], ...]
    """Images by true class (rows) and diagnosis (columns); the last column could not be judged."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report of one table of Predictions shows."""

    part: str
    runner: str
    model: str
    manifest_sha256: str
    audit: str
    leakage_allowed: bool
    """True when the audit found a leak and the caller asked for figures all the same."""
    threshold: float | None
    """Malignancy risk of the operating point that the column `referred` was made with."""
    calibrated: bool
    """Whether the table's header names the prevalence that its probabilities are calibrated at."""
    codes: tuple[str, ...]
    groups: tuple[str, ...]
    malignant: tuple[str, ...]
    """Codes of the leaves that count as malignant."""
    majority: str
    """What the majority baseline always says, and where that comes from."""
    seed: int
    replicates: int
    subsets: dict[str, Subset]

    def to_scorecard(self, command: str) -> bundle.Scorecard:
        """The part of this that a bundle carries: defined figures, four decimals (the same on every processor).

        Raises LeakedPredictions: figures from a leak must not ship.
        """
        if self.leakage_allowed:
            raise LeakedPredictions(f"a scorecard cannot be made from leaked predictions (audit: {self.audit})")
        found = {
            name: {key: _rounded(figure.metric) for key, figure in subset.figures.items() if figure.metric}
            for name, subset in self.subsets.items()
        }
        return bundle.Scorecard(part=self.part, metrics=found, command=command)


def score(
    predictions: Predictions,
    *,
    part: str = "test",
    allow_leakage: bool = False,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Evaluation:
    """Score one part: on all of it and on its histology-confirmed lesions.

    Raises LeakedPredictions when the audit says `leak` and `allow_leakage` is false, and PredictionsError when the
    table contradicts itself or has no such part.
    """
    header = predictions.header
    _check(predictions)
    leaked = header.audit.startswith("leak")
    if leaked and not allow_leakage:
        raise LeakedPredictions(
            f"refused: the audit says {header.audit!r}, so these figures would flatter; "
            f"train again on a clean split, or allow leakage and every report will say so"
        )
    chosen = predictions.only(part)
    if not len(chosen):
        known = ", ".join(sorted(set(predictions.part.tolist()))) or "none, it is empty"
        raise PredictionsError(f"no image in part {part!r}; parts of this table: {known}")
    if len(np.unique(chosen.image_id)) < len(chosen):
        raise PredictionsError(f"an image is listed twice in part {part!r}; every image may count once")
    majority, prevalence, source = _majority(chosen)
    tables = {"all": chosen}
    column, value = HISTOLOGY
    if column in chosen.subgroups and (confirmed := chosen.subgroups[column] == value).any():
        tables["histology"] = chosen.where(confirmed)
    return Evaluation(
        part=part,
        runner=header.runner,
        model=header.model,
        manifest_sha256=header.manifest_sha256,
        audit=header.audit,
        leakage_allowed=leaked,
        threshold=header.threshold,
        calibrated=bool(header.prevalence),
        codes=header.codes,
        groups=View(chosen).groups,
        malignant=tuple(c for c, bad in zip(header.codes, header.malignant, strict=True) if bad),
        majority=f"{header.codes[majority]} ({source})",
        seed=seed,
        replicates=replicates,
        subsets={
            name: _subset(View(table), View(_always(table, majority, prevalence)), seed, replicates)
            for name, table in tables.items()
        },
    )


def _check(predictions: Predictions) -> None:
    header, leaves = predictions.header, len(predictions.header.codes)
    if leaves < 2:
        raise PredictionsError("the header names fewer than two diagnoses")
    for name, column in (("groups", header.groups), ("malignant", header.malignant)):
        if len(column) != leaves:
            raise PredictionsError(f"the header's {name!r} has {len(column)} values for {leaves} diagnoses")
    if len(header.prevalence) not in (0, leaves):
        raise PredictionsError(f"the header's 'prevalence' has {len(header.prevalence)} values for {leaves} diagnoses")
    outside = ((predictions.probabilities < 0) | (predictions.probabilities > 1)).any(axis=1)
    if outside.any():
        raise PredictionsError(f"image {predictions.image_id[outside][0]}: probabilities must lie in 0 to 1")


def _majority(table: Predictions) -> tuple[int, metrics.Floats, str]:
    """(leaf, class shares, their source) of the baseline that always says the most common class."""
    if table.header.prevalence:
        shares, source = np.array(table.header.prevalence), "most common at the prevalence of the table's header"
    else:
        shares = np.bincount(table.truth, minlength=len(table.header.codes)) / len(table)
        source = "most common in the scored part; the header states no prevalence"
    return int(shares.argmax()), shares, source


def _always(table: Predictions, leaf: int, shares: metrics.Floats) -> Predictions:
    """The majority baseline as Predictions: one diagnosis, the class shares as probabilities, nobody referred."""
    n = len(table)
    return replace(
        table,
        probabilities=np.tile(shares, (n, 1)),
        diagnosis=np.full(n, leaf, np.intp),
        referred=np.zeros(n, bool),
    )


def _subset(view: View, baseline: View, seed: int, replicates: int) -> Subset:
    recalls = [recall_of(index, code) for index, code in enumerate(view.groups)]
    definitions = [*DEFINITIONS, *recalls]
    gaps = {definition.key: _missing_evidence(definition, view) for definition in definitions}
    intervals = bootstrap(
        {d.key: partial(d.formula, view) for d in definitions if not gaps[d.key]},
        view.table.group,
        stratum=view.table.truth,
        replicates=replicates,
        seed=seed,
    )
    figures = {d.key: _figure(d, view, baseline, gaps[d.key], intervals.get(d.key)) for d in definitions}
    by_class = metrics.per_class(view.truth, view.diagnosis, len(view.groups))
    table = metrics.confusion(view.truth, view.diagnosis, len(view.groups)).astype(int)
    return Subset(
        images=len(view.table),
        lesions=view.lesions(view.everything),
        figures={d.key: figures[d.key] for d in DEFINITIONS},
        classes={
            code: ClassRow(
                recall=figures[recalls[index].key],
                precision=_defined(by_class.precision[index]),
                f1=_defined(by_class.f1[index]),
                images=int(table[index].sum()),
            )
            for index, code in enumerate(view.groups)
        },
        confusion=tuple(tuple(row) for row in table.tolist()),
    )


def _missing_evidence(definition: Definition, view: View) -> str:
    """Why the figure cannot be given, or nothing."""
    for kind, among in definition.kinds(view).items():
        if (found := view.lesions(among)) < MIN_LESIONS:
            what = f"{kind} lesion".strip() + ("" if found == 1 else "s")
            return f"insufficient evidence: {found} {what}, {MIN_LESIONS} needed"
    return ""


def _figure(definition: Definition, view: View, baseline: View, gap: str, interval: Interval | None) -> Figure:
    if interval is None:
        return _make(definition, view, None, None, gap)
    value = float(definition.formula(view, None))
    counted = next(iter(definition.kinds(view).values()))
    lesions = view.lesions(counted)
    note = ""
    if definition.noise_raises:
        interval = reflect(interval, value)
    elif interval.lower == interval.upper and definition.share:
        # When all lesions of each class agree, no replicate can differ; the lesions are then plain trials.
        interval, note = wilson(round(value * lesions), lesions), "Wilson interval: every replicate gave this value"
    elif interval.lower == interval.upper:
        note = "every replicate gave this value: the interval understates the doubt"
    metric = bundle.Metric(
        value=value,
        lower=interval.lower,
        upper=interval.upper,
        n=lesions if definition.unit == "lesions" else int(counted.sum()),
    )
    return _make(definition, view, metric, float(definition.formula(baseline, None)), note)


def _make(
    definition: Definition, view: View, metric: bundle.Metric | None, baseline: float | None, note: str
) -> Figure:
    return Figure(
        title=definition.title.format(groups=len(view.groups), leaves=view.leaves),
        section=definition.section,
        unit=definition.unit,
        metric=metric,
        baseline=baseline,
        note=note,
    )


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _rounded(metric: bundle.Metric) -> bundle.Metric:
    return bundle.Metric(
        value=round(metric.value, 4), lower=round(metric.lower, 4), upper=round(metric.upper, 4), n=metric.n
    )
