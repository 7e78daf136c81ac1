"""A part of the ISIC Archive: what `epiluma data fetch` wrote, or the archive's own export.

Layout: `metadata.csv` with a row per image, images named by their id in `images` or beside the table. A diagnosis
has up to five levels, from benign or malignant down to the subtype; the most exact one that is known here decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from epiluma.datasets import fields, table
from epiluma.datasets.isic_folder import JOURNAL, TABLE
from epiluma.datasets.record import DataError, OutOfScope, Reading, Sample
from epiluma.datasets.sources import isic
from epiluma.datasets.sources.isic_diagnoses import TREE, leaf_of_older

LICENCE = "CC BY-NC 4.0"
"""The strictest of the archive's licences; each image has its own."""

_MIXED = {
    "benign epidermal proliferations",
    "benign melanocytic proliferations",
    "benign soft tissue proliferations - fibro-histiocytic",
    "indeterminate epidermal proliferations",
    "malignant adnexal epithelial proliferations - follicular",
    "malignant epidermal proliferations",
}
"""Second levels with a leaf of ours among others: what lies below them must be known."""
_NO_LEAF = (
    # second levels
    "Benign soft tissue proliferations - Cartilagenous and ossifying",
    "Benign soft tissue proliferations - Muscle tissue or myofibroblastic",
    "Benign soft tissue proliferations - Myoepithelial", "Langerhans cell proliferations",
    "Lymphocytic proliferations - B-Cell", "Lymphocytic proliferations - T-Cell/NK",
    "Malignant adnexal epithelial proliferations - Apocrine or Eccrine",
    "Malignant adnexal epithelial proliferations - Sebaceous",
    "Malignant soft tissue proliferations - Adipocytic",
    "Malignant soft tissue proliferations - Cartilagenous and ossifying",
    "Malignant soft tissue proliferations - Fibro-histiocytic",
    "Malignant soft tissue proliferations - Muscle tissue or myofibroblastic",
    "Malignant soft tissue proliferations - Myoepithelial", "Malignant soft tissue proliferations - Neural",
    "Malignant soft tissue proliferations - Unknown or other histiogenesis",
    "Malignant soft tissue proliferations - Vascular", "Mast cell proliferations",
    "Skin metastasis of internal solid cancer - non-hematological",
    # third levels beside a leaf
    "Acantholytic acanthoma", "Baso-squamous carcinoma", "Bowenoid papulosis", "Cutaneous Myxoma",
    "Dermal melanocytosis", "Epidermolytic acanthoma", "Fibroma", "Giant cell tumor of the tendon sheath",
    "Glomangiomyoma", "Glomus tumor", "Juvenile xanthogranuloma", "Keratoacanthoma", "Large cell acanthoma",
    "Lentiginous melanocytic proliferation", "Matrical or pilomatrical carcinoma", "Melanoacanthoma",
    "Nevus anemicus", "Non-Langerhans histiocytosis", "Pigmented epithelioid melanocytoma",
    "Proliferating trichilemmal carcinoma", "Reticulohistiocytosis", "Rosai-Dorfman disease",
    "Proliferative nodule in congenital melanocytic nevi without atypia", "Solar or actinic cheilitis",
    "Verrucous carcinoma",
)  # fmt: skip
"""Names of the tree that no other published set needs, and that are none of the taxonomy's diagnoses."""
_TREE = {**{name.casefold(): leaf for name, leaf in TREE.items()}, **{name.casefold(): "" for name in _NO_LEAF}}
_LEVELS = tuple(f"diagnosis_{level}" for level in range(1, 6))

_MODALITIES = {
    "dermoscopic": "dermoscopy",
    **dict.fromkeys(("clinical: close-up", "clinical: overview", "clinical", "overview"), "clinical"),
    **dict.fromkeys(("TBP tile: close-up", "TBP tile: overview"), "clinical"),
    **dict.fromkeys(("RCM: macroscopic", "RCM: tile", "RCM: mosaic"), None),
}
_SKIN_TYPES = {"": None, "I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6}


def read(root: Path) -> Reading:
    """All images that the table names. Raises DataError for a missing or unreadable table."""
    path = root / TABLE
    if not path.is_file():
        if (root / JOURNAL).is_file():
            raise DataError(f"{path}: is not there yet; run the fetch again, it goes on where it was")
        raise DataError(f"{path}: is not there; give a folder that `epiluma data fetch` wrote")
    images = fields.index_images(root, ("images", "."))
    rows = table.rows(path, {"isic_id", "attribution", "copyright_license"})
    return table.collect(rows, lambda row: _sample(row.values, images), id_column="isic_id")


def _sample(row: dict[str, str], images: dict[str, Path]) -> Sample:
    def cell(name: str) -> str:  # the export has a column only when one of its images has a value
        return row.get(name, "").strip()

    if not cell("image_type"):
        raise OutOfScope("the archive does not say how it was taken")
    if cell("image_manipulation") == "synthetic":
        raise OutOfScope("it is synthetic, not a photograph")
    modality = fields.leaf_of(cell("image_type"), _MODALITIES)
    diagnosis, malignant, label = _diagnosis(row)
    return Sample(
        image_id=cell("isic_id"),
        path=fields.image_of(cell("isic_id"), images, f"images or beside {TABLE}"),
        diagnosis=diagnosis,
        malignant=None if diagnosis else malignant,
        label=label,
        lesion=cell("lesion_id"),
        patient=cell("patient_id"),
        source="isic-archive",
        modality=modality,
        licence=isic.licence_of(cell("copyright_license")),
        attribution=cell("attribution"),
        confirmation=isic.confirmation_of(cell("diagnosis_confirm_type")),
        age=fields.age_of(cell("age_approx")),
        sex=fields.sex_of(cell("sex")),
        site=fields.known(cell("anatom_site_general")),
        skin_type=_skin_type(cell("fitzpatrick_skin_type")),
    )


def _diagnosis(row: dict[str, str]) -> tuple[str, bool | None, str]:
    """Leaf, the archive's word on malignancy, and its label. Raises UnmappedLabel, or OutOfScope for a blank one."""
    levels = [name for column in _LEVELS if (name := row.get(column, "").strip())]
    older = row.get("diagnosis", "").strip()
    behaviour = levels[0] if levels else row.get("benign_malignant", "")
    label = "::".join(levels) or older or behaviour
    if not label:
        raise OutOfScope("the archive gives no diagnosis")
    leaf = _leaf_of_levels(levels) or (leaf_of_older(older) if older else "")
    return leaf, isic.malignant_of(behaviour), label


def _leaf_of_levels(levels: Sequence[str]) -> str:
    """The leaf of a path in the tree, first level first; empty when it is none.

    The deepest name that is known decides: an unknown one below it is a kind of it. Raises UnmappedLabel for an
    unknown one whose place could be a leaf's.
    """
    unknown = ""
    for name in reversed(levels):
        folded = name.casefold()
        if folded in _TREE and not (unknown and (folded in _MIXED or name == levels[0])):
            return _TREE[folded]
        unknown = unknown or name
    if unknown:
        raise fields.UnmappedLabel(unknown, _TREE)
    return ""


def _skin_type(cell: str) -> int | None:
    if cell not in _SKIN_TYPES:
        raise DataError(f"fitzpatrick_skin_type {cell!r} is none of {', '.join(name for name in _SKIN_TYPES if name)}")
    return _SKIN_TYPES[cell]
