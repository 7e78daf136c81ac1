"""Two real processes, each pinned to a core of its own, work at once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from epiluma.bench.errors import BenchError
from epiluma.bench.screening.clock import allowed_cores
from epiluma.bench.screening.scaling import gain, processes, rate, workers
from epiluma.bench.screening.subject import Effort, Subject

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot pin")


def _status(pid: int, key: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(line.split(":")[1].strip() for line in lines if line.startswith(key))


def test_two_processes_on_two_cores_that_end_with_the_bench(subject: Subject, outlining_path: Path) -> None:
    cores = allowed_cores()[:2]
    photos = [photo.data for photo in subject.photos]
    with workers(cores, outlining_path, photos) as both:
        assert len({worker.pid for worker in both} | {os.getpid()}) == len(cores) + 1
        assert [worker.core for worker in both] == cores
        assert [_status(worker.pid, "Cpus_allowed_list") for worker in both] == [str(core) for core in cores]
        assert {_status(worker.pid, "PPid") for worker in both} == {str(os.getpid())}
        for kind in ("screenings", "bare"):
            assert rate(both, kind, 0.1) > 0
            assert gain(both, kind, 0.05) > 0
    assert not [worker.pid for worker in both if Path(f"/proc/{worker.pid}").exists()]


def test_a_process_that_is_killed_is_said(subject: Subject, outlining_path: Path) -> None:
    with workers(allowed_cores()[:1], outlining_path, [subject.photos[0].data]) as one:
        os.kill(one[0].pid, signal.SIGKILL)
        for _ in range(2):  # on its way out, and long gone
            with pytest.raises(BenchError, match="a process of the bench has ended"):
                rate(one, "bare", 0.05)


def test_a_process_that_cannot_begin_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BenchError, match="has ended"), workers(allowed_cores()[:1], tmp_path / "no-bundle", []):
        pass
    assert "no-bundle" in capfd.readouterr().err


def test_one_core_is_too_few(subject: Subject, effort: Effort) -> None:
    (row,) = processes(subject, effort, lambda *_: None, cores=[0])
    assert (row.value, row.reached, row.note) == (None, None, "needs two cores")


def test_the_gain_of_screenings_over_that_of_bare_networks(subject: Subject, effort: Effort) -> None:
    (row,) = processes(subject, effort, lambda *_: None, cores=(allowed_cores() * 2)[:2])
    assert len(row.runs) == effort.runs
    for value, ours, bare in zip(row.runs, *row.figures.values(), strict=True):
        assert value == pytest.approx(ours / bare, rel=1e-2)
    assert row.aim
    assert row.aim.value == 0.95
