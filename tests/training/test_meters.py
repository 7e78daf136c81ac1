"""Meters read what the system says: real processes, and counters laid out as the kernel lays them out."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import psutil
import pytest

from epiluma.training import meters
from epiluma.training.meters import Gpus, ProcessorEnergy, ProcessTree, system_memory_mb


def spin(seconds: float) -> None:
    """Use one core for so many processor seconds."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_processor_time_of_this_process_is_its_share_of_all_cores() -> None:
    tree = ProcessTree()
    before, begun = time.process_time(), time.monotonic()
    spin(0.3)
    percent, _ = tree.read()
    used, took = time.process_time() - before, time.monotonic() - begun
    assert percent == pytest.approx(100 * used / took / (os.cpu_count() or 1), rel=0.3, abs=3)


def test_children_count_while_they_run_and_after() -> None:
    tree = ProcessTree()
    child = multiprocessing.get_context("spawn").Process(target=spin, args=(0.4,))
    begun = time.monotonic()
    child.start()
    _, with_child = tree.read()
    assert with_child > psutil.Process().memory_info().rss / 2**20 + 5  # a Python process is some 10 MB
    child.join()
    percent, _ = tree.read()
    assert percent * (time.monotonic() - begun) * (os.cpu_count() or 1) / 100 >= 0.3
    assert tree.read()[0] >= 0


def test_system_memory_is_what_the_kernel_says() -> None:
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    kernel = (int(lines["MemTotal"].split()[0]) - int(lines["MemAvailable"].split()[0])) / 1024
    assert system_memory_mb() == pytest.approx(kernel, rel=0.1)


def zone(root: Path, folder: str, name: str, microjoules: int, wraps_at: int = 1_000_000_000) -> Path:
    path = root / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{microjoules}\n")
    (path / "max_energy_range_uj").write_text(f"{wraps_at}\n")
    return path / "energy_uj"


def test_energy_sums_packages_and_memory_and_nothing_twice(tmp_path: Path) -> None:
    counters = [
        zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000),
        zone(tmp_path, "intel-rapl:0:0", "core", 1_000_000),  # part of the package
        zone(tmp_path, "intel-rapl:0:1", "dram", 2_000_000),
        zone(tmp_path, "intel-rapl:1", "package-1", 0),
        zone(tmp_path, "intel-rapl:2", "psys", 9_000_000),  # the whole platform, packages in it
        zone(tmp_path, "intel-rapl-mmio:0", "package-0", 5_000_000),  # the same counter by another road
    ]
    energy = ProcessorEnergy(tmp_path)
    assert energy.read() == 0
    for counter in counters:
        counter.write_text(str(int(counter.read_text()) + 3_000_000))
    assert energy.read() == pytest.approx(9.0)


def test_energy_goes_on_when_a_counter_wraps_around(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 900_000, wraps_at=1_000_000)
    energy = ProcessorEnergy(tmp_path)
    for value, joules in ((400_000, 0.5), (700_000, 0.8), (100_000, 1.2)):
        counter.write_text(str(value))
        assert energy.read() == pytest.approx(joules)


@pytest.mark.parametrize("broken", ["no folder", "no permission", "no number"])
def test_energy_that_cannot_be_read_is_none(tmp_path: Path, broken: str) -> None:
    if broken != "no folder":
        counter = zone(tmp_path, "intel-rapl:0", "package-0", 1)
        if broken == "no number":
            counter.write_text("unknown")
        else:  # root may read any file, so a folder stands where the counter should
            counter.unlink()
            counter.mkdir()
    assert ProcessorEnergy(tmp_path).read() is None


def test_energy_that_becomes_unreadable_is_none_and_then_goes_on(tmp_path: Path) -> None:
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    energy = ProcessorEnergy(tmp_path)
    counter.unlink()
    assert energy.read() is None
    counter.write_text("2500000")
    assert energy.read() == pytest.approx(1.5)


def test_gpus_are_none_without_a_driver() -> None:
    gpus = Gpus("libthere-is-no-such-driver.so.1")
    assert gpus.read() is None
    gpus.open(["GPU-0"])
    assert gpus.read() is None


def test_no_gpu_is_woken_by_looking() -> None:
    import torch

    was = torch.cuda.is_initialized()
    meters._gpus_in_use()
    assert torch.cuda.is_initialized() == was
