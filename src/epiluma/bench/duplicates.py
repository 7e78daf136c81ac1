"""How the duplicate search grows with the number of images, beside comparing all with all, and what it finds."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console
from rich.table import Table

from epiluma.datasets import duplicates, hashing
from epiluma.datasets.inspection import SIDE, Inspections
from epiluma.datasets.record import Sample
from epiluma.imaging.synthetic import draw_lesion

Pixels = npt.NDArray[np.uint8]

DRAWN = 70
"""Lesions that are drawn to plant copies among, when no photo is named."""
STRENGTH = 7.5
"""Grey levels of noise at the lowest frequency, of the drawn thumbnails."""
_COMPARED = 200
"""Images whose look-ups the brute-force peer does, of all; its time is that times all / these."""


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """The search among drawn thumbnails, files not opened."""

    rows: int
    seconds: float


class Recall(msgspec.Struct, frozen=True, kw_only=True):
    """Copies planted with one change."""

    change: str
    planted: int
    found: int


class DuplicatesBench(msgspec.Struct, frozen=True, kw_only=True):
    """What the benchmark measured."""

    timings: list[Timing]
    exponent: float
    """Slope of log time over log rows."""
    brute_force_s: float
    """The peer: the same look-ups compared with every code by numpy, at the smallest size (one part of them timed)."""
    recalls: list[Recall]
    others: int
    """Pairs found that were not planted."""


def run(rows: Sequence[int] = (10_000, 30_000, 100_000), *, photos: Sequence[Path] = (), as_json: bool = False) -> None:
    """Measure and print; copies are planted among `photos`, or among drawn lesions."""
    measured = measure(rows, photos=photos)
    if as_json:
        sys.stdout.write(msgspec.json.encode(measured).decode() + "\n")
    else:
        Console(highlight=False).print(*render(measured), sep="\n", soft_wrap=True)


def measure(rows: Sequence[int], *, photos: Sequence[Path] = ()) -> DuplicatesBench:
    """Time the search at each size and plant copies."""
    timings = [Timing(rows=n, seconds=round(_seconds(n), 3)) for n in sorted(rows)]
    with tempfile.TemporaryDirectory() as scratch:
        recalls, others = planted(list(photos) or write_drawn(Path(scratch) / "drawn", DRAWN), Path(scratch))
    return DuplicatesBench(
        timings=timings,
        exponent=round(exponent(timings), 2),
        brute_force_s=round(brute_force(drawn_thumbnails(timings[0].rows)), 1),
        recalls=recalls,
        others=others,
    )


def exponent(timings: Sequence[Timing]) -> float:
    """Least-squares slope of log seconds over log rows; not a number for one size."""
    if len({timing.rows for timing in timings}) < 2:
        return float("nan")
    x, y = np.log([timing.rows for timing in timings]), np.log([timing.seconds for timing in timings])
    return float(np.polyfit(x, y, 1)[0])


def drawn_thumbnails(rows: int) -> Pixels:
    """(rows, 32, 32, 3): a soft dark ellipse on paler skin under a vignette, and noise.

    As much alike as photos are: of 10,000 about as many pairs have near hashes as of 10,000 published ones.
    """
    random = np.random.default_rng(rows)
    axis = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    result = np.empty((rows, SIDE, SIDE, 3), np.uint8)
    for begun in range(0, rows, 1000):
        part = result[begun : begun + 1000]
        one = (len(part), 1, 1)
        y, x = axis[:, None] - random.normal(0, 0.05, one), axis - random.normal(0, 0.05, one)
        angle, radius = random.uniform(0, np.pi, one), np.exp(random.normal(-1.4, 0.35, one))
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        outward = np.hypot(along, across / random.uniform(0.6, 1, one)) / radius - 1
        lesion = random.uniform(40, 110, one) / (1 + np.exp(outward / random.uniform(0.08, 0.3, one)))
        vignette = random.uniform(0, 60, one) * (axis[:, None] ** 2 + axis**2)
        part[:] = np.clip(190 - lesion - vignette + _noise(random, len(part)), 0, 255)[..., None]
    return result


def _noise(random: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    """(count, 32, 32) of grey levels, falling off with frequency, stronger in some than in others."""
    cosines = np.cos(np.pi * np.arange(SIDE)[:, None] * (np.arange(SIDE) + 0.5) / SIDE) * np.sqrt(2 / SIDE)
    frequency = np.hypot.outer(np.arange(SIDE), np.arange(SIDE))
    frequency[0, 0] = np.inf
    strength = STRENGTH * SIDE * np.exp(random.normal(0, 0.7, (count, 1, 1)))
    result: npt.NDArray[np.float64] = (
        cosines.T @ (strength * random.normal(size=(count, SIDE, SIDE)) / frequency**1.5) @ cosines
    )
    return result


def brute_force(thumbs: Pixels) -> float:
    """Seconds to compare the look-ups of every image with every code, from a part of the images."""
    grey = thumbs[..., 0].astype(np.float32)
    codes = hashing.upright(grey).codes
    begun = perf_counter()
    asked = hashing.lookups(grey[:_COMPARED]).codes
    for code in asked:
        np.flatnonzero(np.bitwise_count(codes ^ code) <= duplicates.HASH_DISTANCE)
    return (perf_counter() - begun) * len(thumbs) / min(_COMPARED, len(thumbs))


def write_drawn(folder: Path, count: int) -> list[Path]:
    """Draw lesions as 256 px PNG files."""
    folder.mkdir(parents=True)
    paths = [folder / f"{seed:04}.png" for seed in range(count)]
    for seed, path in enumerate(paths):
        Image.fromarray(draw_lesion(seed, size=(256, 256)).image).save(path)
    return paths


def planted(photos: Sequence[Path], folder: Path) -> tuple[list[Recall], int]:
    """Recall per change, and how many other pairs were found: every photo gets one changed copy, written into `folder`,
    the changes taken in turn.
    """
    random = np.random.default_rng(0)
    names = list(CHANGES)
    copies = [folder / f"copy-{i:05}.jpg" for i in range(len(photos))]
    for i, (photo, copy) in enumerate(zip(photos, copies, strict=True)):
        change, quality = CHANGES[names[i % len(names)]]
        with Image.open(photo) as original:
            changed = change(np.asarray(original.convert("RGB")), random)
        Image.fromarray(np.ascontiguousarray(changed)).save(copy, quality=quality)
    inspections, samples = _inspected([*photos, *copies])
    pairs = {(pair.a, pair.b) for pair in duplicates.find(inspections, samples) if pair.duplicate}
    true = [(i, len(photos) + i) for i in range(len(photos))]
    recalls = [
        Recall(change=name, planted=len(true[k :: len(names)]), found=len(pairs & set(true[k :: len(names)])))
        for k, name in enumerate(names)
    ]
    return recalls, len(pairs - set(true))


def render(measured: DuplicatesBench) -> tuple[Table, Table, str]:
    """The figures as tables, and what they hold for."""
    times, recalls = _table("images", "search, s"), _table("planted copy", "found", "of")
    for timing in measured.timings:
        times.add_row(f"{timing.rows:,}", f"{timing.seconds:.2f}")
    times.add_row("exponent", f"{measured.exponent:.2f}")
    times.add_row(f"brute force (numpy), {measured.timings[0].rows:,} images", f"{measured.brute_force_s:.1f}")
    for recall in measured.recalls:
        recalls.add_row(recall.change, str(recall.found), str(recall.planted))
    return times, recalls, f"Other pairs found: {measured.others}. Times are for drawn thumbnails, no file opened."


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for i, name in enumerate(columns):
        table.add_column(name, justify="right" if i else "left")
    return table


def _seconds(rows: int) -> float:
    inspections = _inspections(drawn_thumbnails(rows), [str(i) for i in range(rows)])
    samples = [_sample(Path(str(i))) for i in range(rows)]
    begun = perf_counter()
    duplicates.find(inspections, samples, confirm=False)
    return perf_counter() - begun


def _inspected(paths: Sequence[Path]) -> tuple[Inspections, list[Sample]]:
    thumbs = np.empty((len(paths), SIDE, SIDE, 3), np.uint8)
    for i, path in enumerate(paths):
        with Image.open(path) as photo:
            thumbs[i] = np.asarray(photo.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX))
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    return _inspections(thumbs, digests), [_sample(path) for path in paths]


def _inspections(thumbs: Pixels, digests: Sequence[str]) -> Inspections:
    """As much of an inspection as the search reads."""
    none = np.zeros(len(thumbs), np.int32)
    return Inspections(
        sha256=np.array(digests, np.str_),
        error=np.full(len(thumbs), ""),
        width=none,
        height=none,
        thumbs=thumbs,
        features=np.empty((len(thumbs), 0), np.float16),
        measures={},
    )


def _sample(path: Path) -> Sample:
    return Sample(image_id=path.stem, path=path, diagnosis="", source="", modality="dermoscopy", licence="")


def _relit(pixels: Pixels, gain: float) -> Pixels:
    relit: Pixels = np.clip(pixels * gain, 0, 255).astype(np.uint8)
    return relit


def _cropped(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """90% of each side, anywhere."""
    height, width = (round(0.9 * side) for side in pixels.shape[:2])
    top, left = random.integers(0, (pixels.shape[0] - height + 1, pixels.shape[1] - width + 1))
    return pixels[top : top + height, left : left + width]


def _all_of_it(pixels: Pixels, random: np.random.Generator) -> Pixels:
    turned = np.rot90(pixels, int(random.integers(4)))[:, :: random.choice([-1, 1])]
    return _relit(_cropped(turned, random), random.uniform(0.8, 1.2))


CHANGES: dict[str, tuple[Callable[[Pixels, np.random.Generator], Pixels], int]] = {
    "mirrored": (lambda pixels, _: pixels[:, ::-1], 92),
    "turned by 90 degrees": (lambda pixels, _: np.rot90(pixels), 92),
    "cropped by 10%": (_cropped, 92),
    "JPEG 60": (lambda pixels, _: pixels, 60),
    "20% brighter": (lambda pixels, _: _relit(pixels, 1.2), 92),
    "20% darker": (lambda pixels, _: _relit(pixels, 0.8), 92),
    "all of these, JPEG 60": (_all_of_it, 60),
}
"""Name -> (what is done to the pixels, quality of the JPEG that is written)."""
