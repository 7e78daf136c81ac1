"""Figures of a run are those of the evaluation; what cannot be given says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, roc_auc_score

from epiluma import predictions, segmentations
from epiluma.comparison import quality
from epiluma.evaluation import masks
from epiluma.predictions import Predictions, PredictionsError
from epiluma.segmentations import SegmentationsError


def test_figures_agree_with_scikit_learn(full: Path, draw_predictions: Callable[..., Predictions]) -> None:
    found = quality.of_diagnosis(full)
    table = draw_predictions().only("test")
    malignant = table.truth != 1
    expected = {
        "accuracy_grouped": accuracy_score(table.truth, table.diagnosis),
        "macro_f1_grouped": f1_score(table.truth, table.diagnosis, average="macro"),
        "balanced_accuracy_grouped": balanced_accuracy_score(table.truth, table.diagnosis),
        "malignant_auc": roc_auc_score(malignant, table.risk),
    }
    for key, value in expected.items():
        cell = found[key]
        assert cell.value == pytest.approx(value, abs=1e-5)
        assert cell.lower is not None
        assert cell.upper is not None
        assert cell.lower < value < cell.upper
    assert found["binary_accuracy"].value == pytest.approx(0.8, abs=0.1)
    assert quality.models(full) == {"drawn"}


def test_no_table_is_missing_and_a_leak_is_not_shown(bare: Path, draw_predictions: Callable[..., Predictions]) -> None:
    for cells in (quality.of_diagnosis(bare), quality.of_outline(bare)):
        assert all(cell.value is None and cell.note.startswith("no ") for cell in cells.values())
    predictions.write(draw_predictions(audit="leak: 3 lesions"), bare / "predictions.csv")
    assert {cell.note for cell in quality.of_diagnosis(bare).values()} == {"its data leak: the figures would flatter"}


def test_without_a_calibration_part_only_the_fixed_threshold_is_missing(
    bare: Path, draw_predictions: Callable[..., Predictions]
) -> None:
    predictions.write(draw_predictions().only("test"), bare / "predictions.csv")
    found = quality.of_diagnosis(bare)
    assert [key for key, cell in found.items() if cell.value is None] == ["binary_accuracy"]
    assert "calibration" in found["binary_accuracy"].note


def test_broken_tables_are_named(bare: Path, draw_predictions: Callable[..., Predictions]) -> None:
    (bare / "predictions.csv").write_text("garbage")
    with pytest.raises(PredictionsError, match=r"predictions\.csv: line 1"):
        quality.of_diagnosis(bare)
    assert quality.models(bare) == {""}
    predictions.write(draw_predictions().only("calibration"), bare / "predictions.csv")
    with pytest.raises(PredictionsError, match=r"predictions\.csv: no image in part 'test'"):
        quality.of_diagnosis(bare)
    (bare / "masks.csv").write_text("garbage")
    with pytest.raises(SegmentationsError, match=r"masks\.csv: line 1"):
        quality.of_outline(bare)


def test_outlines_are_worked_out_from_pixel_counts(bare: Path) -> None:
    header = segmentations.Header(
        classes=("background", "lesion"), runner="onnx-fp32", model="drawn", network_size=(10, 10),
        scored_size=(10, 10), manifest_sha256="0" * 64, audit="clean: none",
    )  # fmt: skip
    # Even images: 20 of 30 predicted pixels lie on 25 true ones; odd images are perfect, 40 pixels.
    even = masks.Counts(*([100 - 35, 20], [70, 30], [75, 25]))  # type: ignore[arg-type]
    odd = masks.Counts(*([60, 40], [60, 40], [60, 40]))  # type: ignore[arg-type]
    measures = [masks.Measures(10, 10, (even, odd)[i % 2], 0.5, 1.0) for i in range(24)]
    names = [str(i) for i in range(24)]
    table = masks.tabulate(header, measures, image_id=names, group=names, part=["test"] * 24, subgroups={})
    segmentations.write(table, bare / "masks.csv")
    found = quality.of_outline(bare)
    background, lesion = (65 + 60) / (80 + 60), (20 + 40) / (35 + 40)
    assert found["miou"].value == pytest.approx((background + lesion) / 2, abs=1e-4)
    assert found["mean_dice"].value == pytest.approx((2 * 20 / 55 + 1) / 2, abs=1e-4)
