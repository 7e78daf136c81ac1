"""The split: parts of fixed shares, stratified by diagnosis, with lesions and near-duplicates kept together.

It is made once and read by everything afterwards: as ids in a CSV file (`image_id,group,part`) for one set, or in
the `group` and `part` columns of a manifest for several.
"""

from __future__ import annotations

import bisect
import csv
import hashlib
import io
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from epiluma.datasets import correlation, groups, table
from epiluma.datasets.groups import Pair
from epiluma.datasets.manifest import NOT_AUDITED, OFFICIAL_PARTS, PARTS, Entry, Manifest, is_part, sha256
from epiluma.datasets.record import DataError, Sample

SHARES: Mapping[str, float] = {"train": 0.65, "validation": 0.10, "calibration": 0.10, "test": 0.15}
Method = Literal["holdout", "folds", "hash", "official"]
_COLUMNS = ["image_id", "group", "part"]


class Assignment(NamedTuple):
    """Where one image goes."""

    group: str
    part: str


class Split(NamedTuple):
    """A manifest of the split, with the hash that results carry."""

    of: dict[str, Assignment]
    """Image id -> assignment."""
    sha256: str

    def select(self, samples: Sequence[Sample], part: str) -> list[int]:
        """Indices of the samples in one part. Raises DataError for a sample that the split does not name."""
        for sample in samples:
            if sample.image_id not in self.of:
                raise DataError(f"{sample.image_id} is not in the split manifest; make a new split for new images")
        return [i for i, sample in enumerate(samples) if self.of[sample.image_id].part == part]


def assign(
    samples: Sequence[Sample], duplicate_of: Sequence[int], *, shares: Mapping[str, float] = SHARES, seed: int
) -> dict[str, Assignment]:
    """Assign every image to a part.

    `duplicate_of` gives for each sample the index it is near-duplicate of (its own when none). Groups are the
    connected components of "same lesion", "same patient" and "near-duplicate"; they are dealt class by class,
    largest first, in seeded random order, to the part that is furthest below its share of that class's images. The
    samples' order makes no difference.
    """
    parted = groups.members(samples, ((int(j), i) for i, j in enumerate(duplicate_of)))
    parts = deal(parted, [groups.class_of(sample) for sample in samples], shares=shares, seed=seed)
    result: dict[str, Assignment] = {}
    for group, part in zip(parted, parts, strict=True):
        name = samples[group[0]].lesion or samples[group[0]].image_id
        result.update({samples[i].image_id: Assignment(name, part) for i in group})
    return result


def deal(members: Sequence[list[int]], classes: Sequence[str], *, shares: Mapping[str, float], seed: int) -> list[str]:
    """The part of each group: class by class, largest group first, to the part furthest below its share.

    A group of several classes counts for its rarest, where it matters most. `classes` is by image.
    """
    counts = Counter(classes)
    strata: dict[str, list[int]] = {}
    for k, group in enumerate(members):
        rarest = min((classes[i] for i in group), key=lambda code: (counts[code], code))
        strata.setdefault(rarest, []).append(k)
    random = np.random.default_rng(seed)
    parts = [""] * len(members)
    for code in sorted(strata):
        order = [strata[code][k] for k in random.permutation(len(strata[code]))]
        _fill(sorted(order, key=lambda k: len(members[k]), reverse=True), members, shares, parts)
    return parts


def _fill(order: Sequence[int], members: Sequence[list[int]], shares: Mapping[str, float], parts: list[str]) -> None:
    """Give each group to the part whose filled fraction of its target is smallest; ties go to the largest share."""
    total = sum(len(members[k]) for k in order)
    filled = dict.fromkeys(shares, 0)
    for k in order:
        size = len(members[k])
        parts[k] = min(shares, key=lambda p: ((filled[p] + size / 2) / (shares[p] * total), -shares[p]))
        filled[parts[k]] += size


