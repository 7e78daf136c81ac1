"""What every format needs of its files: safe names and labels, whole files and new ones, and what comes out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from epiluma.datasets import fields
from epiluma.datasets.annotations.region import Annotation
from epiluma.datasets.record import DataError, Omitted, Reason

T = TypeVar("T")

MAX_BYTES = 512_000_000
"""Of one annotation file; COCO's largest (train 2017) has 449 MB."""
MAX_NAME = 200
"""Bytes of an image's name; file systems end at 255, suffixes included."""
_TEXT = re.compile("[\\u0020-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]+")
"""What XML 1.0 can hold, without line breaks."""


class Stray(NamedTuple):
    """A region whose image is not there."""

    omitted: Omitted


class Source(NamedTuple):
    """What a format's `read` gives."""

    classes: tuple[str, ...]
    """Every label that a region may have, in the order of their numbers."""
    items: Iterator[Annotation | Omitted | Stray]
    """Each image of the source, or why it could not be read; and regions that belong to none."""


class Written(NamedTuple):
    """What became of the regions of one image."""

    omitted: tuple[Omitted, ...] = ()
    """Regions that the format cannot say, because others hide them."""
    notes: tuple[str, ...] = ()
    """Regions that lost some pixels to others on top of them."""


class Writer(Protocol):
    """What a format's `Writer(out, classes)` gives."""

    def add(self, annotation: Annotation) -> Written:
        """Write one image. Raises DataError when the format cannot hold it; nothing is written then."""

    def close(self) -> None:
        """Write what belongs to the whole set."""


class Format(NamedTuple):
    """How to recognise, read and write one format."""

    about: str
    recognise: Callable[[Path], bool]
    """Whether a file or folder looks like it; reads little of it."""
    read: Callable[[Path, Sequence[str]], Source]
    """Source and class names in the order of their numbers (none: as the files say). Raises DataError."""
    writer: Callable[[Path, tuple[str, ...]], Writer]
    """Place and class names. Raises DataError when the place holds something already."""


def omitted(where: str, image: str, reason: object, kind: Reason = "broken") -> Omitted:
    """An image or region that is left out."""
    return Omitted(where=where, image_id=image, kind=kind, reason=str(reason))


def attempt(where: str, image: str, build: Callable[[], Annotation]) -> Annotation | Omitted:
    """What `build` gives, or why it cannot be."""
    try:
        return build()
    except DataError as reason:
        return omitted(where, image, reason)


def label_text(label: str) -> str:
    """The label without surrounding blanks. Raises DataError for an empty one or control characters."""
    if not _TEXT.fullmatch(label.strip()):
        raise DataError(f"label {label!r} is empty or holds control characters")
    return label.strip()


def known_label(label: str, classes: Sequence[str]) -> str:
    """The label as `classes` has it. Raises DataError that names the nearest."""
    if (wanted := label_text(label)) not in classes:
        raise fields.UnmappedLabel(wanted, classes)
    return wanted


def image_name(name: str, root: Path) -> str:
    """The image's name with `/` between folders. Raises DataError when it leads out of `root` or cannot be a name."""
    plain = name.strip().replace("\\", "/")  # tools on Windows write their own separator
    if not _TEXT.fullmatch(plain) or re.match("[A-Za-z]:", plain):
        raise DataError(f"image name {name!r} is empty, names a drive or holds control characters")
    if len(plain.encode()) > MAX_NAME:
        raise DataError(f"image name {plain[:40]!r}... is longer than {MAX_NAME} bytes")
    path = fields.inside(root, plain)
    if ".." in path.relative_to(root).parts or path == root:
        raise DataError(f"image name {name!r} is not a plain path below {root}")
    return path.relative_to(root).as_posix()


def stem_of(name: str) -> str:
    """The image's name without the suffix of a picture; folders are kept."""
    path = Path(name)
    return path.with_suffix("").as_posix() if path.suffix.casefold() in fields.IMAGE_SUFFIXES else name


def read_bytes(path: Path) -> bytes:
    """The file's content. Raises DataError when it is not there or too large."""
    check_bytes(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def check_bytes(path: Path) -> None:
    """Raises DataError when the file is not there or too large."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    if size > MAX_BYTES:
        raise DataError(f"{path}: larger than {MAX_BYTES // 1_000_000} MB; split it")


def decoded(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    """JSON as a typed thing. Raises DataError with the place in it."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(str(error)) from error
    except RecursionError as error:
        raise DataError("JSON that is nested too deeply") from error


def decodes(path: Path, kind: type) -> bool:
    """Whether a file is JSON that holds such a thing."""
    try:
        decoded(read_bytes(path), kind)
    except DataError:
        return False
    return True


def files_below(source: Path, suffix: str) -> list[Path]:
    """The source itself when it is a file, or every file with that suffix below it, in name order."""
    if source.is_file():
        return [source] if source.suffix.casefold() == suffix else []
    return sorted(path for path in source.rglob(f"*{suffix}") if path.is_file() and not path.name.startswith("."))


def single_file(source: Path, names: Sequence[str], recognise: Callable[[Path], bool]) -> Path:
    """The source, or the one file in it that matches one of the patterns and is recognised. Raises DataError."""
    if source.is_file():
        return source
    found = sorted({path for name in names for path in source.glob(name) if recognise(path)})
    if len(found) != 1:
        listed = f"several ({', '.join(path.name for path in found)})" if found else f"none ({', '.join(names)})"
        raise DataError(f"{source}: expected one annotation file, found {listed}; name the file itself")
    return found[0]


def empty_folder(out: Path) -> Path:
    """The folder, made when it is not there. Raises DataError when something is in it."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is not an empty folder; name a new one")
    out.mkdir(parents=True, exist_ok=True)
    return out


def new_file(out: Path, suffix: str) -> Path:
    """`out` when it has that suffix, or `annotations` with it in that new folder. Raises DataError when it exists."""
    path = out if out.suffix.casefold() == suffix else empty_folder(out) / f"annotations{suffix}"
    if path.exists():
        raise DataError(f"{path}: exists already; name a new file")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def file_for(folder: Path, image: str, suffix: str) -> Path:
    """Where an image's own file goes. Raises DataError when two images would share it."""
    path = fields.inside(folder, stem_of(image) + suffix)
    if path.exists():
        raise DataError(f"another image's file is already {path}; names must differ before their suffix")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
