"""The benchmark times the real search, counts what it planted, and its drawn thumbnails are no easy ones."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from epiluma.bench import duplicates as bench
from epiluma.bench.duplicates import Recall, Timing
from epiluma.datasets import duplicates


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> bench.DuplicatesBench:
    photos = bench.write_drawn(tmp_path_factory.mktemp("drawn") / "photos", 14)
    return bench.measure((300, 100), photos=photos)


def test_every_planted_copy_is_counted_and_found(measured: bench.DuplicatesBench) -> None:
    assert measured.recalls == [Recall(change=name, planted=2, found=2) for name in bench.CHANGES]
    assert measured.others == 0


def test_sizes_are_timed_in_order(measured: bench.DuplicatesBench) -> None:
    assert [timing.rows for timing in measured.timings] == [100, 300]
    assert all(timing.seconds > 0 for timing in measured.timings)
    assert measured.brute_force_s >= 0


@pytest.mark.parametrize("power", [1.0, 1.4, 2.0])
def test_the_exponent_is_that_of_a_power_law(power: float) -> None:
    timings = [Timing(rows=n, seconds=1e-6 * n**power) for n in (10_000, 30_000, 100_000)]
    assert bench.exponent(timings) == pytest.approx(power, abs=1e-6)
    assert np.isnan(bench.exponent(timings[:1]))


def test_drawn_thumbnails_are_as_much_alike_as_photos() -> None:
    """Of 3,300 images of HAM10000, ISIC 2017 and PAD-UFES-20, 2,220 pairs are looked at more closely."""
    grey = bench.drawn_thumbnails(3_300)[..., 0].astype(np.float32)
    proposed = sum(len(candidates.score) for candidates in duplicates._by_hash(grey))
    assert 1_000 < proposed < 6_000


def test_output_as_json_and_as_table(
    measured: bench.DuplicatesBench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "measure", lambda *_, **__: measured)
    bench.run(photos=[Path("a.jpg")], as_json=True)
    assert msgspec.convert(json.loads(capsys.readouterr().out), bench.DuplicatesBench) == measured
    bench.run()
    printed = capsys.readouterr().out
    assert "exponent" in printed
    assert "all of these, JPEG 60" in printed
