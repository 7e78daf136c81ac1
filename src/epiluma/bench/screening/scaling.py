"""Two processes on two cores beside one, for screenings and for bare onnxruntime.

Memory and caches are shared by the cores, so bare onnxruntime does not double either: what is sought is that screenings
gain as much as it does.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import fmean
from time import perf_counter, sleep
from typing import Literal, NamedTuple

from epiluma.bench.errors import BenchError
from epiluma.bench.screening import bare
from epiluma.bench.screening.clock import Advance
from epiluma.bench.screening.rows import Aim, Row, missing, row
from epiluma.bench.screening.subject import Effort, Subject
from epiluma.inference.locate import find_bundle
from epiluma.inference.screen import Screener

Kind = Literal["screenings", "bare"]
GAIN = Aim(0.95, "at least")
TASK = "gain of a second process"
_LEAD = 0.05
"""Seconds between the order and its beginning, so that both processes have it before either begins."""


class Order(NamedTuple):
    """What a worker is to do."""

    kind: Kind
    begin: float
    """On the clock of `perf_counter`, which all processes of a machine share on Linux."""
    seconds: float


class Worker(NamedTuple):
    """A process of its own on a core of its own."""

    pid: int
    core: int
    line: Connection


def processes(subject: Subject, effort: Effort, advance: Advance, cores: Sequence[int]) -> list[Row]:
    """The gain of a second process; `cores` are those that may be used."""
    if len(cores) < 2:
        return [missing("processes", TASK, "share", aim=GAIN, note="needs two cores")]
    photos = [photo.data for photo in subject.photos]
    gains: dict[Kind, list[float]] = {"screenings": [], "bare": []}
    with workers(cores[:2], subject.bundle_path, photos) as both:
        for turn in range(effort.runs):
            for kind, found in gains.items():
                found.append(gain(both, kind, effort.seconds))
            advance(turn + 1, effort.runs)
    return [
        row(
            "processes",
            TASK,
            "share",
            [ours / plain for ours, plain in zip(*gains.values(), strict=True)],
            aim=GAIN,
            figures={"screenings gain": gains["screenings"], "bare networks gain": gains["bare"]},
            note=f"throughput of two over one, on cores {' and '.join(str(worker.core) for worker in both)}",
        )
    ]


def gain(both: Sequence[Worker], kind: Kind, seconds: float) -> float:
    """How many a second all workers do together, over what one does alone: the mean of each alone."""
    alone = fmean(rate([worker], kind, seconds) for worker in both)
    return rate(both, kind, seconds) / alone


def rate(busy: Sequence[Worker], kind: Kind, seconds: float) -> float:
    """How many a second these workers do at once; the others wait. Raises BenchError when one has ended."""
    order = Order(kind, perf_counter() + _LEAD, seconds)
    with _lost_is_said():
        for worker in busy:
            worker.line.send(order)
        return float(sum(worker.line.recv() for worker in busy))


@contextmanager
def workers(cores: Sequence[int], bundle: Path | None, photos: Sequence[bytes]) -> Iterator[list[Worker]]:
    """One process on each of these cores, each with the bundle open and warm. Raises BenchError."""
    context = multiprocessing.get_context("spawn")  # a forked onnxruntime session may hang
    started, lines = [], []
    try:
        for core in cores:
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, core, bundle, photos), daemon=True)
            process.start()
            theirs.close()  # so that a process that has ended ends its line
            started.append(process)
            lines.append(ours)
        with _lost_is_said():
            ready = [line.recv() for line in lines]
        yield [Worker(pid, core, line) for (pid, core), line in zip(ready, lines, strict=True)]
    finally:
        for line in lines:
            line.close()
        for process in started:
            process.join()


@contextmanager
def _lost_is_said() -> Iterator[None]:
    """A line to a process that has ended becomes a BenchError."""
    try:
        yield
    except (EOFError, OSError) as error:
        raise BenchError("a process of the bench has ended; its message, if it had one, stands above") from error


def _work(line: Connection, core: int, bundle: Path | None, photos: Sequence[bytes]) -> None:
    """Pin this process, say so, and follow orders until the line is closed."""
    os.sched_setaffinity(0, {core})
    screener = Screener(find_bundle(bundle))
    networks = bare.networks(screener.bundle)

    def once(kind: Kind, turn: int) -> None:
        if kind == "bare":
            networks()
        else:
            screener.screen(photos[turn % len(photos)], file="photo")

    once("screenings", 0)
    once("bare", 0)
    line.send((os.getpid(), min(os.sched_getaffinity(0))))
    while True:
        try:
            order: Order = line.recv()
        except EOFError:
            return
        sleep(max(0.0, order.begin - perf_counter()))
        begun, done = perf_counter(), 0
        while perf_counter() - begun < order.seconds:
            once(order.kind, done)
            done += 1
        line.send(done / (perf_counter() - begun))
