"""A folder of fetched images: what is there, what was decided, and the table at the end.

Nothing in it is half: files are renamed into place when they are whole, and a journal line that a crash cut off is
dropped and its image looked at again.
"""

from __future__ import annotations

import csv
import io
import os
from datetime import date
from pathlib import Path

import msgspec

from epiluma.datasets.record import DataError, Reason
from epiluma.isic_api import write_whole

TABLE = "metadata.csv"
JOURNAL = "fetched.jsonl"
QUERY = "query.json"
_FIRST = ("isic_id", "attribution", "copyright_license")


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the journal: an image that is there, or why it is not."""

    isic_id: str
    row: dict[str, str] = {}
    """Its row of the table; empty when it was left out."""
    reason: str = ""
    """Why it was left out, or empty."""
    kind: Reason | None = None


class _Query(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a folder was fetched for."""

    query: str
    api: str
    date: str = ""
    """Day (UTC) of the last fetch that came to its end; empty before."""
    count: int | None = None
    """Images that match, as the archive counted them when it was last asked."""
    images: int = 0
    omitted: int = 0


class Folder:
    """The state of one fetch on disk. Writes nothing before the first image is decided."""

    def __init__(self, path: Path, *, query: str, api: str) -> None:
        """Raises DataError when the folder holds another query, or anything else."""
        self.path = path
        self.api = api
        self.query = _own_query(path, query, api)
        self.entries = _read_journal(path / JOURNAL)
        """Last word on each image, by id."""
        self.images = {name for name, entry in self.entries.items() if entry.row and self._file(name).is_file()}
        """Ids of the images that are there."""

    def holds(self, isic_id: str) -> bool:
        """Whether an image is there: under its name it is whole, in the journal or not yet."""
        return self._file(isic_id).is_file()

    def save(self, isic_id: str, data: bytes) -> None:
        """Write one image, whole or not at all."""
        self._begin()
        write_whole(self._file(isic_id), data)

    def drop(self, isic_id: str) -> None:
        """Remove an image that may not be used any more."""
        self._file(isic_id).unlink(missing_ok=True)
        self.images.discard(isic_id)

    def note(self, entry: Entry) -> None:
        """Write a decision into the journal, unless it says so already."""
        if entry.row:
            self.images.add(entry.isic_id)
        if self.entries.get(entry.isic_id) == entry:
            return
        self._begin()
        with (self.path / JOURNAL).open("ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.entries[entry.isic_id] = entry

    def matched(self, count: int | None) -> None:
        """Keep how many images the archive has for the query, when it says so."""
        if count is not None:
            self.query = msgspec.structs.replace(self.query, count=count)

    def finish(self, day: date) -> None:
        """Write the table, in id order, and what the folder now holds."""
        self._begin()
        for part in self.path.rglob("*.part"):  # left by a fetch that was killed
            part.unlink()
        rows = [self.entries[isic_id].row for isic_id in sorted(self.images)]
        further = sorted({name for row in rows for name in row} - set(_FIRST))
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, [*_FIRST, *further], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_whole(self.path / TABLE, buffer.getvalue().encode())
        self._write_query(
            msgspec.structs.replace(
                self.query,
                date=day.isoformat(),
                images=len(rows),
                omitted=sum(bool(entry.reason) for entry in self.entries.values()),
            )
        )

    def _begin(self) -> None:
        """Make the folder and say what it is for, before anything else lies in it."""
        self.path.mkdir(parents=True, exist_ok=True)
        if not (self.path / QUERY).is_file():
            self._write_query(self.query)
        (self.path / "images").mkdir(exist_ok=True)

    def _write_query(self, query: _Query) -> None:
        self.query = query
        write_whole(self.path / QUERY, msgspec.json.format(msgspec.json.encode(query), indent=2) + b"\n")

    def _file(self, isic_id: str) -> Path:
        return self.path / "images" / f"{isic_id}.jpg"


def _own_query(folder: Path, query: str, api: str) -> _Query:
    """What the folder was fetched for, if that is what is asked now, or a new one for an empty folder."""
    path = folder / QUERY
    if path.is_file():
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_Query)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: is not a fetched query ({error}); give another folder") from error
        if (found.query, found.api) != (query, api):
            raise DataError(f"{path}: the folder holds {found.query!r} of {found.api}; give another one for {query!r}")
        return found
    begun = {f"{Path(QUERY).stem}.part"}  # all that a fetch which was killed can leave without query.json
    if folder.exists() and not (folder.is_dir() and {entry.name for entry in folder.iterdir()} <= begun):
        raise DataError(f"{folder}: is no empty folder and holds no {QUERY}; give a new folder")
    return _Query(query=query, api=api)


def _read_journal(path: Path) -> dict[str, Entry]:
    """The last entry of each image; a last line that was cut off is removed from the file."""
    if not path.is_file():
        return {}
    raw = path.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    entries = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: line {number}: {error}; remove the line to have its image looked at") from error
        entries[entry.isic_id] = entry
    if whole != raw:
        os.truncate(path, len(whole))
    return entries
