"""How good a run's network is on the test part, from the tables that the run left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from epiluma import predictions
from epiluma.bundle import Metric
from epiluma.comparison.cell import Cell, missing
from epiluma.comparison.run import MASKS, PREDICTIONS
from epiluma.evaluation.figures import DEFINITIONS
from epiluma.evaluation.intervals import REPLICATES
from epiluma.evaluation.mask_report import evaluate_masks
from epiluma.evaluation.mask_scorecard import LeakedSegmentations
from epiluma.evaluation.measure import measure
from epiluma.evaluation.selection import LeakedPredictions, select
from epiluma.predictions import PredictionsError

PART = "test"
DIAGNOSIS = ("binary_accuracy", "accuracy_grouped", "macro_f1_grouped", "balanced_accuracy_grouped", "malignant_auc")
OUTLINE = ("miou", "mean_dice")
"""Keys of `epiluma.evaluation`, whose formulas and intervals these are."""
_LEAK = missing("its data leak: the figures would flatter")


def of_diagnosis(folder: Path) -> dict[str, Cell]:
    """Figures of `predictions.csv` with their intervals. Raises PredictionsError for a table that is broken."""
    path = folder / PREDICTIONS
    if not path.is_file():
        return dict.fromkeys(DIAGNOSIS, missing(f"no {PREDICTIONS}"))
    table = predictions.read(path)
    try:
        view = select(table, PART)
    except LeakedPredictions:
        return dict.fromkeys(DIAGNOSIS, _LEAK)
    except PredictionsError as error:
        raise PredictionsError(f"{path}: {error}") from error
    wanted = [definition for definition in DEFINITIONS if definition.key in DIAGNOSIS]
    found = measure(wanted, view, seed=0, replicates=REPLICATES)
    return {key: _cell(found[key].metric, found[key].note) for key in DIAGNOSIS}


def of_outline(folder: Path) -> dict[str, Cell]:
    """Figures of `masks.csv` with their intervals. Raises SegmentationsError for a table that is broken."""
    path = folder / MASKS
    if not path.is_file():
        return dict.fromkeys(OUTLINE, missing(f"no {MASKS}"))
    try:
        found = evaluate_masks(path, part=PART).subsets["all"].figures
    except LeakedSegmentations:
        return dict.fromkeys(OUTLINE, _LEAK)
    return {key: _cell(found[key].metric, found[key].note) for key in OUTLINE}


def models(folder: Path) -> set[str]:
    """What the tables of a run say they were made with: a bundle's id, once it has been exported."""
    return {_model(folder / name) for name in (PREDICTIONS, MASKS) if (folder / name).is_file()}


def _model(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        try:
            header: Mapping[str, object] = msgspec.json.decode(file.readline().removeprefix("# "), type=dict)
        except msgspec.DecodeError:
            return ""  # whoever reads the table says what is wrong with it
    return str(header.get("model", ""))


def _cell(metric: Metric | None, note: str) -> Cell:
    return Cell(value=metric.value, lower=metric.lower, upper=metric.upper) if metric else missing(note)
