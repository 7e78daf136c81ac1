"""The lines and the bar that a person sees, without a training behind them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from epiluma.training import progress
from epiluma.training.progress import Progress
from tests.training.conftest import make_recipe

BATCHES = 5


def trainer(step: int, *, upcoming: bool = False) -> Any:
    """What Lightning tells after that many steps, or before the next; three epochs of five steps."""
    return SimpleNamespace(num_training_batches=BATCHES, current_epoch=(step - (not upcoming)) // BATCHES)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands until it is moved."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock.now)
    return clock


def train(shown: Progress, clock: SimpleNamespace, *, first: int, seconds_a_step: float) -> None:
    shown.on_train_start(trainer(first, upcoming=True), None)  # type: ignore[arg-type]
    for step in range(first + 1, 3 * BATCHES + 1):
        clock.now += seconds_a_step
        shown.on_train_batch_end(trainer(step), None, {"loss": torch.tensor(0.5)}, None, (step - 1) % BATCHES)
    shown.on_train_end(trainer(step), None)  # type: ignore[arg-type]


def test_a_line_a_minute_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str], clock: SimpleNamespace) -> None:
    """Fifteen steps of eight images, 35 seconds each: a line after every second step."""
    train(Progress(make_recipe()), clock, first=0, seconds_a_step=35)
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 7
    assert lines[0] == "head 1/3  step 2  loss 0.500  0.2 images/s  8 min left"
    assert lines[-1] == "all 3/3  step 14  loss 0.500  0.2 images/s  1 min left"


def test_a_short_training_says_nothing(capsys: pytest.CaptureFixture[str], clock: SimpleNamespace) -> None:
    train(Progress(make_recipe()), clock, first=0, seconds_a_step=1)
    assert capsys.readouterr().err == ""


def test_a_resumed_run_counts_its_own_steps_alone(capsys: pytest.CaptureFixture[str], clock: SimpleNamespace) -> None:
    """From step 10: one step of 80 seconds is 0.1 images a second, however many came before."""
    train(Progress(make_recipe()), clock, first=10, seconds_a_step=80)
    assert capsys.readouterr().err.splitlines()[0] == "all 3/3  step 11  loss 0.500  0.1 images/s  5 min left"


def test_a_line_is_neither_wrapped_nor_read_as_markup(
    capsys: pytest.CaptureFixture[str], clock: SimpleNamespace
) -> None:
    import msgspec

    recipe = make_recipe()
    long = msgspec.structs.replace(recipe.phases[0], name="[/all layers] " + "x" * 90)
    train(Progress(msgspec.structs.replace(recipe, phases=(long,) * 3)), clock, first=0, seconds_a_step=61)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 15
    assert all(line.startswith("[/all layers] xxx") for line in lines)


def test_a_terminal_gets_a_bar(
    capsys: pytest.CaptureFixture[str], clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    train(Progress(make_recipe()), clock, first=0, seconds_a_step=61)
    shown = capsys.readouterr().err
    assert "all 3/3" in shown
    assert "loss 0.500" in shown
    assert "min left" not in shown


def test_an_error_takes_the_bar_away(clock: SimpleNamespace) -> None:
    shown = Progress(make_recipe())
    shown.on_train_start(trainer(0, upcoming=True), None)  # type: ignore[arg-type]
    shown.on_exception(trainer(0), None, RuntimeError())
    assert not shown.bar.live.is_started


@pytest.mark.parametrize(("done", "said"), [(1, True), (2, False), (1000, True), (1234, False), (2500, True)])
def test_decoding_is_reported_now_and_then(capsys: pytest.CaptureFixture[str], done: int, said: bool) -> None:
    Progress(make_recipe()).decoding(done, 2500)
    assert capsys.readouterr().err == (f"decoding {done:,} of 2,500\n" if said else "")
