"""How fast batches come from the decoded cache, beside Pillow decoding the same pictures.

Work to do: a batch of 64 squares of 256 px is 12.6 MB, which the cache has to read once and write once. The machine's
limit is therefore its memory bandwidth, and the line "copying memory" measures it in the same run: contiguous bytes,
the same amount, into memory that is used again. Pillow, the peer, has to undo the JPEG of each picture: entropy
decoding and inverse transforms of 65,536 pixels (270,000 for a 600 x 450 original, then resampling).

All files are in the page cache (they were just read or written), so no disk is measured. One thread; each batch's
processor time is taken, not the clock's, so that other programs on the machine do not count; the kinds of batch take
turns of several batches, and a kind's figure is the median of its batches.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from time import thread_time

import msgspec
import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image
from rich.console import Console
from rich.table import Table

from epiluma.bench.drawn import write_drawn
from epiluma.bench.errors import BenchError
from epiluma.datasets import cache
from epiluma.datasets.record import Sample
from epiluma.imaging.preprocess import to_square

Bytes = npt.NDArray[np.uint8]

SIDE = 256
BATCH = 64
REPEATS = 15
IN_A_ROW = {"cached": 16, "copy": 16, "jpeg": 3, "original": 3}
"""Batches in one turn: most of them then find the processor's caches as their own kind of work has left them."""
DRAWN = 48
"""Lesions drawn where no folder is given; in all eight orientations they fill more than a processor's cache."""
MOST = 2_048
"""Pictures that are measured of a larger folder, evenly spaced: 400 MB decoded."""
AIMS = {"cached_over_jpeg": 20, "cached_over_original": 50}


class DataBench(msgspec.Struct, frozen=True, kw_only=True):
    """What `epiluma bench data` measured, in images per second of processor time on one thread."""

    images: int
    source: str
    """`files`, or `drawn` when no folder was given."""
    saved_again: int
    """Pictures that were no 256 px JPEG and were saved as one first."""
    originals: int
    originals_source: str
    batch: int
    repeats: int
    """Turns of each peer; of the cache and of copying, twice as many."""
    cached: float
    """Shuffled batches from the decoded cache, (64, 256, 256, 3) uint8, contiguous, as the training takes them."""
    cached_first_pass: float
    """The same, in the first pass after the cache was opened: the system still has to map its pages."""
    copy: float
    """The limit: copying as many contiguous bytes."""
    jpeg: float
    """The peer: Pillow decodes the 256 px JPEG files into the same batches."""
    original: float
    """The peer: Pillow decodes larger originals and resizes their centred square to 256 px."""
    cached_over_jpeg: float
    cached_over_original: float
    pillow_version: str
    numpy_version: str


def run(root: Path | None, *, originals: Path | None, as_json: bool = False) -> None:
    """Measure and print. `root` and `originals` are folders of JPEG files. Raises BenchError or DataError."""
    with tempfile.TemporaryDirectory() as scratch:
        measured = measure(root, originals=originals, scratch=Path(scratch))
    if as_json:
        sys.stdout.write(msgspec.json.encode(measured).decode() + "\n")
    else:
        Console(highlight=False).print(render(measured), conditions(measured), sep="\n", soft_wrap=True)


def measure(root: Path | None, *, originals: Path | None, scratch: Path) -> DataBench:
    """Run all measurements; `scratch` holds the decoded cache and what has to be drawn. Raises BenchError."""
    drawn = [] if root and originals else _jpegs(write_drawn(_folder(scratch / "drawn"), count=DRAWN))
    large = _jpegs(originals) if originals else drawn
    given = _spread_out(_jpegs(root)) if root else drawn
    small, saved_again = _small(given, _folder(scratch / "small"), turned=root is None)
    squares = cache.decoded([_sample(path) for path in small], size=SIDE, folder=scratch / "cache")
    first_pass = _first_pass(squares)
    times = _time_in_turn(squares, small, large)
    cached, copy, jpeg, original = (BATCH / median(times[kind]) for kind in ("cached", "copy", "jpeg", "original"))
    return DataBench(
        images=len(small),
        source="files" if root else "drawn",
        saved_again=saved_again,
        originals=len(large),
        originals_source="files" if originals else "drawn",
        batch=BATCH,
        repeats=REPEATS,
        cached=round(cached),
        cached_first_pass=round(first_pass),
        copy=round(copy),
        jpeg=round(jpeg, 1),
        original=round(original, 1),
        cached_over_jpeg=round(cached / jpeg, 1),
        cached_over_original=round(cached / original, 1),
        pillow_version=PIL.__version__,
        numpy_version=np.__version__,
    )


