"""What the outline of a lesion lets one measure: size, asymmetry, border, colours, skin tone, and change.

`measure` is for one photo, `compare_visits` for two. Everything is numpy and Pillow; nothing here diagnoses.
"""

from epiluma.imaging.measure.lesion import MaskMismatch, NoLesion
from epiluma.imaging.measure.measurement import measure
from epiluma.imaging.measure.records import Measurements, Scale
from epiluma.imaging.measure.ruler import find_ruler, scale_from_ruler
from epiluma.imaging.measure.scale import ImpossibleScale, given_scale, scale_from_exif
from epiluma.imaging.measure.visits import Comparison, Evolution, Visit, compare_visits

__all__ = [
    "Comparison",
    "Evolution",
    "ImpossibleScale",
    "MaskMismatch",
    "Measurements",
    "NoLesion",
    "Scale",
    "Visit",
    "compare_visits",
    "find_ruler",
    "given_scale",
    "measure",
    "scale_from_exif",
    "scale_from_ruler",
]
