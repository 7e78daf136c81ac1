"""Where inspections are kept: one SQLite file, keyed by content, so that nothing is measured twice."""

from __future__ import annotations

import sqlite3
import warnings
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from epiluma.datasets.record import DataError

FILE = "inspections.sqlite3"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS files (
  path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL
) WITHOUT ROWID;
"""
_AT_ONCE = 500
"""Keys of one query: SQLite allows 999 values and more."""
_PATIENCE = 60.0
"""Seconds to wait for another process that is writing."""


class Stamp(NamedTuple):
    """Which state of a file a hash belongs to."""

    size: int
    mtime_ns: int


class Store:
    """Bodies by key, and the hashes of files by path. Each `put` is one transaction: a killed run loses no other.

    A file that is no database, or a broken one, is set aside with a warning and begun anew: it holds nothing that
    cannot be measured again. Raises DataError when the folder cannot be made or the file not be opened or written.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.path = folder / FILE
        self._read_only = read_only
        if not read_only:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise DataError(f"{folder}: cannot be used ({error.strerror}); give another folder") from error
        try:
            self._connection = self._open()
        except sqlite3.OperationalError as error:
            raise self._failure(error) from error
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
            self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        mode = "ro" if self._read_only else "rwc"
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(address, uri=True, timeout=_PATIENCE)
        try:
            if not self._read_only:
                (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
                if verdict != "ok":
                    raise sqlite3.DatabaseError(" ".join(verdict.split()))
                connection.executescript(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _set_aside(self, error: sqlite3.Error) -> None:
        if self._read_only:
            raise self._failure(error) from error
        aside = self.path.with_suffix(".damaged")
        self.path.replace(aside)
        self.path.with_name(f"{FILE}-journal").unlink(missing_ok=True)  # belongs to the file that was set aside
        warnings.warn(f"{self.path}: is damaged ({error}); begun anew, the old one is {aside.name}", stacklevel=4)

    def _failure(self, error: sqlite3.Error) -> DataError:
        return DataError(f"{self.path}: cannot be used ({error}); delete it or give another folder")

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def hashes(self) -> dict[str, tuple[Stamp, str]]:
        """Absolute path -> the state it was last read in, and its SHA-256 then."""
        rows = self._query("SELECT path, size, mtime_ns, sha256 FROM files")
        return {path: (Stamp(size, mtime_ns), sha256) for path, size, mtime_ns, sha256 in rows}

    def get(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """(key, body) of those that are there, each once; a body that is not as it was written is not there."""
        wanted = list(dict.fromkeys(keys))
        damaged = 0
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"SELECT key, body FROM kept WHERE key IN ({marks})"  # nosec B608: question marks and nothing else
            for key, body in self._query(query, some):
                if zlib.crc32(body[4:]).to_bytes(4) == body[:4]:
                    yield key, body[4:]
                else:
                    damaged += 1
        if damaged and not self._read_only:
            warnings.warn(f"{self.path}: {damaged} entries are damaged and are made anew", stacklevel=3)

    def put(self, bodies: Iterable[tuple[str, bytes]], hashes: Iterable[tuple[str, Stamp, str]]) -> None:
        """Keep bodies by key and hashes by (path, state), all of them or none."""
        sealed = [(key, zlib.crc32(body).to_bytes(4) + body) for key, body in bodies]
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", sealed)
                self._connection.executemany(
                    "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
                    [(path, stamp.size, stamp.mtime_ns, sha256) for path, stamp, sha256 in hashes],
                )
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _query(self, sql: str, values: Iterable[str] = ()) -> Iterator[tuple]:  # type: ignore[type-arg]
        try:
            yield from self._connection.execute(sql, list(values))
        except sqlite3.Error as error:
            raise self._failure(error) from error