def write(assignments: Mapping[str, Assignment], path: Path) -> None:
    """Write the manifest, in image-id order. Raises DataError for a place that cannot be written."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([image_id, *assignments[image_id]] for image_id in sorted(assignments))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(buffer.getvalue(), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from error


def read(path: Path) -> Split:
    """Read a manifest. Raises DataError for a bad row or a group that is in two parts."""
    if not path.is_file():
        raise DataError(f"{path}: no such split manifest; `epiluma data split` makes one")
    raw = path.read_bytes()
    of: dict[str, Assignment] = {}
    part_of_group: dict[str, str] = {}
    for number, row in _rows(path, raw):
        if len(row) != len(_COLUMNS) or not all(row):
            raise DataError(f"{path}: line {number}: expected {len(_COLUMNS)} values, found {row}")
        image_id, group, part = row
        if part not in SHARES:
            raise DataError(f"{path}: line {number}: unknown part {part!r}; known are {', '.join(SHARES)}")
        if image_id in of:
            raise DataError(f"{path}: line {number}: image {image_id} is named twice")
        if part_of_group.setdefault(group, part) != part:
            raise DataError(f"{path}: line {number}: group {group} leaks: in {part_of_group[group]} and {part}")
        of[image_id] = Assignment(group, part)
    return Split(of, hashlib.sha256(raw).hexdigest())


def _rows(path: Path, raw: bytes) -> Iterator[tuple[int, list[str]]]:
    """Line number and values of each row below the header."""
    try:
        reader = csv.reader(io.StringIO(raw.decode("utf-8"), newline=""))
        if next(reader, None) != _COLUMNS:
            raise DataError(f"{path}: line 1: expected the columns {','.join(_COLUMNS)}")
        for row in reader:
            yield reader.line_num, row
    except UnicodeDecodeError as error:
        raise table.not_utf8(path) from error
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: is no row of a table ({error})") from error


def audit(samples: Sequence[Sample], pairs: Iterable[tuple[int, int]], split: Split) -> str:
    """Verdict that travels with every result: `clean: ...`, or `leak: ...` with the first offenders.

    `pairs` are near-duplicates by sample index. Looks for lesions, patients and near-duplicates in two parts.
    """
    part_of = [split.of[sample.image_id].part for sample in samples]
    pairs = list(pairs)
    lesions = len({groups.lesion_of(sample) for sample in samples} - {""})
    lesion_leaks = [(i, j) for i, j in groups.same_subject(samples) if part_of[i] != part_of[j]]
    copy_leaks = [(i, j) for i, j in pairs if part_of[i] != part_of[j]]
    if not lesion_leaks and not copy_leaks:
        return f"clean: no lesion of {lesions} and no near-duplicate pair of {len(pairs)} is in two parts"
    examples = ", ".join(f"{samples[i].image_id}/{samples[j].image_id}" for i, j in (lesion_leaks + copy_leaks)[:3])
    return f"leak: {len(lesion_leaks)} photos and {len(copy_leaks)} near-duplicate pairs cross parts ({examples})"


def make(samples: Sequence[Sample], squares: npt.NDArray[np.uint8], *, seed: int) -> dict[str, Assignment]:
    """A new split of a data set: near-duplicates are looked for in the decoded `squares` (n, S, S, 3)."""
    pairs = correlation.near_duplicates(correlation.thumbnails(squares))
    return assign(samples, list(groups.clusters(len(samples), ((i, j) for i, j, _ in pairs))), seed=seed)


def split_manifest(
    manifest: Manifest,
    pairs: Iterable[Pair],
    *,
    method: Method,
    shares: Mapping[str, float] = SHARES,
    k: int = 5,
    seed: int,
) -> Manifest:
    """Fill `group` of every entry and `part` of every used one; an excluded image has a group and no part.

    Groups are the components of same patient, same lesion, same file and `pairs`. `holdout` deals them to `shares`
    by class, `folds` to `k` equal folds, `hash` as `by_hash` says, and `official` keeps the publisher's part of each
    image and deals the groups that have none. A group that publishers parted stays parted: the audit reports it.
    Look-alikes that they parted are no group. As no publisher has a calibration part, `official` deals one out of the
    groups that are in the official training part alone, as large beside `train` as in `shares`; nothing is taken from
    validation or test.
    Raises DataError for shares that do not sum to 1 or name an unknown part, and for fewer than two folds.
    """
    shares = _checked(folds(k) if method == "folds" else shares)
    entries = manifest.entries
    samples = [entry.sample for entry in entries]
    pairs = list(pairs)
    linked = groups.same_file([entry.sha256 for entry in entries])
    linked += [(pair.a, pair.b) for pair in pairs if pair.duplicate]
    alike = [(pair.a, pair.b) for pair in pairs if not pair.duplicate]
    if method == "official":
        alike = _within_official_parts(samples, linked, alike)
    parted = groups.members(samples, linked + alike)
    parts = _parts(entries, parted, method=method, shares=shares, seed=seed)
    name = {i: samples[group[0]].key for group in parted for i in group}
    changed = [msgspec.structs.replace(e, group=name[i], part=parts.get(i, "")) for i, e in enumerate(entries)]
    ratio = " ".join(f"{part}={share:g}" for part, share in shares.items())
    steps = (*manifest.header.steps, f"split {method} {ratio} seed={seed}")
    return Manifest(
        header=msgspec.structs.replace(manifest.header, steps=steps, audit=NOT_AUDITED, audited=""),
        entries=tuple(changed),
    )


def _within_official_parts(
    samples: Sequence[Sample], linked: list[tuple[int, int]], alike: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """The look-alikes that can be kept together without two of a publisher's parts in one group."""
    joined = groups.members(samples, linked + alike)
    torn = {i for group in joined if len({samples[i].part for i in group} - {""}) > 1 for i in group}
    return [pair for pair in alike if pair[0] not in torn]


