"""What the pixels of each image say, measured once per file content and kept.

Everything that looks at pictures (duplicates, audit, curation, report) reads this table and never decodes itself.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from epiluma.bundle import Bundle
from epiluma.datasets.inspection_look import (
    NO_MASK,
    SIDE,
    Job,
    Look,
    Looker,
    Report,
    features_key,
    look_key,
)
from epiluma.datasets.inspection_store import Stamp, Store
from epiluma.datasets.record import DataError, Sample

__all__ = ["MEASURES", "SIDE", "Inspections", "inspect"]

CHUNK = 32
"""Photos that a process does between two reports; what a killed run loses, per process."""


@dataclass(frozen=True)
class Inspections:
    """n images in the samples' order. Rows whose `error` is not empty hold zeros and NaN."""

    sha256: npt.NDArray[np.str_]
    """(n,) of the file's bytes, hexadecimal; empty when it could not be read."""
    error: npt.NDArray[np.str_]
    """(n,) why the file could not be decoded, or empty."""
    width: npt.NDArray[np.int32]
    height: npt.NDArray[np.int32]
    """(n,) pixels of the upright photo."""
    thumbs: npt.NDArray[np.uint8]
    """(n, 32, 32, 3) the whole frame, squashed to a square by area averaging."""
    features: npt.NDArray[np.float16]
    """(n, d) the bundle's pooled features, unit length; d is 0 when no bundle was given."""
    measures: dict[str, npt.NDArray[np.float32]]
    """Name -> (n,). The names are those of `MEASURES`; NaN where one cannot be taken."""

    def __len__(self) -> int:
        return len(self.sha256)


MEASURES = {
    "sharpness": "standard deviation of the Laplacian of the centred square at 256 px, grey levels (imaging.quality)",
    "brightness": "mean grey level of the same square, 0 to 255",
    "contrast": "standard deviation of the grey level of the same square",
    "red": "mean of the red channel over the whole frame, 0 to 255",
    "green": "mean of the green channel, 0 to 255",
    "blue": "mean of the blue channel, 0 to 255",
    "clipped_dark": "share of pixels at 2 or less in all channels, dark corners excluded",
    "clipped_bright": "share of pixels at 253 or more in all channels",
    "dark_corners": "share of the frame covered by a black surround (tube vignette) that touches the corners",
    "border": "share of the frame under bars of one flat colour along its edges (letterbox)",
    "hair": "share of pixels under thin, long, dark lines (oriented closings, DullRazor's idea)",
    "ruler": "0 to 1, how clearly equally spaced ticks lie along one line",
    "ink": "share of pixels in the blue, violet or green of a surgical marker",
    "lesion_share": "share of the frame that the lesion covers: from its mask, or estimated when there is none",
    "lesion_touches": "share of the frame's edge that the lesion touches: 0 when it is wholly inside",
    "ita": "individual typology angle of the skin around the lesion, degrees; larger is lighter",
    "ita_error": "its standard uncertainty, degrees, from the spread over the skin and the unknown white balance",
}
"""What is measured on each image, with unit."""

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


