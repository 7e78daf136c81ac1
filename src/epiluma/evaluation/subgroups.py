"""The same few figures on every subgroup: age band, sex, site, skin type, source, modality, how it was confirmed."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from epiluma.evaluation.figures import DEFINITIONS
from epiluma.evaluation.measure import Figure, measure
from epiluma.evaluation.outside import COLUMN as OOD_SCORE
from epiluma.evaluation.view import View

FIGURES = (
    "malignant_auc_by_lesion",
    "malignant_sensitivity_by_lesion",
    "specificity_by_lesion",
    "balanced_accuracy_grouped",
)
"""Keys of the figures that every subgroup has."""
AGE_BANDS = (30, 45, 60, 75)
"""Ages, in years, at which a band ends and the next begins."""
MAX_VALUES = 24
"""A column with more values is no subgroup but a name, and is left out."""
UNKNOWN = "unknown"

_DEFINITIONS = [definition for definition in DEFINITIONS if definition.key in FIGURES]


class Subgroup(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the scored images, and what is known of how they are judged."""

    images: int
    lesions: int
    figures: dict[str, Figure]


def score_subgroups(view: View, *, seed: int, replicates: int) -> dict[str, dict[str, Subgroup]]:
    """By column, then by value, in order; columns with one value or with more than MAX_VALUES are left out."""
    found: dict[str, dict[str, Subgroup]] = {}
    for column, values in sorted(view.table.subgroups.items()):
        named = np.array([_name(column, value) for value in values])
        names = sorted(set(named.tolist()), key=lambda name: (name == UNKNOWN, name))
        if column == OOD_SCORE or not 1 < len(names) <= MAX_VALUES:
            continue
        found[column] = {name: _subgroup(view.where(named == name), seed, replicates) for name in names}
    return found


def age_band(years: float) -> str:
    """`0-29`, `30-44`, ..., `75+`."""
    index = int(np.searchsorted(AGE_BANDS, years, side="right"))
    if index == len(AGE_BANDS):
        return f"{AGE_BANDS[-1]}+"
    return f"{(0, *AGE_BANDS)[index]}-{AGE_BANDS[index] - 1}"


def _name(column: str, value: npt.ArrayLike) -> str:
    text = str(value).strip()
    if column != "age" or not text:
        return text or UNKNOWN
    try:
        return age_band(float(text))
    except ValueError:
        return text  # a band of the publisher's own


def _subgroup(view: View, seed: int, replicates: int) -> Subgroup:
    return Subgroup(
        images=len(view.table),
        lesions=view.lesions(view.everything),
        figures=measure(_DEFINITIONS, view, seed=seed, replicates=replicates),
    )
