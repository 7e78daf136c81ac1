"""An evaluation, or a comparison of two, as tables: for the terminal, for a model card (Markdown), and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Group

from epiluma.evaluation import paired_report, sheet
from epiluma.evaluation.definition import Section
from epiluma.evaluation.measure import Figure
from epiluma.evaluation.paired import Comparison
from epiluma.evaluation.paired_report import SECTIONS
from epiluma.evaluation.published import PUBLISHED
from epiluma.evaluation.scorecard import Evaluation, score
from epiluma.evaluation.sheet import NONE, Page, Sheet
from epiluma.predictions import PredictionsError, read
from epiluma.taxonomy import BINARY_NOTE, ISIC_2019

_NOT_JUDGED = "not judged"


def evaluate_file(
    path: Path | str,
    *,
    part: str = "test",
    allow_leakage: bool = False,
    seed: int = 0,
    outside: Path | str | None = None,
) -> Evaluation:
    """Score one part of a Predictions file; `outside` is a file of out-of-distribution images.

    Raises PredictionsError, its message starting with the file: unreadable, malformed, without the part, or
    (LeakedPredictions) refused because its audit found a leak.
    """
    table, others = read(path), read(outside) if outside else None
    try:
        return score(table, part=part, allow_leakage=allow_leakage, seed=seed, outside=others)
    except PredictionsError as error:
        raise type(error)(f"{path}: {error}") from error


def to_json(found: Evaluation | Comparison) -> str:
    """One JSON object; its fields are those of the record."""
    return msgspec.json.encode(found).decode()


def to_rich(found: Evaluation | Comparison) -> Group:
    """Tables for a terminal."""
    return sheet.to_rich(page(found))


def to_markdown(found: Evaluation | Comparison) -> str:
    """The same tables for a model card."""
    return sheet.to_markdown(page(found))


def page(found: Evaluation | Comparison) -> Page:
    """The lines, tables and footnotes that every form of the report shows."""
    if isinstance(found, Comparison):
        return paired_report.page(found)
    return Page(list(_preamble(found)), list(_sheets(found)), list(_footnotes(found)))


def _preamble(evaluation: Evaluation) -> Iterator[tuple[str, bool]]:
    """Lines above the tables, and whether each is a warning."""
    if evaluation.leakage_allowed:
        yield f"LEAKED: {evaluation.audit}. These figures flatter and must not be quoted.", True
    yield f"{evaluation.model} ({evaluation.runner}), part {evaluation.part!r}; audit: {evaluation.audit}", False
    for name, subset in evaluation.subsets.items():
        yield f"{name}: {subset.images:,} images of {subset.lesions:,} lesions", False


def _footnotes(evaluation: Evaluation) -> Iterator[str]:
    threshold = "not recorded" if evaluation.threshold is None else f"{evaluation.threshold:.4f}"
    yield (
        f"Intervals: 95%, percentiles of {evaluation.replicates:,} bootstrap replicates that draw whole lesions within "
        f"their true class (seed {evaluation.seed}); reflected for ECE; Wilson where no replicate differs."
    )
    yield (
        "n counts lesions; in rows that end in “images”, images. Diagnoses and probabilities are scored by image, but "
        "the AUC of lesions expects one photo of each, drawn at random: a lesion with many photos counts no more."
    )
    yield (
        f"Operating point: the recommendation as the runner gave it, risk threshold {threshold}. By lesion, a "
        f"malignant lesion is caught only when every photo of it is referred, a benign one spared only when none is."
    )
    yield _malignant_note(evaluation)
    yield from _threshold_notes(evaluation)
    yield (
        "An image that could not be judged counts as a wrong diagnosis. Balanced accuracy and macro figures average "
        "the classes that are present, those with few lesions too."
    )
    yield f"Majority: always {evaluation.majority}; the class shares as probabilities; refers nobody."
    titles: dict[str, list[str]] = {}
    for name, figure in _noted(evaluation):
        titles.setdefault(f"{figure.note} ({name})", []).append(figure.title)
    for note, those in titles.items():
        yield f"{note[0].upper()}{note[1:]}: {'; '.join(those)}."


def _threshold_notes(evaluation: Evaluation) -> Iterator[str]:
    fixed = evaluation.fixed_thresholds
    if fixed:
        yield (
            f"Fixed on the calibration part, by image: risk ≥ {fixed['most_accurate']:.4f} has the highest accuracy "
            f"there; risk ≥ {fixed['balanced_f1']:.4f} the highest mean F1 of malignant and of benign, both weighed "
            f"equally."
        )
    yield (
        "Weighed equally: each class (or malignant and benign) counts as much as any other. The F1 is that of the "
        "counts which a resample with equally many images of each expects."
    )
    yield (
        "On this part's own ROC curve: the best of all thresholds on the very images that are scored. That describes "
        "the curve and is no operating point; it flatters most where lesions are few."
    )


def _malignant_note(evaluation: Evaluation) -> str:
    built_in = tuple(leaf.code for leaf in ISIC_2019.leaves if leaf.malignant)
    return BINARY_NOTE if evaluation.malignant == built_in else f"Malignant counts {', '.join(evaluation.malignant)}."


def _noted(evaluation: Evaluation) -> Iterator[tuple[str, Figure]]:
    for name, subset in evaluation.subsets.items():
        rows = (figure for row in subset.classes.values() for figure in (row.recall, row.precision, row.f1, row.auc))
        yield from ((name, figure) for figure in (*subset.figures.values(), *rows) if figure.note)
    if evaluation.outside and evaluation.outside.note:
        yield "all", evaluation.outside


def _sheets(evaluation: Evaluation) -> Iterator[Sheet]:
    for section, title in SECTIONS.items():
        uncalibrated = section == "probabilities" and not evaluation.calibrated
        yield _figures(evaluation, section, "Probabilities, not calibrated" if uncalibrated else title)
    yield from _classes(evaluation)
    yield _confusion(evaluation)
    if evaluation.subgroups:
        yield from _subgroups(evaluation)
    yield _published(evaluation)


def _figures(evaluation: Evaluation, section: Section, title: str) -> Sheet:
    whole, histology = evaluation.subsets["all"], evaluation.subsets.get("histology")
    rows = []
    for key, figure in whole.figures.items():
        if figure.section == section:
            confirmed = histology.figures[key] if histology else None
            rows.append(_row(figure, confirmed))
    if evaluation.outside and evaluation.outside.section == section:
        rows.append(_row(evaluation.outside, None))
    return Sheet(title, ("Metric", "All (95%)", "n", "Majority", "Histology (95%)", "n"), rows)


def _row(figure: Figure, confirmed: Figure | None) -> tuple[str, ...]:
    return (figure.title, *_pair(figure), _number(figure.baseline), *_pair(confirmed))


def _classes(evaluation: Evaluation) -> Iterator[Sheet]:
    whole, histology = evaluation.subsets["all"], evaluation.subsets.get("histology")
    rows, others = [], []
    for code, row in whole.classes.items():
        known = histology and histology.classes[code]
        confirmed = (*_pair(known.recall), _value(known.auc)) if known else (NONE, NONE, NONE)
        rows.append((code, *_pair(row.recall), _value(row.precision), _value(row.f1)))
        others.append((code, _value(row.auc), *confirmed))
    yield Sheet(
        "Each class against the rest, by image", ("Class", "Recall (95%)", "n", "Precision (95%)", "F1 (95%)"), rows
    )
    yield Sheet(
        "Each class against the rest, by image: AUC, and the histology-confirmed",
        ("Class", "AUC (95%)", "Histology recall", "n", "Histology AUC"),
        others,
    )


def _subgroups(evaluation: Evaluation) -> Iterator[Sheet]:
    named = [
        (f"{column}: {name}", group)
        for column, groups in evaluation.subgroups.items()
        for name, group in groups.items()
    ]
    yield Sheet(
        "Subgroups",
        ("Subgroup", "Lesions", f"Balanced accuracy, {len(evaluation.groups)}", "AUC of lesions"),
        [
            (
                *(name, f"{group.lesions:,}"),
                *(_value(group.figures[key]) for key in ("balanced_accuracy_grouped", "malignant_auc_by_lesion")),
            )
            for name, group in named
        ],
    )
    yield Sheet(
        "Subgroups, recommendation at the operating point, by lesion",
        ("Subgroup", "Sensitivity", "n", "Specificity", "n"),
        [
            (
                name,
                *_pair(group.figures["malignant_sensitivity_by_lesion"]),
                *_pair(group.figures["specificity_by_lesion"]),
            )
            for name, group in named
        ],
    )


def _confusion(evaluation: Evaluation) -> Sheet:
    table = evaluation.subsets["all"].confusion
    rows = [
        (code, *(f"{count:,}" if count else "·" for count in counts))
        for code, counts in zip(evaluation.groups, table, strict=True)
    ]
    return Sheet("Images by truth (rows) and diagnosis", ("Truth", *evaluation.groups, _NOT_JUDGED), rows)


def _published(evaluation: Evaluation) -> Sheet:
    whole = evaluation.subsets["all"]
    ours = {key: figure.metric.value if figure.metric else None for key, figure in whole.figures.items()}
    ours |= {f"f1_{code}": row.f1.metric.value if row.f1.metric else None for code, row in whole.classes.items()}
    rows = [
        (
            *(f"{entry.system}, {entry.data}", entry.metric, entry.source),
            " / ".join(f"{figure:.3f}" for figure in entry.figures),
            " / ".join(_number(ours.get(key)) for key in entry.ours) or NONE,
        )
        for entry in PUBLISHED
    ]
    columns = ("System and data", "Metric", "Source", "Theirs", "Ours")
    return Sheet("Published figures, on other images", columns, rows, words=3)


def _pair(figure: Figure | None) -> tuple[str, str]:
    return (_value(figure), _n(figure)) if figure else (NONE, NONE)


def _value(figure: Figure) -> str:
    metric = figure.metric
    return f"{metric.value:.3f} ({metric.lower:.3f}–{metric.upper:.3f})" if metric else "insufficient"


def _n(figure: Figure) -> str:
    return f"{figure.metric.n:,}" if figure.metric else NONE


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"
