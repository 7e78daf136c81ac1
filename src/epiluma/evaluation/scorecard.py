"""From Predictions to a scorecard: every figure with its interval by lesion, beside the majority baseline."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import msgspec
import numpy as np

from epiluma import bundle
from epiluma.evaluation import metrics
from epiluma.evaluation.charts import Charts, draw
from epiluma.evaluation.figures import DEFINITIONS, of_class
from epiluma.evaluation.intervals import REPLICATES
from epiluma.evaluation.leakage import is_leaked
from epiluma.evaluation.measure import Figure, measure
from epiluma.evaluation.metrics import Floats
from epiluma.evaluation.outside import score_outside
from epiluma.evaluation.selection import LeakedPredictions, select
from epiluma.evaluation.subgroups import Subgroup, score_subgroups
from epiluma.evaluation.view import View
from epiluma.predictions import Predictions

HISTOLOGY = ("confirmation", "histo")
"""Subgroup column and value of the lesions whose truth was read under a microscope."""


class ClassRow(msgspec.Struct, frozen=True, kw_only=True):
    """One class of the grouped view, one against the rest, counted by image."""

    recall: Figure
    precision: Figure
    f1: Figure
    auc: Figure
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
    fixed_thresholds: dict[str, float]
    """Risk thresholds that were fixed on the calibration part, by what they make largest there."""
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
    subgroups: dict[str, dict[str, Subgroup]]
    """By column, then by value; `unknown` is the value of images that have none."""
    charts: Charts
    outside: Figure | None = None
    """AUROC of telling out-of-distribution images, when a table of them was given."""

    def to_scorecard(self, command: str) -> bundle.Scorecard:
        """The part of this that a bundle carries: defined figures, four decimals (the same on every processor).

        Points of the scored part's own ROC curve are left out: nobody can choose a threshold there.
        Raises LeakedPredictions: figures from a leak must not ship.
        """
        if self.leakage_allowed:
            raise LeakedPredictions(f"a scorecard cannot be made from leaked predictions (audit: {self.audit})")
        found = {
            name: {
                key: _rounded(figure.metric)
                for key, figure in subset.figures.items()
                if figure.metric and figure.section != "curve"
            }
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
    outside: Predictions | None = None,
) -> Evaluation:
    """Score one part: on all of it, on its histology-confirmed lesions, and on each subgroup.

    `outside` are out-of-distribution images; both tables then need the column `ood_score`. Raises LeakedPredictions
    when the audit says `leak` and `allow_leakage` is false, and PredictionsError when the table contradicts itself or
    has no such part.
    """
    view = select(predictions, part, allow_leakage=allow_leakage)
    header, majority = predictions.header, _majority(view.table)
    fixed = {"most_accurate": view.most_accurate, "balanced_f1": view.balanced_f1}
    how = {"seed": seed, "replicates": replicates}
    return Evaluation(
        part=part,
        runner=header.runner,
        model=header.model,
        manifest_sha256=header.manifest_sha256,
        audit=header.audit,
        leakage_allowed=is_leaked(predictions.header.audit),
        threshold=header.threshold,
        fixed_thresholds={name: value for name, value in fixed.items() if not math.isnan(value)},
        calibrated=bool(header.prevalence),
        codes=header.codes,
        groups=view.groups,
        malignant=tuple(c for c, bad in zip(header.codes, header.malignant, strict=True) if bad),
        majority=f"{header.codes[majority.leaf]} ({majority.source})",
        seed=seed,
        replicates=replicates,
        subsets={name: _subset(rows, majority.always(rows), **how) for name, rows in _subsets(view).items()},
        subgroups=score_subgroups(view, **how),
        charts=draw(view, **how),
        outside=score_outside(view.table, outside, **how) if outside else None,
    )


class _Majority(NamedTuple):
    """The baseline that always says the most common class, with the class shares as probabilities."""

    leaf: int
    shares: Floats
    source: str
    """Where the shares come from."""

    def always(self, view: View) -> View:
        """What the baseline says of the same images: nobody is referred, everything is judged."""
        return View(self._said(view.table), view.calibration and self._said(view.calibration))

    def _said(self, table: Predictions) -> Predictions:
        n = len(table)
        return replace(
            table,
            probabilities=np.tile(self.shares, (n, 1)),
            diagnosis=np.full(n, self.leaf, np.intp),
            referred=np.zeros(n, bool),
        )


def _majority(table: Predictions) -> _Majority:
    if table.header.prevalence:
        shares, source = np.array(table.header.prevalence), "most common at the prevalence of the table's header"
    else:
        shares = np.bincount(table.truth, minlength=len(table.header.codes)) / len(table)
        source = "most common in the scored part; the header states no prevalence"
    return _Majority(int(shares.argmax()), shares, source)


def _subsets(view: View) -> dict[str, View]:
    column, value = HISTOLOGY
    known = view.table.subgroups.get(column, np.array([]))
    return {"all": view} | ({"histology": view.where(known == value)} if (known == value).any() else {})


def _subset(view: View, baseline: View, *, seed: int, replicates: int) -> Subset:
    by_class = {code: of_class(index, code) for index, code in enumerate(view.groups)}
    definitions = [*DEFINITIONS, *(definition for row in by_class.values() for definition in row.values())]
    figures = measure(definitions, view, seed=seed, replicates=replicates, baseline=baseline)
    table = metrics.confusion(view.truth, view.diagnosis, len(view.groups)).astype(int)
    return Subset(
        images=len(view.table),
        lesions=view.lesions(view.everything),
        figures={d.key: figures[d.key] for d in DEFINITIONS},
        classes={
            code: ClassRow(images=int(count), **{name: figures[definition.key] for name, definition in row.items()})
            for (code, row), count in zip(by_class.items(), table.sum(axis=1), strict=True)
        },
        confusion=tuple(tuple(row) for row in table.tolist()),
    )


def _rounded(metric: bundle.Metric) -> bundle.Metric:
    return bundle.Metric(
        value=round(metric.value, 4), lower=round(metric.lower, 4), upper=round(metric.upper, 4), n=metric.n
    )
