"""How long a screening takes on one core, and its parts beside the same work done by others, in one run."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import msgspec
import onnxruntime as ort
import PIL
from rich.console import Console

from epiluma.bench.drawn import write_drawn
from epiluma.bench.screening import SECTIONS
from epiluma.bench.screening.alone import large, outline, screening, shares, tensor
from epiluma.bench.screening.clock import Advance, pinned
from epiluma.bench.screening.decoding import decoding
from epiluma.bench.screening.rows import Row, details, render
from epiluma.bench.screening.scaling import processes
from epiluma.bench.screening.stack import stack
from epiluma.bench.screening.start import start
from epiluma.bench.screening.subject import Effort, LeftOut, Subject

DRAWN = 24
"""Lesions that are drawn when no photo is named."""
Section = Callable[[Subject, Effort, Advance], list[Row]]
Progress = Callable[[str], AbstractContextManager[Advance]]


class ScreenBench(msgspec.Struct, frozen=True, kw_only=True):
    """What `epiluma bench screen` measured."""

    bundle: str
    graph: str
    """Which of the bundle's graphs ran, here and bare."""
    photos: int
    """Files that were named or drawn; the note of a row says how much it was measured on."""
    source: str
    """`files`, or `drawn` when no photo was named."""
    rows: tuple[Row, ...]
    left_out: tuple[LeftOut, ...]
    screenings: int
    """Of each run, for a 99th percentile."""
    runs: int
    core: int | None
    """The processor core everything but the two processes was pinned to; None where the system cannot pin."""
    cores: int
    """Cores that might be used."""
    onnxruntime_version: str
    pillow_version: str


@contextmanager
def quiet(words: str) -> Iterator[Advance]:
    """No progress is shown."""
    yield lambda done, total: None


def run(
    photos: Sequence[Path],
    *,
    bundle: Path | None,
    sections: Collection[str] = (),
    effort: Effort,
    as_json: bool,
    progress: Progress = quiet,
) -> None:
    """Measure and print. Raises BenchError, BundleError or SessionError."""
    with tempfile.TemporaryDirectory() as scratch:
        paths, source = list(photos) or [write_drawn(Path(scratch), DRAWN)], "files" if photos else "drawn"
        measured = measure(paths, bundle=bundle, source=source, sections=sections, effort=effort, progress=progress)
    if as_json:
        sys.stdout.write(msgspec.json.encode(measured).decode() + "\n")
        return
    console = Console(highlight=False)
    console.print(render(measured.rows))
    lines = (*details(measured.rows), *left_out(measured.left_out), conditions(measured))
    console.print("", *lines, sep="\n", soft_wrap=True, markup=False)


def measure(
    paths: Sequence[Path],
    *,
    bundle: Path | None,
    source: str,
    sections: Collection[str] = (),
    effort: Effort,
    progress: Progress = quiet,
) -> ScreenBench:
    """Measure these sections, all of them when none is named; the calling process is pinned only meanwhile.

    Raises BenchError, BundleError and SessionError.
    """
    with pinned() as cores:
        subject, rows = Subject(paths, bundle), list[Row]()
        count = len(subject.files)
        for name, section in _sections(cores).items():
            if not sections or name in sections:
                with progress(SECTIONS[name]) as advance:
                    rows += section(subject, effort, advance)
    return ScreenBench(
        bundle=subject.screener.bundle.id,
        graph=subject.screener.bundle.running,
        photos=count,
        source=source,
        rows=tuple(rows),
        left_out=tuple(subject.left_out),
        screenings=effort.screenings,
        runs=effort.runs,
        core=cores[0] if cores else None,
        cores=len(cores),
        onnxruntime_version=ort.__version__,
        pillow_version=PIL.__version__,
    )


def left_out(photos: Sequence[LeftOut]) -> list[str]:
    """Which photos no figure is made of, and why, a line for each reason."""
    files: dict[str, dict[str, None]] = {}
    for photo in photos:
        files.setdefault(photo.reason, {})[photo.file] = None  # once, though several sections left it out
    return [f"left out: {next(iter(names))} and {len(names) - 1} more: {reason}" for reason, names in files.items()]


def conditions(measured: ScreenBench) -> str:
    """What the figures hold for, in one line."""
    core = "not pinned" if measured.core is None else f"pinned to core {measured.core} of {measured.cores}"
    return (
        f"{measured.photos} photos ({measured.source}), warm, one thread, {core}, median of {measured.runs} runs, "
        f"onnxruntime {measured.onnxruntime_version}, Pillow {measured.pillow_version}, "
        f"graph {measured.graph} of bundle {measured.bundle[:12]}"
    )


def _sections(cores: Sequence[int]) -> Mapping[str, Section]:
    """What measures each section, in the order of SECTIONS."""
    found: dict[str, Section] = {
        "outline": outline,
        "screening": screening,
        "large": large,
        "shares": shares,
        "tensor": tensor,
        "processes": partial(processes, cores=cores),
        "stack": stack,
        "decoding": decoding,
        "start": start,
    }
    return {name: found[name] for name in SECTIONS}
