"""The ISIC 2019 ground truth, which tells actinic keratosis from squamous cell carcinoma.

HAM10000 and ISIC 2018 publish the two as one class (`akiec`, AKIEC); the same images stand in ISIC 2019 under the
same ids with the two told apart, so both sets ask here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from epiluma.datasets import table
from epiluma.datasets.record import DataError, Sample
from epiluma.datasets.sources import isic

FILE = "ISIC_2019_Training_GroundTruth.csv"
CODES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
AKIEC = "AKIEC"
"""The group of AK and SCC, where a publisher says no more; not a leaf."""


def find(root: Path, given: Path | None = None) -> Path | None:
    """The given file; without one, the ground truth in `root`, beside it, or in a folder `isic_labels` beside it."""
    return next((path for path in places(root, given) if path.is_file()), None)


def places(root: Path, given: Path | None = None) -> list[Path]:
    """Where `find` looks, first to last."""
    return [given] if given else [folder / FILE for folder in (root, root.parent, root.parent / "isic_labels")]


def read(path: Path) -> dict[str, str]:
    """Image id -> one of `CODES`. Raises DataError with the line for a row that is not one of them."""
    code_of: dict[str, str] = {}
    for row in table.sound_rows(path, {"image", *CODES}):
        image_id = row.values["image"]
        if image_id in code_of:
            raise DataError(f"{row.where}: image {image_id} is named twice")
        try:
            code_of[image_id] = isic.one_hot(row.values, CODES)
        except DataError as error:
            raise DataError(f"{row.where}: {error}") from error
    return code_of


def ak_or_scc(image_id: str, truth: Mapping[str, str]) -> str:
    """`AK` or `SCC` for an image of the group AKIEC, or empty when the truth calls it neither."""
    code = truth.get(image_id, "")
    return code if code in {"AK", "SCC"} else ""


def compare(samples: Iterable[Sample], truth: Mapping[str, str]) -> Counter[tuple[str, str]]:
    """How many images carry which pair of labels: (the publisher's own, ISIC 2019's); empty when it has none."""
    return Counter((sample.label, truth.get(sample.image_id, "")) for sample in samples)
