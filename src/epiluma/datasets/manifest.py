"""The manifest: one Parquet file, a row per image, that says what a data set holds and what becomes of each image.

Merge, audit, curate and split each read one and write one; training and evaluation carry its hash and its verdict.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from epiluma.datasets.record import DataError, Omitted, Sample

NOT_AUDITED = "not audited"
FORMAT = 1
PARTS = ("train", "validation", "calibration", "test")
"""Parts of a holdout; a k-fold split has `fold0`, `fold1`, ... instead."""
OFFICIAL_PARTS = ("train", "validation", "test")
_FOLD = re.compile(r"fold\d+")
_HEADER_KEY = b"epiluma"
_OFFICIAL = "official_part"  # the column of Sample.part; `part` is the entry's
_PATHS = ("path", "mask")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a manifest. `sample.image_id` is as published; `sample.key` is unique."""

    sample: Sample
    sha256: str = ""
    """Of the file's bytes; empty before inspection."""
    width: int = 0
    height: int = 0
    """Pixels of the upright photo; 0 before inspection."""
    group: str = ""
    """Connected component of same patient, same lesion and near-duplicate: stays in one part."""
    part: str = ""
    """Where the split put it; empty before a split."""
    excluded: str = ""
    """Why curation (or merging) leaves the image out, or empty: it is used."""
    repeats: int = 1
    """It is drawn that many times as often as an image with 1; at least 1."""
    weight: float = 1.0
    """Its share of the loss."""
    augmentation: str = ""
    """Name of its augmentation recipe; empty leaves the training recipe's."""

    @property
    def used(self) -> bool:
        """Whether the image takes part in anything."""
        return not self.excluded


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One set that went into a manifest."""

    name: str
    root: str
    """Folder that the paths are relative to; another one can be given when reading."""
    licence: str
    citation: str
    rows: int
    """Rows of the publisher's table."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of the whole manifest."""

    format: int = FORMAT
    sources: tuple[Source, ...]
    licence: str
    """The strictest of the sources' licences."""
    audit: str = NOT_AUDITED
    """`clean: ...`, `leak: ...` or `not audited`; `verdict` says whether it still holds."""
    audited: str = ""
    """`sha256` of the manifest that the verdict is on; empty before an audit."""
    omitted: tuple[Omitted, ...] = ()
    """Rows that gave no image, each with its reason: rows in = entries + omitted."""
    steps: tuple[str, ...] = ()
    """The commands that made it, first to last."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A header and its entries, in key order."""

    header: Header
    entries: tuple[Entry, ...]


def is_part(name: str) -> bool:
    """Whether an image can be put there: one of `PARTS`, a fold, or empty before a split."""
    return not name or name in PARTS or bool(_FOLD.fullmatch(name))


def sha256(manifest: Manifest) -> str:
    """Of what decides a result, independent of where the files lie and how Parquet stores them.

    That is, for each entry in order: key, file hash, diagnosis, group, part, exclusion, repeats, weight, augmentation.
    """
    digest = hashlib.sha256()
    for e in manifest.entries:
        facts = (e.sample.key, e.sha256, e.sample.diagnosis, e.group, e.part, e.excluded, e.repeats)
        digest.update(msgspec.json.encode((*facts, float(e.weight), e.augmentation)) + b"\n")
    return digest.hexdigest()


def verdict(manifest: Manifest) -> str:
    """The audit's verdict, when it is on these very entries; else `not audited`."""
    header = manifest.header
    if header.audit == NOT_AUDITED or header.audited == sha256(manifest):
        return header.audit
    return f"{NOT_AUDITED}: changed after the audit"


def exclusion_kind(reason: str) -> str:
    """The short kind of an exclusion's (first) reason, for counting: `duplicate`, `blurred`, `over the cap`."""
    return re.split(r" \(| of |: |; ", reason, maxsplit=1)[0]


