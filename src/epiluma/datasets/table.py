"""Rows of a publisher's table, each with the place that an error should name."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from epiluma.datasets.record import DataError


def rows(path: Path, columns: set[str], *, delimiter: str = ",") -> Iterator[tuple[str, dict[str, str]]]:
    """Each row below the header as `FILE: line N` and its values by column; further columns are kept, blank
    lines passed over.

    Raises DataError when the file cannot be read, is no such table, lacks one of `columns`, or when a row has too
    few or too many values.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets put a mark before the first name
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            names = next(reader, [])
            if missing := columns - set(names):
                raise DataError(f"{path}: column {', '.join(sorted(missing))} is missing")
            for values in reader:
                where = f"{path}: line {reader.line_num}"
                if values and len(values) != len(names):
                    raise DataError(f"{where}: {len(values)} values for {len(names)} columns")
                if values:
                    yield where, dict(zip(names, values, strict=True))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is not a table in UTF-8 ({error})") from error
