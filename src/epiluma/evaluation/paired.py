"""Two tables of Predictions on the same images: the difference of every figure, and classical tests beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from statistics import NormalDist
from typing import cast

import msgspec
import numpy as np

from epiluma import bundle
from epiluma.evaluation.definition import Definition, Section, Weights
from epiluma.evaluation.figures import DEFINITIONS
from epiluma.evaluation.intervals import REPLICATES, percentiles, resample, two_sided_p
from epiluma.evaluation.measure import missing_evidence
from epiluma.evaluation.metrics import Bools, Floats
from epiluma.evaluation.selection import select
from epiluma.evaluation.view import View
from epiluma.predictions import Predictions, PredictionsError


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of both tables."""

    title: str
    section: Section
    first: float
    second: float
    difference: bundle.Metric
    """First minus second, with the percentiles of the replicates; `n` as in the figure."""
    p: float
    """Two-sided, of no difference, from the same replicates."""


class ClassicalTest(msgspec.Struct, frozen=True, kw_only=True):
    """A classical test, which takes every image for independent: a cross-check of the resampling by lesion."""

    name: str
    what: str
    p: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two tables on the same images."""

    part: str
    first: str
    """Model and runner."""
    second: str
    audits: tuple[str, str]
    images: int
    lesions: int
    seed: int
    replicates: int
    figures: dict[str, Difference]
    """Those for which both tables give enough evidence."""
    tests: tuple[ClassicalTest, ...]


def compare(
    first: Predictions,
    second: Predictions,
    *,
    part: str = "test",
    allow_leakage: bool = False,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> Comparison:
    """Compare two tables of one part, image by image; every replicate draws the same lesions for both.

    Each table's thresholds are those of its own calibration part. Raises PredictionsError when the tables do not hold
    the same images, truths, lesions and diagnoses, and whatever `select` raises.
    """
    a = select(first, part, allow_leakage=allow_leakage)
    b = _in_order_of(a, select(second, part, allow_leakage=allow_leakage))
    return Comparison(
        part=part,
        first=f"{first.header.model} ({first.header.runner})",
        second=f"{second.header.model} ({second.header.runner})",
        audits=(first.header.audit, second.header.audit),
        images=len(a.table),
        lesions=a.lesions(a.everything),
        seed=seed,
        replicates=replicates,
        figures=_differences(a, b, seed, replicates),
        tests=tuple(_tests(a, b)),
    )


def delong(score: Floats, other: Floats, positive: Bools) -> float:
    """Two-sided p that two scores of the same images have one AUC (DeLong et al. 1988).

    NaN without at least two positives and two negatives; 1 when the placements of all images differ by one amount.
    """
    if min(positive.sum(), (~positive).sum()) < 2:
        return math.nan
    above, below = (_placements(score, positive)[i] - _placements(other, positive)[i] for i in (0, 1))
    variance = above.var(ddof=1) / len(above) + below.var(ddof=1) / len(below)
    difference = float(above.mean())
    if variance <= 0:
        return 1.0 if difference == 0 else 0.0
    return 2 * NormalDist().cdf(-abs(difference) / math.sqrt(float(variance)))


def mcnemar(right: Bools, other_right: Bools) -> float:
    """Two-sided exact p that two deciders of the same images are right equally often (McNemar 1947, binomial)."""
    only_first, only_second = int((right & ~other_right).sum()), int((other_right & ~right).sum())
    discordant, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(discordant, k) for k in range(fewer + 1))
    return min(1.0, tail / 2 ** (discordant - 1)) if discordant else 1.0


def _in_order_of(a: View, b: View) -> View:
    """`b` with its images in the order of `a`. Raises PredictionsError when they are not the same."""
    for what, ours, theirs in (
        ("diagnoses", a.table.header.codes, b.table.header.codes),
        ("groups", a.table.header.groups, b.table.header.groups),
        ("malignant diagnoses", a.table.header.malignant, b.table.header.malignant),
    ):
        if ours != theirs:
            raise PredictionsError(f"the tables have other {what}: {ours}; {theirs}")
    alone = sorted(set(a.table.image_id.tolist()) ^ set(b.table.image_id.tolist()))
    if alone:
        raise PredictionsError(
            f"{len(alone)} images are in one table only, such as {alone[0]}: score both on the same images"
        )
    ranks = np.argsort(np.argsort(a.table.image_id))
    order = np.argsort(b.table.image_id)[ranks]
    ordered = b.where(cast(Bools, order))  # indices pick rows as a mask does
    for what, same in (
        ("truth", ordered.table.truth == a.table.truth),
        ("lesion", ordered.table.group == a.table.group),
    ):
        if not same.all():
            raise PredictionsError(f"image {a.table.image_id[~same][0]} has another {what} in the second table")
    return ordered


def _differences(a: View, b: View, seed: int, replicates: int) -> dict[str, Difference]:
    def gained(definition: Definition, weights: Weights) -> Floats:
        difference: Floats = definition.formula(a, weights) - definition.formula(b, weights)
        return difference

    known = [d for d in DEFINITIONS if not (missing_evidence(d, a) or missing_evidence(d, b))]
    drawn = resample(
        {d.key: partial(gained, d) for d in known},
        a.table.group,
        stratum=a.table.truth,
        replicates=replicates,
        seed=seed,
    )
    found = {}
    for d in known:
        ours, theirs = float(d.formula(a, None)), float(d.formula(b, None))
        lower, upper = percentiles(drawn[d.key])
        found[d.key] = Difference(
            title=d.words(a),
            section=d.section,
            first=ours,
            second=theirs,
            difference=bundle.Metric(value=ours - theirs, lower=lower, upper=upper, n=d.n(a)),
            p=two_sided_p(drawn[d.key]),
        )
    return found


def _tests(a: View, b: View) -> Iterator[ClassicalTest]:
    p = delong(a.table.risk, b.table.risk, a.malignant)
    if not math.isnan(p):
        yield ClassicalTest(name="DeLong", what="AUC, malignant or benign", p=p)
    right = (a.diagnosis == a.truth, b.diagnosis == b.truth)
    yield ClassicalTest(name="McNemar, exact", what=f"Accuracy, {len(a.groups)} classes", p=mcnemar(*right))
    if a.calibration and b.calibration:
        right = (a.called_malignant(a.most_accurate) == a.malignant, b.called_malignant(b.most_accurate) == b.malignant)
        yield ClassicalTest(name="McNemar, exact", what="Accuracy, at the most accurate threshold", p=mcnemar(*right))


def _placements(score: Floats, positive: Bools) -> tuple[Floats, Floats]:
    """Share of negatives below each positive, and of positives above each negative; equals count half."""

    def share_below(points: Floats, among: Floats) -> Floats:
        ranked = np.sort(among)
        found: Floats = (np.searchsorted(ranked, points, "left") + np.searchsorted(ranked, points, "right")) / 2
        return found / len(among)

    return share_below(score[positive], score[~positive]), 1 - share_below(score[~positive], score[positive])
