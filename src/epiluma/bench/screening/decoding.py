"""Whether decoding a JPEG at a smaller scale changes what a person is told.

A photo of 12 megapixels is screened twice: as the JPEG, of which a screening decodes no more than it needs, and as the
very same pixels without loss in a BMP file, which can only be decoded in full.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from epiluma.bench.errors import BenchError
from epiluma.bench.screening.clock import Advance
from epiluma.bench.screening.rows import Aim, Row, missing, row
from epiluma.bench.screening.subject import LARGE, Effort, LeftOut, Subject, as_large, read
from epiluma.imaging.decode import PhotoError, decode_photo
from epiluma.inference.result import Screening
from epiluma.inference.screen import Screener

UNCHANGED, ENOUGH = Aim(0, "at most"), 1000
"""Of at least so many photos."""
TASK = "changed by scaled decoding"


class Pair(NamedTuple):
    """One photo, screened in both ways."""

    was_large: bool
    """The file itself has 12 megapixels or more; otherwise it was enlarged."""
    judged: bool
    """In both ways."""
    changed: str
    """Both levels of recommendation, scaled and full, where they differ; empty where they do not."""
    risk: float | None
    """How far the two risks of malignancy differ, 0 to 1; None unless judged in both ways."""


def decoding(subject: Subject, effort: Effort, advance: Advance) -> list[Row]:
    """Screen each photo twice and count what differs."""
    paths, pairs = subject.picked(effort.decoded), dict[Path, Pair]()
    for done, path in enumerate(paths, start=1):
        try:
            pairs[path] = compare(subject.screener, path)
        except PhotoError as error:
            subject.left_out.append(LeftOut(file=str(path), large=True, reason=error.reason))
        advance(done, len(paths))
    if not pairs:
        return [missing("decoding", TASK, "photos", aim=UNCHANGED, note="none of the photos can be compared")]
    changed = [f"{path.name} ({pair.changed})" for path, pair in pairs.items() if pair.changed]
    risks = [pair.risk for pair in pairs.values() if pair.risk is not None]
    tells = bool(changed) or len(pairs) >= ENOUGH
    notes = [_counts(list(pairs.values())), *changed, *([] if tells else [f"{ENOUGH:,} photos are needed to tell"])]
    n = {"n": [len(pairs)]}
    found = row(
        "decoding", TASK, "photos", [len(changed)], aim=UNCHANGED, figures=n, note="; ".join(notes), tells=tells
    )
    worst = "largest change of a risk"
    if not risks:
        return [found, missing("decoding", worst, "risk", note="no photo is judged in both ways")]
    return [found, row("decoding", worst, "risk", [max(risks)], note=f"n {len(risks)}")]


def _counts(pairs: Sequence[Pair]) -> str:
    own, judged = sum(pair.was_large for pair in pairs), sum(pair.judged for pair in pairs)
    return f"{len(pairs) - own} enlarged to {LARGE // 1_000_000} MP, {own} as they are, {judged} judged"


def compare(screener: Screener, path: Path) -> Pair:
    """Screen a file's photo with scaled and with full decoding. Raises PhotoError, also when neither is scaled.

    Raises BenchError when a BMP file is not decoded in full, as then nothing is compared.
    """
    data = read(path)
    large, lossless = as_large(data), io.BytesIO()
    pixels = decode_photo(large).image
    pixels.save(lossless, "BMP")
    scaled, full = (screener.look(one, file=path.name) for one in (large, lossless.getvalue()))
    if full.photo.size != pixels.size:
        raise BenchError(f"{path}: as a BMP file it was decoded to {full.photo.size}, not {pixels.size} pixels")
    if scaled.photo.size == full.photo.size:
        raise PhotoError("It is so narrow that a screening decodes it in full.")
    return pair_of(scaled.screening, full.screening, was_large=large is data)


def pair_of(scaled: Screening, full: Screening, *, was_large: bool) -> Pair:
    """What differs between two screenings of one photo."""
    risks = [one.malignancy_risk for one in (scaled, full) if one.malignancy_risk is not None]
    levels = [one.recommendation.level for one in (scaled, full)]
    return Pair(
        was_large=was_large,
        judged=len(risks) == 2,
        changed="" if levels[0] == levels[1] else f"{levels[0]}, in full {levels[1]}",
        risk=abs(risks[0] - risks[1]) if len(risks) == 2 else None,
    )
