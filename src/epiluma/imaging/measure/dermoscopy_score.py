"""The ABCD rule of dermoscopy, as an interval (Stolz et al. 1994, Eur J Dermatol 4:521-527).

Total dermoscopy score = 1.3 A + 0.1 B + 0.5 C + 0.5 D. The rule was made for doctors who look at melanocytic lesions.
When an axis is asymmetric and an edge abrupt is a judgement; the bounds here are this project's own, set by looking at
published photos, and were never compared with doctors' scores.
"""

from __future__ import annotations

from collections.abc import Sequence

from epiluma.imaging.measure.records import Asymmetry, Band, Border, ColourShare, DermoscopyScore

SHAPE_BOUND = 0.10
"""An axis counts as asymmetric when the shape differs from its mirror image by this share or more,"""
COLOUR_BOUND = 10.0
"""or when the colours of mirrored places differ by this much or more on average (CIE 1976 units)."""
ABRUPT = 1 / 3
"""A sector's edge counts as abrupt when this part or more of the change in lightness happens at the outline."""
SUSPICIOUS, HIGHLY_SUSPICIOUS = 4.75, 5.45
"""Scores from the first on are suspicious, above the second highly suspicious of melanoma."""
STRUCTURES = (1, 5)
"""D counts the structures seen: network, structureless areas, branched streaks, dots, globules."""


def total_score(a: int, b: int, c: int, d: int) -> float:
    """The total dermoscopy score, 1.0 to 8.9, of A 0 to 2, B 0 to 8, C 1 to 6 and D 1 to 5."""
    return round(1.3 * a + 0.1 * b + 0.5 * c + 0.5 * d, 1)


def band_of(score: float) -> Band:
    """What Stolz et al. call a score."""
    if score > HIGHLY_SUSPICIOUS:
        return "highly suspicious"
    return "suspicious" if score >= SUSPICIOUS else "benign"


def dermoscopy_score(
    asymmetry: Asymmetry, border: Border, colours: Sequence[ColourShare], structureless: float
) -> DermoscopyScore:
    """A, B and C by the bounds above, and the score for the least and the most D."""
    axes = (
        (asymmetry.shape_long_axis, asymmetry.colour_long_axis),
        (asymmetry.shape_short_axis, asymmetry.colour_short_axis),
    )
    a = sum(shape >= SHAPE_BOUND or colour >= COLOUR_BOUND for shape, colour in axes)
    b = sum(part is not None and part >= ABRUPT for part in border.abruptness)
    c = max(1, sum(colour.present for colour in colours))
    lowest, highest = (total_score(a, b, c, d) for d in STRUCTURES)
    return DermoscopyScore(
        a=a,
        b=b,
        c=c,
        structureless=structureless,
        lowest=lowest,
        highest=highest,
        lowest_band=band_of(lowest),
        highest_band=band_of(highest),
    )
