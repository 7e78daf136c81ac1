"""What a process tree, the processors and the GPUs use, each read from the system; None where it cannot be read."""

from __future__ import annotations

import ctypes
import math
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import psutil

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows the energy counters of the processors (RAPL; AMD's are under the same name)."""
_MB = 2**20


class ProcessTree:
    """This process with all that it started: share of all cores, and resident memory."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._cores = psutil.cpu_count() or 1
        self._busy, self._at = self._seconds(self._family()), time.monotonic()

    def read(self) -> tuple[float, float]:
        """(% of all cores since the last reading, resident MB now); memory that processes share counts in each."""
        family, now = self._family(), time.monotonic()
        busy = self._seconds(family)
        percent = 100 * (busy - self._busy) / max(now - self._at, 1e-6) / self._cores
        self._busy, self._at = busy, now
        resident = 0.0
        for process in family:
            with suppress(psutil.Error):  # ended meanwhile
                resident += process.memory_info().rss / _MB
        return min(max(percent, 0.0), 100.0), resident  # the system counts in hundredths of a second

    def _family(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    @staticmethod
    def _seconds(family: Sequence[psutil.Process]) -> float:
        """Processor seconds so far; what a child used stays, in its parent's count, when it has ended."""
        total = 0.0
        for process in family:
            with suppress(psutil.Error):
                used = process.cpu_times()
                total += used.user + used.system + used.children_user + used.children_system
        return total


def system_memory_mb() -> float:
    """Memory in use on the whole machine: what would not be available to a new program."""
    memory = psutil.virtual_memory()
    return float(memory.total - memory.available) / _MB


class ProcessorEnergy:
    """Joules of all processor packages and their memory: the whole machine's, other programs' too.

    Counters are in microjoules and wrap around at `max_energy_range_uj`, on some processors within minutes at full
    load. Most systems let only root read them.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        self._zones = list(_zones(root))
        self._last = self._counters()
        self._joules = 0.0

    def read(self) -> float | None:
        """Joules since this object was made; None when there is no counter or it may not be read."""
        now = self._counters()
        if now is None or self._last is None:
            return None
        for zone, before, after in zip(self._zones, self._last, now, strict=True):
            self._joules += (after - before + (zone.wraps_at if after < before else 0)) / 1e6
        self._last = now
        return self._joules

    def _counters(self) -> list[int] | None:
        try:
            return [int(zone.counter.read_text()) for zone in self._zones] or None
        except (OSError, ValueError):
            return None


class _Zone(NamedTuple):
    counter: Path
    wraps_at: int


def _zones(root: Path) -> Iterator[_Zone]:
    """Packages, and memory beside them; their cores are part of a package, and `psys` is more than the processor."""
    for folder in sorted(root.glob("intel-rapl:*")):
        with suppress(OSError, ValueError):
            name = (folder / "name").read_text().strip()
            if re.fullmatch(r"package-\d+(-die-\d+)?|dram", name):
                yield _Zone(folder / "energy_uj", int((folder / "max_energy_range_uj").read_text()))


class GpuReading(NamedTuple):
    """All GPUs of this process together."""

    percent: float
    """Share of the time in which a kernel ran, mean of the GPUs."""
    memory_mb: float
    """In use on the GPUs, by other programs too."""
    joules: float | None
    """Since the driver was loaded; None on GPUs without a counter."""


class _Utilisation(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class Gpus:
    """The NVIDIA GPUs that torch uses in this process, asked through the driver's own library (NVML)."""

    def __init__(self, library: str = "libnvidia-ml.so.1") -> None:
        self._name = library
        self._library: Any = None
        self._devices: list[ctypes.c_void_p] = []

    def read(self) -> GpuReading | None:
        """The figures now; None before torch has begun to use a GPU, or where the driver does not give them."""
        if not self._devices and (names := _gpus_in_use()):
            self.open(names)
        if not self._devices:
            return None
        percents, memory, joules = [], 0.0, 0.0
        for device in self._devices:
            load, space, energy = _Utilisation(), _Memory(), ctypes.c_ulonglong()
            if self._library.nvmlDeviceGetUtilizationRates(device, ctypes.byref(load)):
                return None
            if self._library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(space)):
                return None
            known = self._library.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(energy)) == 0
            percents.append(float(load.gpu))
            memory += space.used / _MB
            joules += energy.value / 1000 if known else float("nan")
        return GpuReading(sum(percents) / len(percents), memory, None if math.isnan(joules) else joules)

    def open(self, names: Sequence[str]) -> None:
        """Find the devices of these identifiers (`GPU-...`); none when the driver does not know one of them."""
        try:
            library = ctypes.CDLL(self._name)
        except OSError:
            return
        devices = [ctypes.c_void_p() for _ in names]
        if library.nvmlInit_v2() == 0 and not any(
            library.nvmlDeviceGetHandleByUUID(name.encode(), ctypes.byref(device))
            for name, device in zip(names, devices, strict=True)
        ):
            self._library, self._devices = library, devices


def _gpus_in_use() -> list[str]:
    """Identifiers of the GPUs, once torch has begun to use one; never the first to wake them."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return []
    return [f"GPU-{torch.cuda.get_device_properties(i).uuid}" for i in range(torch.cuda.device_count())]