def inspect(
    samples: Sequence[Sample],
    *,
    folder: Path,
    bundle: Bundle | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Inspections:
    """Look at every sample's photo, `workers` processes at a time (as many as there are cores).

    What is found is kept in `folder` under the SHA-256 of the photo and of its mask, so that a photo seen before is
    not decoded again, wherever it lies now; while its size and date stay, it is not even read. A photo that cannot
    be read or decoded is a row with an error. A mask that cannot be used gives NaN for the lesion's measures.
    Raises DataError when the folder cannot be used, and SessionError when the bundle's network cannot be run.
    """
    jobs = [_job(sample) for sample in samples]
    table = _Table(len(jobs), bundle)
    with Store(folder) as store:
        hashes = _unchanged(jobs, store)
        for i, job in enumerate(jobs):
            table.name(i, hashes.get(job.path, ""), _mask_hash(job, hashes))
        todo = table.fill(store, range(len(jobs)))
        done = len(jobs) - len(todo)
        for reports in _look_at([(i, jobs[i]) for i in todo], folder, bundle, workers or os.cpu_count() or 1):
            store.put(
                (body for _, report in reports for body in report.bodies),
                (line for _, report in reports for line in report.hashes),
            )
            for i, report in reports:
                table.name(i, report.sha256, report.mask, report.error)
            done += len(reports)
            if progress:
                progress(done, len(jobs))
        for i in table.fill(store, [i for i in todo if not table.error[i]]):
            table.error[i] = f"what was found is not in {store.path}"  # somebody else took it away meanwhile
    return table.inspections()


def _job(sample: Sample) -> Job:
    # Not Path.resolve, which asks the disk about every folder on the way.
    mask = os.path.abspath(sample.mask) if sample.mask else ""  # noqa: PTH100
    return Job(os.path.abspath(sample.path), mask)  # noqa: PTH100


def _unchanged(jobs: Iterable[Job], store: Store) -> dict[str, str]:
    """Path -> SHA-256 of the files whose size and date are those of the last time."""
    known = store.hashes()
    result = {}
    for path in {path for job in jobs for path in job if path in known}:
        try:
            stat = os.stat(path)  # noqa: PTH116  (a third of Path.stat's time, over tens of thousands)
        except OSError:
            continue
        stamp, sha256 = known[path]
        if stamp == Stamp(stat.st_size, stat.st_mtime_ns):
            result[path] = sha256
    return result


def _mask_hash(job: Job, hashes: dict[str, str]) -> str:
    """Of an unchanged mask; empty, which is no hash, for one that has to be read."""
    return hashes.get(job.mask, "") if job.mask else NO_MASK


Numbered = list[tuple[int, Report]]


def _look_at(todo: list[tuple[int, Job]], folder: Path, bundle: Bundle | None, workers: int) -> Iterator[Numbered]:
    """Reports in chunks, in the order in which they are done."""
    chunks = [todo[start : start + CHUNK] for start in range(0, len(todo), CHUNK)]
    if workers == 1 or len(chunks) <= 1:
        if chunks:
            looker = Looker(folder, bundle)
            try:
                for chunk in chunks:
                    yield [(i, looker.do(job)) for i, job in chunk]
            finally:
                looker.close()
        return
    # A forked process would inherit onnxruntime's and OpenCV's threads in an unknown state.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(chunks)), context, _start, (folder, bundle))
    try:
        for future in as_completed([pool.submit(_do, chunk) for chunk in chunks]):
            yield future.result()
    except BrokenProcessPool as error:
        raise DataError(
            f"{folder}: a process died while looking at photos, perhaps for want of memory; "
            "run it again with fewer workers, what was done is kept"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_looker: Looker | None = None
"""Of a worker process."""


def _start(folder: Path, bundle: Bundle | None) -> None:
    global _looker  # noqa: PLW0603  (a process pool has no other place for what its processes hold)
    _looker = Looker(folder, bundle)


def _do(chunk: list[tuple[int, Job]]) -> Numbered:
    if _looker is None:
        raise RuntimeError("the process was not started by _start")
    return [(i, _looker.do(job)) for i, job in chunk]


class _Table:
    """The columns while they fill."""

    def __init__(self, n: int, bundle: Bundle | None) -> None:
        self.bundle_id = bundle.id if bundle else ""
        self.sha256, self.mask, self.error = [""] * n, [""] * n, [""] * n
        self.width, self.height = np.zeros(n, np.int32), np.zeros(n, np.int32)
        self.thumbs = np.zeros((n, SIDE, SIDE, 3), np.uint8)
        self.features = np.zeros((n, 0), np.float16)
        self.measures = {name: np.full(n, np.nan, np.float32) for name in MEASURES}

    def name(self, i: int, sha256: str, mask: str, error: str = "") -> None:
        self.sha256[i], self.mask[i], self.error[i] = sha256, mask, error

    def fill(self, store: Store, rows: Iterable[int]) -> list[int]:
        """Fill rows from the store; returns those that are not kept whole."""
        looks: dict[str, list[int]] = {}
        features: dict[str, list[int]] = {}
        missing = []
        for i in rows:
            if self.sha256[i] and self.mask[i]:
                looks.setdefault(look_key(self.sha256[i], self.mask[i]), []).append(i)
            else:
                missing.append(i)
        decoder = msgspec.msgpack.Decoder(Look)
        for key, body in store.get(looks):
            look = decoder.decode(body)
            for i in looks.pop(key):
                self._set(i, look)
                if self.bundle_id and not look.error:
                    features.setdefault(features_key(self.sha256[i], self.bundle_id), []).append(i)
        for key, body in store.get(features):
            self._set_features(features.pop(key), np.frombuffer(body, "<f2"))
        missing += [i for waiting in (looks, features) for same in waiting.values() for i in same]
        return sorted(missing)

    def _set(self, i: int, look: Look) -> None:
        self.error[i], self.width[i], self.height[i] = look.error, look.width, look.height
        if not look.error:
            self.thumbs[i] = np.frombuffer(look.thumb, np.uint8).reshape(SIDE, SIDE, 3)
            for name in MEASURES:
                self.measures[name][i] = look.measures[name]

    def _set_features(self, rows: list[int], features: npt.NDArray[np.float16]) -> None:
        if not self.features.size:
            self.features = np.zeros((len(self.sha256), len(features)), np.float16)
        self.features[rows] = features

    def inspections(self) -> Inspections:
        return Inspections(
            sha256=np.array(self.sha256, np.str_),
            error=np.array(self.error, np.str_),
            width=self.width,
            height=self.height,
            thumbs=self.thumbs,
            features=self.features,
            measures=self.measures,
        )
