"""An evaluation as tables: for the terminal, for a model card (Markdown), and as JSON."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from epiluma.evaluation.figures import Section
from epiluma.evaluation.published import PUBLISHED
from epiluma.evaluation.scorecard import Evaluation, Figure, score
from epiluma.predictions import PredictionsError, read
from epiluma.taxonomy import BINARY_NOTE, ISIC_2019

_NONE = "–"
_NOT_JUDGED = "not judged"


class _Sheet(NamedTuple):
    """A table before it is drawn; the first `words` columns are text, the others figures."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    words: int = 1


def evaluate_file(path: Path | str, *, part: str = "test", allow_leakage: bool = False, seed: int = 0) -> Evaluation:
    """Score one part of a Predictions file.

    Raises PredictionsError, its message starting with the file: unreadable, malformed, without the part, or
    (LeakedPredictions) refused because its audit found a leak.
    """
    try:
        table = read(path)
    except OSError as error:
        raise PredictionsError(f"{path}: cannot be opened ({error.strerror or error})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise PredictionsError(f"{path}: is not a table of predictions ({error})") from error
    try:
        return score(table, part=part, allow_leakage=allow_leakage, seed=seed)
    except PredictionsError as error:
        raise type(error)(f"{path}: {error}") from error


def to_json(evaluation: Evaluation) -> str:
    """One JSON object; its fields are those of Evaluation."""
    return msgspec.json.encode(evaluation).decode()


def to_rich(evaluation: Evaluation) -> Group:
    """Tables for a terminal."""
    return Group(
        *(Text(line, style="bold red" if warning else "") for line, warning in _preamble(evaluation)),
        *(_rich_table(sheet) for sheet in _sheets(evaluation)),
        Text(),
        *(Text(line) for line in _footnotes(evaluation)),
    )


def to_markdown(evaluation: Evaluation) -> str:
    """The same tables for a model card."""
    lines = [f"**{line}**\n" if warning else f"{line}\n" for line, warning in _preamble(evaluation)]
    for sheet in _sheets(evaluation):
        lines += [f"\n### {sheet.title}\n", _pipes(sheet.columns)]
        lines += [_pipes(tuple("---" if i < sheet.words else "---:" for i in range(len(sheet.columns))))]
        lines += [_pipes(row) for row in sheet.rows]
    lines += ["", *(f"- {line}" for line in _footnotes(evaluation))]
    return "\n".join(lines) + "\n"


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
    yield (
        "An image that could not be judged counts as a wrong diagnosis. Balanced accuracy and macro F1 average the "
        "classes that are present, those with few lesions too."
    )
    yield f"Majority: always {evaluation.majority}; the class shares as probabilities; refers nobody."
    subsets: dict[str, list[str]] = {}
    for name, figure in _noted(evaluation):
        subsets.setdefault(f"{figure.title}: {figure.note}", []).append(name)
    for note, names in subsets.items():
        yield f"{note} ({', '.join(names)})."


def _malignant_note(evaluation: Evaluation) -> str:
    built_in = tuple(leaf.code for leaf in ISIC_2019.leaves if leaf.malignant)
    return BINARY_NOTE if evaluation.malignant == built_in else f"Malignant counts {', '.join(evaluation.malignant)}."


def _noted(evaluation: Evaluation) -> Iterator[tuple[str, Figure]]:
    for name, subset in evaluation.subsets.items():
        recalls = (row.recall for row in subset.classes.values())
        yield from ((name, figure) for figure in (*subset.figures.values(), *recalls) if figure.note)


def _sheets(evaluation: Evaluation) -> Iterator[_Sheet]:
    titles: dict[Section, str] = {
        "diagnosis": "Diagnosis, by the decision rule",
        "probabilities": "Calibrated probabilities" if evaluation.calibrated else "Probabilities, not calibrated",
        "recommendation": "Recommendation, at the operating point",
    }
    for section, title in titles.items():
        yield _figures(evaluation, section, title)
    yield _classes(evaluation)
    yield _confusion(evaluation)
    yield _published(evaluation)


def _figures(evaluation: Evaluation, section: Section, title: str) -> _Sheet:
    whole, histology = evaluation.subsets["all"], evaluation.subsets.get("histology")
    rows = []
    for key, figure in whole.figures.items():
        if figure.section == section:
            confirmed = histology.figures[key] if histology else None
            rows.append((figure.title, _value(figure), _n(figure), _number(figure.baseline), *_pair(confirmed)))
    return _Sheet(title, ("Metric", "All (95%)", "n", "Majority", "Histology (95%)", "n"), rows)


def _classes(evaluation: Evaluation) -> _Sheet:
    whole, histology = evaluation.subsets["all"], evaluation.subsets.get("histology")
    rows = []
    for code, row in whole.classes.items():
        confirmed = histology.classes[code].recall if histology else None
        figures = (_value(row.recall), _n(row.recall), _number(row.precision), _number(row.f1))
        rows.append((code, *figures, *_pair(confirmed)))
    columns = ("Class", "Recall (95%)", "n", "Precision", "F1", "Histology recall", "n")
    return _Sheet("Each class against the rest, by image", columns, rows)


def _confusion(evaluation: Evaluation) -> _Sheet:
    table = evaluation.subsets["all"].confusion
    rows = [
        (code, *(f"{count:,}" if count else "·" for count in counts))
        for code, counts in zip(evaluation.groups, table, strict=True)
    ]
    return _Sheet("Images by truth (rows) and diagnosis", ("Truth", *evaluation.groups, _NOT_JUDGED), rows)


def _published(evaluation: Evaluation) -> _Sheet:
    whole = evaluation.subsets["all"]
    ours = {key: figure.metric.value if figure.metric else None for key, figure in whole.figures.items()}
    ours |= {f"f1_{code}": row.f1 for code, row in whole.classes.items()}
    rows = [
        (
            *(f"{entry.system}, {entry.data}", entry.metric, entry.source),
            " / ".join(f"{figure:.3f}" for figure in entry.figures),
            " / ".join(_number(ours.get(key)) for key in entry.ours) or _NONE,
        )
        for entry in PUBLISHED
    ]
    columns = ("System and data", "Metric", "Source", "Theirs", "Ours")
    return _Sheet("Published figures, on other images", columns, rows, words=3)


def _pair(figure: Figure | None) -> tuple[str, str]:
    return (_value(figure), _n(figure)) if figure else (_NONE, _NONE)


def _value(figure: Figure) -> str:
    metric = figure.metric
    return f"{metric.value:.3f} ({metric.lower:.3f}–{metric.upper:.3f})" if metric else "insufficient"


def _n(figure: Figure) -> str:
    return f"{figure.metric.n:,}" if figure.metric else _NONE


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}"


def _rich_table(sheet: _Sheet) -> Table:
    table = Table(
        title=f"\n{sheet.title}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for i, column in enumerate(sheet.columns):
        word = i < sheet.words
        table.add_column(column, justify="left" if word else "right", no_wrap=not word, overflow="fold")
    for row in sheet.rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def _pipes(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
