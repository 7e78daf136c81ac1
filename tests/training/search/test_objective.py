"""Real runs: a search that trains."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner

from epiluma.cli_search import search as command
from epiluma.inference import timing
from epiluma.training.search import report, space
from epiluma.training.search.objective import run_search
from epiluma.training.search.space import SearchError
from epiluma.training.search.study import opened
from tests.tiny_project import make_project

STUDY = """
recipe = "{recipe}"
metric = "{metric}"
direction = "minimise"
sampler = "grid"
trials = 1
set = ["phases.0.size=32", "phases.1.size=32"]
[space.loss.label_smoothing]
choices = [0.0, 0.1]
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of three epochs on sixty drawn lesions."""
    return make_project(tmp_path_factory.mktemp("project"), count=60, epochs=2)


def log_of(folder: Path) -> list[dict[str, float]]:
    """The lines of a run's log."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_each_trial_is_a_normal_run_and_one_that_falls_behind_is_stopped(recipe: Path, tmp_path: Path) -> None:
    study, out = tmp_path / "study.toml", tmp_path / "out"
    study.write_text(STUDY.format(recipe=recipe, metric="loss"))
    result = CliRunner().invoke(command, [str(study), "--out", str(out)])
    assert result.exit_code == 0, result.output
    plan = space.load(study)
    with opened(plan, out) as shared:  # five trials that no training can match, for the median
        shared.study.add_trials(
            optuna.create_trial(
                value=-1.0,
                params={"loss.label_smoothing": 0.0},
                distributions=plan.distributions,
                intermediate_values=dict.fromkeys(range(3), -1.0),
            )
            for _ in range(5)
        )
    result = CliRunner().invoke(command, [str(study), "--out", str(out), "--trials", "7"])
    assert result.exit_code == 0, result.output

    rows = report.rows_in(plan, out)
    assert [row.state for row in rows] == ["complete"] * 6 + ["pruned"]
    for row, smoothing, epochs in ((rows[0], 0.0, 3), (rows[6], 0.1, 2)):
        folder = out / f"trial-{row.number:04}"
        log = log_of(folder)
        assert len(log) == row.epochs == epochs
        assert json.loads((folder / "recipe.json").read_text())["loss"]["label_smoothing"] == smoothing
        best = min(log, key=lambda line: line["loss"])
        assert row.value == best["loss"]
        assert {name: row.figures[name] for name in ("epoch", "score")} == {n: best[n] for n in ("epoch", "score")}
        assert row.figures["seconds"] == log[-1]["seconds"]
    timed = timing.read(out / "trial-0000" / timing.TIMING).latency
    assert timed is not None
    assert timed.size == 32
    assert [row.figures.get("milliseconds") for row in rows] == [timed.p50_ms, *[None] * 6], "five are not runs"
    assert f"| {timed.p50_ms:.4g} |" in (out / report.MARKDOWN).read_text()

    study.write_text(study.read_text().replace("tiny.toml", "changed.toml"))
    (recipe.parent / "changed.toml").write_text(recipe.read_text().replace("seed = 3", "seed = 4"))
    with pytest.raises(SearchError, match=r"recipe\.json: belongs to another search"):
        run_search(space.load(study), out, trials=8, say=str)


def test_a_metric_that_the_log_lacks_ends_the_search(recipe: Path, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text(STUDY.format(recipe=recipe, metric="lss"))
    with pytest.raises(SearchError, match=r"no figure `lss`; did you mean `loss`\?"):
        run_search(space.load(study), tmp_path / "out", trials=2, say=str)


@pytest.mark.slow
def test_a_killed_training_goes_on_in_its_folder_and_ends_as_if_nothing_had_happened(
    recipe: Path, tmp_path: Path
) -> None:
    study = tmp_path / "study.toml"
    study.write_text(STUDY.format(recipe=recipe, metric="loss"))
    plan, cut, whole = space.load(study), tmp_path / "cut", tmp_path / "whole"
    child = subprocess.Popen(
        [sys.executable, "-c", "from epiluma.cli_search import search; search()", str(study), "--out", str(cut)],
        start_new_session=True,
    )
    try:
        while not (cut / "trial-0000" / "last.ckpt").is_file():
            assert child.poll() is None
            time.sleep(0.01)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    assert [row.state for row in report.rows_in(plan, cut)] == ["running"]
    for out in (cut, whole):
        run_search(plan, out, trials=1, say=str)
    (one,), (other,) = report.rows_in(plan, cut), report.rows_in(plan, whole)
    assert one.state == other.state == "complete"
    assert one.value == pytest.approx(other.value, rel=1e-3)
    assert [line["epoch"] for line in log_of(cut / "trial-0000")] == [0, 1, 2]
