"""The benchmark trains the same network in two ways, in turns, and its figures are those of its steps."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from epiluma.bench import train as bench
from epiluma.bench.errors import BenchError
from epiluma.bench.plain_loop import Step


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SIZE", 32), ("CACHED", 64), ("BATCH", 4), ("BLOCKS", 2), ("STEPS", 2), ("WARM_UP", 1)):
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(bench, "DRAWN", 3)


@pytest.mark.usefixtures("short")
def test_both_are_trained_in_turns_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    bench.run(None, as_json=True)
    measured = msgspec.convert(json.loads(capsys.readouterr().out), bench.TrainBench)
    assert (measured.photos, measured.source, measured.steps) == (3, "drawn", 4)
    assert measured.ours > 0
    assert measured.plain > 0
    assert measured.ratio == pytest.approx(measured.ours / measured.plain, rel=0.02)
    assert 0 < measured.ours_loading < 1
    assert 0 < measured.plain_loading < 1
    shares = [operation.share for operation in measured.operations]
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 1
    assert bench.render(measured).row_count == 4
    assert f"step: {measured.operations[0].name} " in bench.limits(measured)
    assert "4 steps of each in 2 turns, 3 photos (drawn)" in bench.conditions(measured)


def test_the_largest_operation_is_the_one_that_takes_longest() -> None:
    a, b = torch.randn(400, 400), torch.randn(400, 400)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(5):
            a @ b
        a + b
    found = bench._largest(profiler, torch.device("cpu"))
    assert found[0].name == "aten::mm"
    assert found[0].share > 0.5


def test_a_folder_without_photos_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchError, match="empty: no JPEG file is there"):
        bench.measure(tmp_path / "empty", scratch=tmp_path)


def test_loading_is_the_waiting_share_of_all_steps() -> None:
    assert bench._loading([Step(1.0, 0.5), Step(3.0, 0.1)]) == 0.15
