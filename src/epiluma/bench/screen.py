"""How long one screening takes on one core, beside bare onnxruntime, and what a fresh process costs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

import msgspec
import numpy as np
import onnxruntime as ort
from PIL import Image
from rich.console import Console
from rich.table import Table

from epiluma.bench.screen_peers import Peer, measure_peers
from epiluma.bundle import Bundle
from epiluma.errors import EpilumaError
from epiluma.imaging.decode import PhotoError
from epiluma.imaging.synthetic import draw_lesion
from epiluma.inference.command import photo_files
from epiluma.inference.locate import find_bundle
from epiluma.inference.screen import Screener
from epiluma.inference.session import known_input

DRAWN = 24
"""Lesions that are drawn when no photo is named."""
MIN_TIMINGS = 120
"""Photos are gone through again until there are this many timings, enough for a 99th percentile."""
STARTS = 3


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds per photo."""

    median: float
    p90: float
    p99: float


class ScreenBench(msgspec.Struct, frozen=True, kw_only=True):
    """What `epiluma bench screen` measured."""

    bundle: str
    photos: int
    source: str
    """`files`, or `drawn` when no photo was named."""
    core: int | None
    """The processor core everything was pinned to; None where the system cannot pin."""
    screening_ms: Spread
    """Whole screening, from bytes in memory to a result, decoding included."""
    onnxruntime_ms: Spread
    """The peer: onnxruntime alone, one thread, on a ready tensor, measured in turn with the screenings."""
    ratio: float
    """Median of the first over median of the second."""
    first_result_s: float
    """From starting a fresh process to its first result; median of three."""
    peak_memory_mb: float
    """Resident memory peak (VmHWM) of a fresh process that screens all photos."""
    onnxruntime_version: str
    peers: tuple[Peer, ...]
    """Parts of a screening of the first photo, each beside its plain counterpart."""


class BenchError(EpilumaError):
    """A benchmark that has nothing to measure."""


def run(photos: Sequence[Path], *, bundle: Path | None, as_json: bool) -> None:
    """Measure and print. Raises BenchError, BundleError or SessionError."""
    with tempfile.TemporaryDirectory() as scratch:
        paths = list(photos) or [write_drawn(Path(scratch))]
        measured = measure(paths, bundle=bundle, source="files" if photos else "drawn")
    if as_json:
        sys.stdout.write(msgspec.json.encode(measured).decode() + "\n")
    else:
        Console(highlight=False).print(
            render(measured), render_peers(measured), conditions(measured), sep="\n", soft_wrap=True
        )


def measure(paths: Sequence[Path], *, bundle: Path | None, source: str) -> ScreenBench:
    """Run all measurements on one core; the calling process is pinned only meanwhile. Raises BenchError."""
    with _pinned() as core:
        starts = [_first_result(paths, bundle) for _ in range(STARTS)]
        peak = _peak_memory(paths, bundle)
        opened = find_bundle(bundle)
        whole, bare, count = _time_in_turn(opened, list(_readable(paths)))
        peers = measure_peers(opened, next(_readable(paths)))
    return ScreenBench(
        bundle=opened.id,
        photos=count,
        source=source,
        core=core,
        screening_ms=_spread(whole),
        onnxruntime_ms=_spread(bare),
        ratio=round(median(whole) / median(bare), 2),
        first_result_s=round(median(starts), 3),
        peak_memory_mb=round(peak, 1),
        onnxruntime_version=ort.__version__,
        peers=peers,
    )


def write_drawn(folder: Path, count: int = DRAWN) -> Path:
    """Draw lesions into `folder` as 600 x 450 JPEG files."""
    for seed in range(count):
        Image.fromarray(draw_lesion(seed).image).save(folder / f"drawn-{seed:03}.jpg", quality=92)
    return folder