def write(manifest: Manifest, path: Path) -> None:
    """Write one Parquet file, complete or not at all; the same manifest gives the same bytes.

    Raises DataError, with row and column, for what `read` would refuse, and for a place that cannot be written.
    """
    import pyarrow as pa  # here, because the structs are needed where Arrow is not
    import pyarrow.parquet as pq

    _check(manifest, path)
    schema = _schema().with_metadata({_HEADER_KEY: msgspec.json.encode(manifest.header)})
    rows = list(_flat_rows(manifest, path))
    try:
        columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
    except (pa.ArrowException, UnicodeEncodeError, OverflowError) as error:
        raise DataError(f"{path}: a value cannot be written ({error})") from error
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            pq.write_table(pa.table(columns, schema=schema), partial, compression="zstd")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error


def read(path: Path, *, roots: Mapping[str, Path] = {}) -> Manifest:
    """Read a manifest; `roots` says where a source's folder lies here, by source name.

    Raises DataError that names file, row and column: a missing or damaged file, another format, duplicate or
    unordered keys, unknown parts or sources, a path that leads out of its source's folder, rows unaccounted for.
    """
    header, columns = _read_parquet(path)
    if strange := set(roots) - {source.name for source in header.sources}:
        raise DataError(f"{path}: holds no source {', '.join(sorted(strange))} to give a folder for")
    sources = tuple(msgspec.structs.replace(s, root=str(roots.get(s.name, s.root))) for s in header.sources)
    folders = {source.name: Path(source.root) for source in sources}
    entries = []
    for number, cells in enumerate(zip(*columns.values(), strict=True), 1):
        row = dict(zip(columns, cells, strict=True))
        entries.append(_entry(row, folders, f"{path}: row {number}"))
    manifest = Manifest(header=msgspec.structs.replace(header, sources=sources), entries=tuple(entries))
    _check(manifest, path)
    return manifest


def _fields() -> Iterator[tuple[str, type[Any], str, Any]]:
    """Column, struct, field and type of every fact of an entry."""
    for field in msgspec.structs.fields(Sample):
        yield (_OFFICIAL if field.name == "part" else field.name), Sample, field.name, field.type
    for field in msgspec.structs.fields(Entry):
        if field.name != "sample":
            yield field.name, Entry, field.name, field.type


