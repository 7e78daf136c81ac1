from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from epiluma.training.search import report
from epiluma.training.search.attempt import Attempt
from epiluma.training.search.locks import hold
from epiluma.training.search.space import Plan, Range, SearchError
from epiluma.training.search.study import ERROR, opened, search
from epiluma.training.search.table import Row, best_of
from tests.training.search import objectives
from tests.training.search.objectives import EPOCHS, MIXUP, RATE, curve, make_plan, peak

ROOT = Path(__file__).parents[3]


def searched(plan: Plan, folder: Path, objective: Callable[[Attempt], float], trials: int, jobs: int = 1) -> list[Row]:
    search(plan, folder, objective, trials=trials, jobs=jobs, say=str)
    return report.rows_in(plan, folder)


def test_the_search_comes_near_the_known_best(tmp_path: Path) -> None:
    plan = make_plan(pruner="none")
    best = best_of(plan, searched(plan, tmp_path, peak, 25))
    assert best is not None
    assert best.value > 0.98
    assert best.parameters[MIXUP] == 0.0
    assert 1e-3 < best.parameters[RATE] < 1e-2


def test_the_smallest_value_is_the_best_when_minimising(tmp_path: Path) -> None:
    plan = make_plan(direction="minimise", sampler="random")
    rows = searched(plan, tmp_path, peak, 5)
    best = best_of(plan, rows)
    assert best is not None
    assert best.value == min(row.value for row in rows)


@pytest.mark.parametrize(("sampler", "count"), [("tpe", 13), ("random", 3)])
def test_a_search_in_pieces_draws_what_one_in_one_piece_draws(tmp_path: Path, sampler: str, count: int) -> None:
    plan = make_plan(sampler=sampler)
    whole = searched(plan, tmp_path / "whole", peak, count)
    for trials in (2, count - 1, count):
        pieces = searched(plan, tmp_path / "pieces", peak, trials)
        assert len(pieces) == trials
    assert [row.parameters for row in pieces] == [row.parameters for row in whole]
    assert [row.value for row in pieces] == [row.value for row in whole]
    assert len({row.parameters[RATE] for row in whole}) == count


def test_a_grid_is_tried_once_each_and_then_the_search_ends(tmp_path: Path) -> None:
    space = {RATE: Range(low=0.1, high=0.3, step=0.1), MIXUP: Range(choices=(0.0, 0.5))}
    plan = make_plan(sampler="grid", space=space, pruner="none")
    assert len(searched(plan, tmp_path, peak, 4)) == 4
    rows = searched(plan, tmp_path, peak, 100)
    assert [tuple(row.parameters.values()) for row in rows] == [(r, m) for r in (0.1, 0.2, 0.3) for m in (0.0, 0.5)]


def test_the_median_pruner_stops_what_is_below_the_median(tmp_path: Path) -> None:
    plan = make_plan(sampler="random")
    rows = searched(plan, tmp_path, curve, 14)
    pruned = [row for row in rows if row.state == "pruned"]
    assert len(rows) == 14
    assert pruned
    with opened(plan, tmp_path) as shared:
        trials = shared.study.trials
    reached = {t.number: t.intermediate_values for t in trials}
    for row in rows[5:]:
        others = [reached[r.number] for r in rows[: row.number] if r.state == "complete"]
        for epoch in range(1, EPOCHS):
            if epoch not in reached[row.number]:
                break
            best = max(value for step, value in reached[row.number].items() if step <= epoch)
            below = best < statistics.median(other[epoch] for other in others)
            assert below == (row.state == "pruned" and epoch == max(reached[row.number]))
    assert all(row.note == f"pruned after epoch {row.epochs - 1}" for row in pruned)


def test_halving_stops_some_and_none_stops_nobody(tmp_path: Path) -> None:
    states = {}
    for pruner in ("halving", "none"):
        rows = searched(make_plan(sampler="random", pruner=pruner), tmp_path / pruner, curve, 5)
        states[pruner] = [row.state for row in rows]
    assert "pruned" in states["halving"]
    assert states["none"] == ["complete"] * 5


def diverging(attempt: Attempt) -> float:
    value = float("nan") if attempt.number == 1 else peak(attempt)
    return value if attempt.report(0, value) or attempt.number != 2 else float("inf")


