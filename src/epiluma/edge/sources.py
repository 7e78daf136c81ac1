"""Where a device's photos come from: a folder that is watched, or a camera."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from epiluma.edge.queue import FileVersion, Queue
from epiluma.errors import EpilumaError
from epiluma.imaging.decode import MAX_BYTES
from epiluma.inference.command import photo_files

CAPTURE_TIMEOUT_S = 30
_WARM_UP = 10
"""Frames that a camera takes to find its exposure."""


class SourceError(EpilumaError):
    """Photos cannot be had from there; the message says what is missing."""


class Found(NamedTuple):
    """A photo's bytes, at most one more than may be decoded, and where they are from."""

    name: str
    data: bytes
    file: FileVersion | None


class Closed(NamedTuple):
    """A file that cannot be opened now; it is asked for again."""

    name: str
    why: str


class Source(Protocol):
    """Something that gives photos whenever it is asked."""

    changing: list[str]
    """Names of what is there and was not yet whole when last asked."""

    def ready(self, queue: Queue) -> Iterator[Found | Closed]:
        """The photos that are there now and not in the queue. Raises SourceError."""
        ...


class Folder:
    """The photos in a folder and the folders in it, each once it has stopped changing."""

    def __init__(self, path: Path, *, settle: float) -> None:
        """A file is whole when size and time have stayed the same for `settle` seconds. Raises SourceError."""
        self.path, self._settle = path, settle
        self.changing: list[str] = []
        self._since: dict[FileVersion, float] = {}
        self._done: set[FileVersion] = set()
        self._check()

    def ready(self, queue: Queue) -> Iterator[Found | Closed]:
        """See Source."""
        self._check()
        now, before, done = time.monotonic(), self._since, self._done
        self._since, self._done, self.changing = {}, set(), []
        for path in photo_files([self.path]):
            if not isinstance(path, Path) or path.name.startswith("."):
                continue  # an empty folder, or a name that programs use for what is not yet whole
            version = _version(path)
            if version is None:
                continue
            if version in done or queue.has_seen(version):
                self._done.add(version)
                continue
            if not path.is_file():
                yield Closed(_shown(path), "The file cannot be opened (it is no plain file).")
                continue
            self._since[version] = before.get(version, now)
            if now - self._since[version] < self._settle:
                self.changing.append(_shown(path))
                continue
            found = _read(path, version)
            if isinstance(found, Closed) or _version(path) == version:
                yield found

    def _check(self) -> None:
        if not self.path.is_dir():
            raise SourceError(f"{self.path}: no such folder; is its disk mounted?")


class Camera:
    """A V4L2 camera, one photo every `every` seconds, through the program ffmpeg."""

    def __init__(self, device: str, *, every: float) -> None:
        """Raises SourceError when ffmpeg is not installed or there is no such device."""
        self.changing: list[str] = []
        self.device, self._every, self._next = device, every, 0.0
        ffmpeg = shutil.which("ffmpeg")
        if ffmpeg is None:
            raise SourceError("a camera needs the program ffmpeg; install it, as in `apt install ffmpeg`")
        if not Path(device).exists():
            raise SourceError(f"{device}: no such camera; `ls /dev/video*` shows those that are there")
        take = ("-f", "v4l2", "-i", device, "-vf", rf"select=gte(n\,{_WARM_UP})", "-frames:v", "1")
        give = ("-c:v", "mjpeg", "-q:v", "1", "-f", "image2", "-update", "1", "pipe:1")
        self._command = (ffmpeg, "-nostdin", "-hide_banner", "-loglevel", "error", *take, *give)

    def ready(self, queue: Queue) -> Iterator[Found]:
        """See Source: nothing, or one photo."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._every
        try:
            done = subprocess.run(self._command, capture_output=True, timeout=CAPTURE_TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SourceError(f"{self.device}: the camera gave no photo ({error})") from error
        if done.returncode or not done.stdout:
            said = done.stderr.decode(errors="replace").strip().splitlines() or [f"ffmpeg ended with {done.returncode}"]
            raise SourceError(f"{self.device}: the camera gave no photo ({said[-1]})")
        yield Found(time.strftime("camera-%Y%m%dT%H%M%SZ.jpg", time.gmtime()), done.stdout[: MAX_BYTES + 1], None)


def _version(path: Path) -> FileVersion | None:
    try:
        facts = path.stat()
    except OSError:
        return None  # gone since it was listed
    return FileVersion(os.fsencode(path.absolute()), facts.st_size, facts.st_mtime_ns)


def _read(path: Path, version: FileVersion) -> Found | Closed:
    name = _shown(path)
    try:
        with path.open("rb") as file:
            return Found(name, file.read(MAX_BYTES + 1), version)  # one byte more than allowed: enough to refuse it
    except OSError as error:
        return Closed(name, f"The file cannot be opened ({error.strerror}).")


def _shown(path: Path) -> str:
    """The file's name as text, also when its bytes are none."""
    return os.fsencode(path.name).decode(errors="replace")
