"""What is written is read, wherever the folders lie; what must not be in a manifest is named with row and column."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma.datasets import manifest as manifests
from epiluma.datasets.manifest import Entry, Manifest
from epiluma.datasets.record import DataError, Omitted, Sample
from tests.datasets.manifests import ROOT, manifest_of, sample

replace = msgspec.structs.replace
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0/\\"), max_size=8)
NAME = st.from_regex(r"[A-Za-z0-9_]{1,6}", fullmatch=True)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Any facts an adapter, curation and a split may write."""
    image_id, source = draw(NAME), draw(st.sampled_from(["ham", "pad"]))
    folder = ROOT / source
    facts = Sample(
        image_id=image_id,
        path=folder / draw(st.sampled_from(["", "images", "a/b c"])) / f"{image_id}.jpg",
        diagnosis=draw(st.sampled_from(["", "MEL", "NV"])),
        malignant=draw(st.none() | st.booleans()),
        label=draw(TEXT),
        lesion=draw(TEXT),
        patient=draw(TEXT),
        source=source,
        modality="dermoscopy",
        licence=draw(TEXT),
        attribution=draw(TEXT),
        confirmation=draw(TEXT),
        age=draw(st.none() | st.integers(0, 120)),
        sex=draw(st.sampled_from(["", "male", "female"])),
        site=draw(TEXT),
        skin_type=draw(st.none() | st.integers(1, 6)),
        part=draw(st.sampled_from(["", "train", "validation", "test"])),
        mask=draw(st.none() | st.just(folder / "masks" / f"{image_id}.png")),
        geometry="original",
    )
    return Entry(
        sample=facts,
        sha256=draw(st.sampled_from(["", "ab" * 32])),
        width=draw(st.integers(0, 9000)),
        height=draw(st.integers(0, 9000)),
        group=draw(TEXT),
        part=draw(st.sampled_from(["", "train", "calibration", "fold0", "fold12"])),
        excluded=draw(TEXT),
        repeats=draw(st.integers(1, 50)),
        weight=draw(st.floats(0, 1e6)),
        augmentation=draw(TEXT),
    )


SETS = st.lists(entries(), max_size=8, unique_by=lambda e: e.sample.key).map(manifest_of)


@settings(max_examples=60, deadline=None)
@given(manifest=SETS)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, manifest: Manifest) -> None:
    path = tmp_path_factory.mktemp("manifest") / "new folder" / "set.parquet"
    manifests.write(manifest, path)
    assert manifests.read(path) == manifest
    assert [p.name for p in path.parent.iterdir()] == ["set.parquet"], "nothing half-written is left"


def test_the_same_manifest_gives_the_same_bytes(tmp_path: Path) -> None:
    manifest = two()
    manifests.write(manifest, tmp_path / "1.parquet")
    manifests.write(manifests.read(tmp_path / "1.parquet"), tmp_path / "2.parquet")
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def two() -> Manifest:
    return manifest_of([sample("a", mask=ROOT / "one" / "m" / "a.png"), sample("b")])


def test_paths_are_stored_below_their_source_and_follow_it(tmp_path: Path) -> None:
    path = tmp_path / "set.parquet"
    manifests.write(two(), path)
    stored = pq.read_table(path).to_pylist()
    assert [(row["path"], row["mask"]) for row in stored] == [("a.jpg", "m/a.png"), ("b.jpg", None)]
    here = manifests.read(path, roots={"one": tmp_path / "elsewhere"})
    assert here.entries[0].sample.path == tmp_path / "elsewhere" / "a.jpg"
    assert here.entries[0].sample.mask == tmp_path / "elsewhere" / "m" / "a.png"
    assert here.header.sources[0].root == str(tmp_path / "elsewhere")
    manifests.write(here, tmp_path / "again.parquet")
    assert pq.read_table(tmp_path / "again.parquet").to_pylist() == stored
    assert manifests.sha256(here) == manifests.sha256(two())


def test_a_relative_folder_works_from_where_it_was_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = manifest_of([sample("a", root=tmp_path)], root=Path())
    manifests.write(manifest, Path("set.parquet"))
    assert manifests.read(Path("set.parquet")).entries[0].sample.path == Path("one/a.jpg")


def test_a_folder_for_a_source_that_is_not_there_is_refused(tmp_path: Path) -> None:
    manifests.write(two(), tmp_path / "set.parquet")
    with pytest.raises(DataError, match=r"set\.parquet: holds no source tow to give a folder for"):
        manifests.read(tmp_path / "set.parquet", roots={"tow": tmp_path})


FACTS: dict[str, Any] = {"sha256": "cd" * 32, "group": "g", "part": "test", "excluded": "blurred", "repeats": 3}


