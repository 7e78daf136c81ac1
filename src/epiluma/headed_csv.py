"""A CSV file whose first line is a JSON header behind `# `: what is true of the whole table, then its rows."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import msgspec

from epiluma.errors import EpilumaError

HeaderType = TypeVar("HeaderType", bound=msgspec.Struct)


class Line(NamedTuple):
    """One row as it stands in the file."""

    number: int
    """Counted from 1, the header's; of a row that spans several lines, the last."""
    cells: list[str]


class Content(NamedTuple, Generic[HeaderType]):
    """A file that was read: its columns begin with the expected ones, and every row is as long as they are."""

    header: HeaderType
    columns: list[str]
    lines: list[Line]


def write(path: Path | str, header: msgspec.Struct, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write UTF-8 with bare line feeds; folders that are missing are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("# " + msgspec.json.encode(header, order="sorted").decode() + "\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def read(
    path: Path | str,
    header_type: type[HeaderType],
    expected: Callable[[HeaderType], Sequence[str]],
    error: type[EpilumaError],
) -> Content[HeaderType]:
    """Read a table whose columns begin with `expected(header)`. Raises `error` with file, line and reason."""
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            header = _header(file.readline(), header_type)
            reader = csv.reader(file)
            columns = next(reader, [])
            if columns[: len(wanted := list(expected(header)))] != wanted:
                raise _Fault(2, f"expected columns {', '.join(wanted)}")
            lines = [Line(reader.line_num + 1, cells) for cells in reader]
        for number, cells in lines:
            if len(cells) != len(columns):
                raise _Fault(number, f"{len(cells)} cells for {len(columns)} columns")
    except _Fault as fault:
        raise error(f"{path}: {fault}") from fault
    except OSError as fault:
        raise error(f"{path}: cannot be opened ({fault.strerror or fault})") from fault
    except (UnicodeDecodeError, csv.Error) as fault:
        raise error(f"{path}: is not a table in UTF-8 ({fault})") from fault
    return Content(header, columns, lines)


class _Fault(Exception):
    """What is wrong with one line of the file."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")


def _header(line: str, header_type: type[HeaderType]) -> HeaderType:
    if not line.startswith("# "):
        raise _Fault(1, "expected a '# {...}' header")
    try:
        return msgspec.json.decode(line[2:], type=header_type)
    except msgspec.DecodeError as error:
        raise _Fault(1, str(error)) from error
