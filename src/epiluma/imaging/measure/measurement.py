"""One photo and its mask in, all measurements out."""

from __future__ import annotations

from epiluma.imaging.measure.dermoscopy_score import dermoscopy_score
from epiluma.imaging.measure.figures import asymmetry_of, border_of, colours_of, structureless_share
from epiluma.imaging.measure.lesion import Lesion, Pixels, align, check, find_lesion
from epiluma.imaging.measure.pieces import Mask
from epiluma.imaging.measure.records import Extent, Measurements, Scale, Size
from epiluma.imaging.measure.tone import skin_tone

TOUCHES = "The lesion touches the frame, so part of it may be missing: its sizes are lower bounds."
SEVERAL = "The mask has {count} pieces; only the largest is measured."
ROUGH_TONE = "The skin tone is rough: the photo has no colour reference, and polarised light darkens and reddens skin."
NO_TONE = "Too little skin is seen around the lesion to tell its tone; colours are not corrected for the photo's tint."
NO_STRUCTURES = "The dermoscopy score is an interval, because structures (D, 1 to 5) are not counted."
TOO_SMALL = "The lesion is so small in this photo that its border and colours are rough."
SMALL = 20
"""Equivalent diameter in pixels below which the figures of border and colours are rough."""


def measure(pixels: Pixels, mask: Mask, *, scale: Scale | None = None, reduced: float = 1.0) -> Measurements:
    """Measure the lesion that `mask` (H, W) outlines in the upright RGB photo `pixels` (H, W, 3) uint8.

    The mask's largest piece is measured, what it encloses included. With a `scale`, sizes come in millimetres too.
    `reduced` says how many pixels of the file lie along a side of one of these, for a photo that was decoded smaller:
    sizes and scale are of the file's.
    Raises NoLesion for an empty mask, MaskMismatch for one of another size or type. Definitions and sources:
    docs/reference/measurements.md.
    """
    check(pixels, mask)
    lesion = find_lesion(mask)
    aligned = align(lesion, pixels)
    tone = skin_tone(pixels, mask)
    asymmetry, border = asymmetry_of(lesion, aligned), border_of(lesion, aligned)
    colours = colours_of(aligned, tone.lab if tone else None)
    return Measurements(
        size=_size(lesion, mask.size, scale, reduced),
        asymmetry=asymmetry,
        border=border,
        colours=colours,
        dermoscopy_score=dermoscopy_score(asymmetry, border, colours, structureless_share(aligned)),
        skin_tone=tone,
        scale=scale,
        notes=_notes(lesion, tone is not None, scale),
    )


def _size(lesion: Lesion, photo_area: int, scale: Scale | None, reduced: float) -> Size:
    in_pixels = _extent(lesion, reduced)
    return Size(
        pixels=in_pixels,
        millimetres=_extent(lesion, scale.mm_per_pixel * reduced) if scale else None,
        share=lesion.area / photo_area,
        touches_frame=lesion.touches_frame,
        pieces=lesion.pieces,
    )


def _extent(lesion: Lesion, unit: float) -> Extent:
    """`unit`: how long a side of a photo's pixel is."""
    largest, smallest = (length * lesion.factor * unit for length in lesion.shape.feret)
    return Extent(
        area=lesion.area * unit**2,
        largest_diameter=largest,
        smallest_diameter=smallest,
        equivalent_diameter=lesion.equivalent_diameter * unit,
        perimeter=lesion.shape.perimeter * lesion.factor * unit,
    )


def _notes(lesion: Lesion, has_tone: bool, scale: Scale | None) -> tuple[str, ...]:
    said = {
        TOUCHES: lesion.touches_frame,
        SEVERAL.format(count=lesion.pieces): lesion.pieces > 1,
        TOO_SMALL: lesion.equivalent_diameter < SMALL,
        scale.note if scale else "": scale is not None and bool(scale.note),
        ROUGH_TONE: has_tone,
        NO_TONE: not has_tone,
        NO_STRUCTURES: True,
    }
    return tuple(note for note, true in said.items() if true)
