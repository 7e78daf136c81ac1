"""The gate before the verdict: what is no fit photo of one lesion is refused, with a reason and what to do.

Each check gives at most one finding. `refuse` means that the photo is not judged; `note` is said beside the verdict.
The gate fails closed: a check that breaks, or that measures what is no finite number, refuses. Measured rates, and why
each check refuses or only notes: docs/reference/gate.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.bundle import Bundle
from epiluma.imaging.framing import Cover, Framing, measure_cover, measure_framing
from epiluma.imaging.quality import QualityGrade
from epiluma.inference.scope import ScopeScorer, open_scope

Severity = Literal["refuse", "note"]
Code = Literal[
    "quality", "no_lesion", "several_lesions", "lesion_small", "lesion_large", "lesion_cut", "not_skin", "ink", "hair",
    "ruler", "out_of_scope", "cannot_judge",
]  # fmt: skip

MIN_AREA, SMALL_AREA = 0.0005, 0.01
"""Share of the square: below the first there is no lesion, below the second a small one."""
LARGE_AREA = 0.9
MIN_CONTACT, MAX_OUTSIDE = 0.02, 0.05
"""Share of the square's edge on the lesion, and share of the lesion outside the square, from which it is cut."""
MIN_SKIN = 0.5
"""Less than this share of what is lit could be skin: no photo of skin."""
MIN_INK, MIN_HAIR, MIN_RULER = 0.02, 0.3, 0.6
"""Share of the frame, share of the lesion, and score of `epiluma.imaging.artefacts.find_ruler`."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a photo, or that a reader should know of it."""

    code: Code
    severity: Severity
    reason: str
    """A plain sentence."""
    action: str
    """What to do, a plain sentence."""
    value: float | None = None
    """What was measured, in the unit of the check's threshold; None where nothing could be."""
    threshold: float | None = None


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What all checks found of one photo."""

    findings: tuple[Finding, ...]
    """Refusals first."""
    score: float | None
    """How unlike the training data the photo looks; None without statistics in the bundle, or when it failed."""

    @property
    def passes(self) -> bool:
        """Whether the photo may be judged."""
        return not any(finding.severity == "refuse" for finding in self.findings)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it may not, each with what to do; empty when it may."""
        return tuple(f"{f.reason} {f.action}".strip() for f in self.findings if f.severity == "refuse")


WORDS: dict[Code, tuple[Severity, str, str]] = {
    "quality": ("refuse", "", ""),
    "no_lesion": ("refuse", "No mark was found in this photo.", "Put the mark in the middle and take it again."),
    "several_lesions": ("note", "More than one mark is in this photo.", "Photograph each mark by itself."),
    "lesion_small": ("note", "The mark is very small in this photo.", "Move closer, so that it fills a third."),
    "lesion_large": ("note", "The mark fills the photo.", "Move away until skin is seen all around it."),
    "lesion_cut": ("note", "The mark is cut by the edge of the photo.", "Take it again with the whole mark in view."),
    "not_skin": ("refuse", "This does not look like skin.", "Photograph the mark on the skin, under white light."),
    "ink": ("note", "There is ink on the skin.", "Wipe it off, if you can, and take the photo again."),
    "hair": ("note", "Hair lies over the mark.", "Move the hair aside and take the photo again."),
    "ruler": ("note", "A ruler is in the photo.", "If you can, take one more photo without it."),
    "out_of_scope": (
        "refuse",
        "This photo is unlike those that the model was made with.",
        "Photograph the mark as the model's description says, from near and in focus.",
    ),
    "cannot_judge": ("refuse", "The photo could not be checked.", "Take another photo."),
}
"""By code: severity, what is wrong, and what to do; `quality` brings words of its own."""


class Gate:
    """The checks of one bundle, opened once; photo after photo goes through."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises BundleError when the bundle's statistics are not what its manifest says."""
        self.scorer: ScopeScorer | None = open_scope(bundle)

    def check(
        self,
        photo: Image.Image,
        mask: npt.NDArray[np.bool_] | None,
        *,
        features: npt.NDArray[np.floating] | None,
        logits: npt.NDArray[np.floating] | None,
        quality: QualityGrade,
        ruler: float | None = None,
    ) -> GateResult:
        """All findings of an upright RGB photo.

        `mask` (h, w) is true on the lesion and has the photo's size; None where the bundle does not outline it, and
        then nothing is said of framing. `features` (1, d), the output that the bundle's statistics are of, and `logits`
        (1, leaves) are the graph's, of the photo as it is; None of `features` is allowed only of a bundle without
        statistics, None of `logits` only of a photo whose quality keeps it from the network. `ruler` is 0 to 1 where
        something measured it. Raises nothing: what breaks is a refusal.
        """
        findings = list(check_photo(photo, mask, quality=quality, ruler=ruler))
        if logits is None and not quality.usable:
            score, found = None, None
        else:
            score, found = check_scope(self.scorer, features, logits)
        findings += [found] if found else []
        return GateResult(findings=tuple(sorted(findings, key=lambda f: f.severity != "refuse")), score=score)


