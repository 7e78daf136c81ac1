"""What holds for every data set of the catalog, on a drawn copy of it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from epiluma.datasets import catalog, licences
from epiluma.datasets.record import DataError
from epiluma.imaging.decode import decode_photo
from epiluma.taxonomy import ISIC_2019
from tests.datasets.conftest import Fixture

OWN = {"csv", "folder"}
"""Nobody published these: licence and citation are their owner's."""
UNGROUPED = {"ddi", "dermamnist", "fitzpatrick17k", "folder", "isic2016", "isic2017", "isic2018-task1-2", "ph2"}
"""Sets whose publisher says neither which lesion nor which patient a photo shows."""
WITHOUT_TABLE = {"folder"}
"""Nothing names the images but the images, so one that is gone leaves no trace."""


def test_every_image_is_there_once_with_all_that_groups_and_licenses_it(data_set: Fixture) -> None:
    samples = catalog.read(data_set.name, data_set.root)
    assert len({sample.key for sample in samples}) == len(samples) == data_set.count
    assert [s.image_id for s in samples] == sorted(s.image_id for s in samples), "the same order on every machine"
    for sample in samples:
        assert sample.source == data_set.name
        assert sample.modality in {"dermoscopy", "clinical"}
        assert licences.is_known(sample.licence)
        assert sample.confirmation in {"", "histo", "follow_up", "consensus", "confocal"}
        assert sample.sex in {"", "male", "female"}
        assert sample.part in {"", "train", "validation", "test"}
        assert sample.geometry in {"original", "cropped", "squashed"}
        assert sample.skin_type in {None, 1, 2, 3, 4, 5, 6}
        assert min(decode_photo(sample.path.read_bytes()).image.size) > 0


def test_the_publishers_label_is_a_leaf_or_says_what_is_known_without_one(data_set: Fixture) -> None:
    samples = catalog.read(data_set.name, data_set.root)
    for sample in samples:
        if sample.diagnosis:
            assert ISIC_2019[sample.diagnosis]
            assert sample.malignant is None, "the leaf says it"
    only_masks = data_set.name == "isic2018-task1-2"
    assert any(sample.diagnosis for sample in samples) != only_masks
    assert all(sample.label for sample in samples) != only_masks


def test_photos_of_one_lesion_or_patient_can_be_kept_together(data_set: Fixture) -> None:
    samples = catalog.read(data_set.name, data_set.root)
    groups = [sample.patient or sample.lesion for sample in samples if sample.patient or sample.lesion]
    assert bool(groups) != (data_set.name in UNGROUPED)
    if groups:
        assert len(set(groups)) < len(groups), "the fixture has a lesion or a patient with two photos"


def test_masks_have_the_size_of_their_image(data_set: Fixture) -> None:
    for sample in catalog.read(data_set.name, data_set.root):
        if sample.mask is not None:
            with Image.open(sample.path) as image, Image.open(sample.mask) as mask:
                assert mask.size == image.size


def test_rows_in_are_samples_and_explanations_out(data_set: Fixture) -> None:
    reading = catalog.inspect(data_set.name, data_set.root)
    assert {row.kind for row in reading.omitted} <= {"out of scope"}, "the copy is whole"
    assert reading.rows == data_set.count + len(reading.omitted)
    assert all(row.image_id and row.where and row.reason for row in reading.omitted)


def test_an_image_that_is_gone_is_named(data_set: Fixture, tmp_path: Path) -> None:
    whole = catalog.inspect(data_set.name, data_set.root)
    gone = whole.samples[5]
    copy = tmp_path / data_set.name
    for path in data_set.root.rglob("*"):
        if path.is_file() and path != gone.path:
            target = copy / path.relative_to(data_set.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    reading = catalog.inspect(data_set.name, copy)
    if data_set.name in WITHOUT_TABLE:
        assert reading.rows == whole.rows - 1
        return
    assert reading.rows == whole.rows
    (wrong,) = [row for row in reading.omitted if row.kind != "out of scope"]
    assert wrong.kind == "missing"
    assert wrong.image_id.startswith(gone.image_id), "the cell may be a file name"
    with pytest.raises(DataError, match=re.escape(gone.image_id)):
        catalog.read(data_set.name, copy)


@pytest.mark.parametrize("name", sorted(catalog.CATALOG))
def test_a_set_says_whom_to_cite(name: str) -> None:
    assert ("doi:" in catalog.CATALOG[name].citation) != (name in OWN)


def test_a_set_states_the_strictest_licence_of_its_images(data_set: Fixture) -> None:
    found = {sample.licence for sample in catalog.read(data_set.name, data_set.root)}
    stated = catalog.CATALOG[data_set.name].licence
    assert (licences.strictest(found) == stated) != (data_set.name in OWN)


@pytest.mark.parametrize("name", sorted(catalog.CATALOG))
def test_a_folder_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path / 'none'}: no such folder; give the place where {name} lies"):
        catalog.read(name, tmp_path / "none")


@pytest.mark.parametrize("name", sorted(catalog.CATALOG))
def test_a_folder_without_the_set_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(str(tmp_path))):
        catalog.read(name, tmp_path)


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "HAM10000_metadata.csv").write_text("lesion_id,image_id,dx,dx_type,age,sex,localization\n")
    (tmp_path / "ISIC_2019_Training_GroundTruth.csv").write_text("image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n")
    with pytest.raises(DataError, match="names no image"):
        catalog.read("ham10000", tmp_path)


def test_reading_for_use_stops_at_the_first_row_that_is_wrong_and_counts_the_others(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    header = "image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target"
    rows = ["ISIC_1,IP_1,male,45.0,torso,nevus,benign,0", "ISIC_2,IP_1,male,45.0,torso,nevi,benign,0"]
    (tmp_path / "ISIC_2020_Training_GroundTruth.csv").write_text("\n".join([header, *rows]) + "\n")
    assert [row.kind for row in catalog.inspect("isic2020", tmp_path).omitted] == ["missing", "broken"]
    with pytest.raises(DataError, match=r"GroundTruth\.csv: line 2: image ISIC_1 is not in train \(and 1 more rows\)"):
        catalog.read("isic2020", tmp_path)


def test_an_unknown_set_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"unknown data set 'ham1000'; known are .*ham10000"):
        catalog.read("ham1000", tmp_path)
