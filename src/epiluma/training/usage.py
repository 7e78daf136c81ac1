"""What a run uses while it goes on: `usage.csv`, written by a thread beside it."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from epiluma.errors import EpilumaError
from epiluma.training.meters import Gpus, ProcessorEnergy, ProcessTree, system_memory_mb

USAGE = "usage.csv"
"""Name of the table in a run folder."""
EVERY = 2.0
"""Seconds between the first readings."""
_SLOWER = 500
"""Readings lie a 500th of the time so far apart: one in 2 s up to 17 minutes, one in 3 minutes after a day.

Their number then grows with the logarithm of the time, 2,700 in a day: a day's table stays below 200 kB.
"""


class UsageError(EpilumaError):
    """A table of usage that cannot be read or gone on with."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One line. Shares are means since the line before; None where the system does not say."""

    seconds: float
    """Of running time: a pause between stop and resume does not count."""
    phase: str = ""
    cpu_percent: float
    """Of all cores together, by the process and its children."""
    memory_mb: float
    """Resident, the process and its children; images mapped from the cache are in it."""
    system_memory_mb: float
    gpu_percent: float | None = None
    gpu_memory_mb: float | None = None
    energy_j: float | None = None
    """Of the processors since the run's start, everything on the machine."""
    gpu_energy_j: float | None = None


COLUMNS = Reading.__struct_fields__
_DECIMALS = {"seconds": 1, "cpu_percent": 1, "gpu_percent": 1}


def interval(elapsed: float) -> float:
    """Seconds to the next reading when a run has gone on for `elapsed` seconds."""
    return max(EVERY, elapsed / _SLOWER)


@dataclass
class _Base:
    """Where an earlier part of the run had come to."""

    seconds: float = 0.0
    energy: float = 0.0
    gpu_energy: float = 0.0


@dataclass
class Usage:
    """Appends readings to a table as long as the `with` block lasts, and goes on after those that are there.

    `with Usage(folder / USAGE) as usage: usage.phase = "head"; ...`. One process of a distributed run does this; its
    children are counted, other nodes are not. A full disk ends the readings, never the run.
    """

    path: Path
    phase: str = ""
    """Set it when a phase begins; the lines from then on carry it."""

    def __enter__(self) -> Self:
        """Start. Raises UsageError when the table that is there is another program's."""
        self._base = self._resume()
        self._tree, self._energy, self._gpus = ProcessTree(), ProcessorEnergy(), Gpus()
        first = self._gpus.read()
        self._gpu_from = first.joules if first else None
        self._started, self._stop = time.monotonic(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="usage", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take a last reading."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        ended = False
        while not ended:
            ended = self._stop.wait(interval(self._base.seconds + time.monotonic() - self._started))
            try:
                self._append(self._read())
            except OSError:
                return

    def _read(self) -> Reading:
        cpu, memory = self._tree.read()
        gpu, energy = self._gpus.read(), self._energy.read()
        if gpu and gpu.joules is not None and self._gpu_from is None:
            self._gpu_from = gpu.joules  # torch has only now begun to use it
        return Reading(
            seconds=self._base.seconds + time.monotonic() - self._started,
            phase=self.phase,
            cpu_percent=cpu,
            memory_mb=memory,
            system_memory_mb=system_memory_mb(),
            gpu_percent=gpu.percent if gpu else None,
            gpu_memory_mb=gpu.memory_mb if gpu else None,
            energy_j=None if energy is None else self._base.energy + energy,
            gpu_energy_j=None
            if gpu is None or gpu.joules is None or self._gpu_from is None
            else self._base.gpu_energy + gpu.joules - self._gpu_from,
        )

    def _append(self, reading: Reading) -> None:
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(_cells(reading))

    def _resume(self) -> _Base:
        """Write the head of the table, or find where it ends; a line cut short by a kill is taken off."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = self.path.read_bytes() if self.path.is_file() else b""
        whole = content[: content.rfind(b"\n") + 1] or (",".join(COLUMNS) + "\n").encode()
        if whole != content:
            self.path.write_bytes(whole)
        readings = read(self.path)
        if not readings:
            return _Base()
        return _Base(
            readings[-1].seconds,
            _last([reading.energy_j for reading in readings]),
            _last([reading.gpu_energy_j for reading in readings]),
        )


def read(path: Path) -> list[Reading]:
    """The lines of a table. Raises UsageError with file and line."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read ({error})") from error
    if not rows or tuple(rows[0]) != COLUMNS:
        raise UsageError(f"{path}: line 1: expected the columns {', '.join(COLUMNS)}; move the file away")
    readings = []
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(COLUMNS):
            raise UsageError(f"{path}: line {number}: {len(row)} cells for {len(COLUMNS)} columns")
        given = {name: cell for name, cell in zip(COLUMNS, row, strict=True) if cell or name == "phase"}
        try:
            readings.append(msgspec.convert(given, Reading, strict=False))
        except msgspec.ValidationError as error:
            raise UsageError(f"{path}: line {number}: {error}") from error
    return readings


def _cells(reading: Reading) -> list[str]:
    """The line's cells: a decimal for shares and seconds, whole MB and joules, nothing for what is not known."""
    return [_cell(getattr(reading, name), _DECIMALS.get(name, 0)) for name in COLUMNS]


def _cell(value: str | float | None, decimals: int) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else f"{value:.{decimals}f}"


def _last(values: Sequence[float | None]) -> float:
    return next((value for value in reversed(values) if value is not None), 0.0)
