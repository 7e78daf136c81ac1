"""What is measured: one opened bundle, and the photos that it judges."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec
from PIL import Image

from epiluma.bench.errors import BenchError
from epiluma.export.picking import evenly
from epiluma.imaging.containers import read_container
from epiluma.imaging.decode import PhotoError, decode_photo
from epiluma.inference.command import photo_files
from epiluma.inference.locate import find_bundle
from epiluma.inference.result import Screening, ScreeningError
from epiluma.inference.screen import Screener

MOST, MOST_LARGE = 200, 24
"""Photos that are gone through again and again, as they are and at 12 megapixels: they stay in memory."""
LARGE = 12_000_000
"""Pixels of a large photo."""


class Effort(NamedTuple):
    """How much is measured."""

    screenings: int = 2000
    """Of each run, for a 99th percentile."""
    runs: int = 3
    decoded: int = 1000
    """Most photos that are screened with scaled and with full decoding."""
    seconds: float = 3.0
    """Of each stretch in which processes work at once."""

    def share(self, part: int) -> int:
        """As many times as a task is done of which `part` times fewer will do."""
        return max(1, self.screenings // part)


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A photo that no figure is made of, since it is not judged: its screening has other parts than those of others."""

    file: str
    large: bool
    """Left out at 12 megapixels."""
    reason: str


class Photo(NamedTuple):
    """A photo that is judged."""

    path: Path
    data: bytes
    size: tuple[int, int]
    """Width and height, pixels."""


class Subject:
    """One screener, and photos as they are asked for: the cost of choosing them falls on no figure."""

    def __init__(self, paths: Sequence[Path], bundle: Path | None) -> None:
        """Open the bundle. Raises BundleError and SessionError."""
        self.named, self.bundle_path = tuple(paths), bundle
        self.screener = Screener(find_bundle(bundle))
        self.left_out: list[LeftOut] = []

    @property
    def decoded_side(self) -> int:
        """Pixels that a screening keeps at least half of, of a photo's shorter side."""
        return self.screener.view.decoded_side(self.screener.session.size)

    @cached_property
    def files(self) -> list[Path]:
        """All photos that were named. Raises BenchError when a folder has none, or a name is no file."""
        found = list(photo_files(self.named))
        for one in found:
            if isinstance(one, ScreeningError):
                raise BenchError(f"{one.file}: {one.error}")
            if not one.is_file():
                raise BenchError(f"{one}: there is no such file; name photos or folders of photos")
        return [one for one in found if isinstance(one, Path)]

    @cached_property
    def photos(self) -> list[Photo]:
        """At most MOST that are judged, evenly picked. Raises BenchError when there is none."""
        return self._judged(self.picked(MOST), read, large=False)

    @cached_property
    def large(self) -> list[Photo]:
        """At most MOST_LARGE of them, as JPEGs of 12 megapixels or more. Raises BenchError when none is judged."""
        chosen = [self.photos[i] for i in evenly(len(self.photos), MOST_LARGE)]
        data = {photo.path: photo.data for photo in chosen}
        return self._judged(list(data), lambda path: as_large(data[path]), large=True)

    def picked(self, most: int) -> list[Path]:
        """So many of the files at most, evenly spread."""
        return [self.files[i] for i in evenly(len(self.files), most)]

    def screen(self, photo: Photo) -> Screening:
        """A whole screening: bytes in, the complete result out."""
        return self.screener.screen(photo.data, file=str(photo.path))

    def _judged(self, paths: Sequence[Path], load: Callable[[Path], bytes], *, large: bool) -> list[Photo]:
        judged, reasons = list[Photo](), Counter[str]()
        for path in paths:
            try:
                data = load(path)
                found = self.screener.screen(data, file=str(path))
            except PhotoError as error:
                reason = error.reason
            else:
                if found.diagnosis is not None:
                    judged.append(Photo(path, data, (found.width, found.height)))
                    continue
                reason = found.recommendation.reason
            self.left_out.append(LeftOut(file=str(path), large=large, reason=reason))
            reasons[reason] += 1
        if not judged:
            size = " at 12 megapixels" if large else ""
            why = "; ".join(f"{count}: {reason}" for reason, count in reasons.most_common(3))
            raise BenchError(
                f"none of {len(paths)} photos{size} is judged with this bundle ({why}); name photos that are"
            )
        return judged


def read(path: Path) -> bytes:
    """The bytes of a file. Raises PhotoError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PhotoError(f"The file cannot be opened ({error.strerror}).") from error


def as_large(data: bytes) -> bytes:
    """The photo as it is where it is a JPEG of 12 megapixels or more, otherwise enlarged. Raises PhotoError."""
    found = read_container(data)
    return data if found.format == "JPEG" and found.width * found.height >= LARGE else enlarged(data)


def enlarged(data: bytes) -> bytes:
    """The photo as a JPEG of 12 megapixels, upright, in its own proportions. Raises PhotoError."""
    photo = decode_photo(data).image
    scale, file = math.sqrt(LARGE / (photo.width * photo.height)), io.BytesIO()
    size = round(photo.width * scale), round(photo.height * scale)
    photo.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=92)
    return file.getvalue()


def sizes(photos: Sequence[Photo]) -> str:
    """Pixels of the photos, in words."""
    found = sorted({photo.size for photo in photos})
    first, last = (f"{width} x {height}" for width, height in (found[0], found[-1]))
    return first if first == last else f"{first} to {last}"
