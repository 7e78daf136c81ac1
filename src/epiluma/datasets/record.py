"""One image of a data set, with its truth and everything needed to group, weigh and report it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from epiluma.errors import EpilumaError


class DataError(EpilumaError):
    """Something wrong in a data set; the message names the file, the row and what to do."""


class OutOfScope(DataError):
    """A row whose label the adapter knows and the taxonomy deliberately lacks: left out, counted, no mistake."""


class MissingImage(DataError):
    """A row whose image file is not there."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One labelled photo. Empty string (or None) where the publisher gives nothing."""

    image_id: str
    path: Path
    diagnosis: str
    """Leaf code of the taxonomy; empty when the publisher tells less than that (only `malignant`, or only a mask)."""
    malignant: bool | None = None
    """The publisher's own word where there is no leaf, or a leaf of an own taxonomy; else None: the leaf says it."""
    label: str = ""
    """The publisher's own label, as it stands in the table."""
    lesion: str = ""
    """Publisher's lesion identifier: photos that share it must share a part."""
    patient: str = ""
    """Publisher's patient identifier: photos that share it must share a part."""
    source: str
    """Name in the catalog, or the folder's name."""
    modality: str
    """`dermoscopy` or `clinical`."""
    licence: str
    attribution: str = ""
    confirmation: str = ""
    """How the diagnosis was confirmed: `histo`, `follow_up`, `consensus`, `confocal`. Never an input: it predicts
    the label."""
    age: int | None = None
    """Years, rounded by the publisher to fives."""
    sex: str = ""
    """`male`, `female` or empty."""
    site: str = ""
    skin_type: int | None = None
    """Fitzpatrick type, 1 to 6."""
    skin_tone: str = ""
    """`I-II`, `III-IV` or `V-VI`, for sets that label groups of types only; empty where `skin_type` is given."""
    part: str = ""
    """The publisher's own part: `train`, `validation`, `test`, or empty where there is no official split."""
    mask: Path | None = None
    """Lesion mask of the image's own size: PNG, or any other image file that can be read."""
    geometry: str = "original"
    """What was done to the frame: `original`, `cropped` (centre crop), `squashed` (aspect ratio changed)."""

    @property
    def key(self) -> str:
        """`source/image_id`: unique over all sets; the same image published twice has two keys."""
        return f"{self.source}/{self.image_id}"


Reason = Literal["out of scope", "missing", "broken"]


class Omitted(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a publisher's table that gave no sample."""

    where: str
    """`FILE: line N`, or the file."""
    image_id: str
    """As far as it could be read."""
    kind: Reason
    reason: str


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter found: every row of the publisher's table is a sample or is explained."""

    samples: list[Sample]
    """In image-id order."""
    omitted: list[Omitted] = []

    @property
    def rows(self) -> int:
        """Rows that were read: samples and omitted together."""
        return len(self.samples) + len(self.omitted)
