"""The benchmark measures real processes and leaves this one as it was."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from epiluma.bench import screen as bench
from epiluma.bundle import Bundle


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bench.write_drawn(tmp_path_factory.mktemp("drawn"), count=3)


@pytest.fixture(scope="module")
def measured(drawn: Path, tiny_bundle_path: Path) -> bench.ScreenBench:
    return bench.measure([drawn], bundle=tiny_bundle_path, source="drawn")


def test_drawn_photos_are_originals_in_size(drawn: Path) -> None:
    files = sorted(drawn.iterdir())
    assert len(files) == 3
    with Image.open(files[0]) as photo:
        assert photo.size == (600, 450)
        assert np.asarray(photo).std() > 5


def test_figures_make_sense(measured: bench.ScreenBench, tiny_bundle: Bundle) -> None:
    assert (measured.bundle, measured.photos, measured.source) == (tiny_bundle.id, 3, "drawn")
    for spread in (measured.screening_ms, measured.onnxruntime_ms):
        assert 0 < spread.median <= spread.p90 <= spread.p99
    assert measured.ratio == pytest.approx(measured.screening_ms.median / measured.onnxruntime_ms.median, rel=0.05)
    assert measured.first_result_s > measured.screening_ms.median / 1000
    if sys.platform == "linux":
        assert 30 < measured.peak_memory_mb < 1_000


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot pin")
def test_this_process_is_not_left_pinned(measured: bench.ScreenBench) -> None:
    assert measured.core in os.sched_getaffinity(0)
    assert len(os.sched_getaffinity(0)) == len(os.sched_getaffinity(os.getppid()))


def test_output_as_json_and_as_table(
    measured: bench.ScreenBench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], drawn: Path
) -> None:
    monkeypatch.setattr(bench, "measure", lambda *_, **__: measured)
    bench.run([drawn], bundle=None, as_json=True)
    assert msgspec.convert(json.loads(capsys.readouterr().out), bench.ScreenBench) == measured
    bench.run([drawn], bundle=None, as_json=False)
    printed = capsys.readouterr().out
    assert f"{measured.screening_ms.median:.2f}" in printed
    assert bench.conditions(measured) in printed


def test_nothing_to_measure_is_said(tmp_path: Path, tiny_bundle_path: Path) -> None:
    with pytest.raises(bench.BenchError, match="no photo was found"):
        bench.measure([tmp_path], bundle=tiny_bundle_path, source="files")
