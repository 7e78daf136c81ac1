"""Fitzpatrick17k (Groh et al. 2021, arXiv:2104.09957): clinical photos of 114 conditions with the Fitzpatrick type.

Layout: `fitzpatrick17k.csv`, images as `data/finalfitz17k/<md5hash>.jpg` or `images/<md5hash>.jpg`. Most of the 114
conditions are rashes and other things that the taxonomy lacks: they are out of scope. Labels come from the two
atlases without histology, and the set holds duplicates and wrong labels (Abhishek et al. 2024, arXiv:2401.14497).
Neither lesions nor patients are told apart.
"""

from __future__ import annotations

from pathlib import Path

from epiluma.datasets import fields, table
from epiluma.datasets.record import OutOfScope, Reading, Sample

LICENCE = "CC BY-NC-SA 3.0"
_TABLE = "fitzpatrick17k.csv"
_IMAGE_FOLDERS = ("data/finalfitz17k", "finalfitz17k", "images", ".")
_COLUMNS = {"md5hash", "fitzpatrick_scale", "label", "qc", "url"}
_LEAVES = {
    "melanoma": "MEL",
    "malignant melanoma": "MEL",
    "superficial spreading melanoma ssm": "MEL",
    "lentigo maligna": "MEL",
    "nevocytic nevus": "NV",
    "congenital nevus": "NV",
    "halo nevus": "NV",
    "basal cell carcinoma": "BCC",
    "basal cell carcinoma morpheiform": "BCC",
    "solid cystic basal cell carcinoma": "BCC",
    "actinic keratosis": "AK",
    "squamous cell carcinoma": "SCC",
    "seborrheic keratosis": "BKL",
    "dermatofibroma": "DF",
    # HAM10000's vascular class: angiomas, angiokeratomas, pyogenic granulomas.
    "pyogenic granuloma": "VASC",
    "granuloma pyogenic": "VASC",
}
_OUT_OF_SCOPE = (
    # Tumours and birthmarks that have no leaf, though their names may look like one: naevi of epidermis, follicle and
    # gland are not melanocytic, and Becker's is a pigmented hamartoma; port-wine stains, telangiectases and
    # lymphangiomas are malformations of an area; Kaposi's sarcoma and mycosis fungoides are other cancers; actinic
    # porokeratosis is no actinic keratosis.
    "becker nevus", "epidermal nevus", "naevus comedonicus", "nevus sebaceous of jadassohn",
    "port wine stain", "telangiectases", "lymphangioma", "kaposi sarcoma", "mycosis fungoides",
    "disseminated actinic porokeratosis", "porokeratosis actinic", "porokeratosis of mibelli", "sun damaged skin",
    "fordyce spots", "juvenile xanthogranuloma", "keloid", "langerhans cell histiocytosis", "milia", "mucous cyst",
    "neurofibromatosis", "pilar cyst", "pilomatricoma", "prurigo nodularis", "syringoma", "tuberous sclerosis",
    "xanthomas", "xeroderma pigmentosum",
    # Inflammations, infections, genodermatoses and the rest.
    "acanthosis nigricans", "acne", "acne vulgaris", "acquired autoimmune bullous diseaseherpes gestationis",
    "acrodermatitis enteropathica", "allergic contact dermatitis", "aplasia cutis", "behcets disease",
    "calcinosis cutis", "cheilitis", "dariers disease", "dermatomyositis", "drug eruption",
    "drug induced pigmentary changes", "dyshidrotic eczema", "eczema", "ehlers danlos syndrome",
    "epidermolysis bullosa", "erythema annulare centrifigum", "erythema elevatum diutinum", "erythema multiforme",
    "erythema nodosum", "factitial dermatitis", "fixed eruptions", "folliculitis", "granuloma annulare",
    "hailey hailey disease", "hidradenitis", "ichthyosis vulgaris", "incontinentia pigmenti", "keratosis pilaris",
    "lichen amyloidosis", "lichen planus", "lichen simplex", "livedo reticularis", "lupus erythematosus",
    "lupus subacute", "lyme disease", "mucinosis", "myiasis", "necrobiosis lipoidica", "nematode infection",
    "neurodermatitis", "neurotic excoriations", "neutrophilic dermatoses", "papilomatosis confluentes and reticulate",
    "paronychia", "pediculosis lids", "perioral dermatitis", "photodermatoses", "pityriasis lichenoides chronica",
    "pityriasis rosea", "pityriasis rubra pilaris", "porphyria", "psoriasis", "pustular psoriasis", "rhinophyma",
    "rosacea", "sarcoidosis", "scabies", "scleroderma", "scleromyxedema", "seborrheic dermatitis", "stasis edema",
    "stevens johnson syndrome", "striae", "tick bite", "tungiasis", "urticaria", "urticaria pigmentosa", "vitiligo",
)  # fmt: skip
LABELS: dict[str, str | None] = {**_LEAVES, **dict.fromkeys(_OUT_OF_SCOPE)}
"""All 114 labels, spelled as in the table."""


def read(root: Path) -> Reading:
    """All images that the table names. Raises DataError for a missing or unreadable table."""
    rows = table.rows(table.in_folder(root, _TABLE), _COLUMNS)
    images = fields.index_images(root, _IMAGE_FOLDERS)
    return table.collect(rows, lambda row: _sample(row.values, images), id_column="md5hash")


def _sample(row: dict[str, str], images: dict[str, Path]) -> Sample:
    image_id = row["md5hash"]
    leaf = fields.leaf_of(row["label"], LABELS)
    if "wrong" in row["qc"].casefold():  # "3 Wrongly labelled", by the dermatologists who looked at 504 images
        raise OutOfScope(f"the publisher's own check says {row['qc']!r}")
    return Sample(
        image_id=image_id,
        path=fields.image_of(image_id, images, " or ".join(_IMAGE_FOLDERS[:-1])),
        diagnosis=leaf,
        label=row["label"],
        source="fitzpatrick17k",
        modality="clinical",
        licence=LICENCE,
        attribution=row["url"],
        skin_type=fields.skin_type_of(row["fitzpatrick_scale"]),
    )
