"""From published sets to one audited manifest: the steps of `epiluma data`, in the order in which they make sense."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from epiluma.bundle import Bundle
from epiluma.datasets import audit, catalog, curate, duplicates, inspection, inspection_look, licences, merge, split
from epiluma.datasets.groups import Pair
from epiluma.datasets.inspection import Inspections, Progress
from epiluma.datasets.manifest import Entry, Manifest, Source
from epiluma.datasets.record import DataError, Reading, Sample
from epiluma.datasets.rules import Rules


class Examined(NamedTuple):
    """A manifest with what its pixels say."""

    manifest: Manifest
    """With hash and size of each file."""
    inspections: Inspections
    pairs: list[Pair]
    """Images that show the same picture, by index of entry."""


def gather(sets: Sequence[str]) -> Manifest:
    """One manifest of several sets, each given as `NAME=FOLDER`; every row of their tables is in it or explained.

    Raises DataError for a set that is unknown, cannot be read, or gives no image at all.
    """
    merged = merge.merge([_read(given) for given in sets])
    if not merged.entries:
        first = merged.header.omitted[0]
        raise DataError(f"no image: {len(merged.header.omitted):,} rows gave none; {first.where}: {first.reason}")
    return merged


def _read(given: str) -> tuple[Source, Reading]:
    name, separator, root = given.partition("=")
    if not separator or not root:
        raise DataError(f"{given}: expected NAME=FOLDER, such as ham10000=data/HAM10000")
    folder = catalog.folder_of(name, Path(root))
    reading, entry = catalog.inspect(name, folder), catalog.CATALOG[name]
    stated = {sample.licence for sample in reading.samples} or {entry.licence}
    source = Source(
        name=reading.samples[0].source if reading.samples else name,
        root=str(folder),
        licence=licences.strictest(stated),
        citation=entry.citation,
        rows=reading.rows,
    )
    return source, reading


def examine(
    manifest: Manifest, *, cache: Path, bundle: Bundle | None = None, progress: Progress | None = None
) -> Examined:
    """Look at every image: hash, size, measures, features, and which ones show the same picture.

    Results are kept under `cache` by content, so that the next look at unchanged files takes seconds. A file that
    cannot be read keeps what an earlier look found. Raises DataError for a file that has changed since then.
    """
    samples = [entry.sample for entry in manifest.entries]
    found = inspection.inspect(samples, folder=cache, bundle=bundle, progress=progress)
    entries = tuple(_described(entry, found, i) for i, entry in enumerate(manifest.entries))
    return Examined(msgspec.structs.replace(manifest, entries=entries), found, _pairs(found, samples, cache, progress))


def _pairs(found: Inspections, samples: Sequence[Sample], cache: Path, progress: Progress | None) -> list[Pair]:
    """The duplicate search, kept under `cache` by all that it depends on: what the files hold, features and code."""
    facts = hashlib.sha256(f"{duplicates.VERSION} {inspection_look.VERSION}".encode())
    facts.update("\n".join([*found.sha256.tolist(), *found.error.tolist()]).encode())
    facts.update(found.features.tobytes())
    path = cache / f"pairs-{facts.hexdigest()[:24]}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Pair])
    except (OSError, msgspec.DecodeError):
        pairs = duplicates.find(found, samples, progress=progress)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_bytes(msgspec.json.encode(pairs))
    partial.replace(path)
    return pairs


def _described(entry: Entry, found: Inspections, i: int) -> Entry:
    if found.error[i]:
        return entry
    digest = str(found.sha256[i])
    if entry.sha256 not in ("", digest):
        raise DataError(f"{entry.sample.path}: has changed since the manifest was made; merge the sets again")
    return msgspec.structs.replace(entry, sha256=digest, width=int(found.width[i]), height=int(found.height[i]))


def prepared(
    examined: Examined, *, rules: Rules, method: split.Method, seed: int, k: int = 5
) -> tuple[Manifest, audit.Audit]:
    """Drop copies, split, curate and audit, in this order: a part is known before its classes are capped.

    The audit looks at the result, not at what was asked for.
    """
    manifest = merge.drop_duplicates(examined.manifest, examined.pairs)
    manifest = split.split_manifest(manifest, examined.pairs, method=method, k=k, seed=seed)
    manifest = curate.curate(manifest, examined.inspections, rules).manifest
    found = audit.audit(manifest, examined.inspections, examined.pairs)
    return audit.stamp(manifest, found), found