def _parts(
    entries: Sequence[Entry], parted: list[list[int]], *, method: Method, shares: Mapping[str, float], seed: int
) -> dict[int, str]:
    """Part of each used entry, by index."""
    if method == "hash":
        anchors = [min(_identity(entries[i].sample) for i in group)[-1] for group in parted]
        dealt = by_hash(anchors, shares=shares, seed=seed)
        return {i: part for group, part in zip(parted, dealt, strict=True) for i in group if entries[i].used}
    used = [left for group in parted if (left := [i for i in group if entries[i].used])]
    parts: dict[int, str] = {}
    if method == "official":
        for group in used:
            given = Counter(part for i in group if (part := entries[i].sample.part))
            if given:  # one without a part of its own follows the most of its group, `train` before others
                most = max(OFFICIAL_PARTS, key=lambda part: given[part])
                parts.update({i: entries[i].sample.part or most for i in group})
        own = {part: share for part, share in shares.items() if part in ("train", "calibration")}
        trained = [group for group in used if {parts.get(i) for i in group} == {"train"}] if len(own) == 2 else []
        parts.update(_dealt(entries, trained, own, seed))
        used = [group for group in used if group[0] not in parts]
    return parts | _dealt(entries, used, shares, seed)


def _dealt(
    entries: Sequence[Entry], members: Sequence[list[int]], shares: Mapping[str, float], seed: int
) -> dict[int, str]:
    parts = deal(members, [groups.class_of(entry.sample) for entry in entries], shares=shares, seed=seed)
    return {i: part for group, part in zip(members, parts, strict=True) for i in group}


def by_hash(anchors: Iterable[str], *, shares: Mapping[str, float], seed: int) -> list[str]:
    """The part of each group from SHA-256 of the seed and its anchor alone, so that new images move no old ones.

    The anchor is the first of its members' identities: patient, else lesion, else image. A new photo of a known
    patient or lesion joins its part. When something new joins two groups into one, all go where the group with the
    first anchor is; when its own identity comes first, the group may move: nothing keeps both promises. Shares are
    met on average, not by class.
    """
    edges = list(itertools.accumulate(shares.values()))
    parts = list(shares)
    found = []
    for anchor in anchors:
        digest = hashlib.sha256(f"{seed} {anchor}".encode()).digest()
        position = int.from_bytes(digest[:8], "big") / 2**64
        found.append(parts[min(bisect.bisect_right(edges, position), len(parts) - 1)])
    return found


def _identity(sample: Sample) -> tuple[bool, bool, str]:
    """What is known of whose photo it is; patients come before lesions, and both before nameless images."""
    patient, lesion = groups.patient_of(sample), groups.lesion_of(sample)
    return not patient, not lesion, patient or lesion or groups.image_of(sample)


def folds(k: int) -> dict[str, float]:
    """Shares of k equal folds, `fold0` to `fold{k-1}`. Raises DataError below two."""
    if k < 2:
        raise DataError(f"{k} folds are no cross-validation; use 2 or more")
    return {f"fold{i}": 1 / k for i in range(k)}


def for_fold(manifest: Manifest, fold: int) -> Manifest:
    """One run of a cross-validation: `fold{fold}` becomes `validation`, all others `train`.

    The audit's verdict stays, where it held: what crossed no fold crosses no two joined ones. Raises DataError when
    the manifest is not split in folds or has no such one.
    """
    there = {entry.part for entry in manifest.entries} - {""}
    wanted = f"fold{fold}"
    if wanted not in there or there & set(PARTS):
        raise DataError(f"there is no {wanted}; the manifest's parts are {', '.join(sorted(there)) or 'not made yet'}")
    part = {name: "validation" if name == wanted else "train" for name in there} | {"": ""}
    steps = (*manifest.header.steps, f"fold {fold}")
    entries = tuple(msgspec.structs.replace(entry, part=part[entry.part]) for entry in manifest.entries)
    run = Manifest(header=msgspec.structs.replace(manifest.header, steps=steps), entries=entries)
    if manifest.header.audited != sha256(manifest):
        return run
    return msgspec.structs.replace(run, header=msgspec.structs.replace(run.header, audited=sha256(run)))


def _checked(shares: Mapping[str, float]) -> Mapping[str, float]:
    if unknown := [part for part in shares if not part or not is_part(part)]:
        raise DataError(f"unknown part {unknown[0]!r}; known are {', '.join(PARTS)} and fold0, fold1, ...")
    if not all(share > 0 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-9:
        given = ", ".join(f"{part} {share:g}" for part, share in shares.items()) or "none"
        raise DataError(f"shares must be above 0 and sum to 1, not {given}")
    return shares
