"""What a reader sees: nothing cut off at 80 columns, the same figures in each form, errors that name the file."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from epiluma import segmentations
from epiluma.evaluation import mask_report
from epiluma.evaluation.mask_compare import MaskComparison, compare_masks
from epiluma.evaluation.mask_scorecard import LeakedSegmentations, MaskEvaluation, score_masks
from epiluma.segmentations import Segmentations, SegmentationsError
from tests.evaluation.drawn_masks import draw_segmentations


@pytest.fixture(scope="module")
def table() -> Segmentations:
    return draw_segmentations(60)


@pytest.fixture(scope="module")
def evaluation(table: Segmentations) -> MaskEvaluation:
    return score_masks(table, replicates=100)


@pytest.fixture(scope="module")
def comparison(table: Segmentations) -> MaskComparison:
    other = msgspec.structs.replace(table.header, model="[bold]other[/]", audit="leak: one")
    return compare_masks(table, Segmentations(**{**vars(table), "header": other}), allow_leakage=True, replicates=99)


def on_a_terminal(found: MaskEvaluation | MaskComparison, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(mask_report.to_rich(found))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_file_is_scored_as_its_table(table: Segmentations, tmp_path: Path) -> None:
    segmentations.write(table, tmp_path / "masks.csv")
    from_file = mask_report.evaluate_masks(tmp_path / "masks.csv", seed=5)
    in_memory = score_masks(table, seed=5)
    assert from_file.replicates == 2000
    for key, figure in in_memory.subsets["all"].figures.items():
        other = from_file.subsets["all"].figures[key].metric
        assert figure.metric is not None
        assert other is not None
        tolerance = 0.006 if key.endswith("_pixels") else 2e-4  # what the file rounds
        for ours, theirs in zip(msgspec.structs.astuple(figure.metric), msgspec.structs.astuple(other), strict=True):
            assert theirs == pytest.approx(ours, abs=tolerance)


def test_a_bad_file_a_missing_part_and_a_leak_are_named(table: Segmentations, tmp_path: Path) -> None:
    with pytest.raises(SegmentationsError, match=r"none\.csv: cannot be opened"):
        mask_report.evaluate_masks(tmp_path / "none.csv")
    path = tmp_path / "masks.csv"
    segmentations.write(table, path)
    with pytest.raises(SegmentationsError, match=r"masks\.csv: no image in part 'validation'"):
        mask_report.evaluate_masks(path, part="validation")
    segmentations.write(table.take(np.arange(10)), tmp_path / "few.csv")
    with pytest.raises(SegmentationsError, match=r"masks\.csv, .*few\.csv: 70 images are in one table only"):
        mask_report.compare_mask_files(path, tmp_path / "few.csv")
    segmentations.write(draw_segmentations(20, audit="leak: 3 lesions twice"), path)
    with pytest.raises(LeakedSegmentations, match=r"masks\.csv: refused"):
        mask_report.evaluate_masks(path)
    leaked = mask_report.evaluate_masks(path, allow_leakage=True)
    assert "LEAKED: leak: 3 lesions twice" in on_a_terminal(leaked)
    assert "**LEAKED: leak: 3 lesions twice" in mask_report.to_markdown(leaked)
    assert json.loads(mask_report.to_json(leaked))["leakage_allowed"] is True


def test_json_holds_everything(evaluation: MaskEvaluation, comparison: MaskComparison) -> None:
    assert msgspec.json.decode(mask_report.to_json(evaluation), type=MaskEvaluation) == evaluation
    assert msgspec.json.decode(mask_report.to_json(comparison), type=MaskComparison) == comparison


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_every_figure_whole(evaluation: MaskEvaluation, width: int) -> None:
    shown = on_a_terminal(evaluation, width)
    assert "…" not in shown
    assert max(len(line) for line in shown.splitlines()) <= width
    for figure in evaluation.subsets["all"].figures.values():
        assert figure.metric is not None
        value, lower, upper = (f"{x:.{figure.digits}f}" for x in msgspec.structs.astuple(figure.metric)[:3])
        assert f"{value} ({lower}–{upper})" in shown
    for key in ("miou", "mean_dice"):
        metric = evaluation.subsets["sex: female"].figures[key].metric
        assert metric is not None
        assert f"{metric.value:.3f} ({metric.lower:.3f}–{metric.upper:.3f})" in shown
    assert "LEAKED" not in shown


def test_markdown_tables_are_rectangular(evaluation: MaskEvaluation, comparison: MaskComparison) -> None:
    for found, count in ((evaluation, 4), (comparison, 2)):
        text = mask_report.to_markdown(found)
        tables = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
        assert len(tables) == count
        for table in tables:
            assert len({line.count("|") for line in table.splitlines()}) == 1
    text = mask_report.to_markdown(evaluation)
    for figure in evaluation.subsets["all"].figures.values():
        assert f"| {figure.title} |" in text
    assert "drawn (onnx-fp32), part 'test'; audit: clean: none" in text
    assert "network at 32 x 32 pixels, scored at 48 x 36" in text
    assert "all: 80 images of 60 lesions" in text
    assert "(seed 0)" in text
    assert "within 0.75% of the diagonal" in text


def test_what_cannot_be_known_is_said(evaluation: MaskEvaluation) -> None:
    text = mask_report.to_markdown(evaluation)
    assert "| sex: unknown | 6 | insufficient | insufficient |" in text
    assert "- sex: unknown: insufficient evidence: 6 lesions, 10 needed (every figure)." in text
    own = msgspec.structs.replace(evaluation, scored_size=None)
    assert "scored each image at its own size" in mask_report.to_markdown(own)
    few = mask_report.to_markdown(score_masks(draw_segmentations(4), replicates=20))
    assert "| 0.838 | – |" in few


def test_a_comparison_shows_both_their_difference_and_a_leak(comparison: MaskComparison) -> None:
    shown = on_a_terminal(comparison)
    assert "…" not in shown
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert "A: drawn (onnx-fp32)" in shown
    assert "B is LEAKED: leak: one." in shown
    assert "B: [bold]other[/] (onnx-fp32)" in shown
    assert re.search(r"mIoU, mean of 2 classes +0\.\d{3} +0\.\d{3} +0\.000 \(0\.000 to 0\.000\) +1\.0000", shown)
    assert "cannot be below 0.0200" in " ".join(shown.split())
