"""Rows of a publisher's table, and from rows to a reading in which each row is a sample or is explained."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from epiluma.datasets.record import DataError, MissingImage, Omitted, OutOfScope, Reading, Reason, Sample


class Row(NamedTuple):
    """One row below the header."""

    where: str
    """`FILE: line N`, for messages."""
    values: dict[str, str]
    """By column; empty when the row is malformed."""
    fault: str = ""
    """Why the row is malformed, or empty."""


def in_folder(root: Path, name: str, *, of: str = "", also: str = "") -> Path:
    """The table of a set. Raises DataError when it is not there: the message says `of` what set a table of a common
    name is, and what is there `also`.
    """
    path = root / name
    if not path.is_file():
        wanted = f"{name} of {of}" if of else name
        raise DataError(f"{root}: {wanted} is not there{also}; give the folder that holds it")
    return path


def rows(
    path: Path, columns: Collection[str], *, delimiter: str = ",", names: Sequence[str] | None = None
) -> Iterator[Row]:
    """Each row below the header; further columns are kept, blank lines passed over. `names` are those of a table
    that has no header.

    A row with too few or too many values comes with its fault and no values. Raises DataError when the file cannot
    be read, is no such table, or lacks one of `columns`.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets put a mark before the first name
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            names = names or next(reader, [])
            if missing := set(columns) - set(names):
                raise DataError(f"{path}: column {', '.join(sorted(missing))} is missing")
            if twice := [name for name, count in Counter(names).items() if name and count > 1]:
                raise DataError(f"{path}: line 1: column {', '.join(map(repr, twice))} is named twice")
            for values in reader:
                where = f"{path}: line {reader.line_num}"
                if values and len(values) != len(names):
                    yield Row(where, {}, f"{len(values)} values for {len(names)} columns")
                elif values:
                    yield Row(where, dict(zip(names, values, strict=True)))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise not_utf8(path) from error
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: is no row of a table ({error})") from error


def not_utf8(path: Path) -> DataError:
    """The error for a file that is not UTF-8: it names the line of the first byte that is not."""
    raw = path.read_bytes()
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return DataError(f"{path}: line {line}: is not a table in UTF-8; save it as UTF-8")
    return DataError(f"{path}: changed while it was read")


def sound_rows(path: Path, columns: Collection[str], *, delimiter: str = ",") -> Iterator[Row]:
    """The same for a table that only helps to read another one: a malformed row raises DataError too."""
    for row in rows(path, columns, delimiter=delimiter):
        if row.fault:
            raise DataError(f"{row.where}: {row.fault}")
        yield row


def collect(table: Iterable[Row], build: Callable[[Row], Sample], *, id_column: str) -> Reading:
    """Build a sample of each row; a row that cannot be one is explained instead.

    `build` raises OutOfScope, MissingImage, or any other DataError for a broken row, without the place in the
    message: it is added here. A second row of the same image is broken.
    """
    samples: dict[str, Sample] = {}
    omitted: list[Omitted] = []

    def omit(row: Row, kind: Reason, reason: str) -> None:
        omitted.append(Omitted(where=row.where, image_id=row.values.get(id_column, ""), kind=kind, reason=reason))

    for row in table:
        if row.fault:
            omit(row, "broken", row.fault)
            continue
        try:
            sample = build(row)
        except OutOfScope as reason:
            omit(row, "out of scope", str(reason))
        except MissingImage as reason:
            omit(row, "missing", str(reason))
        except DataError as reason:
            omit(row, "broken", str(reason))
        else:
            if sample.image_id in samples:
                omit(row, "broken", f"image {sample.image_id} is named twice")
            else:
                samples[sample.image_id] = sample
    return Reading(samples=[samples[image_id] for image_id in sorted(samples)], omitted=omitted)
