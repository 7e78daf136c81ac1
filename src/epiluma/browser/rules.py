"""Every bound and sentence of the runtime that the page needs, as data: JavaScript repeats the steps, no number."""

from __future__ import annotations

from typing import Any

from epiluma import taxonomy
from epiluma.bundle import Manifest
from epiluma.imaging import decode, framing, preprocess, quality
from epiluma.imaging.formats import claims
from epiluma.inference import decide, donut, gate, outline, recommend, session, view

_BOUNDS = {
    "quality": (quality, ("SIDE", "MIN_SIDE", "MIN_SHARPNESS", "MIN_CONTRAST", "MIN_BRIGHTNESS", "MAX_BRIGHTNESS",
                          "TOO_SMALL", "EMPTY", "TOO_DARK", "TOO_BRIGHT", "BLURRED")),
    "framing": (framing, ("SIDE", "GRID", "ISLAND", "MOST", "HAIR_REACH", "HAIR_DEPTH", "INK_DISTANCE", "DARK",
                          "GLARE")),
    "gate": (gate, ("MIN_AREA", "SMALL_AREA", "LARGE_AREA", "MIN_CONTACT", "MAX_OUTSIDE", "MIN_SKIN", "MIN_INK",
                    "MIN_HAIR", "WORDS")),
    "decide": (decide, ("COST",)),
    "recommend": (recommend, ("LEVELS", "RECHECK_HARM", "URGENT_PROBABILITY", "WEEKS", "SYMPTOMS", "ALARMING")),
    "decode": (decode, ("MAX_BYTES", "MAX_SIDE", "MAX_PIXELS")),
    "claims": (claims, ("DAMAGED", "UNKNOWN")),
    "preprocess": (preprocess, ("SPECKS",)),
    "outline": (outline, ("LEVELS",)),
    "view": (view, ("SPARE",)),
    "session": (session, ("TOLERANCE",)),
    "taxonomy": (taxonomy, ("BINARY_NOTE", "BINARY_NOTE_ZH")),
    "donut": (donut, ("TOP",)),
}  # fmt: skip


def rules(manifest: Manifest) -> dict[str, Any]:
    """By module and name the runtime's constants, and the grids of the bundle's known inputs by their seed."""
    found: dict[str, Any] = {
        module: {name: getattr(source, name) for name in names} for module, (source, names) in _BOUNDS.items()
    }
    seeds = {answer.seed for answer in (*manifest.known_answers, *_outline_answers(manifest))}
    found["known_grids"] = {str(seed): session.known_grid(seed).ravel().tolist() for seed in sorted(seeds)}
    return found


def _outline_answers(manifest: Manifest) -> tuple[Any, ...]:
    return manifest.outline.known_answers if manifest.outline else ()
