"""What a fresh process costs: the time to its first result, and its memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from epiluma.bench.errors import BenchError
from epiluma.bench.screening.clock import Advance
from epiluma.bench.screening.rows import Row, row
from epiluma.bench.screening.subject import Effort, Subject


def start(subject: Subject, effort: Effort, advance: Advance) -> list[Row]:
    """Start `epiluma screen` anew for each run, and once more for all photos."""
    paths, runs = [photo.path for photo in subject.photos], []
    for turn in range(effort.runs):
        runs.append(_first_result(paths[0], subject.bundle_path))
        advance(turn + 1, effort.runs + 1)
    peak = _peak_memory(paths, subject.bundle_path)
    return [
        row("start", "process start to first result", "s", runs, note="a fresh process, with one photo"),
        row("start", "peak resident memory", "MB", [peak], note=f"a fresh process that screens {len(paths)} photos"),
    ]


def _first_result(photo: Path, bundle: Path | None) -> float:
    """Seconds from starting a process to its first line of output."""
    begun = perf_counter()
    with _fresh([photo], bundle) as lines:
        next(lines, None)
        return perf_counter() - begun


def _peak_memory(paths: Sequence[Path], bundle: Path | None) -> float:
    """Megabytes: the last high-water mark (VmHWM) seen while a process prints its results."""
    with _fresh(paths, bundle) as lines:
        return max(lines, default=0.0)


@contextmanager
def _fresh(paths: Sequence[Path], bundle: Path | None) -> Iterator[Iterator[float]]:
    """A new `epiluma screen` process: its VmHWM in MB after each result it prints. Raises BenchError."""
    command = [sys.executable, "-m", "epiluma.cli", "screen", "--json", "--workers", "1", *map(str, paths)]
    if bundle is not None:
        command += ["--bundle", str(bundle)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        yield _high_water_marks(process)
    if process.returncode == 2:
        raise BenchError("a fresh process could not screen; its message stands above")


def _high_water_marks(process: subprocess.Popen[bytes]) -> Iterator[float]:
    assert process.stdout is not None
    status = Path(f"/proc/{process.pid}/status")
    for _ in process.stdout:
        lines = status.read_text().splitlines() if status.exists() else []
        marks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
        yield marks[0] / 1024 if marks else 0.0
