"""`epiluma evaluate` as it is typed: every form of the report, pairs of tables, and errors in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from epiluma import predictions, segmentations
from epiluma.cli_evaluate import evaluate
from epiluma.errors import EpilumaError
from tests.evaluation.conftest import draw_table
from tests.evaluation.drawn_masks import draw_segmentations


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `a.csv` and `b.csv`, two networks on the same images; and `outside.csv`."""
    folder = tmp_path_factory.mktemp("tables")
    for name, seed in (("a", 0), ("outside", 1)):
        table = draw_table(lesions=60, seed=seed)
        scores = np.random.default_rng(seed).normal(seed, 1, len(table)).round(3).astype(str)
        predictions.write(replace(table, subgroups={"ood_score": scores}), folder / f"{name}.csv")
    first = predictions.read(folder / "a.csv")
    predictions.write(replace(first, probabilities=first.probabilities[::-1]), folder / "b.csv")
    return folder


def run(*words: str | Path) -> Result:
    result = CliRunner().invoke(evaluate, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit | EpilumaError):
        raise result.exception
    return result


def test_tables_are_printed_and_every_file_is_written(tables: Path, tmp_path: Path) -> None:
    result = run(tables / "a.csv", "--markdown", tmp_path / "new" / "a.md", "--html", tmp_path / "new" / "a.html")
    assert result.exit_code == 0
    assert "Balanced accuracy" in " ".join(result.output.split())
    assert "### Subgroups" not in (tmp_path / "new" / "a.md").read_text(encoding="utf-8")
    assert (tmp_path / "new" / "a.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_json_names_the_out_of_distribution_figure(tables: Path) -> None:
    found = json.loads(run(tables / "a.csv", "--json", "--outside", tables / "outside.csv").output)
    assert 0.6 < found["outside"]["metric"]["value"] < 0.9
    assert found["subsets"]["all"]["images"] > 60


def test_two_tables_are_compared(tables: Path, tmp_path: Path) -> None:
    found = json.loads(run(tables / "a.csv", "--against", tables / "b.csv", "--json").output)
    assert found["figures"]["malignant_auc"]["difference"]["value"] > 0.2
    shown = run(
        tables / "a.csv", "--against", tables / "b.csv", "--markdown", tmp_path / "c.md", "--html", tmp_path / "c.html"
    )
    assert "A - B (95%)" in shown.output
    assert "DeLong" in (tmp_path / "c.md").read_text(encoding="utf-8")
    assert "Compared with another table" in (tmp_path / "c.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("option", ["--markdown", "--html"])
def test_a_file_that_cannot_be_written_is_named(tables: Path, option: str) -> None:
    result = run(tables / "a.csv", option, tables / "a.csv" / "x")
    assert result.exit_code == 2
    assert f"{option} " in result.output
    assert "cannot be written" in result.output


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("missing.csv",), "missing.csv: cannot be opened"),
        (("a.csv", "--against", "outside.csv"), "a.csv, .*outside.csv: .* one table only"),
        (("a.csv", "--part", "tset"), "a.csv: no image in part 'tset'"),
    ],
)
def test_errors_name_the_file(tables: Path, words: tuple[str, ...], reason: str) -> None:
    result = run(*(tables / word if word.endswith(".csv") else word for word in words))
    assert isinstance(result.exception, EpilumaError)
    with pytest.raises(EpilumaError, match=reason):
        raise result.exception


def test_a_table_of_segmentations_is_known_by_its_first_line(tmp_path: Path) -> None:
    path = tmp_path / "masks.csv"
    segmentations.write(draw_segmentations(), path)
    assert "mean_dice" in json.loads(run(path, "--json").output)["subsets"]["all"]["figures"]
    compared = run(path, "--against", path, "--markdown", tmp_path / "masks.md")
    assert "A - B (95%)" in compared.output
    assert "A - B (95%)" in (tmp_path / "masks.md").read_text(encoding="utf-8")
    refused = run(path, "--html", tmp_path / "masks.html")
    assert refused.exit_code == 2
    assert "holds segmentations" in " ".join(refused.output.split())