@pytest.mark.parametrize("change", [*FACTS.items(), ("weight", 0.5), ("augmentation", "strong")])
def test_each_fact_that_decides_a_result_changes_the_hash(change: tuple[str, Any]) -> None:
    manifest = two()
    first = replace(manifest.entries[0], **dict([change]))
    assert manifests.sha256(replace(manifest, entries=(first, manifest.entries[1]))) != manifests.sha256(manifest)


def test_the_hash_is_of_the_content_alone() -> None:
    """Computed here once more, from the documented list."""
    manifest = two()
    lines = [[f"one/{x}", "", "NV", "", "", "", 1, 1.0, ""] for x in "ab"]
    expected = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    assert manifests.sha256(manifest) == hashlib.sha256(expected.encode()).hexdigest()
    aside = replace(manifest.entries[0], width=9, sample=replace(manifest.entries[0].sample, age=50))
    header = replace(manifest.header, audit="clean: yes", steps=("merge",))
    assert manifests.sha256(Manifest(header=header, entries=(aside, manifest.entries[1]))) == manifests.sha256(manifest)


def changed(column: str, value: object, row: int = 1) -> Callable[[Manifest], Manifest]:
    """The manifest with one fact of one entry replaced."""

    def change(manifest: Manifest) -> Manifest:
        entry = manifest.entries[row]
        of_sample = column in {"path", "mask", "source", "image_id"}
        entry = (
            replace(entry, sample=replace(entry.sample, **{column: value}))
            if of_sample
            else replace(entry, **{column: value})
        )
        listed = list(manifest.entries)
        listed[row] = entry
        return replace(manifest, entries=tuple(listed))

    return change


def omit_one(manifest: Manifest) -> Manifest:
    row = Omitted(where="t.csv: line 9", image_id="x", kind="broken", reason="no age")
    return replace(manifest, header=replace(manifest.header, omitted=(row,)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (changed("image_id", "a"), "row 2: column image_id: one/a is there twice"),
        (changed("image_id", "A"), "row 2: column image_id: one/A is after one/a"),
        (changed("part", "trian"), "row 2: column part: unknown part 'trian'; known are train, validation, calibr"),
        (changed("part", "fold"), "row 2: column part: unknown part 'fold'"),
        (changed("source", "two", row=1), "row 2: column source: 'two' is not among the header's sources"),
        (changed("path", Path("/else/b.jpg")), "row 2: column path: /else/b.jpg is not below its source's folder"),
        (changed("path", ROOT / "one" / ".." / "b.jpg"), "row 2: column path: .* is not below"),
        (changed("path", ROOT / "one"), "row 2: column path: .* is not below"),
        (changed("mask", ROOT / "other" / "b.png"), "row 2: column mask: .* is not below"),
        (changed("repeats", -1), "row 2: column repeats or weight: -1 must be 1 or more"),
        (changed("repeats", 0), "row 2: column repeats or weight: 0 must be 1 or more"),
        (changed("weight", float("nan")), "row 2: column repeats or weight: 1 .* and nan a number of 0 or more"),
        (changed("group", "\udcff"), "a value cannot be written"),
        (omit_one, "2 rows were read, but 2 images and 1 omitted rows are here"),
    ],
)
def test_what_must_not_be_in_a_manifest_is_not_written(
    tmp_path: Path, change: Callable[[Manifest], Manifest], reason: str
) -> None:
    with pytest.raises(DataError, match=rf"set\.parquet: {reason}"):
        manifests.write(change(two()), tmp_path / "set.parquet")
    assert not list(tmp_path.iterdir())


def rewritten(path: Path, change: Callable[[dict[str, list[Any]]], None], header: Callable[[bytes], bytes]) -> None:
    """The file with its columns and its header changed behind the writer's back."""
    table = pq.read_table(path)
    columns = table.to_pydict()
    change(columns)
    metadata = {b"epiluma": header(table.schema.metadata[b"epiluma"])}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)


