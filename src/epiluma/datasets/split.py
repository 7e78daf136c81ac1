"""The split: parts of fixed shares, stratified by diagnosis, with lesions and near-duplicates kept together.

It is made once, written as ids, and read by everything afterwards: `image_id,group,part`.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from epiluma.datasets import duplicates
from epiluma.datasets.record import DataError, Sample

SHARES: Mapping[str, float] = {"train": 0.65, "validation": 0.10, "calibration": 0.10, "test": 0.15}
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
    connected components of "same lesion" and "near-duplicate"; they are dealt class by class, largest first,
    in seeded random order, to the part that is furthest below its share of that class's images. The samples' order
    makes no difference.
    """
    lesion_pairs = _same_lesion(samples)
    duplicate_pairs = [(int(j), i) for i, j in enumerate(duplicate_of)]
    component = duplicates.clusters(len(samples), iter(lesion_pairs + duplicate_pairs))
    members: dict[int, list[int]] = {}
    for i in sorted(range(len(samples)), key=lambda i: samples[i].image_id):  # whatever order the samples come in
        members.setdefault(int(component[i]), []).append(i)

    strata: dict[str, list[list[int]]] = {}
    counts = {code: sum(s.diagnosis == code for s in samples) for code in {s.diagnosis for s in samples}}
    for group in members.values():
        rarest = min((samples[i].diagnosis for i in group), key=lambda code: (counts[code], code))
        strata.setdefault(rarest, []).append(group)

    random = np.random.default_rng(seed)
    result: dict[str, Assignment] = {}
    for code in sorted(strata):
        groups = [strata[code][k] for k in random.permutation(len(strata[code]))]
        for group, part in _deal(sorted(groups, key=len, reverse=True), shares):
            name = samples[group[0]].lesion
            result.update({samples[i].image_id: Assignment(name, part) for i in group})
    return result


def _same_lesion(samples: Sequence[Sample]) -> list[tuple[int, int]]:
    """For each sample, the first sample of its lesion and itself."""
    first: dict[str, int] = {}
    return [(first.setdefault(sample.lesion, i), i) for i, sample in enumerate(samples)]


def _deal(groups: Sequence[list[int]], shares: Mapping[str, float]) -> list[tuple[list[int], str]]:
    """Give each group to the part whose filled fraction of its target is smallest; ties go to the largest share."""
    total = sum(map(len, groups))
    filled = dict.fromkeys(shares, 0)
    dealt = []
    for group in groups:
        part = min(shares, key=lambda p: ((filled[p] + len(group) / 2) / (shares[p] * total), -shares[p]))
        filled[part] += len(group)
        dealt.append((group, part))
    return dealt


def write(assignments: Mapping[str, Assignment], path: Path) -> None:
    """Write the manifest, in image-id order."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([image_id, *assignments[image_id]] for image_id in sorted(assignments))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(buffer.getvalue(), encoding="utf-8")


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
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is not a table in UTF-8 ({error})") from error


def audit(samples: Sequence[Sample], pairs: Iterable[tuple[int, int]], split: Split) -> str:
    """Verdict that travels with every result: `clean: ...`, or `leak: ...` with the first offenders.

    `pairs` are near-duplicates by sample index. Looks for lesions and for near-duplicates in two parts.
    """
    part_of = [split.of[sample.image_id].part for sample in samples]
    same_lesion, pairs = _same_lesion(samples), list(pairs)
    lesions = sum(i == j for i, j in same_lesion)
    lesion_leaks = [(i, j) for i, j in same_lesion if part_of[i] != part_of[j]]
    copy_leaks = [(i, j) for i, j in pairs if part_of[i] != part_of[j]]
    if not lesion_leaks and not copy_leaks:
        return f"clean: no lesion of {lesions} and no near-duplicate pair of {len(pairs)} is in two parts"
    examples = ", ".join(f"{samples[i].image_id}/{samples[j].image_id}" for i, j in (lesion_leaks + copy_leaks)[:3])
    return f"leak: {len(lesion_leaks)} photos and {len(copy_leaks)} near-duplicate pairs cross parts ({examples})"


def make(samples: Sequence[Sample], squares: npt.NDArray[np.uint8], *, seed: int) -> dict[str, Assignment]:
    """A new split of a data set: near-duplicates are looked for in the decoded `squares` (n, S, S, 3)."""
    pairs = duplicates.near_duplicates(duplicates.thumbnails(squares))
    return assign(samples, list(duplicates.clusters(len(samples), ((i, j) for i, j, _ in pairs))), seed=seed)
