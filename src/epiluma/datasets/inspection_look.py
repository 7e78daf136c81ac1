"""Looking at one photo: read once, hashed, decoded, measured. Runs in worker processes."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

import cv2
import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.bundle import Bundle
from epiluma.datasets.inspection_store import Stamp, Store
from epiluma.imaging import artefacts, quality
from epiluma.imaging.artefacts import Artefacts, Frame, Mask
from epiluma.imaging.decode import MAX_BYTES, Decoded, PhotoError, decode_photo
from epiluma.imaging.skin import estimate_lesion, skin_tone
from epiluma.inference.features import FeatureSession

VERSION = 1
"""Raise it whenever decoding or a measure changes: what was kept under another version is not used."""
SIDE = 32
"""Side of the thumbnails, pixels."""
NO_MASK = "none"
UNREADABLE = "unreadable"
"""In place of the hash of a mask that is named and cannot be read."""


class Look(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one file's content."""

    error: str
    width: int = 0
    height: int = 0
    thumb: bytes = b""
    """(32, 32, 3) uint8."""
    measures: dict[str, float] = {}


class Job(NamedTuple):
    """A photo to look at."""

    path: str
    """Absolute, as the mask's."""
    mask: str
    """Empty when there is none."""


class Report(NamedTuple):
    """What came of a job."""

    sha256: str
    mask: str
    """Hash of the mask file, or `NO_MASK`, or `UNREADABLE`."""
    error: str
    """Why the file could not be read at all; then nothing is kept."""
    bodies: list[tuple[str, bytes]]
    """To be kept, by key; empty when all was there."""
    hashes: list[tuple[str, Stamp, str]]


def look_key(sha256: str, mask: str) -> str:
    """Key of a `Look`."""
    return f"look {VERSION} {sha256} {mask}"


def features_key(sha256: str, bundle_id: str) -> str:
    """Key of a photo's features (float16 bytes). They do not depend on the mask."""
    return f"features {VERSION} {sha256} {bundle_id}"


class Looker:
    """Does jobs; holds the network and a read-only view of what is kept already."""

    def __init__(self, folder: Path, bundle: Bundle | None) -> None:
        cv2.setNumThreads(1)  # one process per core
        self._store = Store(folder, read_only=True)
        self._network = FeatureSession(bundle) if bundle else None
        self._bundle_id = bundle.id if bundle else ""
        self._shorter_side = max(quality.SIDE, self._network.size if self._network else 0)

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def do(self, job: Job) -> Report:
        """Look at one photo; whatever is wrong with the file is in the report."""
        try:
            source, stamp = read_file(job.path)
        except OSError as error:
            return Report("", NO_MASK, error.strerror or str(error), [], [])
        sha256 = hashlib.sha256(source).hexdigest()
        hashes = [(job.path, stamp, sha256)]
        mask_hash, mask_source = NO_MASK, b""
        if job.mask:
            try:
                mask_source, mask_stamp = read_file(job.mask)
                mask_hash = hashlib.sha256(mask_source).hexdigest()
                hashes.append((job.mask, mask_stamp, mask_hash))
            except OSError:
                mask_hash = UNREADABLE
        return Report(sha256, mask_hash, "", self._missing(source, sha256, mask_source, mask_hash), hashes)

    def _missing(self, source: bytes, sha256: str, mask_source: bytes, mask: str) -> list[tuple[str, bytes]]:
        """The bodies of this content that are not kept yet."""
        wanted = [look_key(sha256, mask)]
        if self._network:
            wanted.append(features_key(sha256, self._bundle_id))
        kept = {key for key, _ in self._store.get(wanted)}
        if kept.issuperset(wanted):
            return []
        try:
            photo = decode_photo(source, shorter_side=self._shorter_side)
        except PhotoError as error:
            return [(wanted[0], msgspec.msgpack.encode(Look(str(error))))]
        bodies = []
        if wanted[0] not in kept:
            look = _look(photo, None if mask == NO_MASK else _mask(mask_source, photo))
            bodies.append((wanted[0], msgspec.msgpack.encode(look)))
        if self._network and wanted[1] not in kept:
            features = self._network.of_photo(photo.image).astype("<f2")
            bodies.append((wanted[1], features.tobytes()))
        return bodies


