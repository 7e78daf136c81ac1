"""Several sets in one manifest: every row of every publisher's table is an entry or is explained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from epiluma.datasets import groups, licences
from epiluma.datasets.groups import Pair
from epiluma.datasets.manifest import NOT_AUDITED, Entry, Header, Manifest, Source
from epiluma.datasets.record import DataError, Reading, Sample


def merge(readings: Sequence[tuple[Source, Reading]]) -> Manifest:
    """One manifest of all readings: entries in key order, omitted rows in the header, the strictest licence stated.

    An image that two sets publish stays twice, under two keys, until `drop_duplicates`. Raises DataError when
    there is nothing to merge, a source is given twice, or rows and counts disagree.
    """
    if not readings:
        raise DataError("there is no set to merge; name at least one")
    names = [source.name for source, _ in readings]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"source {', '.join(repeated)} is given twice; give one of them another name")
    for source, reading in readings:
        _check(source, reading)
    samples = sorted((sample for _, reading in readings for sample in reading.samples), key=lambda s: s.key)
    header = Header(
        sources=tuple(source for source, _ in readings),
        licence=licences.strictest([*(source.licence for source, _ in readings), *{s.licence for s in samples}]),
        omitted=tuple(row for _, reading in readings for row in reading.omitted),
        steps=(f"merge {' '.join(names)}",),
    )
    return Manifest(header=header, entries=tuple(Entry(sample=sample) for sample in samples))


def _check(source: Source, reading: Reading) -> None:
    if reading.rows != source.rows:
        raise DataError(f"{source.name}: its table has {source.rows} rows, but {reading.rows} are accounted for")
    seen: set[str] = set()
    for sample in reading.samples:
        if sample.source != source.name:
            raise DataError(f"{source.name}: image {sample.image_id} says it is of {sample.source!r}")
        if sample.image_id in seen:
            raise DataError(f"{source.name}: image {sample.image_id} is there twice")
        seen.add(sample.image_id)


def drop_duplicates(manifest: Manifest, pairs: Iterable[Pair]) -> Manifest:
    """Of each picture keep the entry that tells most, and exclude its copies with the reason `duplicate of KEY`.

    A diagnosis comes first, then an official test or validation part, which stays whole, then the number of further
    facts (histology, a mask, a lesion id); among equals the first key stays. KEY is the copy's own partner: with
    look-alikes in a chain (a like b, b like c, a unlike c) c is not lost because of a. Files with the same bytes
    count as pairs too; two photos of one lesion that look alike do not, unless they have one ISIC number. Entries
    that are excluded already stay so, and displace nothing. Raises DataError when a pair names no entry.
    """
    entries = manifest.entries
    partners = _partners(entries, pairs)
    kept: set[int] = set()
    reason: dict[int, str] = {}
    for i in sorted((i for i, e in enumerate(entries) if e.used), key=lambda i: _preference(entries[i])):
        copies = [j for j in partners.get(i, ()) if j in kept]
        if copies:
            reason[i] = f"duplicate of {entries[min(copies, key=lambda j: _preference(entries[j]))].sample.key}"
        else:
            kept.add(i)
    changed = [msgspec.structs.replace(e, excluded=reason.get(i, e.excluded)) for i, e in enumerate(entries)]
    steps = (*manifest.header.steps, f"drop-duplicates ({len(reason)} excluded)")
    header = msgspec.structs.replace(manifest.header, steps=steps, audit=NOT_AUDITED, audited="")
    return Manifest(header=header, entries=tuple(changed))


def _partners(entries: Sequence[Entry], pairs: Iterable[Pair]) -> dict[int, set[int]]:
    """Entries that show the same picture as each; same bytes join all with all."""
    same_bytes = groups.same_file([entry.sha256 for entry in entries])
    listed: list[tuple[int, int]] = []
    for pair in pairs:
        if not (0 <= pair.a < len(entries) and 0 <= pair.b < len(entries)):
            raise DataError(f"pair ({pair.a}, {pair.b}) is not of this manifest: it has {len(entries)} entries")
        if pair.duplicate:
            (same_bytes if pair.kind == "exact" else listed).append((pair.a, pair.b))
    file_of = groups.clusters(len(entries), same_bytes)
    holders: dict[int, list[int]] = {}
    for i, file in enumerate(file_of):
        holders.setdefault(int(file), []).append(i)
    partners: dict[int, set[int]] = {}
    for a, b in [*listed, *((held[0], held[0]) for held in holders.values() if len(held) > 1)]:
        together = holders[int(file_of[a])], holders[int(file_of[b])]
        if file_of[a] != file_of[b] and _two_photos(entries, *together):
            continue
        for i in together[0]:
            partners.setdefault(i, set()).update(together[1])
        for i in together[1]:
            partners.setdefault(i, set()).update(together[0])
    return {i: others - {i} for i, others in partners.items()}


def _two_photos(entries: Sequence[Entry], one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two files that look alike are different photos of one lesion, as any of their entries may know."""

    def shared(name_of: Callable[[Sample], str]) -> set[str]:
        names = [{name_of(entries[i].sample) for i in held} for held in (one, other)]
        return (names[0] & names[1]) - {""}

    return bool(shared(groups.lesion_of)) and not shared(groups.image_of)


def _preference(entry: Entry) -> tuple[int, int, int, str]:
    """Smallest first: a leaf before a mere `malignant`, what is held out, the one that tells most, then the key."""
    sample = entry.sample
    label = 0 if sample.diagnosis else 1 if groups.class_of(sample) else 2
    held_out = {"test": 0, "validation": 1}.get(sample.part, 2)
    facts = ("histo" in sample.confirmation, sample.mask is not None, bool(sample.lesion))
    return label, held_out, -sum(facts), sample.key
