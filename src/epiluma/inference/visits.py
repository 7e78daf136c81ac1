"""Two photos of one mark, taken at two visits: both screened, and compared where both can be judged."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from PIL import Image

from epiluma.imaging.decode import MAX_BYTES, PhotoError
from epiluma.imaging.measure import Comparison, Evolution, Scale, Visit, compare_visits
from epiluma.imaging.measure.visits import GAINED, LOST
from epiluma.inference.pictures import PicturesError, overlay
from epiluma.inference.recommend import LEVELS, TEXTS, WEEKS, Recommendation, Symptom
from epiluma.inference.result import NOT_A_DIAGNOSIS, Screening
from epiluma.inference.screen import Screened, Screener

GREW = 0.3
"""Relative growth of the area from which on a mark is said to have grown: of pairs of photos of one mark, taken without
time between them, one in twenty seems to grow by 0.29 or more (docs/how-to/compare-visits.md)."""
_COLOURS = {GAINED: (255, 60, 0), LOST: (0, 120, 255)}


class Visits(msgspec.Struct, frozen=True, kw_only=True):
    """What two photos of one mark say together. It never says less than the more severe of the two photos alone."""

    earlier: Screening
    later: Screening
    recommendation: Recommendation
    evolution: Evolution | None
    """None where a photo cannot be judged, or outlines nothing: what cannot be seen is not compared."""
    changes: tuple[str, ...]
    """What changed more than photos of an unchanged mark differ, in plain sentences."""
    unknown: tuple[str, ...]
    """What could not be compared, and why."""
    warning: str = NOT_A_DIAGNOSIS


class Compared(NamedTuple):
    """Visits, and the pictures that belong to them."""

    visits: Visits
    screened: tuple[Screened, Screened]
    comparison: Comparison | None


def compare_photos(
    screener: Screener, earlier: Path, later: Path, *, symptoms: Collection[Symptom] = (), scale: Scale | None = None
) -> Compared:
    """Screen and compare two photo files. `symptoms` are reported at the later visit; `scale` holds for both files.

    Raises PhotoError naming the file that cannot be read.
    """
    first, second = (_look(screener, path, reported, scale) for path, reported in ((earlier, ()), (later, symptoms)))
    unknown, comparison = _unknown(first, second), None
    if not unknown:
        comparison = compare_visits(*(_visit(one) for one in (first, second)))
    evolution = comparison.evolution if comparison else None
    changes = _changes(evolution)
    visits = Visits(
        earlier=first.screening,
        later=second.screening,
        recommendation=_recommended(first.screening, second.screening, changes),
        evolution=evolution,
        changes=changes,
        unknown=unknown or _left_open(evolution),
    )
    return Compared(visits, (first, second), comparison)


def _look(screener: Screener, path: Path, symptoms: Collection[Symptom], scale: Scale | None) -> Screened:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)  # one byte more than allowed is enough to refuse it
        return screener.look(data, file=str(path), symptoms=symptoms, scale=scale)
    except PhotoError as error:
        raise PhotoError(f"{path}: {error.reason}") from error
    except OSError as error:
        raise PhotoError(f"{path}: the file cannot be opened ({error.strerror}).") from error


def _unknown(first: Screened, second: Screened) -> tuple[str, ...]:
    """Why two photos cannot be compared; empty when they can."""
    found = []
    for name, screened in (("earlier", first), ("later", second)):
        refusals = [finding.reason for finding in screened.screening.findings if finding.severity == "refuse"]
        if refusals:
            found.append(f"The {name} photo cannot be judged, so nothing is compared: {' '.join(refusals)}")
        elif screened.mask is None or not screened.mask.any():
            found.append(f"In the {name} photo no mark is outlined, so nothing is compared.")
    return tuple(found)


def _visit(screened: Screened) -> Visit:
    assert screened.mask is not None
    measured = screened.screening.measurements
    return Visit(np.asarray(screened.photo), screened.mask, _as_decoded(screened, measured.scale if measured else None))


def _as_decoded(screened: Screened, scale: Scale | None) -> Scale | None:
    """A given scale of the file's pixels, for those of the photo as it was decoded.

    What a camera wrote is not compared: it is uncertain by more than a mark that matters grows.
    """
    if scale is None or scale.source != "given":
        return None
    reduced = screened.screening.width / screened.photo.width
    return msgspec.structs.replace(scale, mm_per_pixel=scale.mm_per_pixel * reduced)


def _changes(evolution: Evolution | None) -> tuple[str, ...]:
    if evolution is None or evolution.size is None or evolution.size.area < GREW:
        return ()
    return (f"The mark covers {evolution.size.area:.0%} more skin than before.",)


def _left_open(evolution: Evolution | None) -> tuple[str, ...]:
    if evolution is None or evolution.size is not None:
        return ()
    return (f"Whether the mark grew cannot be told. {' '.join(evolution.notes)}",)


def _recommended(first: Screening, second: Screening, changes: tuple[str, ...]) -> Recommendation:
    """The more severe of both; a change is shown to a doctor whatever the photos say alone."""
    worse = max((second.recommendation, first.recommendation), key=lambda one: LEVELS.index(one.level))
    if not changes:
        return worse
    level = max(worse.level, "refer", key=LEVELS.index)
    weeks = WEEKS[level]
    reason = f"{' '.join(changes)} A mark that changes should be seen by a doctor, whatever a photo shows."
    return Recommendation(
        level=level,
        text=TEXTS[level].format(weeks=weeks),
        reason=reason if worse.level != level else f"{worse.reason} {reason}",
        threshold=worse.threshold,
        within_weeks=weeks,
    )


def picture(compared: Compared) -> Image.Image:
    """Both photos with contour and heat, side by side; on the earlier what the mark gained in red and lost in blue."""
    first, second = (overlay(one) for one in compared.screened)
    if compared.comparison and compared.comparison.change_map is not None:
        pixels = np.asarray(first).copy()
        for value, colour in _COLOURS.items():
            where = compared.comparison.change_map == value
            pixels[where] = (pixels[where] / 2 + np.array(colour) / 2).astype(np.uint8)
        first = Image.fromarray(pixels)
    height = min(first.height, second.height)
    scaled = [one.resize((max(1, round(one.width * height / one.height)), height)) for one in (first, second)]
    both = Image.new("RGB", (scaled[0].width + scaled[1].width + 8, height), "white")
    both.paste(scaled[0], (0, 0))
    both.paste(scaled[1], (scaled[0].width + 8, 0))
    return both


def save_picture(compared: Compared, path: Path) -> None:
    """Write `picture` in the format of the file's ending. Raises PicturesError."""
    try:
        picture(compared).save(path)
    except (OSError, ValueError) as error:
        raise PicturesError(f"{path}: the picture cannot be written ({error})") from error


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of what `epiluma visits --json` prints."""
    either, parts = msgspec.json.schema_components((Visits,), ref_template="#/$defs/{name}")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What epiluma visits --json prints",
        **either[0],
        "$defs": parts,
    }
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(schema))
    return plain