def render(measured: ScreenBench) -> Table:
    """The figures as an aligned table."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for name in ("", "median", "p90", "p99"):
        table.add_column(name, justify="left" if not name else "right")
    for label, spread in (
        ("screening, ms per photo", measured.screening_ms),
        ("onnxruntime alone, ms", measured.onnxruntime_ms),
    ):
        table.add_row(label, *(f"{value:.2f}" for value in (spread.median, spread.p90, spread.p99)))
    table.add_row("ratio", f"{measured.ratio:.2f}")
    table.add_row("process start to first result, s", f"{measured.first_result_s:.2f}")
    table.add_row("peak resident memory, MB", f"{measured.peak_memory_mb:.0f}")
    return table


def render_peers(measured: ScreenBench) -> Table:
    """Each part of a screening beside its peer."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for name in ("part", "ms", "peer", "ms", "times as fast"):
        table.add_column(name, justify="left" if name in ("part", "peer") else "right")
    for row in measured.peers:
        table.add_row(row.task, f"{row.ours_ms:.2f}", row.peer, f"{row.peer_ms:.2f}", f"{row.speedup:.2f}")
    return table


def conditions(measured: ScreenBench) -> str:
    """What the figures hold for, in one line."""
    core = "not pinned" if measured.core is None else f"core {measured.core}"
    return (
        f"{measured.photos} photos ({measured.source}), one thread, {core}, "
        f"onnxruntime {measured.onnxruntime_version}, bundle {measured.bundle[:12]}"
    )


def _time_in_turn(bundle: Bundle, photos: list[bytes]) -> tuple[list[float], list[float], int]:
    """Milliseconds of each screening and of each bare run, and how many photos were used."""
    if not photos:
        raise BenchError("no photo could be read; name photos or folders of photos, or none to use drawn ones")
    screener = Screener(bundle)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    peer = ort.InferenceSession(bundle.graph, options, providers=["CPUExecutionProvider"])
    views = bundle.manifest.views  # the same work for the network as a screening has
    tensor = {"image": np.repeat(known_input(0, screener.session.size), views, axis=0)}
    whole, bare = [], []
    rounds = 1 + -(-MIN_TIMINGS // len(photos))
    for turn in range(rounds):
        for data in photos:
            begun = perf_counter()
            _screened(screener, data)
            between = perf_counter()
            peer.run(None, tensor)
            if turn or len(photos) > MIN_TIMINGS:  # of few photos, the first round warms up
                whole.append(1000 * (between - begun))
                bare.append(1000 * (perf_counter() - between))
    return whole, bare, len(photos)


def _screened(screener: Screener, data: bytes) -> None:
    try:
        screener.screen(data, file="photo")
    except PhotoError as error:
        raise BenchError(f"a photo cannot be screened ({error}); leave it out") from error


def _readable(paths: Iterable[Path]) -> Iterator[bytes]:
    for path in photo_files(paths):
        if isinstance(path, Path) and path.is_file():
            yield path.read_bytes()


def _first_result(paths: Sequence[Path], bundle: Path | None) -> float:
    """Seconds from starting a process to its first line of output."""
    first = next((path for path in photo_files(paths) if isinstance(path, Path)), None)
    if first is None:
        raise BenchError("no photo was found; name photos or folders of photos, or none to use drawn ones")
    begun = perf_counter()
    with _fresh([first], bundle) as lines:
        next(lines)
        return perf_counter() - begun


def _peak_memory(paths: Sequence[Path], bundle: Path | None) -> float:
    """Megabytes: the last high-water mark seen while a process prints its results."""
    peak = 0.0
    with _fresh(paths, bundle) as lines:
        for mark in lines:
            peak = max(peak, mark)
    return peak


@contextmanager
def _fresh(paths: Sequence[Path], bundle: Path | None) -> Iterator[Iterator[float]]:
    """A new `epiluma screen` process: its VmHWM in MB after each result it prints."""
    command = [sys.executable, "-m", "epiluma.cli", "screen", "--json", *map(str, paths)]
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
        marks = (
            [line for line in status.read_text().splitlines() if line.startswith("VmHWM")] if status.exists() else []
        )
        yield int(marks[0].split()[1]) / 1024 if marks else 0.0


@contextmanager
def _pinned() -> Iterator[int | None]:
    """Keep this process, and those it starts, on one core."""
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    allowed = os.sched_getaffinity(0)
    core = max(allowed)
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, allowed)


def _spread(values: Sequence[float]) -> Spread:
    p50, p90, p99 = np.percentile(values, (50, 90, 99)).round(3).tolist()
    return Spread(median=p50, p90=p90, p99=p99)