def read_file(path: str | Path) -> tuple[bytes, Stamp]:
    """A file's bytes, and the state that they were read in.

    Raises OSError also for what is no regular file (a pipe would wait, a device never end) and for one that is too
    large for a photo.
    """
    if not stat.S_ISREG(Path(path).stat().st_mode):  # before it is opened: opening a pipe waits for its other end
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    with Path(path).open("rb") as file:
        state = os.fstat(file.fileno())
        if state.st_size > MAX_BYTES:
            raise OSError(errno.EFBIG, f"The file is larger than {MAX_BYTES // 1_000_000} MB", str(path))
        return file.read(MAX_BYTES + 1), Stamp(state.st_size, state.st_mtime_ns)


def _mask(source: bytes, photo: Decoded) -> Mask | str:
    """The lesion, (height, width) of the photo, or why there is none."""
    try:
        mask = decode_photo(source)
    except PhotoError as error:
        return str(error)
    if (mask.width, mask.height) != (photo.width, photo.height):
        return f"the mask has {mask.width} x {mask.height} pixels"
    grey = np.asarray(mask.image.convert("L"))
    return np.asarray(grey > int(grey.max()) // 2)  # 0 and 255, and 0 and 1, are both in use


def _look(photo: Decoded, mask: Mask | str | None) -> Look:
    frame = artefacts.working_frame(photo.image)
    found = artefacts.find_artefacts(frame)
    given = isinstance(mask, np.ndarray)
    lesion = _shrunk(mask, frame) if isinstance(mask, np.ndarray) else estimate_lesion(frame, found)
    known = given or mask is None  # a mask that is named and cannot be used leaves a gap, and no guess in its place
    tone = skin_tone(frame, lesion, found)
    grade = quality.grade_decoded(photo)
    measures = {
        "sharpness": grade.sharpness,
        "brightness": grade.brightness,
        "contrast": grade.contrast,
        **_light(frame, found),
        "hair": float(found.hair.mean()),
        "ruler": found.ruler,
        "ink": float(found.ink.mean()),
        "dark_corners": float(found.dark_corners.mean()),
        "border": found.border,
        "lesion_share": float(lesion.mean()) if known else np.nan,
        "lesion_touches": _on_edge(lesion) if known else np.nan,
        "ita": tone.ita,
        "ita_error": tone.uncertainty,
    }
    return Look("", photo.width, photo.height, _thumbnail(photo.image).tobytes(), measures)


def _light(frame: Frame, found: Artefacts) -> dict[str, float]:
    """Mean colour, and what the sensor could not tell."""
    red, green, blue = cv2.split(frame)
    black = (cv2.max(cv2.max(red, green), blue) <= 2) & ~found.dark_corners
    white = cv2.min(cv2.min(red, green), blue) >= 253
    means = {name: float(plane.mean()) for name, plane in zip(("red", "green", "blue"), cv2.split(frame), strict=True)}
    return {**means, "clipped_dark": float(black.mean()), "clipped_bright": float(white.mean())}


def _shrunk(mask: Mask, frame: Frame) -> Mask:
    size = (frame.shape[1], frame.shape[0])
    return np.asarray(cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) > 127)


def _on_edge(lesion: Mask) -> float:
    """Share of the outermost pixels of the frame."""
    return float(np.concatenate([lesion[0], lesion[-1], lesion[1:-1, 0], lesion[1:-1, -1]]).mean())


def _thumbnail(photo: Image.Image) -> npt.NDArray[np.uint8]:
    """(32, 32, 3) the whole frame, by area averaging."""
    return np.asarray(cv2.resize(np.asarray(photo), (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
