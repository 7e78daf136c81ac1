"""A run folder is read as it was left; what is broken is named with its file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from epiluma.comparison import run as runs
from epiluma.comparison.run import RunError
from epiluma.inference.timing import TimingError
from epiluma.training.usage import UsageError
from tests.comparison.conftest import write_run


def test_what_was_kept_is_read(full: Path) -> None:
    run = runs.read(full)
    assert (run.name, run.epochs, run.size, run.recipe.model.architecture) == ("drawn", 3, 64, "mobilenetv2")
    assert run.training_seconds == 300
    assert run.usage is not None
    assert len(run.usage) == 3
    assert run.timing is None


def test_the_clock_of_a_resumed_run_is_added_up(bare: Path) -> None:
    ends = (60, 200, 150, 280)  # stopped after the second epoch; 150 and 280 count from the resume
    (bare / "log.jsonl").write_text("".join(json.dumps({"seconds": end}) + "\n" for end in ends))
    run = runs.read(bare)
    assert run.epoch_seconds == [60, 140, 150, 130]
    assert run.training_seconds == 480


def test_recipe_alone_is_enough(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text("{}")
    run = runs.read(tmp_path)
    assert (run.name, run.log, run.training_seconds, run.size) == (tmp_path.name, [], None, None)


@pytest.mark.parametrize(
    ("file", "content", "error", "reason"),
    [
        ("recipe.json", "{", RunError, r"recipe\.json: cannot be read"),
        ("recipe.json", '{"phases": [{"epochs": "many"}]}', RunError, r"recipe\.json: .*epochs"),
        ("environment.json", "[]", RunError, r"environment\.json: cannot be read"),
        ("log.jsonl", '{"seconds": 1}\n{"sec', RunError, r"log\.jsonl: line 2: cannot be read"),
        ("log.jsonl", '{"epoch": 1}\n', RunError, r"log\.jsonl: line 1: .*seconds"),
        ("log.jsonl", '{"seconds": -1}\n', RunError, r"log\.jsonl: line 1: .*seconds"),
        ("usage.csv", "a,b\n", UsageError, r"usage\.csv: line 1"),
        ("timing.json", '{"seconds": 1}', TimingError, r"timing\.json: cannot be read .*seconds"),
    ],
)
def test_a_broken_record_is_named(bare: Path, file: str, content: str, error: type[Exception], reason: str) -> None:
    (bare / file).write_text(content)
    with pytest.raises(error, match=reason):
        runs.read(bare)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no recipe\.json"):
        runs.read(tmp_path)
    with pytest.raises(RunError, match="is no run folder"):
        runs.read(tmp_path / "nowhere")


def test_labels_tell_runs_of_one_recipe_apart(tmp_path: Path) -> None:
    folders = [
        write_run(tmp_path / "a" / "run", name="first"),
        write_run(tmp_path / "b" / "run", name="second"),
        write_run(tmp_path / "c" / "run", name="second"),
        write_run(tmp_path / "c" / "second-seed2", name="second"),
    ]
    labels = runs.labels([runs.read(folder) for folder in folders])
    assert labels == ["first", "second (b/run)", "second (c/run)", "second-seed2"]