def _schema() -> Any:
    import pyarrow as pa

    kinds = {str: pa.string(), Path: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
    columns = []
    for column, _, _, annotation in _fields():
        optional = annotation not in kinds
        kind = next(k for k in kinds if annotation in (k, k | None))
        columns.append(pa.field(column, kinds[kind], nullable=optional))
    return pa.schema(columns)


def _flat_rows(manifest: Manifest, path: Path) -> Iterator[dict[str, Any]]:
    """One value per column and entry; paths as text relative to their source's folder."""
    folders = {source.name: Path(source.root) for source in manifest.header.sources}
    for number, entry in enumerate(manifest.entries, 1):
        row = {}
        for column, struct, name, _ in _fields():
            row[column] = getattr(entry.sample if struct is Sample else entry, name)
        for column in _PATHS:
            if row[column] is not None:
                where = f"{path}: row {number}: column {column}"
                row[column] = _relative(row[column], folders[entry.sample.source], where)
        yield row


def _read_parquet(path: Path) -> tuple[Header, dict[str, list[Any]]]:
    """Header and values by column, of the right types."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise DataError(f"{path}: no such manifest; `epiluma data merge` makes one")
    try:
        with pq.ParquetFile(path) as file:
            header = _header(path, file.schema_arrow.metadata or {})
            for field in _schema():
                _check_column(path, field, file.schema_arrow)
            table = file.read(columns=_schema().names)
        for field in _schema():
            if not field.nullable and table[field.name].null_count:
                row = table[field.name].to_pylist().index(None) + 1
                raise DataError(f"{path}: row {row}: column {field.name}: is empty")
        return header, {name: table[name].to_pylist() for name in table.column_names}
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not a readable Parquet file ({error})") from error


def _header(path: Path, metadata: Mapping[bytes, bytes]) -> Header:
    if _HEADER_KEY not in metadata:
        raise DataError(f"{path}: is no manifest: its schema lacks the key {_HEADER_KEY.decode()!r}")
    try:
        version = msgspec.json.decode(metadata[_HEADER_KEY], type=dict[str, Any]).get("format")
        if version != FORMAT:
            raise DataError(f"{path}: header: format {version!r}; this version of epiluma reads format {FORMAT}")
        return msgspec.json.decode(metadata[_HEADER_KEY], type=Header)
    except msgspec.DecodeError as error:
        raise DataError(f"{path}: header: {error}") from error


def _check_column(path: Path, wanted: Any, schema: Any) -> None:
    if wanted.name not in schema.names:
        raise DataError(f"{path}: column {wanted.name}: is missing")
    if (found := schema.field(wanted.name).type) != wanted.type:
        raise DataError(f"{path}: column {wanted.name}: holds {found}, not {wanted.type}")


def _entry(row: dict[str, Any], folders: Mapping[str, Path], where: str) -> Entry:
    if row["source"] not in folders:
        raise DataError(f"{where}: column source: {row['source']!r} is not among the header's sources")
    for column in _PATHS:
        if row[column] is not None:
            row[column] = _below(folders[row["source"]], row[column], f"{where}: column {column}")
    values: dict[type[Any], dict[str, Any]] = {Sample: {}, Entry: {}}
    for column, struct, name, _ in _fields():
        values[struct][name] = row[column]
    return Entry(sample=Sample(**values[Sample]), **values[Entry])


def _relative(path: Path, root: Path, where: str) -> str:
    full, folder = path.absolute(), root.absolute()
    parts = full.relative_to(folder).parts if full.is_relative_to(folder) else ()
    if not parts or ".." in parts:
        raise DataError(f"{where}: {path} is not below its source's folder {root}")
    return "/".join(parts)


def _below(root: Path, relative: str, where: str) -> Path:
    """`root / relative`, judged by its text alone: a link inside the folder is its owner's own decision."""
    parts = PurePosixPath(relative).parts
    if not parts or relative.startswith("/") or ".." in parts or "\\" in relative or "\0" in relative:
        raise DataError(f"{where}: path {relative!r} leads out of {root}")
    return root.joinpath(*parts)


def _check(manifest: Manifest, path: Path) -> None:
    """Raises DataError for anything that a manifest must not hold."""
    names = [source.name for source in manifest.header.sources]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise DataError(f"{path}: header: source {', '.join(sorted(repeated))} is named twice")
    rows, kept, omitted = sum(s.rows for s in manifest.header.sources), len(manifest.entries), manifest.header.omitted
    if rows != kept + len(omitted):
        raise DataError(f"{path}: {rows} rows were read, but {kept} images and {len(omitted)} omitted rows are here")
    before = ""
    for number, entry in enumerate(manifest.entries, 1):
        if fault := _fault(entry, before, names):
            raise DataError(f"{path}: row {number}: {fault}")
        before = entry.sample.key


def _fault(entry: Entry, before: str, sources: list[str]) -> str:
    sample = entry.sample
    if sample.key <= before:
        return f"column image_id: {sample.key} " + ("is there twice" if sample.key == before else f"is after {before}")
    if sample.source not in sources:
        return f"column source: {sample.source!r} is not among the header's sources"
    if not is_part(entry.part):
        return f"column part: unknown part {entry.part!r}; known are {', '.join(PARTS)} and fold0, fold1, ..."
    if sample.part and sample.part not in OFFICIAL_PARTS:
        return f"column {_OFFICIAL}: unknown part {sample.part!r}; known are {', '.join(OFFICIAL_PARTS)}"
    if entry.repeats < 1 or not 0 <= entry.weight < float("inf"):
        return f"column repeats or weight: {entry.repeats} must be 1 or more, and {entry.weight} a number of 0 or more"
    return ""
