"""The table of usage: written while a block lasts, gone on with after a stop, small after a day."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from epiluma.training import usage
from epiluma.training.usage import COLUMNS, Reading, Usage, UsageError, interval


def test_a_block_leaves_readings_with_its_phases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "EVERY", 0.05)
    with Usage(tmp_path / "run" / "usage.csv", phase="head") as running:
        time.sleep(0.3)
        running.phase = "all, slowly"
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            pass
    readings = usage.read(tmp_path / "run" / "usage.csv")
    assert len(readings) >= 3
    assert {reading.phase for reading in readings} == {"head", "all, slowly"}
    seconds = [reading.seconds for reading in readings]
    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(0.5, abs=0.3)
    assert all(0 <= reading.cpu_percent <= 110 and reading.memory_mb > 20 for reading in readings)
    assert max(reading.cpu_percent for reading in readings) > 5


def test_a_block_shorter_than_an_interval_leaves_one_reading(tmp_path: Path) -> None:
    begun = time.monotonic()
    with Usage(tmp_path / "usage.csv"):
        pass
    assert time.monotonic() - begun < 1
    assert len(usage.read(tmp_path / "usage.csv")) == 1


def test_an_error_in_the_block_comes_through_and_ends_the_readings(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Usage(tmp_path / "usage.csv") as running:
        raise ZeroDivisionError
    assert not running._thread.is_alive()


def test_a_resumed_run_goes_on_in_time_and_energy(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    head = ",".join(COLUMNS)
    path.write_text(f"{head}\n2.0,head,50.0,900,4000,,,120,30\n4.0,head,51.0,910,4000,,,,\n6.0,head,52.")
    with Usage(path) as running:
        pass
    readings = usage.read(path)
    assert [reading.seconds for reading in readings[:2]] == [2.0, 4.0]
    assert len(readings) == 3  # the line that a kill cut short is gone
    assert readings[2].seconds == pytest.approx(4.0, abs=0.5)
    assert (running._base.energy, running._base.gpu_energy) == (120, 30)


@pytest.mark.parametrize("content", ["", "seconds,pha"])
def test_a_run_killed_before_its_first_line_starts_anew(tmp_path: Path, content: str) -> None:
    path = tmp_path / "usage.csv"
    path.write_text(content)
    with Usage(path):
        pass
    assert len(usage.read(path)) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a,b\n1,2\n", "line 1: expected the columns seconds"),
        ("", "line 1: expected"),
        ("HEAD\n1,2\n", "line 2: 2 cells for 9 columns"),
        ("HEAD\n1,x,much,3,4,,,,\n", "line 2: .*cpu_percent"),
        ("HEAD\n1,x,,3,4,,,,\n", "line 2: .*cpu_percent"),
        ("\xff", "line 1"),
    ],
)
def test_a_broken_table_is_named(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "usage.csv"
    path.write_text(content.replace("HEAD", ",".join(COLUMNS)))
    with pytest.raises(UsageError, match=rf"usage\.csv: {reason}"):
        usage.read(path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.csv: cannot be read"):
        usage.read(tmp_path / "none.csv")


def test_a_day_fits_into_200_kb() -> None:
    widest = Reading(
        seconds=86400.0, phase="later layers", cpu_percent=100, memory_mb=99_999, system_memory_mb=99_999,
        gpu_percent=100, gpu_memory_mb=80_000, energy_j=86400 * 300, gpu_energy_j=86400 * 700,
    )  # fmt: skip
    elapsed, lines = 0.0, 0
    while elapsed < 86400:
        elapsed += interval(elapsed)
        lines += 1
    assert lines * (len(",".join(usage._cells(widest))) + 1) < 200_000
    assert interval(0) == interval(900) == usage.EVERY
    assert lines == pytest.approx(500 + 500 * math.log(86.4), rel=0.01)


def test_readings_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    reading = Reading(seconds=3.4, phase='a "b", c', cpu_percent=12.5, memory_mb=900, system_memory_mb=4000, energy_j=7)
    path.write_text(",".join(COLUMNS) + "\n")
    Usage(path)._append(reading)
    assert usage.read(path) == [reading]
