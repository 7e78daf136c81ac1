"""The one typed result that the terminal, the page, the API and every report render."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from epiluma.imaging.quality import QualityGrade

__all__ = [
    "NOT_A_DIAGNOSIS",
    "BundleRef",
    "Level",
    "QualityGrade",
    "Recommendation",
    "Screening",
    "ScreeningError",
    "Timings",
    "json_schema",
    "to_json",
]

NOT_A_DIAGNOSIS = "This is not a diagnosis. A doctor must judge any mark that worries you, whatever is shown here."

Level = Literal["refer", "no_sign", "cannot_judge"]


class _Record(msgspec.Struct, frozen=True):
    """Base of the result's parts: immutable, extended only by adding optional fields."""


class Recommendation(_Record, frozen=True, kw_only=True):
    """What to do, the threshold behind it, and the words for it."""

    level: Level
    text: str
    """One plain sentence that starts with what to do."""
    reason: str
    threshold: float
    """Malignancy risk at or above which the level is `refer`."""
    within_weeks: int | None = None
    """By when a doctor should see the mark; None unless the level is `refer`."""


class Timings(_Record, frozen=True, kw_only=True):
    """Milliseconds spent in each step."""

    decode: float
    network: float
    total: float


class BundleRef(_Record, frozen=True, kw_only=True):
    """Which model spoke."""

    id: str
    name: str
    modality: str
    licence: str


class Screening(_Record, frozen=True, kw_only=True):
    """What one photo says. When `recommendation.level` is `cannot_judge`, the photo is not scored:
    `diagnosis` and `malignancy_risk` are None and `probabilities` is empty.
    """

    file: str
    diagnosis: str | None
    """Code of the diagnosis by the bundle's decision rule (prior- and cost-corrected)."""
    probabilities: dict[str, float]
    """Calibrated probability per diagnosis code, in the taxonomy's order; they sum to 1."""
    malignancy_risk: float | None
    """Sum of the malignant diagnoses' probabilities."""
    recommendation: Recommendation
    quality: QualityGrade
    bundle: BundleRef
    timings: Timings
    width: int
    """Pixels, after orientation."""
    height: int
    warning: str = NOT_A_DIAGNOSIS


class ScreeningError(_Record, frozen=True, kw_only=True):
    """The line that a file which cannot be read gives instead of a screening."""

    file: str
    error: str


def to_json(result: Screening | ScreeningError) -> str:
    """One line of JSON."""
    return msgspec.json.encode(result).decode()


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a line of `epiluma screen --json`: a Screening or a ScreeningError."""
    either, parts = msgspec.json.schema_components((Screening, ScreeningError), ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of epiluma screen --json",
        "oneOf": list(either),
        "$defs": parts,
    }
