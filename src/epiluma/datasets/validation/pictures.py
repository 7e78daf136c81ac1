"""Small pictures for the validation report: samples of each class with their masks drawn, and pairs side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.datasets import leaks
from epiluma.datasets.groups import Pair, lesion_of, patient_of
from epiluma.datasets.inspection_look import read_file
from epiluma.datasets.manifest import Entry, exclusion_kind
from epiluma.datasets.validation.facts import diagnosis_of
from epiluma.imaging.decode import Decoded, PhotoError, decode_photo

SIDE = 160
"""Longest side of a picture, pixels."""
_OUTLINE = (0, 229, 255)
"""Cyan: no skin, no lesion and no marker has it."""


class Picture(NamedTuple):
    """One picture and its words."""

    uri: str
    """`data:` address of a JPEG; empty when the file cannot be read."""
    title: str
    detail: str


class PairOfPictures(NamedTuple):
    """Two images that the duplicate search joined."""

    left: Picture
    right: Picture
    detail: str


def picture(entry: Entry) -> Picture:
    """The image, small, with the outline of its mask when it has one that fits."""
    sample = entry.sample
    words = [sample.source, entry.part, sample.confirmation, entry.excluded]
    try:
        photo = decode_photo(read_file(sample.path)[0], shorter_side=SIDE // 2)
    except (PhotoError, OSError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or str(error)  # without the path
        return Picture("", sample.image_id, "; ".join(filter(None, (*words, f"cannot be read: {reason}"))))
    small = photo.image.copy()
    small.thumbnail((SIDE, SIDE))
    pixels = np.array(small)
    if sample.mask is not None and not _outlined(pixels, sample.mask, photo):
        words.append("mask cannot be used")
    return Picture(_as_uri(pixels), sample.image_id, "; ".join(filter(None, words)))


def _outlined(pixels: npt.NDArray[np.uint8], path: Path, photo: Decoded) -> bool:
    """Draw the mask's outline on the small picture; False when the mask cannot be read or is of another size."""
    try:
        mask = decode_photo(read_file(path)[0])
    except (PhotoError, OSError):
        return False
    if (mask.width, mask.height) != (photo.width, photo.height):
        return False
    grey = np.asarray(mask.image.convert("L"))
    inside = (grey > int(grey.max()) // 2).astype(np.uint8) * 255  # 0 and 255, and 0 and 1, are both in use
    small = cv2.resize(inside, pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
    outlines, _ = cv2.findContours((small > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    cv2.drawContours(pixels, outlines, -1, _OUTLINE, 1, cv2.LINE_AA)
    return True


def _as_uri(pixels: npt.NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=78, subsampling=0)  # else a thin coloured line washes out
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def samples_per_class(entries: Sequence[Entry], *, count: int, seed: int) -> dict[str, list[Picture]]:
    """For each diagnosis, `count` of its images drawn at random, images of different groups first."""
    random = np.random.default_rng(seed)
    by_class: dict[str, list[Entry]] = {}
    for i in random.permutation(len(entries)):
        by_class.setdefault(diagnosis_of(entries[i]) or "no diagnosis", []).append(entries[i])
    return {name: [picture(entry) for entry in _spread(found, count)] for name, found in sorted(by_class.items())}


def _spread(entries: Sequence[Entry], count: int) -> list[Entry]:
    """The first `count`, one of each group before a second of any."""
    seen: set[str] = set()
    fresh: list[Entry] = []
    again: list[Entry] = []
    for entry in entries:
        group = entry.group or lesion_of(entry.sample) or entry.sample.key
        (again if group in seen else fresh).append(entry)
        seen.add(group)
    return (fresh + again)[:count]


def pairs_side_by_side(entries: Sequence[Entry], pairs: Sequence[Pair], *, count: int) -> list[PairOfPictures]:
    """The pairs that matter most: copies, then across parts, across sources, and those of different lesions."""

    def worst_first(pair: Pair) -> tuple[bool, bool, bool, bool, float]:
        a, b = entries[pair.a], entries[pair.b]
        same = a.sample.source == b.sample.source
        return not pair.duplicate, not _crosses(a, b), same, _same_subject(a, b) == "lesion", -pair.score

    result = []
    for pair in sorted(pairs, key=worst_first)[:count]:
        a, b = entries[pair.a], entries[pair.b]
        kind = pair.kind if pair.duplicate else "look-alike"
        result.append(PairOfPictures(picture(a), picture(b), f"{kind}, {pair.score:.3f}{_said(a, b)}"))
    return result


def _said(a: Entry, b: Entry) -> str:
    """What two copies have in common and what they have not, each after a semicolon."""
    words = []
    if subject := _same_subject(a, b):
        words.append(f"same {subject} by the publisher's table")
    if any(exclusion_kind(entry.excluded) == "duplicate" for entry in (a, b)):
        words.append("copy left out")
    if _crosses(a, b):
        words.append(f"ACROSS PARTS: {a.part} and {b.part}")
    if leaks.disagree(a.sample, b.sample):
        words.append(f"LABELS DIFFER: {diagnosis_of(a)} and {diagnosis_of(b)}")
    return "".join(f"; {word}" for word in words)


def _crosses(a: Entry, b: Entry) -> bool:
    """Whether both are used, in two parts; what is left out has no part."""
    return a.used and b.used and bool(a.part) and bool(b.part) and a.part != b.part


def _same_subject(a: Entry, b: Entry) -> str:
    """`lesion` or `patient`, whichever the publishers' tables say is the same, or empty."""
    for name, name_of in (("lesion", lesion_of), ("patient", patient_of)):
        if name_of(a.sample) and name_of(a.sample) == name_of(b.sample):
            return name
    return ""
