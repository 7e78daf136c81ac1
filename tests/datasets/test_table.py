from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma.datasets.record import DataError, MissingImage, Omitted, OutOfScope, Sample
from epiluma.datasets.table import Row, collect, rows, sound_rows

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
    found = list(rows(path, {"a", "b"}, delimiter=delimiter))
    assert [tuple(row.values.values()) for row in found] == table
    assert not any(row.fault for row in found)


def test_rows_know_their_line_also_after_blank_lines_and_line_breaks_in_values(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"x\ny"\n\n2,z\n')
    assert [row.where for row in rows(path, {"a"})] == [f"{path}: line 3", f"{path}: line 5"]


def test_the_mark_that_spreadsheets_put_first_is_not_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("a,b\n1,2\n".encode("utf-8-sig"))
    assert [row.values for row in rows(path, {"a", "b"})] == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "column a, b is missing"),
        (b"a,c\n1,2\n", "column b is missing"),
        (b"a,b\n1,\xff\n", "line 2: is not a table in UTF-8"),
        (b"a,b\n" + 9000 * b"1,2\n" + b"1,\xe9\n", "line 9002: is not a table in UTF-8"),
        (b"a,b,b\n1,2,3\n", "line 1: column 'b' is named twice"),
        (b"\x89PNG\r\n\x1a\n", "line 1: is not a table in UTF-8"),
        (b'a,b\n1,"2\n', "line 2: is no row of a table"),
    ],
)
def test_a_bad_table_is_named_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    for read in (rows, sound_rows):
        with pytest.raises(DataError, match=rf"t\.csv: {reason}"):
            list(read(path, {"a", "b"}))


@pytest.mark.parametrize(
    ("content", "line", "fault"),
    [
        ("a,b\n1,2\n3\n4,5\n", 3, "1 values for 2 columns"),
        ("a,b\n1,2,3\n", 2, "3 values for 2 columns"),
    ],
)
def test_a_malformed_row_comes_with_its_fault_and_does_not_stop_the_others(
    tmp_path: Path, content: str, line: int, fault: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    found = list(rows(path, {"a", "b"}))
    assert len(found) == content.count("\n") - 1
    assert [row for row in found if row.fault] == [Row(f"{path}: line {line}", {}, fault)]
    with pytest.raises(DataError, match=rf"t\.csv: line {line}: {fault}"):
        list(sound_rows(path, {"a", "b"}))


def test_a_table_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path}: Is a directory"):
        list(rows(tmp_path, {"a"}))


def sample_of(row: Row) -> Sample:
    """What an adapter does with the cell `say`."""
    faults: dict[str, Callable[[str], DataError]] = {"scope": OutOfScope, "gone": MissingImage, "bad": DataError}
    if fault := faults.get(row.values["say"]):
        raise fault(f"because of {row.values['id']}")
    return Sample(
        image_id=row.values["id"], path=Path("x"), diagnosis="NV", source="s", modality="dermoscopy", licence="CC0"
    )


def test_each_row_is_a_sample_or_is_explained_by_kind_and_place() -> None:
    says = {"c": "", "b": "scope", "d": "gone", "e": "bad", "a": ""}
    table = [Row(f"t: line {i}", {"id": name, "say": say}) for i, (name, say) in enumerate(says.items(), 2)]
    table.append(Row("t: line 7", {}, "1 values for 2 columns"))
    table.append(Row("t: line 8", {"id": "a", "say": ""}))
    reading = collect(table, sample_of, id_column="id")
    assert [sample.image_id for sample in reading.samples] == ["a", "c"], "in image-id order"
    assert reading.omitted == [
        Omitted(where="t: line 3", image_id="b", kind="out of scope", reason="because of b"),
        Omitted(where="t: line 4", image_id="d", kind="missing", reason="because of d"),
        Omitted(where="t: line 5", image_id="e", kind="broken", reason="because of e"),
        Omitted(where="t: line 7", image_id="", kind="broken", reason="1 values for 2 columns"),
        Omitted(where="t: line 8", image_id="a", kind="broken", reason="image a is named twice"),
    ]


@given(cells=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "scope", "gone", "bad"])), max_size=12))
def test_no_row_is_lost_whatever_the_table_holds(cells: list[tuple[str, str]]) -> None:
    table = [Row(f"t: line {i}", {"id": name, "say": say}) for i, (name, say) in enumerate(cells)]
    reading = collect(table, sample_of, id_column="id")
    assert reading.rows == len(cells)
    assert {sample.image_id for sample in reading.samples} == {name for name, say in cells if not say}


def test_a_mistake_in_an_adapter_is_not_taken_for_one_in_the_table() -> None:
    with pytest.raises(KeyError):
        collect([Row("t: line 2", {"id": "a"})], sample_of, id_column="id")
