"""PAD-UFES-20 (Pacheco et al. 2020, doi:10.1016/j.dib.2020.106221): photos of skin lesions taken with smartphones.

Layout: `metadata.csv` and `images/imgs_part_{1,2,3}/*.png`. Also read: images straight in `images`, as PNG or JPEG
(`img_id` ends in .png either way), and masks, which are no part of the publication, as `masks/<image>_mask.png`.
Rows of images that are not there are missing; the published table has 2,298 rows.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from epiluma.datasets import fields, table
from epiluma.datasets.record import DataError, Reading, Sample

LICENCE = "CC BY 4.0"
_DIAGNOSTIC: dict[str, str | None] = {
    "ACK": "AK", "BCC": "BCC", "MEL": "MEL", "NEV": "NV", "SCC": "SCC", "SEK": "BKL",
}  # fmt: skip
"""The publisher counts Bowen's disease as SCC, as the taxonomy does."""
_PARTS = ("imgs_part_1", "imgs_part_2", "imgs_part_3")
# Each part is an archive of its own: unpacking one often makes a folder of its name around its folder.
_IMAGE_FOLDERS = ("images", *(f"{top}{part}{sub}" for top in ("images/", "") for part in _PARTS
                              for sub in ("", f"/{part}")))  # fmt: skip
_COLUMNS = {
    "patient_id", "lesion_id", "age", "gender", "fitspatrick", "region", "diagnostic", "img_id", "biopsed",
}  # fmt: skip


def read(root: Path) -> Reading:
    """All images that the metadata names. Raises DataError for a missing or unreadable table."""
    rows = table.rows(table.in_folder(root, "metadata.csv", of="PAD-UFES-20"), _COLUMNS)
    images = fields.index_images(root, _IMAGE_FOLDERS)
    return table.collect(rows, lambda row: _sample(row.values, root, images), id_column="img_id")


def _sample(row: dict[str, str], root: Path, images: dict[str, Path]) -> Sample:
    image_id = PurePosixPath(row["img_id"]).stem
    if not row["patient_id"] or not row["lesion_id"]:
        raise DataError(f"{row['img_id']} has no patient_id or no lesion_id; its photos could not be kept together")
    leaf = fields.leaf_of(row["diagnostic"], _DIAGNOSTIC)
    path = fields.image_of(image_id, images, "images or images/imgs_part_1 to 3")
    mask = root / "masks" / f"{path.stem}_mask.png"
    return Sample(
        image_id=image_id,
        path=path,
        diagnosis=leaf,
        label=row["diagnostic"],
        # The table gives one lesion number to several patients (lesion 53 to PAT_38 and PAT_1006).
        lesion=f"{row['patient_id']}_{row['lesion_id']}",
        patient=row["patient_id"],
        source="padufes20",
        modality="clinical",
        licence=LICENCE,
        # "The remaining ones may have clinical diagnosis according to a consensus of a group of dermatologists."
        confirmation="histo" if fields.flag_of(row["biopsed"], "biopsed") else "consensus",
        age=fields.age_of(row["age"]),
        sex=fields.sex_of(row["gender"]),
        site=fields.known(row["region"]).lower(),
        skin_type=fields.skin_type_of(row["fitspatrick"]),
        mask=mask if mask.is_file() else None,
    )
