"""Many photos on all cores: one process with one single-threaded session per core, results in the photos' order."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

from epiluma.bundle import BundleError
from epiluma.errors import EpilumaError
from epiluma.imaging.measure import Scale
from epiluma.inference.locate import find_bundle
from epiluma.inference.pictures import Pictures
from epiluma.inference.recommend import Symptom
from epiluma.inference.result import Screening, ScreeningError
from epiluma.inference.screen import Screener
from epiluma.inference.session import DEFAULT_PROVIDER

WORTH_IT = 24
"""Photos per process below which starting it takes longer than it saves."""
_CHUNK = 4


class WorkerLost(EpilumaError):
    """A process ended before its photos were screened."""


class Asked(NamedTuple):
    """What is the same for all photos of a run."""

    bundle: Path | None
    pictures: Pictures
    symptoms: tuple[Symptom, ...] = ()
    scale: Scale | None = None
    provider: str = DEFAULT_PROVIDER
    graph: str | None = None
    """The same for all processes."""
    ruler: float | None = None
    """Millimetres between the ticks of a ruler in the photos."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers_for(photos: int, wanted: int | None) -> int:
    """Processes for a number of photos: as many as wanted, else one per core where that many are worth starting."""
    return max(1, min(wanted or cores(), photos if wanted else photos // WORTH_IT))


def screen_one(screener: Screener, photo: Path, asked: Asked) -> Screening | ScreeningError:
    """Screen a file and write its pictures. Raises PicturesError."""
    found = screener.look_path(photo, symptoms=asked.symptoms, scale=asked.scale, ruler=asked.ruler)
    if isinstance(found, ScreeningError):
        return found
    asked.pictures.write(photo, found)
    return found.screening


def screen_in_processes(
    photos: Sequence[Path], asked: Asked, *, workers: int, bundle_id: str
) -> Iterator[Screening | ScreeningError]:
    """Each photo's result, in order, as soon as it and those before it are there.

    Raises WorkerLost when a process dies, or finds that the bundle is no longer the one of `bundle_id`, and what
    `screen_one` raises.
    """
    context = multiprocessing.get_context("spawn")  # a forked onnxruntime session may hang
    with ProcessPoolExecutor(workers, context, _open, (asked, bundle_id)) as pool:
        try:
            yield from pool.map(_screen, photos, chunksize=_CHUNK)
        except BrokenProcessPool as error:
            raise WorkerLost(
                "a worker process ended before its photos were screened, perhaps for want of memory; "
                "screen again with fewer --workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


class _Worker(NamedTuple):
    screener: Screener
    asked: Asked


_worker: list[_Worker] = []
"""Of this process, one."""


def _open(asked: Asked, bundle_id: str) -> None:
    bundle = find_bundle(asked.bundle)
    if bundle.id != bundle_id:
        raise BundleError(bundle.manifest.name, "was changed while photos were being screened with it; start again")
    _worker.append(_Worker(Screener(bundle, graph=asked.graph, provider=asked.provider), asked))


def _screen(photo: Path) -> Screening | ScreeningError:
    return screen_one(_worker[0].screener, photo, _worker[0].asked)
