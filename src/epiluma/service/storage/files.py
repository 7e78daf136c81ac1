"""A folder of files under keys that the server chooses; a file is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_KEY = re.compile(r"[a-z]+/[0-9a-f]{32}/[a-z]+")


class UnsafeKey(ValueError):
    """A key that no part of the service would have chosen."""


class FileStore:
    """Local files under `root`; a key is `kind/<uuid hex>/name`, never anything a visitor typed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, data: bytes) -> None:
        """Write all of `data` or nothing: a temporary file, flushed to the disk, then renamed."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _flush_folder(path.parent)

    def open(self, key: str) -> BinaryIO:
        """The file for reading. Raises FileNotFoundError."""
        return self._path(key).open("rb")

    def delete_folder(self, folder: str) -> None:
        """Remove every file under `kind/<uuid hex>`; quiet when there is none."""
        path = self._path(f"{folder}/x").parent
        with contextlib.suppress(FileNotFoundError):
            for file in path.iterdir():
                file.unlink(missing_ok=True)
            path.rmdir()
            _flush_folder(path.parent)

    def folders(self, kind: str) -> Iterator[tuple[str, float]]:
        """(`kind/<uuid hex>`, time of its last change in seconds) of every folder of a kind."""
        with contextlib.suppress(FileNotFoundError):
            for path in sorted((self.root / kind).iterdir()):
                yield f"{kind}/{path.name}", path.stat().st_mtime

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise UnsafeKey(f"{key!r} is not a key of the file store")
        return self.root / key


def _flush_folder(path: Path) -> None:
    """Make a rename or removal in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
