"""Two networks on the same images: the paired difference of every segmentation figure."""

from __future__ import annotations

from functools import partial

import msgspec
import numpy as np

from epiluma import bundle
from epiluma.evaluation.intervals import REPLICATES, percentiles, resample, two_sided_p
from epiluma.evaluation.mask_figures import Formula, MaskView, Section, Weights, definitions
from epiluma.evaluation.mask_scorecard import missing_evidence, rounded, select
from epiluma.evaluation.metrics import Floats
from epiluma.segmentations import Segmentations, SegmentationsError


class MaskDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of both tables."""

    title: str
    section: Section
    digits: int
    first: float
    second: float
    difference: bundle.Metric
    """First minus second; `n` counts lesions."""
    p: float
    """Two-sided, of no difference."""


class MaskComparison(msgspec.Struct, frozen=True, kw_only=True):
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
    figures: dict[str, MaskDifference]
    """Those for which there is enough evidence."""


def compare_masks(
    first: Segmentations,
    second: Segmentations,
    *,
    part: str = "test",
    allow_leakage: bool = False,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> MaskComparison:
    """Compare two tables of one part, image by image.

    Each replicate draws the same lesions for both, so what makes an image hard for both cancels. Raises
    SegmentationsError when the tables do not hold the same images, truths, classes and sizes, or too few lesions, and
    LeakedSegmentations as `score_masks` does.
    """
    a, b = (select(table, part, allow_leakage=allow_leakage) for table in (first, second))
    a, b = a.take(np.argsort(a.image_id)), b.take(np.argsort(b.image_id))
    _check_same(a, b)
    view, other = MaskView(a), MaskView(b)
    gaps = {definition: missing_evidence(definition, view) for definition in definitions(a.header)}
    wanted = [definition for definition, gap in gaps.items() if not gap]
    if not wanted:
        raise SegmentationsError(next(iter(gaps.values())))
    drawn = resample(
        {d.key: partial(_difference, d.formula, view, other) for d in wanted},
        a.group,
        replicates=replicates,
        seed=seed,
    )
    figures = {}
    for d in wanted:
        ours, theirs = float(d.formula(view, None)), float(d.formula(other, None))
        figures[d.key] = MaskDifference(
            title=d.title,
            section=d.section,
            digits=d.digits,
            first=round(ours, 4),
            second=round(theirs, 4),
            difference=rounded(ours - theirs, percentiles(drawn[d.key]), view.lesions(d.among(view))),
            p=round(two_sided_p(drawn[d.key]), 4),
        )
    return MaskComparison(
        part=part,
        first=f"{first.header.model} ({first.header.runner})",
        second=f"{second.header.model} ({second.header.runner})",
        audits=(first.header.audit, second.header.audit),
        images=len(a),
        lesions=view.lesions(np.ones(len(a), bool)),
        seed=seed,
        replicates=replicates,
        figures=figures,
    )


def _difference(formula: Formula, a: MaskView, b: MaskView, weights: Weights) -> Floats:
    difference: Floats = formula(a, weights) - formula(b, weights)
    return difference


def _check_same(a: Segmentations, b: Segmentations) -> None:
    """Both are in the order of their image ids."""
    if a.header.classes != b.header.classes:
        raise SegmentationsError(
            f"the tables have other classes: {', '.join(a.header.classes)}; {', '.join(b.header.classes)}"
        )
    if a.header.boundary_tolerance != b.header.boundary_tolerance:
        raise SegmentationsError("the tables have another 'boundary_tolerance': score both again with one")
    alone = sorted(set(a.image_id.tolist()) ^ set(b.image_id.tolist()))
    if alone:
        raise SegmentationsError(
            f"{len(alone)} images are in one table only, such as {alone[0]}: compare like with like"
        )
    for what, same in (
        ("size", (a.width == b.width) & (a.height == b.height)),
        ("truth", (a.truth == b.truth).all(1)),
        ("lesion", a.group == b.group),
    ):
        if not same.all():
            raise SegmentationsError(f"image {a.image_id[~same][0]} has another {what} in the second table")
