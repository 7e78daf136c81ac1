"""Diagnoses as the ISIC Archive writes them, and the leaf that each one is.

The Archive has had two vocabularies: the older one in one column `diagnosis` (also that of ISIC 2020), and since
2024 a tree in `diagnosis_1` to `diagnosis_5` (`iddx_1` to `iddx_5` in SLICE-3D; both come from
https://github.com/ImageMarkup/isic-metadata). A name that maps to an empty code is known and no leaf: all that can
be used of such an image is whether it is malignant.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from epiluma.datasets import fields

OLDER = {
    "melanoma": "MEL",
    "melanoma metastasis": "MEL",
    "nevus": "NV",
    "basal cell carcinoma": "BCC",
    "actinic keratosis": "AK",
    "seborrheic keratosis": "BKL",
    "solar lentigo": "BKL",
    "lichenoid keratosis": "BKL",
    "pigmented benign keratosis": "BKL",
    "dermatofibroma": "DF",
    "vascular lesion": "VASC",
    "angioma": "VASC",
    "angiokeratoma": "VASC",
    "pyogenic granuloma": "VASC",
    "squamous cell carcinoma": "SCC",
    **dict.fromkeys(
        (
            "acrochordon", "adnexal tumor", "AIMP", "angiofibroma or fibrous papule",
            "atypical melanocytic proliferation", "atypical spitz tumor", "cafe-au-lait macule",
            "clear cell acanthoma", "ephelis", "epidermal nevus", "lentigo NOS", "lentigo simplex",
            "merkel cell carcinoma", "mucosal melanosis", "neurofibroma", "nevus spilus", "other", "scar",
            "sebaceous adenoma", "sebaceous hyperplasia", "unknown", "verruca",
        ),
        "",
    ),
}  # fmt: skip
"""The older vocabulary, whole."""

TREE = {
    # Third level, as a rule; a name of the second or first stands where the publisher gives no more.
    "Malignant melanocytic proliferations (Melanoma)": "MEL",
    "Melanoma in situ": "MEL",
    "Melanoma Invasive": "MEL",
    "Melanoma metastasis": "MEL",
    "Melanoma, NOS": "MEL",
    "Nevus": "NV",
    "Basal cell carcinoma": "BCC",
    "Solar or actinic keratosis": "AK",
    "Lichen planus like keratosis": "BKL",
    "Pigmented benign keratosis": "BKL",
    "Seborrheic keratosis": "BKL",
    "Solar lentigo": "BKL",
    "Dermatofibroma": "DF",
    "Benign soft tissue proliferations - Vascular": "VASC",
    "Angiokeratoma": "VASC",
    "Hemangioma": "VASC",
    "Pyogenic granuloma": "VASC",
    "Squamous cell carcinoma in situ": "SCC",
    "Squamous cell carcinoma, Invasive": "SCC",
    "Squamous cell carcinoma, NOS": "SCC",
    **dict.fromkeys(
        (
            "Benign", "Indeterminate", "Malignant",
            "Benign - Other", "Benign adnexal epithelial proliferations - Apocrine or Eccrine",
            "Benign adnexal epithelial proliferations - Follicular",
            "Benign adnexal epithelial proliferations - Sebaceous", "Benign epidermal proliferations",
            "Benign melanocytic proliferations", "Benign soft tissue proliferations - Adipocytic",
            "Benign soft tissue proliferations - Fibro-histiocytic", "Benign soft tissue proliferations - Neural",
            "Collision - At least one malignant proliferation", "Collision - Only benign proliferations", "Cysts",
            "Exogenous", "Flat melanotic pigmentations - not melanocytic nevus", "Hemorrhagic lesions",
            "Indeterminate epidermal proliferations", "Indeterminate melanocytic proliferations",
            "Inflammatory or infectious diseases", "Malignant adnexal epithelial proliferations - Follicular",
            "Malignant epidermal proliferations", "Merkel cell proliferation",
            "Angiofibroma", "Atypical intraepithelial melanocytic proliferation", "Atypical melanocytic neoplasm",
            "Clear cell acanthoma", "Epidermal nevus", "Fibroepithelial polyp", "Hidradenoma",
            "Infundibular or epidermal cyst", "Ink-spot lentigo", "Lentigo NOS", "Lentigo simplex", "Molluscum",
            "Mucosal melanotic macule", "Neurofibroma", "Porokeratosis", "Scar", "Sebaceous hyperplasia",
            "Supernumerary nipple", "Trichilemmal or isthmic-catagen or pilar cyst", "Verruca",
        ),
        "",
    ),
}  # fmt: skip
"""The tree: all of SLICE-3D and BCN20000, and the commoner rest. A name that is not here is an error, to be mapped."""


@cache
def leaf_of_older(diagnosis: str) -> str:
    """The leaf of a name of the older vocabulary; empty when it is none. Raises UnmappedLabel."""
    return fields.leaf_of(diagnosis, OLDER)


def leaf_of_levels(levels: Sequence[str]) -> str:
    """The leaf of a path in the tree, first level first; empty when it is none. Raises UnmappedLabel.

    The deepest of the first three levels decides: what follows tells kinds of one diagnosis apart.
    """
    deepest = [level for level in levels[:3] if fields.known(level)]
    return _leaf_of_name(deepest[-1]) if deepest else ""


@cache
def _leaf_of_name(name: str) -> str:
    return fields.leaf_of(name, TREE)
