"""A scorecard of segmentations, or a comparison of two, as tables: for the terminal, as Markdown, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Group

from epiluma.evaluation import sheet
from epiluma.evaluation.mask_compare import MaskComparison, compare_masks
from epiluma.evaluation.mask_figures import PUBLISHED_MASKS, Section
from epiluma.evaluation.mask_scorecard import MaskEvaluation, MaskFigure, score_masks
from epiluma.evaluation.paired_report import compared
from epiluma.evaluation.sheet import NONE, Page, Sheet
from epiluma.segmentations import SegmentationsError, read

_TITLES: dict[Section, str] = {
    "pooled": "Pixels pooled over all images",
    "by image": "Averages over images, of the lesion",
}
_BY_SUBGROUP = {"miou": "mIoU (95%)", "mean_dice": "Mean Dice (95%)"}
"""The figures of each subgroup that fit 80 columns; JSON has all."""


def evaluate_masks(
    path: Path | str, *, part: str = "test", allow_leakage: bool = False, seed: int = 0
) -> MaskEvaluation:
    """Score one part of a file of segmentations.

    Raises SegmentationsError, its message starting with the file: unreadable, malformed, without the part, or
    (LeakedSegmentations) refused because its audit found a leak.
    """
    table = read(path)
    try:
        return score_masks(table, part=part, allow_leakage=allow_leakage, seed=seed)
    except SegmentationsError as error:
        raise type(error)(f"{path}: {error}") from error


def compare_mask_files(
    first: Path | str, second: Path | str, *, part: str = "test", allow_leakage: bool = False, seed: int = 0
) -> MaskComparison:
    """The paired difference of two files on the same images. Raises SegmentationsError naming both."""
    tables = read(first), read(second)
    try:
        return compare_masks(*tables, part=part, allow_leakage=allow_leakage, seed=seed)
    except SegmentationsError as error:
        raise type(error)(f"{first}, {second}: {error}") from error


def to_json(found: MaskEvaluation | MaskComparison) -> str:
    """One JSON object; its fields are those of the record."""
    return msgspec.json.encode(found).decode()


def to_rich(found: MaskEvaluation | MaskComparison) -> Group:
    """Tables for a terminal."""
    return sheet.to_rich(_page(found))


def to_markdown(found: MaskEvaluation | MaskComparison) -> str:
    """The same tables for a model card."""
    return sheet.to_markdown(_page(found))


def _page(found: MaskEvaluation | MaskComparison) -> Page:
    if isinstance(found, MaskComparison):
        return Page(list(compared(found)), list(_differences(found)), list(_comparison_notes(found)))
    return Page(list(_preamble(found)), list(_sheets(found)), list(_footnotes(found)))


def _preamble(evaluation: MaskEvaluation) -> Iterator[tuple[str, bool]]:
    if evaluation.leakage_allowed:
        yield f"LEAKED: {evaluation.audit}. These figures flatter and must not be quoted.", True
    yield f"{evaluation.model} ({evaluation.runner}), part {evaluation.part!r}; audit: {evaluation.audit}", False
    scored = f"at {_size(evaluation.scored_size)}" if evaluation.scored_size else "each image at its own size"
    yield f"network at {_size(evaluation.network_size)} pixels, scored {scored}", False
    whole = evaluation.subsets["all"]
    yield f"all: {whole.images:,} images of {whole.lesions:,} lesions", False


def _sheets(evaluation: MaskEvaluation) -> Iterator[Sheet]:
    figures = evaluation.subsets["all"].figures
    for section, title in _TITLES.items():
        rows = [(figure.title, *_pair(figure)) for figure in figures.values() if figure.section == section]
        yield Sheet(title, ("Metric", "All (95%)", "n"), rows)
    if len(evaluation.subsets) > 1:
        yield _subgroups(evaluation)
    yield _published(evaluation)


def _subgroups(evaluation: MaskEvaluation) -> Sheet:
    rows = [
        (name, f"{subset.lesions:,}", *(_pair(subset.figures[key])[0] for key in _BY_SUBGROUP))
        for name, subset in evaluation.subsets.items()
    ]
    return Sheet("Subgroups", ("Subgroup", "Lesions", *_BY_SUBGROUP.values()), rows)


def _published(evaluation: MaskEvaluation) -> Sheet:
    figures = evaluation.subsets["all"].figures
    rows = []
    for entry in PUBLISHED_MASKS:
        ours = (metric.value if (metric := figures[key].metric) else None for key in entry.ours)
        rows.append(
            (
                *(f"{entry.system}, {entry.data}", entry.metric, entry.source),
                " / ".join(f"{figure:.3f}" for figure in entry.figures),
                " / ".join(NONE if value is None else f"{value:.3f}" for value in ours),
            )
        )
    return Sheet(
        "Published figures, on other images", ("System and data", "Metric", "Source", "Theirs", "Ours"), rows, 3
    )


def _footnotes(evaluation: MaskEvaluation) -> Iterator[str]:
    yield (
        f"Intervals: 95%, percentiles of {evaluation.replicates:,} bootstrap replicates that draw whole lesions "
        f"(seed {evaluation.seed}). n counts lesions; each image of a lesion counts."
    )
    yield (
        f"The lesion is every class but {evaluation.classes[0]}. Pooled: intersections and unions summed over the set "
        f"before they are divided; mIoU averages the classes that occur. Pooled figures weigh large lesions more."
    )
    yield from _definitions(evaluation.boundary_tolerance)
    for name, subset in evaluation.subsets.items():
        yield from _notes(name, list(subset.figures.values()))


def _notes(name: str, figures: list[MaskFigure]) -> Iterator[str]:
    """What had to be said of the figures of one subset, each remark once."""
    if not any(figure.metric for figure in figures):
        yield f"{name}: {figures[0].note} (every figure)."
        return
    for note in dict.fromkeys(figure.note for figure in figures if figure.note):
        yield f"{name}: {note} ({'; '.join(figure.title for figure in figures if figure.note == note)})."


def _definitions(tolerance: float) -> Iterator[str]:
    yield (
        f"Boundary F1 (Csurka et al. 2013): boundary pixels match within {tolerance:.2%} of the diagonal. HD95: the "
        f"larger of the two directed 95th percentiles of boundary distances."
    )
    yield (
        "Where truth and prediction are both empty, Jaccard, Dice and boundary F1 are 1 and HD95 is 0; where one is, "
        "they are 0 and HD95 is the diagonal. An image that could not be judged counts as an empty prediction."
    )


def _differences(found: MaskComparison) -> Iterator[Sheet]:
    for section, title in _TITLES.items():
        rows = []
        for figure in found.figures.values():
            if figure.section == section:
                difference, form = figure.difference, f"z.{figure.digits}f"
                between = f"{difference.lower:{form}} to {difference.upper:{form}}"
                rows.append(
                    (
                        *(figure.title, f"{figure.first:{form}}", f"{figure.second:{form}}"),
                        *(f"{difference.value:{form}} ({between})", f"{figure.p:.4f}"),
                    )
                )
        yield Sheet(title, ("Metric", "A", "B", "A - B (95%)", "p"), rows)


def _comparison_notes(found: MaskComparison) -> Iterator[str]:
    yield (
        f"Intervals: 95%, percentiles of {found.replicates:,} bootstrap replicates that draw the same whole lesions "
        f"for A and B (seed {found.seed})."
    )
    yield (
        "p: two-sided, from the same replicates, not corrected for the number of figures; it cannot be below "
        f"{2 / (found.replicates + 1):.4f}."
    )


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _pair(figure: MaskFigure) -> tuple[str, str]:
    if figure.metric is None:
        return "insufficient", NONE
    value, lower, upper = (
        f"{x:.{figure.digits}f}" for x in (figure.metric.value, figure.metric.lower, figure.metric.upper)
    )
    return f"{value} ({lower}–{upper})", f"{figure.metric.n:,}"
