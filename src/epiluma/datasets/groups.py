"""Which photos belong together: one patient's, one lesion's, one picture's. A split never parts them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from epiluma.datasets.record import DataError, Sample

_ISIC_LESION = re.compile(r"(HAM|BCN|MSK\d?|IL)_\w+")
_ISIC_PATIENT = re.compile(r"IP_\w+")
_ISIC_IMAGE = re.compile(r"(ISIC_\d{7})(_downsampled)?")
"""The ISIC Archive's own numbers: the same in HAM10000, BCN20000 and every ISIC challenge. Elsewhere a number
means something within its own set only: PAD-UFES-20's lesion 12 is not another set's lesion 12."""


Kind = Literal["exact", "near", "alike"]


class Pair(NamedTuple):
    """Two samples (a < b, by index) that show one picture, or nearly look it."""

    a: int
    b: int
    score: float
    """Agreement of the aligned pictures' details, at most 1; 1 for identical files. Of a look-alike: of the frames."""
    kind: Kind
    """The same bytes, the same picture, or look-alikes."""

    @property
    def duplicate(self) -> bool:
        """Whether the two are one picture; look-alikes are not."""
        return self.kind != "alike"


def lesion_of(sample: Sample) -> str:
    """The lesion's name over all sets, or empty."""
    scope = "isic" if _ISIC_LESION.fullmatch(sample.lesion) else sample.source
    return f"lesion {scope}/{sample.lesion}" if sample.lesion else ""


def patient_of(sample: Sample) -> str:
    """The patient's name over all sets, or empty."""
    scope = "isic" if _ISIC_PATIENT.fullmatch(sample.patient) else sample.source
    return f"patient {scope}/{sample.patient}" if sample.patient else ""


def image_of(sample: Sample) -> str:
    """The photo's name over all sets: an ISIC number names one picture wherever it is published.

    Also below a folder and as a file's name, `nevus/ISIC_0000019.jpg`, as a folder or a table of one's own names it.
    """
    match = _ISIC_IMAGE.fullmatch(PurePosixPath(sample.image_id).stem)
    return f"image isic/{match[1]}" if match else f"image {sample.key}"


def same_subject(samples: Sequence[Sample]) -> list[tuple[int, int]]:
    """(first, i) for each sample i whose patient, lesion or ISIC number an earlier sample `first` had; i ascending."""
    first: dict[str, int] = {}
    links: dict[tuple[int, int], None] = {}
    for i, sample in enumerate(samples):
        for name in (lesion_of(sample), patient_of(sample), image_of(sample)):
            if name and (earlier := first.setdefault(name, i)) != i:
                links[earlier, i] = None
    return list(links)


def members(samples: Sequence[Sample], pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Connected components of "same patient", "same lesion" and `pairs`: indices by key, in order of the first.

    Raises DataError when a pair names no sample.
    """
    pairs = list(pairs)
    for a, b in pairs:
        if not (0 <= a < len(samples) and 0 <= b < len(samples)):
            raise DataError(f"pair ({a}, {b}) is not of this set: it has {len(samples)} images")
    component = clusters(len(samples), same_subject(samples) + pairs)
    found: dict[int, list[int]] = {}
    for i in sorted(range(len(samples)), key=lambda i: samples[i].key):  # whatever order the samples come in
        found.setdefault(int(component[i]), []).append(i)
    return list(found.values())


def clusters(n: int, pairs: Iterable[tuple[int, int]]) -> npt.NDArray[np.intp]:
    """(n,) for each item the smallest index it is joined with, directly or through others."""
    root = np.arange(n)

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = int(root[i])
        return i

    for i, j in pairs:
        a, b = find(i), find(j)
        root[max(a, b)] = min(a, b)
    return np.array([find(i) for i in range(n)], np.intp)


def same_file(hashes: Sequence[str]) -> list[tuple[int, int]]:
    """(first, i) for each i whose non-empty hash an earlier one had."""
    first: dict[str, int] = {}
    links = [(first.setdefault(value, i), i) for i, value in enumerate(hashes) if value]
    return [(a, b) for a, b in links if a != b]


def class_of(sample: Sample) -> str:
    """What it is stratified and judged by: the leaf, else `malignant` or `benign`, else empty."""
    if sample.diagnosis or sample.malignant is None:
        return sample.diagnosis
    return "malignant" if sample.malignant else "benign"
