"""DDI, Diverse Dermatology Images (Daneshjou et al. 2022, doi:10.1126/sciadv.abq6147): 656 clinical photos.

Layout: `ddi_metadata.csv` with the images beside it or in `images`. Every diagnosis is confirmed by histology. The skin
tone is labelled in pairs of Fitzpatrick types. Neither lesions nor patients are told apart in the table, though 656
images are of 570 patients. For research only, under the Stanford DDI research use agreement.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from epiluma.datasets import fields, table
from epiluma.datasets.record import DataError, Reading, Sample
from epiluma.taxonomy import ISIC_2019

LICENCE = "research only"
_TABLE = "ddi_metadata.csv"
_IMAGE_FOLDERS = ("images", ".")
_COLUMNS = {"DDI_ID", "DDI_file", "skin_tone", "malignant", "disease"}
_SKIN_TONES = {"12": "I-II", "34": "III-IV", "56": "V-VI"}
_LEAVES = {
    "melanoma": "MEL",
    "melanoma-acral-lentiginous": "MEL",
    "melanoma-in-situ": "MEL",
    "nodular-melanoma-(nm)": "MEL",
    "melanocytic-nevi": "NV",
    "blue-nevus": "NV",
    "dysplastic-nevus": "NV",
    "pigmented-spindle-cell-nevus-of-reed": "NV",
    # Named a nevus and counted as malignant by the publisher: only the second is kept.
    "atypical-spindle-cell-nevus-of-reed": "",
    "basal-cell-carcinoma": "BCC",
    "basal-cell-carcinoma-nodular": "BCC",
    "basal-cell-carcinoma-superficial": "BCC",
    "actinic-keratosis": "AK",
    "squamous-cell-carcinoma": "SCC",
    "squamous-cell-carcinoma-in-situ": "SCC",
    "squamous-cell-carcinoma-keratoacanthoma": "SCC",
    "benign-keratosis": "BKL",
    "lichenoid-keratosis": "BKL",
    "seborrheic-keratosis": "BKL",
    "seborrheic-keratosis-irritated": "BKL",
    "solar-lentigo": "BKL",
    "dermatofibroma": "DF",
    # HAM10000's vascular class: angiomas, angiokeratomas, pyogenic granulomas and haemorrhage.
    "angioma": "VASC",
    "arteriovenous-hemangioma": "VASC",
    "hematoma": "VASC",
    "pyogenic-granuloma": "VASC",
}
_OUT_OF_SCOPE = (
    # Other cancers.
    "blastic-plasmacytoid-dendritic-cell-neoplasm", "kaposi-sarcoma", "leukemia-cutis", "metastatic-carcinoma",
    "mycosis-fungoides", "sebaceous-carcinoma", "subcutaneous-t-cell-lymphoma",
    # Benign tumours and spots that have no leaf; epidermal and lipomatous naevi are not melanocytic, glomangioma and
    # angioleiomyoma are tumours of muscle around vessels.
    "acquired-digital-fibrokeratoma", "acral-melanotic-macule", "acrochordon", "angioleiomyoma",
    "cellular-neurothekeoma", "chondroid-syringoma", "clear-cell-acanthoma", "eccrine-poroma", "epidermal-cyst",
    "epidermal-nevus", "fibrous-papule", "glomangioma", "inverted-follicular-keratosis", "keloid", "lipoma",
    "neurofibroma", "neuroma", "nevus-lipomatosus-superficialis", "syringocystadenoma-papilliferum", "trichilemmoma",
    "trichofolliculoma", "verruciform-xanthoma", "xanthogranuloma",
    # Inflammations, infections, injuries and the rest.
    "abrasions-ulcerations-and-physical-injuries", "abscess", "acne-cystic", "coccidioidomycosis",
    "condyloma-accuminatum", "dermatomyositis", "eczema-spongiotic-dermatitis", "focal-acral-hyperkeratosis",
    "folliculitis", "foreign-body-granuloma", "graft-vs-host-disease", "hyperpigmentation",
    "lymphocytic-infiltrations", "molluscum-contagiosum", "morphea", "onychomycosis", "prurigo-nodularis",
    "reactive-lymphoid-hyperplasia", "scar", "tinea-pedis", "verruca-vulgaris", "wart",
)  # fmt: skip
LABELS: dict[str, str | None] = {**_LEAVES, **dict.fromkeys(_OUT_OF_SCOPE)}
"""All 78 diseases, spelled as in the table."""


def read(root: Path) -> Reading:
    """All images that the table names. Raises DataError for a missing or unreadable table."""
    rows = table.rows(table.in_folder(root, _TABLE), _COLUMNS)
    images = fields.index_images(root, _IMAGE_FOLDERS)
    return table.collect(rows, lambda row: _sample(row.values, images), id_column="DDI_file")


def _sample(row: dict[str, str], images: dict[str, Path]) -> Sample:
    image_id, disease = PurePosixPath(row["DDI_file"]).stem, row["disease"]
    malignant = fields.flag_of(row["malignant"], "malignant")
    leaf = fields.leaf_of(disease, LABELS)
    # Actinic keratosis is premalignant: the publisher counts it as benign, the taxonomy as malignant.
    if leaf not in {"", "AK"} and ISIC_2019[leaf].malignant != malignant:
        raise DataError(f"disease {disease!r} and malignant {row['malignant']!r} contradict each other")
    if row["skin_tone"] not in _SKIN_TONES:
        raise DataError(f"skin_tone {row['skin_tone']!r} is none of {', '.join(_SKIN_TONES)}")
    return Sample(
        image_id=image_id,
        path=fields.image_of(image_id, images, "images or beside the table"),
        diagnosis=leaf,
        malignant=None if leaf else malignant,
        label=disease,
        source="ddi",
        modality="clinical",
        licence=LICENCE,
        confirmation="histo",
        skin_tone=_SKIN_TONES[row["skin_tone"]],
    )