def put(column: str, value: object) -> Callable[[dict[str, list[Any]]], None]:
    return lambda columns: columns[column].__setitem__(1, value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (put("path", "../b.jpg"), r"row 2: column path: path '\.\./b\.jpg' leads out of"),
        (put("path", "/etc/passwd"), "row 2: column path: path '/etc/passwd' leads out of"),
        (put("path", "x/../../b.jpg"), "row 2: column path: path .* leads out of"),
        (put("path", "..\\b.jpg"), "row 2: column path: path .* leads out of"),
        (put("path", ""), "row 2: column path: path '' leads out of"),
        (put("mask", "../../b.png"), "row 2: column mask: path .* leads out of"),
        (put("image_id", "a"), "row 2: column image_id: one/a is there twice"),
        (put("part", "holdout"), "row 2: column part: unknown part 'holdout'"),
        (put("official_part", "calibration"), "row 2: column official_part: unknown part 'calibration'"),
        (put("source", "two"), "row 2: column source: 'two' is not among the header's sources"),
        (put("diagnosis", None), "row 2: column diagnosis: is empty"),
        (lambda columns: columns.pop("sex"), "column sex: is missing"),
        (lambda columns: columns.update(width=["1", "2"]), "column width: holds string, not int64"),
    ],
)
def test_a_changed_file_is_named_with_row_and_column(
    tmp_path: Path, change: Callable[[dict[str, list[Any]]], None], reason: str
) -> None:
    path = tmp_path / "set.parquet"
    entry = Entry(sample=replace(sample("b", mask=ROOT / "one" / "b.png"), malignant=True, age=1, skin_type=1))
    manifests.write(manifest_of([replace(entry, sample=replace(entry.sample, image_id="a")), entry]), path)
    rewritten(path, lambda columns: None, lambda header: header)
    assert len(manifests.read(path).entries) == 2, "only the change below is at fault"
    rewritten(path, change, lambda header: header)
    with pytest.raises(DataError, match=rf"set\.parquet: {reason}"):
        manifests.read(path)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (lambda h: h.replace(b'"format":1', b'"format":2'), "header: format 2; this version of epiluma reads format 1"),
        (lambda h: h.replace(b'"format":1,', b""), "header: format None"),
        (lambda h: h.replace(b'"licence"', b'"license"'), "header: Object missing required field `licence`"),
        (lambda h: h[:-3], "header: Input data was truncated"),
        (lambda h: h.replace(b'"rows":2', b'"rows":3'), "3 rows were read, but 2 images and 0 omitted rows are here"),
    ],
)
def test_a_changed_header_is_refused(tmp_path: Path, header: Callable[[bytes], bytes], reason: str) -> None:
    path = tmp_path / "set.parquet"
    manifests.write(two(), path)
    metadata = {b"epiluma": header(pq.read_schema(path).metadata[b"epiluma"])}
    pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)
    with pytest.raises(DataError, match=rf"set\.parquet: {reason}"):
        manifests.read(path)


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.parquet"
    with pytest.raises(DataError, match=r"set\.parquet: no such manifest; `epiluma data merge` makes one"):
        manifests.read(path)
    path.write_bytes(b"image_id,group,part\n")
    with pytest.raises(DataError, match=r"set\.parquet: is not a readable Parquet file"):
        manifests.read(path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(DataError, match=r"set\.parquet: is no manifest: its schema lacks the key 'epiluma'"):
        manifests.read(path)


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "set.parquet"
    manifests.write(two(), path)
    before = path.read_bytes()

    def full(table: object, where: Path, **_: object) -> None:
        where.write_bytes(b"half")
        raise OSError(os.strerror(28))

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(DataError, match=r"set\.parquet: cannot be written \(.*space"):
        manifests.write(manifest_of([sample("c")]), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["set.parquet"]


def test_a_place_below_a_file_and_a_folder_are_no_places_to_write(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "set.parquet", tmp_path / "file" / "deep" / "set.parquet", tmp_path):
        with pytest.raises(DataError, match=rf"{path}: cannot be written"):
            manifests.write(two(), path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert not list(tmp_path.parent.glob("*.partial"))


def stamped(manifest: Manifest) -> Manifest:
    header = replace(manifest.header, audit="clean: yes", audited=manifests.sha256(manifest))
    return replace(manifest, header=header)


def test_a_verdict_holds_for_what_was_audited_alone() -> None:
    manifest = stamped(two())
    assert manifests.verdict(two()) == "not audited"
    assert manifests.verdict(manifest) == "clean: yes"
    first, second = manifest.entries
    moved = replace(manifest, entries=(first, replace(second, part="test")))
    assert manifests.verdict(moved) == "not audited: changed after the audit"


def test_a_verdict_that_is_bound_to_nothing_does_not_count(tmp_path: Path) -> None:
    """As an older version wrote it, without the field."""
    path = tmp_path / "set.parquet"
    manifests.write(stamped(two()), path)
    assert manifests.verdict(manifests.read(path)) == "clean: yes"
    table = pq.read_table(path)
    header = json.loads(table.schema.metadata[b"epiluma"])
    del header["audited"]
    pq.write_table(table.replace_schema_metadata({b"epiluma": json.dumps(header)}), path)
    assert manifests.verdict(manifests.read(path)) == "not audited: changed after the audit"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("duplicate of one/a", "duplicate"),
        ("blurred (sharpness 1.2, at least 1.8)", "blurred"),
        ("over the cap of 2,000 training images of NV", "over the cap"),
        ("cannot be read: The file is empty.", "cannot be read"),
        ("by hand; see the notes of March", "by hand"),
        ("too dark (brightness 20, at least 45); blurred (sharpness 1, at least 1.8)", "too dark"),
        ("", ""),
    ],
)
def test_a_reason_has_a_short_kind(reason: str, kind: str) -> None:
    assert manifests.exclusion_kind(reason) == kind
