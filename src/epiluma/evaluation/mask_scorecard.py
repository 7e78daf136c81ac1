"""From a table of segmentations to a scorecard: every figure with its interval by lesion, whole and by subgroup."""

from __future__ import annotations

from functools import partial

import msgspec
import numpy as np

from epiluma import bundle
from epiluma.evaluation.intervals import REPLICATES, Interval, bootstrap
from epiluma.evaluation.leakage import is_leaked, refuse_leak
from epiluma.evaluation.mask_figures import MaskDefinition, MaskView, Section, definitions
from epiluma.evaluation.measure import MIN_LESIONS
from epiluma.evaluation.subgroups import MAX_VALUES, UNKNOWN, age_band
from epiluma.segmentations import Segmentations, SegmentationsError


class LeakedSegmentations(SegmentationsError):
    """A table whose audit found test images in training; its figures would flatter."""


class MaskFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure on one subset."""

    title: str
    section: Section
    digits: int
    """Decimals that a report shows."""
    metric: bundle.Metric | None
    """`n` counts lesions; four decimals, the same on every processor. None when the evidence is insufficient."""
    note: str = ""


class MaskSubset(msgspec.Struct, frozen=True, kw_only=True):
    """All figures on some of the images."""

    images: int
    lesions: int
    figures: dict[str, MaskFigure]


class MaskEvaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report of one table of segmentations shows."""

    part: str
    runner: str
    model: str
    classes: tuple[str, ...]
    network_size: tuple[int, int]
    """Width and height in pixels."""
    scored_size: tuple[int, int] | None
    """None: each image at its own size."""
    boundary_tolerance: float
    manifest_sha256: str
    audit: str
    leakage_allowed: bool
    """True when the audit found a leak and the caller asked for figures all the same."""
    seed: int
    replicates: int
    subsets: dict[str, MaskSubset]
    """`all` first, then `COLUMN: VALUE` for each value, or age band, of each subgroup column that has several."""

    def to_scorecard(self, command: str) -> bundle.Scorecard:
        """The defined figures, as a bundle carries them. Raises LeakedSegmentations: a leak must not ship."""
        if self.leakage_allowed:
            raise LeakedSegmentations(f"a scorecard cannot be made from leaked segmentations (audit: {self.audit})")
        found = {
            name: {key: figure.metric for key, figure in subset.figures.items() if figure.metric}
            for name, subset in self.subsets.items()
        }
        return bundle.Scorecard(part=self.part, metrics=found, command=command)


def score_masks(
    table: Segmentations,
    *,
    part: str = "test",
    allow_leakage: bool = False,
    seed: int = 0,
    replicates: int = REPLICATES,
) -> MaskEvaluation:
    """Score one part, whole and by each subgroup.

    Raises LeakedSegmentations when the audit says `leak` and `allow_leakage` is false, and SegmentationsError when
    the table has no such part or lists an image of it twice.
    """
    header = table.header
    chosen = select(table, part, allow_leakage=allow_leakage)
    return MaskEvaluation(
        part=part,
        runner=header.runner,
        model=header.model,
        classes=header.classes,
        network_size=header.network_size,
        scored_size=header.scored_size,
        boundary_tolerance=header.boundary_tolerance,
        manifest_sha256=header.manifest_sha256,
        audit=header.audit,
        leakage_allowed=is_leaked(header.audit),
        seed=seed,
        replicates=replicates,
        subsets={name: _subset(MaskView(rows), seed, replicates) for name, rows in _subsets(chosen).items()},
    )


def select(table: Segmentations, part: str, *, allow_leakage: bool = False) -> Segmentations:
    """The rows of one part, after what must be refused has been; see `score_masks` for what is raised."""
    refuse_leak(table.header.audit, LeakedSegmentations, allow=allow_leakage)
    chosen = table.only(part)
    if not len(chosen):
        known = ", ".join(sorted(set(table.part.tolist()))) or "none, it is empty"
        raise SegmentationsError(f"no image in part {part!r}; parts of this table: {known}")
    names, times = np.unique(chosen.image_id, return_counts=True)
    if (times > 1).any():
        raise SegmentationsError(f"image {names[times > 1][0]} is listed twice in part {part!r}; it may count once")
    return chosen


def rounded(value: float, interval: Interval, n: int) -> bundle.Metric:
    """A figure with its interval, at four decimals."""
    return bundle.Metric(value=round(value, 4), lower=round(interval.lower, 4), upper=round(interval.upper, 4), n=n)


def missing_evidence(definition: MaskDefinition, view: MaskView) -> str:
    """Why the figure cannot be given, or nothing."""
    found = view.lesions(definition.among(view))
    what = "lesion" if found == 1 else "lesions"
    return "" if found >= MIN_LESIONS else f"insufficient evidence: {found} {what}, {MIN_LESIONS} needed"


def _subsets(chosen: Segmentations) -> dict[str, Segmentations]:
    found = {"all": chosen}
    for column, values in sorted(chosen.subgroups.items()):
        named = np.array([_name(column, value) for value in values.tolist()])
        names = sorted(set(named.tolist()), key=lambda name: (name == UNKNOWN, name))
        if 1 < len(names) <= MAX_VALUES:
            found |= {f"{column}: {name}": chosen.take(named == name) for name in names}
    return found


def _name(column: str, value: str) -> str:
    return age_band(int(value)) if column == "age" and value.isdecimal() else value or UNKNOWN


def _subset(view: MaskView, seed: int, replicates: int) -> MaskSubset:
    wanted = definitions(view.table.header)
    gaps = {definition.key: missing_evidence(definition, view) for definition in wanted}
    formulas = {d.key: partial(d.formula, view) for d in wanted if not gaps[d.key]}
    # Drawn regardless of diagnosis, which a table of outlines need not know.
    intervals = bootstrap(formulas, view.table.group, replicates=replicates, seed=seed) if formulas else {}
    return MaskSubset(
        images=len(view.table),
        lesions=view.lesions(np.ones(len(view.table), bool)),
        figures={d.key: _figure(d, view, gaps[d.key], intervals.get(d.key)) for d in wanted},
    )


def _figure(definition: MaskDefinition, view: MaskView, gap: str, interval: Interval | None) -> MaskFigure:
    metric, note = None, gap
    if interval is not None:
        metric = rounded(float(definition.formula(view, None)), interval, view.lesions(definition.among(view)))
        if interval.lower == interval.upper:
            note = "every replicate gave this value: the interval understates the doubt"
    return MaskFigure(
        title=definition.title, section=definition.section, digits=definition.digits, metric=metric, note=note
    )
