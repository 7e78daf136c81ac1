"""Photos and their screenings on a device's disk, until a server has them: one SQLite file that survives power cuts.

Every change is one transaction. SQLite syncs file, journal and folder before it says that a transaction is done
(`synchronous=EXTRA`), so what was taken stays taken, whenever the power goes.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from epiluma.errors import EpilumaError

FILE, LOCK = "queue.sqlite3", "lock"
FORMAT = 1
STATES = ("taken", "screened", "sent", "rejected", "unreadable")
"""taken -> screened -> sent or rejected; what is no photo is unreadable."""
_BUSY_S = 30.0
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS photo (
  number INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  taken_at TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN {STATES}),
  photo BLOB,
  screening TEXT,
  bundle TEXT,
  tries INTEGER NOT NULL DEFAULT 0,
  note TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS photo_state ON photo (state, tries, number);
CREATE TABLE IF NOT EXISTS seen (path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS trouble (one INTEGER PRIMARY KEY CHECK (one = 1), at TEXT NOT NULL, said TEXT NOT NULL);
PRAGMA user_version = {FORMAT};
COMMIT;
"""


class QueueError(EpilumaError):
    """A queue that cannot be used: in use, damaged, of another format, or its disk is full."""


class FileVersion(NamedTuple):
    """A file as it was when it was looked at; another size or time is another version."""

    path: bytes
    size: int
    mtime_ns: int


class Taken(NamedTuple):
    """A photo that waits to be screened."""

    sha256: str
    name: str
    photo: bytes


class Screened(NamedTuple):
    """A photo and its screening, which wait to be sent."""

    sha256: str
    taken_at: str
    photo: bytes
    screening: str
    bundle: str


class Failure(NamedTuple):
    """A photo that needs somebody's attention."""

    name: str
    state: str
    note: str


