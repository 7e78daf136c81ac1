"""A comparison as tables: for the terminal, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from rich.console import Group

from epiluma.comparison.cell import Cell
from epiluma.comparison.compare import CloudRow, Comparison
from epiluma.evaluation import sheet
from epiluma.evaluation.sheet import NONE, Page, Sheet


class Column(NamedTuple):
    """A figure's place in a table."""

    key: str
    title: str
    form: str = ".1f"
    """How it is written."""
    plain: bool = False
    """Without its interval."""


TABLES: dict[str, tuple[Column, ...]] = {
    "As the cloud comparison has it": (
        Column("binary_accuracy", "Accuracy", ".3f", plain=True),
        Column("training_minutes", "Training (min)"),
        Column("evaluation_minutes", "Evaluation (min)", ".2f"),
    ),
    "Malignant or benign, on the test part": (
        Column("binary_accuracy", "Accuracy", ".3f"),
        Column("malignant_auc", "AUC", ".3f"),
    ),
    "All classes, on the test part": (
        Column("accuracy_grouped", "Accuracy", ".3f"),
        Column("macro_f1_grouped", "Macro F1", ".3f"),
        Column("balanced_accuracy_grouped", "Balanced accuracy", ".3f"),
    ),
    "Outline of the lesion, on the test part": (
        Column("miou", "Pooled mIoU", ".3f"),
        Column("mean_dice", "Mean Dice of images", ".3f"),
    ),
    "Training": (
        Column("images_per_second", "Images/s"),
        Column("cpu_percent", "CPU (%)"),
        Column("memory_mb", "Memory (MB)", ",.0f"),
        Column("energy_wh", "Energy (Wh)"),
        Column("training_cost", "Cost", ".2f"),
    ),
    "GPU in training": (
        Column("gpu_percent", "GPU (%)"),
        Column("gpu_memory_mb", "GPU memory (MB)", ",.0f"),
        Column("gpu_energy_wh", "GPU energy (Wh)"),
    ),
    "Use of the exported network": (
        Column("latency_p50_ms", "p50 (ms)"),
        Column("latency_p99_ms", "p99 (ms)"),
        Column("size_mb", "Size (MB)"),
        Column("weights_m", "Weights (M)", ".2f"),
        Column("cost_per_1000", "Per 1,000", ".4f"),
    ),
}
_FACTS = {
    "network": "Network",
    "size": "Input (px)",
    "epochs": "Epochs",
    "start": "Starts from",
    "machine": "Trained on",
}


def to_json(comparison: Comparison) -> str:
    """One JSON object; its fields are those of Comparison."""
    return msgspec.json.encode(comparison).decode()


def to_rich(comparison: Comparison) -> Group:
    """Tables for a terminal."""
    return sheet.to_rich(page(comparison))


def to_markdown(comparison: Comparison) -> str:
    """The same tables for a page of documentation."""
    return sheet.to_markdown(page(comparison))


def page(comparison: Comparison) -> Page:
    """All tables in which some run has a figure; notes give the reasons of what is missing."""
    sheets = [_runs(comparison)]
    for number, (title, columns) in enumerate(TABLES.items()):
        shown = [column for column in columns if _is_asked_for(comparison, column)]
        if any(run.figures[column.key].value is not None for run in comparison.runs for column in shown):
            rows = [(run.label, *(_written(run.figures[c.key], c) for c in shown)) for run in comparison.runs]
            rows += [_published(row) for row in comparison.published] if number == 0 else []
            sheets.append(Sheet(title, ("Run", *(column.title for column in shown)), rows))
    return Page([], sheets, [*_footnotes(comparison), *_notes(comparison)])


def _is_asked_for(comparison: Comparison, column: Column) -> bool:
    """Costs are only there when a price was given."""
    return all(column.key in run.figures for run in comparison.runs)


def _runs(comparison: Comparison) -> Sheet:
    known = [key for key in _FACTS if any(run.facts[key] for run in comparison.runs)]
    rows = [(run.label, *(run.facts[key] or NONE for key in known)) for run in comparison.runs]
    return Sheet("Runs", ("Run", *(_FACTS[key] for key in known)), rows, words=1 + len(known))


def _published(row: CloudRow) -> tuple[str, ...]:
    figures = (f"{row.accuracy:.3f}", f"{row.training_minutes:.1f}", f"{row.evaluation_minutes:.2f}")
    return (f"{row.system}, published", *figures)


def _written(cell: Cell, column: Column) -> str:
    if cell.value is None:
        return NONE
    value, form = f"{cell.value:{column.form}}", column.form
    if column.plain or cell.lower is None or cell.upper is None:
        return value
    return f"{value} ({cell.lower:{form}}–{cell.upper:{form}})"


def _notes(comparison: Comparison) -> Iterator[str]:
    """How figures were measured, then why others are missing; once for all runs and figures that share a reason."""
    names = {column.key: column.title for columns in TABLES.values() for column in columns}
    shared: dict[tuple[bool, str], tuple[dict[str, None], dict[str, None]]] = {}
    for run in comparison.runs:
        for key, cell in run.figures.items():
            if cell.note:
                figures, labels = shared.setdefault((cell.value is None, cell.note), ({}, {}))
                figures[names[key]] = labels[run.label] = None
    for (absent, note), (figures, labels) in sorted(shared.items(), key=lambda item: item[0][0]):
        whom = "all runs" if len(labels) == len(comparison.runs) else ", ".join(labels)
        yield f"{', '.join(figures)}; {whom}: {'missing, ' if absent else ''}{note}."


def _footnotes(comparison: Comparison) -> Iterator[str]:
    cloud = next(iter(TABLES))
    yield (
        f"{cloud}: accuracy of malignant against benign, by image, at the risk threshold that was most accurate on "
        f"the calibration part. The published rows are the third reference system's own, measured on other data "
        f"(11,000 ISIC images) and other machines."
    )
    yield (
        "Brackets hold 95% intervals by lesion. Training time counts from the first batch and includes validation "
        "after each epoch; so do images a second. CPU is the mean of all cores; memory is the largest, with the images "
        "that are mapped from the cache; energy is the processors', other programs' share too. Latency is that of the "
        "network alone, without decoding; a machine that also does something else makes it too long."
    )
    if comparison.price_per_core_hour is not None:
        price = f"{comparison.price_per_core_hour:g} {comparison.currency}".rstrip()
        yield (
            f"Cost at {price} per core-hour: of training, all its threads for its time; of 1,000 images, the network's "
            f"median time on one core."
        )