def check_photo(
    photo: Image.Image, mask: npt.NDArray[np.bool_] | None, *, quality: QualityGrade, ruler: float | None = None
) -> Iterator[Finding]:
    """Findings that need no network, as `Gate.check` gives them."""
    if not quality.usable:
        text = " ".join(quality.reasons) or WORDS["cannot_judge"][1]
        yield Finding(code="quality", severity="refuse", reason=text, action="")
    if not all(math.isfinite(value) for value in (quality.sharpness, quality.brightness, quality.contrast)):
        yield finding("cannot_judge")
    if mask is not None:
        yield from _guarded(lambda: framing_findings(_measured_framing(photo, mask)))
    yield from _guarded(lambda: cover_findings(measure_cover(photo, mask)))
    if ruler is not None:
        yield from _guarded(lambda: _above("ruler", ruler, MIN_RULER))


def framing_findings(framing: Framing) -> list[Finding]:
    """Of where the lesion lies."""
    if not _finite(framing.area, framing.outside, framing.contact):
        return [finding("cannot_judge")]
    if framing.area < MIN_AREA:
        return [finding("no_lesion", framing.area, MIN_AREA)]
    found = _above("several_lesions", float(framing.lesions), 2.0)
    if framing.area < SMALL_AREA:
        found.append(finding("lesion_small", framing.area, SMALL_AREA))
    found += _above("lesion_large", framing.area, LARGE_AREA)
    return found + (
        _above("lesion_cut", framing.contact, MIN_CONTACT) or _above("lesion_cut", framing.outside, MAX_OUTSIDE)
    )


def cover_findings(cover: Cover) -> list[Finding]:
    """Of what the photo shows and what lies on the lesion."""
    if not _finite(cover.skin, cover.ink, cover.hair):
        return [finding("cannot_judge")]
    found = [finding("not_skin", cover.skin, MIN_SKIN)] if cover.skin < MIN_SKIN else []
    return found + _above("ink", cover.ink, MIN_INK) + _above("hair", cover.hair, MIN_HAIR)


def check_scope(
    scorer: ScopeScorer | None,
    features: npt.NDArray[np.floating] | None,
    logits: npt.NDArray[np.floating] | None,
) -> tuple[float | None, Finding | None]:
    """Score and finding of (1, d) features and (1, leaves) logits; no score without statistics. Raises nothing."""
    try:
        if logits is None or not np.isfinite(logits).all():
            return None, finding("cannot_judge")
        if scorer is None:
            return None, None
        if features is None or len(features) != 1 or len(logits) != 1:
            return None, finding("cannot_judge")
        score, threshold = float(scorer(features, logits)[0]), scorer.facts.threshold
    except Exception:  # whatever breaks, the photo is not judged
        return None, finding("cannot_judge")
    if not _finite(score, threshold):
        return None, finding("cannot_judge")
    return score, finding("out_of_scope", score, threshold) if score > threshold else None


def finding(code: Code, value: float | None = None, threshold: float | None = None) -> Finding:
    """A finding in the words for it."""
    severity, reason, action = WORDS[code]
    plain = None if value is None else float(value)  # a number of numpy's own cannot be written as JSON
    return Finding(code=code, severity=severity, reason=reason, action=action, value=plain, threshold=threshold)


def _measured_framing(photo: Image.Image, mask: npt.NDArray[np.bool_]) -> Framing:
    if mask.shape != (photo.height, photo.width) or mask.dtype != np.bool_:
        raise ValueError(f"a mask {mask.shape} of {mask.dtype} for a photo of {photo.width} x {photo.height} pixels")
    return measure_framing(mask)


def _guarded(check: Callable[[], list[Finding]]) -> list[Finding]:
    """The findings of a check, or a refusal when it breaks."""
    try:
        return check()
    except Exception:  # whatever breaks, the photo is not judged
        return [finding("cannot_judge")]


def _above(code: Code, value: float, threshold: float) -> list[Finding]:
    if not math.isfinite(value):
        return [finding("cannot_judge")]
    return [finding(code, value, threshold)] if value >= threshold else []


def _finite(*values: float) -> bool:
    return all(math.isfinite(value) for value in values)
