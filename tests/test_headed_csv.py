"""A CSV with a JSON header: what is written is read, and what is wrong is named by its line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epiluma import headed_csv
from epiluma.errors import EpilumaError


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    names: tuple[str, ...]


class TableError(EpilumaError):
    pass


def columns(header: Header) -> list[str]:
    return ["id", *header.names]


def read(path: Path) -> headed_csv.Content[Header]:
    return headed_csv.read(path, Header, columns, TableError)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=8)


@given(rows=st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=6))
def test_what_is_written_is_read_here_and_by_the_standard_library(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    path = tmp_path_factory.mktemp("table") / "new" / "table.csv"
    headed_csv.write(path, Header(("a",)), ["id", "a", "extra"], rows)
    found = read(path)
    assert found.header == Header(("a",))
    assert found.columns == ["id", "a", "extra"]
    assert [tuple(line.cells) for line in found.lines] == rows
    with path.open(encoding="utf-8", newline="") as file:
        assert json.loads(next(file)[2:]) == {"names": ["a"]}
        assert [tuple(row) for row in csv.reader(file)][1:] == rows


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    headed_csv.write(path, Header(()), ["id"], [["one"], ["two\nlines"], ["three"]])
    assert [line.number for line in read(path).lines] == [3, 5, 6]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be opened"),
        (b"", "line 1: expected a"),
        (b"id\n", "line 1: expected a"),
        (b"# {\n", "line 1: .*truncated"),
        (b'# {"names":[],"more":1}\n', "line 1: .*more"),
        (b'# {"names":["a"]}\n', "line 2: expected columns id, a"),
        (b'# {"names":["a"]}\nid,b\n', "line 2: expected columns id, a"),
        (b'# {"names":["a"]}\nid,a,b\n1,2,3\n1,2\n', "line 4: 2 cells for 3 columns"),
        (b"\xff\xfe", "is not a table in UTF-8"),
        (b'# {"names":[]}\nid\n' + b'"' + b"x" * 200_000, "is not a table in UTF-8"),
    ],
)
def test_a_bad_file_is_named_with_line_and_reason(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match=rf"bad\.csv: {reason}"):
        read(path)
