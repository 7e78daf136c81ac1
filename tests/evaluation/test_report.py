"""What a reader sees: nothing cut off at 80 columns, the same figures in each form, errors that name the file."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from epiluma import predictions
from epiluma.evaluation import report
from epiluma.evaluation.figures import DEFINITIONS
from epiluma.evaluation.paired import Comparison, compare
from epiluma.evaluation.published import PUBLISHED
from epiluma.evaluation.scorecard import Evaluation, score
from epiluma.evaluation.selection import LeakedPredictions
from epiluma.predictions import Predictions, PredictionsError
from epiluma.taxonomy import BINARY_NOTE, ISIC_2019


@pytest.fixture(scope="module")
def evaluation(table: Predictions) -> Evaluation:
    return score(table, replicates=100)


def on_a_terminal(evaluation: Evaluation | Comparison, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(report.to_rich(evaluation))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_file_is_scored_as_its_table(make_table: Callable[..., Predictions], tmp_path: Path) -> None:
    table = make_table(lesions=200)
    predictions.write(table, tmp_path / "p.csv")
    from_file = report.evaluate_file(tmp_path / "p.csv", seed=5)
    in_memory = score(table, seed=5)
    for key, figure in in_memory.subsets["all"].figures.items():
        other = from_file.subsets["all"].figures[key].metric
        if figure.metric is None:
            assert "no calibration part" in figure.note
            continue
        assert other is not None
        assert other.value == pytest.approx(figure.metric.value, abs=1e-4)
    assert from_file.replicates == 2000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be opened"),
        (b"", "line 1: expected"),
        (b"\xff\xfe\x00garbage", "is not a table in UTF-8"),
        (b"# {}\nimage_id\n", "line 1: Object missing"),
        (b"image_id,group\n", "line 1: expected"),
    ],
)
def test_a_bad_file_is_named_with_the_reason(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PredictionsError, match=rf"bad\.csv: .*{reason}"):
        report.evaluate_file(path)


def test_a_folder_and_a_missing_part_are_named(table: Predictions, tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="cannot be opened"):
        report.evaluate_file(tmp_path)
    predictions.write(table, tmp_path / "p.csv")
    with pytest.raises(PredictionsError, match=r"p\.csv: no image in part 'validation'"):
        report.evaluate_file(tmp_path / "p.csv", part="validation")


def test_a_leaked_file_is_refused_and_stamped_in_every_form(
    make_table: Callable[..., Predictions], tmp_path: Path
) -> None:
    path = tmp_path / "p.csv"
    predictions.write(make_table(lesions=60, audit="leak: 3 lesions twice"), path)
    with pytest.raises(LeakedPredictions, match=r"p\.csv: refused"):
        report.evaluate_file(path)
    evaluation = report.evaluate_file(path, allow_leakage=True)
    assert "LEAKED: leak: 3 lesions twice" in on_a_terminal(evaluation)
    assert "**LEAKED: leak: 3 lesions twice" in report.to_markdown(evaluation)
    assert json.loads(report.to_json(evaluation))["leakage_allowed"] is True


def test_json_holds_everything(evaluation: Evaluation) -> None:
    assert msgspec.json.decode(report.to_json(evaluation), type=Evaluation) == evaluation


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_every_figure_whole(evaluation: Evaluation, width: int) -> None:
    shown = on_a_terminal(evaluation, width)
    assert "…" not in shown
    assert max(len(line) for line in shown.splitlines()) <= width
    for subset in evaluation.subsets.values():
        for figure in subset.figures.values():
            if metric := figure.metric:
                assert f"{metric.value:.3f} ({metric.lower:.3f}–{metric.upper:.3f})" in shown
    assert "LEAKED" not in shown


def test_markdown_tables_are_rectangular(evaluation: Evaluation) -> None:
    text = report.to_markdown(evaluation)
    tables = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE)
    assert len(tables) == 11
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    for figure in evaluation.subsets["all"].figures.values():
        assert f"| {figure.title} |" in text
    assert BINARY_NOTE in text
    assert "risk threshold 0.1000" in text


def test_what_cannot_be_known_is_said(table: Predictions) -> None:
    header = msgspec.structs.replace(
        table.header, threshold=None, prevalence=(), malignant=(True, *(False,) * 7), model="[bold]name[/]"
    )
    shown = on_a_terminal(score(replace(table, header=header, subgroups={}), replicates=50), 200)
    assert "risk threshold not recorded" in shown
    assert "Probabilities, not calibrated" in shown
    assert "Malignant counts MEL." in shown
    assert "[bold]name[/]" in shown
    few = on_a_terminal(score(table.where(np.arange(len(table)) < 40), replicates=50), 200)
    assert "Insufficient evidence: " in few


def test_published_figures_stand_beside_ones_that_exist() -> None:
    keys = {definition.key for definition in DEFINITIONS} | {f"f1_{code}" for code in ISIC_2019.groups}
    for entry in PUBLISHED:
        assert set(entry.ours) <= keys
        assert len(entry.ours) in (0, len(entry.figures))
        assert all(0 < figure <= 1 for figure in entry.figures)
        assert entry.source


@pytest.fixture(scope="module")
def comparison(table: Predictions) -> Comparison:
    return compare(table, replace(table, probabilities=table.probabilities[::-1]), replicates=100)


@pytest.mark.parametrize("width", [80, 120])
def test_a_comparison_is_shown_whole(comparison: Comparison, width: int) -> None:
    shown = on_a_terminal(comparison, width)
    assert "…" not in shown
    assert max(len(line) for line in shown.splitlines()) <= width
    for figure in comparison.figures.values():
        metric = figure.difference
        assert f"{metric.value:+.3f} ({metric.lower:.3f} to {metric.upper:.3f})" in shown
        assert f"{figure.p:.4f}" in shown
    for test in comparison.tests:
        assert test.name in shown
    assert msgspec.json.decode(report.to_json(comparison), type=Comparison) == comparison
    assert "| A - B (95%) |" in report.to_markdown(comparison)


def test_a_leak_is_stamped_on_a_comparison(make_table: Callable[..., Predictions]) -> None:
    leaked = make_table(lesions=60, audit="leak: 3 lesions twice")
    shown = on_a_terminal(compare(leaked, leaked, allow_leakage=True, replicates=5), 200)
    assert "A is LEAKED: leak: 3 lesions twice." in shown


def test_thresholds_and_subgroups_are_named(table: Predictions) -> None:
    part = np.where(np.arange(len(table)) < 500, "calibration", "test")
    mixed = replace(table, part=part, subgroups={"sex": np.resize(["female", "male"], len(table))})
    found = score(mixed, replicates=50)
    shown = " ".join(on_a_terminal(found).split())
    for threshold in found.fixed_thresholds.values():
        assert f"risk ≥ {threshold:.4f}" in shown
    assert "sex: female" in shown
    assert "Fixed on the calibration part" not in on_a_terminal(score(table, replicates=5))


def test_the_reference_names_every_figure() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "scorecard.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert named == {definition.key for definition in DEFINITIONS}
