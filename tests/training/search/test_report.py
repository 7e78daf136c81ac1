from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from epiluma.cli_search import search as command
from epiluma.training.search import plots, report, table
from epiluma.training.search.space import Range, SearchError
from epiluma.training.search.study import search
from tests.training.search.objectives import MIXUP, RATE, RECIPE, curve, make_plan

PLAN = make_plan()
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search of 16 trials with its report."""
    path = tmp_path_factory.mktemp("search")
    search(PLAN, path, curve, trials=16, say=str)
    report.write(PLAN, path)
    return path


def test_the_report_is_rebuilt_from_the_committed_table_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / table.CSV).write_bytes((folder / table.CSV).read_bytes())
    report.write(PLAN, tmp_path)
    for name in (report.HTML, report.MARKDOWN, table.CSV):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert (folder / table.CSV).stat().st_size < 16 * 1000  # far from a megabyte with hundreds of trials


def test_the_page_needs_nothing_else_and_shows_every_trial(folder: Path) -> None:
    page = (folder / report.HTML).read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)=[\"'](?!#)", page)
    assert not re.search(r"<script|@import|url\((?!#)", page)
    assert page.count("<svg") == 4
    assert "fANOVA over the " in page
    table_rows = re.findall(r'<tr class="(\w+)[^"]*"><td>(\d+)</td>', page)
    assert sorted(int(number) for _, number in table_rows) == list(range(16))
    assert {state for state, _ in table_rows} == {"complete", "pruned"}
    best = table.best_of(PLAN, report.rows_in(PLAN, folder))
    assert best is not None
    assert table_rows[0] == ("complete", str(best.number))
    assert f"--set phases.0.learning_rate={best.parameters[RATE]!r}" in page


def test_identifiers_on_the_page_are_unique(folder: Path) -> None:
    page = (folder / report.HTML).read_text(encoding="utf-8")
    found = re.findall(r'\sid="([^"]+)"', page)
    assert len(found) == len(set(found))
    assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', page)) <= set(found)


def test_markdown_has_a_row_for_each_trial(folder: Path) -> None:
    lines = (folder / report.MARKDOWN).read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if re.match(r"\| \d+ \|", line)]) == 16
    columns = {line.count("|") for line in lines if line.startswith("|")}
    assert len(columns) == 1


def test_parallel_coordinates_have_a_line_for_each_completed_trial(folder: Path) -> None:
    rows = report.rows_in(PLAN, folder)
    drawing = ET.fromstring(plots.parallel(PLAN, rows))
    lines = [path for path in drawing.iter(f"{SVG}path") if path.get("d", "").count("L") == len(PLAN.space)]
    assert len(lines) == len(table.completed(rows)) < 16


@pytest.mark.parametrize(
    ("values", "value", "expected"),
    [
        (Range(low=1e-4, high=1e-2, log=True), 1e-3, 0.5),
        (Range(low=0.0, high=4.0), 1.0, 0.25),
        (Range(low=2, high=8, step=2), 8, 1.0),
        (Range(choices=("a", "b", "c")), "b", 0.5),
        (Range(choices=("a",)), "a", 0.0),
    ],
)
def test_a_value_has_its_place_on_its_axis(values: Range, value: object, expected: float) -> None:
    assert plots.place(values, value) == pytest.approx(expected)


@pytest.mark.parametrize("count", [0, 1])
def test_a_search_that_has_hardly_begun_has_a_page(count: int) -> None:
    rows = [table.Row(0, "complete", 0.5, 1, "", {RATE: 1e-3, MIXUP: 0.2}, {})][:count]
    page = report.to_html(PLAN, rows)
    assert "Not enough trials yet." in page
    assert page.count("<svg") == 3 * count


def test_a_folder_without_trials_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"trials\.csv: cannot be read"):
        report.write(PLAN, tmp_path)


def test_the_command_writes_the_report_again(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(RECIPE)
    study = tmp_path / "study.toml"
    study.write_text(
        f'recipe = "{tmp_path}/base.toml"\nseed = 1\n[space.phases.0.learning_rate]\nlow = 1e-4\nhigh = 1e-1\n'
        f"log = true\n[space.optimiser.mixup]\nchoices = [0.0, 0.2, 0.4]\n"
    )
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / table.CSV).write_bytes((folder / table.CSV).read_bytes())
    result = CliRunner().invoke(command, [str(study), "--out", str(tmp_path / "out"), "--report-only"])
    assert result.exit_code == 0, result.output
    assert "Best: trial" in result.output
    assert result.output.rstrip().endswith("report.html")
    assert (tmp_path / "out" / report.HTML).is_file()