def render(measured: DataBench) -> Table:
    """The figures as an aligned table."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for name in ("", "images/s", "cache is faster by", "aim"):
        table.add_column(name, justify="left" if not name else "right")
    table.add_row(f"decoded cache, shuffled batches of {measured.batch}", f"{measured.cached:,.0f}")
    table.add_row("the same, first pass after opening", f"{measured.cached_first_pass:,.0f}")
    table.add_row("copying memory (the limit)", f"{measured.copy:,.0f}", f"{measured.cached / measured.copy:.2f}x")
    for label, rate, key in (
        ("Pillow, 256 px JPEG", measured.jpeg, "cached_over_jpeg"),
        ("Pillow, originals, resized", measured.original, "cached_over_original"),
    ):
        table.add_row(label, f"{rate:,.0f}", f"{getattr(measured, key):.1f}x", f"{AIMS[key]}x")
    return table


def conditions(measured: DataBench) -> str:
    """What the figures hold for, in one line."""
    return (
        f"{measured.images:,} pictures ({measured.source}, {measured.saved_again} saved again as 256 px JPEG), "
        f"{measured.originals} originals ({measured.originals_source}), median of {measured.repeats} turns, "
        f"one thread, processor time, files in the page cache, "
        f"Pillow {measured.pillow_version}, numpy {measured.numpy_version}"
    )


def from_cache(squares: Bytes, chosen: npt.NDArray[np.intp], out: Bytes) -> Bytes:
    """(b, 256, 256, 3): the expression by which the training takes a batch."""
    return cache.gather(squares, np.sort(chosen), out)


def by_pillow(paths: Sequence[Path], out: Bytes) -> Bytes:
    """Decode JPEG files into `out` (b, 256, 256, 3); other sizes are cut to their centred square and resized."""
    for k, path in enumerate(paths):
        with Image.open(path) as opened:
            photo = opened if opened.mode == "RGB" else opened.convert("RGB")
            out[k] = np.asarray(photo) if photo.size == (SIDE, SIDE) else to_square(photo, SIDE)
    return out


def _time_in_turn(squares: Bytes, small: Sequence[Path], large: Sequence[Path]) -> dict[str, list[float]]:
    """Seconds of each batch of each kind; before each peer's turn the cache and the plain copy have theirs."""
    random = np.random.default_rng(0)
    out = np.zeros((BATCH, SIDE, SIDE, 3), np.uint8)
    times: dict[str, list[float]] = {"cached": [], "copy": [], "jpeg": [], "original": []}
    for turn in range(REPEATS + 1):
        for peer, paths in (("jpeg", small), ("original", large)):
            for kind in ("cached", "copy", peer):
                for _ in range(IN_A_ROW[kind]):
                    take = _batch_of(kind, squares, paths, random, out)
                    begun = thread_time()
                    take()
                    if turn:  # the first round warms up
                        times[kind].append(thread_time() - begun)
    return times


def _batch_of(
    kind: str, squares: Bytes, paths: Sequence[Path], random: np.random.Generator, out: Bytes
) -> Callable[[], object]:
    """What makes the next batch of a kind, of pictures that are chosen here."""
    if kind == "cached":
        return partial(from_cache, squares, _draw(random, len(squares)), out)
    if kind == "copy":
        start = int(random.integers(max(1, len(squares) - BATCH)))
        near = squares[start : start + BATCH]
        return partial(np.copyto, out[: len(near)], near)
    return partial(by_pillow, [paths[i] for i in _draw(random, len(paths))], out)


def _draw(random: np.random.Generator, n: int) -> npt.NDArray[np.intp]:
    """A shuffled batch; a folder smaller than a batch is gone through again."""
    return np.resize(random.permutation(n), BATCH)


def _first_pass(squares: Bytes) -> float:
    """Images per second over all pictures once, in shuffled batches."""
    order = np.random.default_rng(1).permutation(len(squares))
    out = np.zeros((BATCH, *squares.shape[1:]), np.uint8)
    begun = thread_time()
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        from_cache(squares, chosen, out[: len(chosen)])
    return len(order) / (thread_time() - begun)


def _small(paths: Sequence[Path], folder: Path, *, turned: bool) -> tuple[list[Path], int]:
    """The pictures as 256 px JPEG files, and how many had to be saved as such: with `turned`, in eight orientations."""
    small, saved = [], 0
    for i, path in enumerate(paths):
        with Image.open(path) as photo:
            if photo.size == (SIDE, SIDE):
                small.append(path)
                continue
            square = Image.fromarray(to_square(photo.convert("RGB"), SIDE))
        for turn in (None, *Image.Transpose) if turned else (None,):
            small.append(folder / f"{i:05}-{turn}.jpg")
            (square if turn is None else square.transpose(turn)).save(small[-1], quality=92)
            saved += 1
    return small, saved


def _jpegs(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"})
    if not found:
        raise BenchError(f"{folder}: no JPEG file is there; name a folder of photos, or none to use drawn ones")
    return found


def _spread_out(paths: Sequence[Path]) -> list[Path]:
    return [paths[i] for i in np.linspace(0, len(paths) - 1, min(MOST, len(paths))).round().astype(int)]


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _sample(path: Path) -> Sample:
    return Sample(image_id=path.stem, path=path, diagnosis="", source="bench", modality="dermoscopy", licence="")
