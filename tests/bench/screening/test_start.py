"""A fresh process is really started, and its memory read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from epiluma.bench.errors import BenchError
from epiluma.bench.screening.start import _first_result, start
from epiluma.bench.screening.subject import Effort, Subject


def test_time_to_the_first_result_and_memory(subject: Subject, effort: Effort) -> None:
    first, memory = start(subject, effort, lambda *_: None)
    assert len(first.runs) == effort.runs
    assert min(first.runs) > 0.05
    if sys.platform == "linux":
        assert memory.value is not None
        assert 30 < memory.value < 1_000
    assert "2 photos" in memory.note


def test_a_process_that_cannot_screen_is_said(subject: Subject, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="could not screen"):
        _first_result(subject.photos[0].path, tmp_path / "no-bundle")
