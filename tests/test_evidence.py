"""Runs whose records are kept: everything that is said of them can be made again from these files."""

from __future__ import annotations

from pathlib import Path

import pytest

from epiluma.comparison import compare
from epiluma.evaluation.mask_report import evaluate_masks
from epiluma.training.run import recipe_of

RUNS = sorted((Path(__file__).parents[1] / "docs" / "evidence" / "runs").iterdir())


@pytest.mark.parametrize("folder", RUNS, ids=lambda folder: folder.name)
def test_a_kept_run_is_whole_and_small(folder: Path) -> None:
    assert recipe_of(folder).name == folder.name
    assert {"environment.json", "log.jsonl", "usage.csv", "timing.json"} <= {path.name for path in folder.iterdir()}
    assert any((folder / table).is_file() for table in ("masks.csv", "predictions.csv"))
    assert all(path.stat().st_size < 1_000_000 for path in folder.iterdir())
    (read,) = compare.read_all((folder,))
    assert read.ended


def test_the_outlines_are_as_good_as_is_said() -> None:
    figures = evaluate_masks(RUNS[0].parent / "ham10000-masks" / "masks.csv", part="test").subsets["all"].figures
    miou, dice = figures["miou"].metric, figures["mean_dice"].metric
    assert miou is not None
    assert dice is not None
    assert miou.value == pytest.approx(0.918, abs=5e-4)
    assert dice.value == pytest.approx(0.942, abs=5e-4)
