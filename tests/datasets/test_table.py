from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma.datasets.record import DataError
from epiluma.datasets.table import rows

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\0"), max_size=6)


@settings(max_examples=50, deadline=None)
@given(table=st.lists(st.tuples(TEXT, TEXT), max_size=8), delimiter=st.sampled_from(",\t"))
def test_what_the_csv_module_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, table: list[tuple[str, str]], delimiter: str
) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerows([("a", "b"), *table])
    assert [tuple(row.values()) for _, row in rows(path, {"a", "b"}, delimiter=delimiter)] == table


def test_rows_know_their_line_also_after_blank_lines_and_line_breaks_in_values(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"x\ny"\n\n2,z\n')
    assert [where for where, _ in rows(path, {"a"})] == [f"{path}: line 3", f"{path}: line 5"]


def test_the_mark_that_spreadsheets_put_first_is_not_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("a,b\n1,2\n".encode("utf-8-sig"))
    assert [row for _, row in rows(path, {"a", "b"})] == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "column a, b is missing"),
        (b"a,c\n1,2\n", "column b is missing"),
        (b"a,b\n1,2\n3\n", "line 3: 1 values for 2 columns"),
        (b"a,b\n1,2,3\n", "line 2: 3 values for 2 columns"),
        (b"a,b\n1,\xff\n", "is not a table in UTF-8"),
        (b"\x89PNG\r\n\x1a\n", "is not a table in UTF-8"),
        (b'a,b\n1,"2\n', "is not a table in UTF-8"),
    ],
)
def test_a_bad_table_is_named_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"t\.csv: {reason}"):
        list(rows(path, {"a", "b"}))


def test_a_table_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path}: Is a directory"):
        list(rows(tmp_path, {"a"}))
