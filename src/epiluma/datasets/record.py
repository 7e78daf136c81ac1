"""One image of a data set, with its truth and everything needed to group, weigh and report it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from epiluma.errors import EpilumaError


class DataError(EpilumaError):
    """Something wrong in a data set; the message names the file, the row and what to do."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One labelled photo. Empty string (or None for age) where the publisher gives nothing."""

    image_id: str
    path: Path
    diagnosis: str
    """Leaf code of the taxonomy."""
    lesion: str
    """Publisher's lesion (or patient) identifier: photos that share it must share a part."""
    source: str
    modality: str
    licence: str
    confirmation: str = ""
    """How the diagnosis was confirmed: `histo`, `follow_up`, `consensus`, `confocal`. Never an input: it predicts
    the label."""
    age: int | None = None
    """Years, rounded by the publisher to fives."""
    sex: str = ""
    site: str = ""
    mask: Path | None = None
