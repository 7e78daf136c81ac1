"""The one typed result that the terminal, the page, the API and every report render."""

from __future__ import annotations

from typing import Any

import msgspec

from epiluma.bundle import FP32
from epiluma.imaging.measure import Measurements
from epiluma.imaging.quality import QualityGrade
from epiluma.inference.gate import Finding
from epiluma.inference.recommend import Level, Recommendation, Symptom

__all__ = [
    "NOT_A_DIAGNOSIS",
    "BundleRef",
    "Example",
    "Explanation",
    "Finding",
    "Level",
    "Measurements",
    "QualityGrade",
    "Recommendation",
    "Screening",
    "ScreeningError",
    "Symptom",
    "Timings",
    "json_schema",
    "to_json",
]

NOT_A_DIAGNOSIS = "This is not a diagnosis. A doctor must judge any mark that worries you, whatever is shown here."


class _Record(msgspec.Struct, frozen=True):
    """Base of the result's parts: immutable, extended only by adding optional fields."""


class Timings(_Record, frozen=True, kw_only=True):
    """Milliseconds spent in each step."""

    decode: float
    network: float
    """Of the diagnosis."""
    total: float
    outline: float = 0.0
    gate: float = 0.0
    measure: float = 0.0
    """Measurements and explanation."""


class Explanation(_Record, frozen=True, kw_only=True):
    """Where the network found what speaks for the diagnosis, by its class activation map (Zhou et al. 2016,
    arXiv:1512.04150), which is exact for a network that averages its last feature map.
    """

    diagnosis: str
    """Code of the diagnosis that is explained: the one that the screening gives."""
    share_inside: float | None
    """Of all that speaks for it, how much lies on the lesion, 0 to 1; None without an outline, or when nothing does.
    The map is coarse, so that a small lesion keeps less of it."""
    cells: tuple[int, int]
    """Rows and columns of the map."""


class Example(_Record, frozen=True, kw_only=True):
    """A published photo with a known diagnosis that looks alike to the network. Not a second opinion: alike to the
    network that judged, by the same features.
    """

    id: str
    """In the archive."""
    diagnosis: str
    """Code of the diagnosis that the photo is published with."""
    similarity: float
    """Cosine of the two photos' features, -1 to 1."""
    url: str
    """Where the archive shows it."""


class BundleRef(_Record, frozen=True, kw_only=True):
    """Which model spoke."""

    id: str
    name: str
    modality: str
    licence: str
    graph: str = FP32
    """Which of its graphs ran: the preferred one, unless another was named or this processor computes it otherwise."""


class Screening(_Record, frozen=True, kw_only=True):
    """What one photo says, and what to do about it. A photo that cannot be judged is not scored: `diagnosis` and
    `malignancy_risk` are None and `probabilities` is empty. Its level is then `cannot_judge`, or higher where an
    alarming symptom was reported.
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
    symptoms: tuple[Symptom, ...] = ()
    """What the person reports of the mark."""
    findings: tuple[Finding, ...] = ()
    """What the gate found of the photo, refusals first; a photo with a refusal is not judged."""
    ood_score: float | None = None
    """How unlike the model's training data the photo looks; None when the bundle cannot tell."""
    measurements: Measurements | None = None
    """None without an outline, and when nothing is outlined."""
    explanation: Explanation | None = None
    """None for a photo that is not judged, and when the bundle cannot tell."""
    examples: tuple[Example, ...] = ()
    """What the photo looks most like, the nearest first; empty for a photo that is not judged, and when the bundle
    names no examples."""
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
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of epiluma screen --json",
        "oneOf": list(either),
        "$defs": parts,
    }
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(schema))  # defaults are tuples otherwise
    return plain
