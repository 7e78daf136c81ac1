"""Runs beside each other: the same figures in every form, what is missing with its reason, committed runs as well."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from epiluma import bundle as bundles
from epiluma import predictions
from epiluma.bundle import Bundle
from epiluma.cli_compare import compare as command
from epiluma.comparison import compare, html, report
from epiluma.comparison.cost import Price
from epiluma.comparison.run import RunError
from epiluma.evaluation.published import PUBLISHED
from epiluma.predictions import Predictions

ROOT = Path(__file__).parents[2]
COMMITTED = [
    ROOT / "docs" / "evidence" / "ham10000-mobilenetv2",
    ROOT / "docs" / "evidence" / "ham10000-mobilenetv2" / "first",
    ROOT / "docs" / "evidence" / "one-stage",
]


def on_a_terminal(comparison: compare.Comparison, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(report.to_rich(comparison))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_figure_is_in_a_table_or_its_reason_in_a_note(full: Path, bare: Path) -> None:
    comparison = compare.compare(compare.read_all([full, bare]), price=Price(0.1, "EUR"), images=0)
    shown = {column.key for columns in report.TABLES.values() for column in columns}
    assert all(set(run.figures) == shown for run in comparison.runs)
    page = report.page(comparison)
    notes = "\n".join(page.footnotes)
    for run in comparison.runs:
        for cell in run.figures.values():
            assert cell.value is not None or cell.note in notes
    assert "Cost at 0.1 EUR per core-hour" in notes
    printed = on_a_terminal(comparison)
    assert "…" not in printed
    for words in ("5.0", "72.5", "3,000", "20.0", "missing, no predictions.csv"):
        assert words in " ".join(printed.split())


def test_costs_are_shown_only_for_a_price(bare: Path) -> None:
    page = report.page(compare.compare(compare.read_all([bare]), images=0))
    assert not any("Cost" in column for sheet in page.sheets for column in sheet.columns)


def test_the_published_rows_agree_with_the_list_of_published_figures() -> None:
    listed = {entry.system: entry.figures for entry in PUBLISHED if entry.metric == "accuracy, binary"}
    assert {row.system: (row.accuracy,) for row in compare.CLOUD} == listed


def test_a_run_named_twice_and_a_stray_bundle_are_errors(full: Path, tiny_bundle: Bundle) -> None:
    with pytest.raises(RunError, match="is named twice"):
        compare.read_all([full, full / ".." / "full"])
    with pytest.raises(RunError, match="no run's tables were made with it"):
        compare.compare(compare.read_all([full]), bundles=[tiny_bundle], images=0)


def test_facts_say_how_far_a_run_came(full: Path) -> None:
    (run,) = compare.read_all([full])
    assert compare.facts(run) == {
        "network": "mobilenetv2", "size": "64", "epochs": "3", "start": "imagenet.safetensors", "seed": "3",
        "machine": "x86_64, 2 threads, torch 2.15.0",
    }  # fmt: skip
    log = full / "log.jsonl"
    log.write_text("\n".join(log.read_text().splitlines()[:2]))
    assert compare.facts(compare.read_all([full])[0])["epochs"] == "2 of 3"
    (full / "finished.json").write_text("{}")
    assert compare.facts(compare.read_all([full])[0])["epochs"] == "2 of 3, ended early"


def test_the_page_holds_tables_and_plots_and_escapes_names(full: Path, bare: Path) -> None:
    recipe = bare / "recipe.json"
    recipe.write_text(recipe.read_text().replace('"drawn"', '"<b>bold"'))
    runs = compare.read_all([full, bare])
    page = html.render(compare.compare(runs, images=0), runs)
    assert page.count("<svg") == 3  # processor, memory, score; no GPU
    assert "<b>bold" not in page
    assert "Load over time was not recorded (no usage.csv): &lt;b&gt;bold." in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")  # it needs nothing else


def test_committed_runs_are_compared_without_training() -> None:
    comparison = compare.compare(compare.read_all(COMMITTED), images=0)
    earlier, first, one_stage = comparison.runs
    assert earlier.figures["balanced_accuracy_grouped"].value == pytest.approx(0.8029, abs=1e-3)
    assert earlier.figures["training_minutes"].value == pytest.approx(2173.69 / 60, abs=0.01)
    assert one_stage.figures["training_minutes"].value == pytest.approx(5261.67 / 60, abs=0.01)
    assert first.figures["malignant_auc"].value is None
    assert "MobileNetV2, published" in report.to_markdown(comparison)


def test_the_command_writes_every_form(
    full: Path, bare: Path, tiny_bundle_path: Path, draw_predictions: Callable[..., Predictions]
) -> None:
    table = draw_predictions(model=bundles.load(tiny_bundle_path).id)
    predictions.write(table, full / "predictions.csv")
    tmp_path = full.parent
    files = ["--markdown", str(tmp_path / "new" / "c.md"), "--html", str(tmp_path / "c.html")]
    options = ["--bundle", str(tiny_bundle_path), "--images", "5", "--price", "0.1", "--json", *files]
    done = CliRunner().invoke(command, [str(full), str(bare), *options], catch_exceptions=False)
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert [run["label"] for run in found["runs"]] == ["drawn (full)", "drawn (bare)"]
    cells = found["runs"][0]["figures"]
    assert cells["cost_per_1000"]["value"] == pytest.approx(0.1 * cells["latency_p50_ms"]["value"] / 3600)
    assert f"{cells['malignant_auc']['value']:.3f}" in (tmp_path / "new" / "c.md").read_text(encoding="utf-8")
    assert "</html>" in (tmp_path / "c.html").read_text(encoding="utf-8")