class Queue:
    """One connection to a queue; each thread opens its own."""

    def __init__(self, folder: Path) -> None:
        """Open the queue in `folder`, both made if missing. Raises QueueError."""
        self.folder = folder
        self.file = folder / FILE
        with self._told():
            if not folder.is_dir():
                folder.mkdir(parents=True)
                _sync_folder(folder.parent)
            self._database = sqlite3.connect(self.file, timeout=_BUSY_S, isolation_level=None)
            self._database.execute("PRAGMA auto_vacuum = FULL")  # what was sent gives its space back
            self._database.execute("PRAGMA journal_mode = DELETE")
            self._database.execute("PRAGMA synchronous = EXTRA")
            (found,) = self._database.execute("PRAGMA user_version").fetchone()
            if found == 0:
                self._database.executescript(_SCHEMA)
        if found not in (0, FORMAT):
            raise QueueError(f"{self.file}: is a queue of format {found}, not {FORMAT}; use the Epiluma that made it")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def has_seen(self, file: FileVersion) -> bool:
        """Whether this version of a file was taken before."""
        return bool(self._rows("SELECT 1 FROM seen WHERE path = ? AND size = ? AND mtime_ns = ?", *file))

    def take(self, sha256: str, name: str, photo: bytes | None, *, note: str = "", file: FileVersion | None) -> str:
        """Keep a photo, or that `name` is no photo and why; the name under which these bytes are kept.

        `sha256` is that of the file's own bytes: the same bytes are taken once, whatever their name.
        """
        state = "unreadable" if photo is None else "taken"
        with self._transaction():
            if file is not None:
                self._database.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", file)
            self._database.execute(
                "INSERT OR IGNORE INTO photo (sha256, name, taken_at, state, photo, note) VALUES (?, ?, ?, ?, ?, ?)",
                (sha256, name, _now(), state, photo, note),
            )
            (kept,) = self._database.execute("SELECT name FROM photo WHERE sha256 = ?", (sha256,)).fetchone()
        return str(kept)

    def next_to_screen(self) -> Taken | None:
        """The next photo; one that was begun before comes after the others, so that a bad one stops nothing."""
        rows = self._rows("SELECT sha256, name, photo FROM photo WHERE state = 'taken' ORDER BY tries, number LIMIT 1")
        if not rows:
            return None
        with self._transaction():
            self._database.execute("UPDATE photo SET tries = tries + 1 WHERE sha256 = ?", (rows[0][0],))
        return Taken(*rows[0])

    def screened(self, sha256: str, screening: str, bundle: str) -> None:
        """Keep the screening of a photo that waited for it."""
        change = "UPDATE photo SET state = 'screened', screening = ?, bundle = ? WHERE sha256 = ? AND state = 'taken'"
        self._change(change, screening, bundle, sha256)

    def unreadable(self, sha256: str, why: str) -> None:
        """Keep why a photo could not be read; its bytes go."""
        change = "UPDATE photo SET state = 'unreadable', note = ?, photo = NULL WHERE sha256 = ? AND state = 'taken'"
        self._change(change, why, sha256)

    def next_to_send(self) -> Screened | None:
        """The oldest screening that no server has."""
        rows = self._rows(
            "SELECT sha256, taken_at, photo, screening, bundle FROM photo WHERE state = 'screened' "
            "ORDER BY number LIMIT 1"
        )
        return Screened(*rows[0]) if rows else None

    def sent(self, sha256: str, receipt: str) -> None:
        """A server has it: the photo's bytes go, the screening stays."""
        change = "UPDATE photo SET state = 'sent', note = ?, photo = NULL WHERE sha256 = ? AND state = 'screened'"
        self._change(change, receipt, sha256)

    def rejected(self, sha256: str, why: str) -> None:
        """A server will not have it: it stays here, whole, with the reason."""
        change = "UPDATE photo SET state = 'rejected', note = ? WHERE sha256 = ? AND state = 'screened'"
        self._change(change, why, sha256)

    def retry_rejected(self) -> int:
        """Make what was rejected wait again; how many."""
        with self._transaction():
            change = "UPDATE photo SET state = 'screened', note = '' WHERE state = 'rejected'"
            return self._database.execute(change).rowcount

    def set_trouble(self, said: str) -> None:
        """Keep what went wrong with the server last; nothing when all is well again."""
        with self._transaction():
            self._database.execute("DELETE FROM trouble")
            if said:
                self._database.execute("INSERT INTO trouble VALUES (1, ?, ?)", (_now(), said))

    def trouble(self) -> str:
        """When and what went wrong with the server last, or nothing."""
        rows = self._rows("SELECT at || ': ' || said FROM trouble")
        return str(rows[0][0]) if rows else ""

    def counts(self) -> dict[str, int]:
        """Photos in each state."""
        found = dict(self._rows("SELECT state, count(*) FROM photo GROUP BY state"))
        return {state: int(found.get(state, 0)) for state in STATES}

    def failures(self) -> list[Failure]:
        """Rejected and unreadable photos, oldest first."""
        query = "SELECT name, state, note FROM photo WHERE state IN ('rejected', 'unreadable') ORDER BY number"
        with self._told():
            return [Failure(*row) for row in self._database.execute(query)]

    def screenings(self) -> Iterator[str]:
        """Each screening, oldest first, as one line of JSON."""
        for (line,) in self._rows("SELECT screening FROM photo WHERE screening IS NOT NULL ORDER BY number"):
            yield str(line)

    def _change(self, change: str, *values: str) -> None:
        with self._transaction():
            if self._database.execute(change, values).rowcount != 1:
                raise QueueError(f"{self.file}: photo {values[-1]} is not there as expected; was it changed by hand?")

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._told():
            return self._database.execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._told():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise QueueError(f"{self.file}: the queue cannot be used ({error})") from error


@contextmanager
def only_user(folder: Path) -> Iterator[IO[bytes]]:
    """Hold the queue in `folder` for this process; the kernel lets go when it ends, however it ends.

    Raises QueueError when another process holds it.
    """
    with (folder / LOCK).open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise QueueError(f"{folder}: another `epiluma edge run` uses this queue; give each its own") from error
        yield file


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