def test_a_trial_that_diverges_counts_and_is_never_the_best(tmp_path: Path) -> None:
    plan = make_plan(sampler="random", pruner="none")
    rows = searched(plan, tmp_path, diverging, 4)
    assert [row.state for row in rows] == ["complete", "pruned", "pruned", "complete"]
    assert [row.note for row in rows] == ["", "diverged: nan at epoch 0", "diverged: inf", ""]
    best = best_of(plan, rows)
    assert best is not None
    assert best.number in (0, 3)


def failing(attempt: Attempt) -> float:
    if attempt.number in (1, 4, 5, 6):
        raise RuntimeError(f"no memory for {attempt.number}\nsecond line")
    return peak(attempt)


def test_a_failed_trial_does_not_count_and_three_in_a_row_end_the_search(tmp_path: Path) -> None:
    plan = make_plan(sampler="random")
    rows = searched(plan, tmp_path, failing, 3)
    assert [row.state for row in rows] == ["complete", "failed", "complete", "complete"]
    assert rows[1].note == "failed: RuntimeError: no memory for 1"
    assert "second line" in (tmp_path / "trial-0001" / ERROR).read_text()
    with pytest.raises(SearchError, match="3 trials in a row failed"):
        searched(plan, tmp_path, failing, 5)
    assert len(searched(plan, tmp_path, failing, 5)) == 9


def test_a_folder_belongs_to_one_search(tmp_path: Path) -> None:
    searched(make_plan(), tmp_path, peak, 1)
    with pytest.raises(SearchError, match="another search"):
        searched(make_plan(seed=2), tmp_path, peak, 1)
    with pytest.raises(SearchError, match="another search"):
        report.rows_in(make_plan(seed=2), tmp_path)


def misled(attempt: Attempt) -> float:
    attempt.report(0, 0.5)
    raise SearchError("no such metric")


def test_a_trial_that_is_cut_off_again_and_again_counts_as_failed(tmp_path: Path) -> None:
    plan = make_plan()
    for _ in range(4):
        with pytest.raises(SearchError, match="no such metric"):
            searched(plan, tmp_path, misled, 1)
        assert [row.state for row in report.rows_in(plan, tmp_path)] == ["running"]
    rows = searched(plan, tmp_path, peak, 1)
    assert [(row.state, row.note) for row in rows] == [("failed", "failed: cut off 4 times"), ("complete", "")]


def test_a_killed_search_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "search"
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.training.search.objectives", str(folder)], cwd=ROOT, start_new_session=True
    )
    log = folder / "trial-0001" / "epochs"
    try:
        while not (log.is_file() and len(log.read_text().splitlines()) == 2):
            assert child.poll() is None
            time.sleep(0.02)
        assert hold(folder / "trial-0001" / "lock", wait=False) is None
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    (folder / "go").touch()
    plan = make_plan(pruner="none")
    before = report.rows_in(plan, folder)
    assert [row.state for row in before] == ["complete", "running"]

    rows = searched(plan, folder, objectives.resumable, 4)
    assert [row.state for row in rows] == ["complete"] * 4
    assert rows[0] == before[0]
    assert rows[1].parameters == before[1].parameters
    epochs, processes = zip(*(line.split() for line in log.read_text().splitlines()), strict=True)
    assert epochs == tuple(str(epoch) for epoch in range(EPOCHS))
    assert processes == (str(child.pid),) * 2 + (str(os.getpid()),) * 2
    assert [row.epochs for row in rows] == [EPOCHS] * 4


def test_two_processes_share_the_trials(tmp_path: Path) -> None:
    plan = make_plan(pruner="none")
    rows = searched(plan, tmp_path, objectives.slow, 5, jobs=2)
    assert [row.state for row in rows] == ["complete"] * 5
    assert len({row.parameters[RATE] for row in rows}) == 5
    processes = {row.figures["process"] for row in rows}
    assert os.getpid() not in processes
    assert len(processes) <= 2


def test_a_killed_worker_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="fewer --jobs"):
        searched(make_plan(), tmp_path, objectives.killed, 2, jobs=2)
    assert len(searched(make_plan(), tmp_path, peak, 2)) == 2


def test_optuna_itself_reads_the_database(tmp_path: Path) -> None:
    rows = searched(make_plan(), tmp_path, curve, 3)
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'search.sqlite'}")
    (summary,) = optuna.get_all_study_summaries(storage)
    study = optuna.load_study(study_name=summary.study_name, storage=storage)
    assert [trial.params for trial in study.trials] == [row.parameters for row in rows]
    assert study.best_value == max(row.value for row in rows)
    storage.engine.dispose()
