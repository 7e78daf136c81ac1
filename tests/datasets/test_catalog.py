"""What holds for every data set of the catalog, on a drawn copy of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from epiluma.datasets import catalog
from epiluma.datasets.record import DataError
from epiluma.imaging.decode import decode_photo
from epiluma.taxonomy import ISIC_2019
from tests.datasets.conftest import Fixture


def test_every_image_is_there_once_with_all_that_groups_and_licenses_it(data_set: Fixture) -> None:
    samples = catalog.read(data_set.name, data_set.root)
    assert len({sample.image_id for sample in samples}) == len(samples) == data_set.count
    assert [s.image_id for s in samples] == sorted(s.image_id for s in samples), "the same order on every machine"
    entry = catalog.CATALOG[data_set.name]
    for sample in samples:
        assert ISIC_2019[sample.diagnosis]
        assert sample.lesion
        assert sample.source
        assert sample.modality in {"dermoscopy", "clinical"}
        assert sample.licence == entry.licence
        assert sample.confirmation in {"", "histo", "follow_up", "consensus", "confocal"}
        assert min(decode_photo(sample.path.read_bytes()).image.size) > 0
    assert len({sample.lesion for sample in samples}) < len(samples), "the fixture has a lesion with two photos"


def test_an_image_that_is_gone_is_named(data_set: Fixture, tmp_path: Path) -> None:
    gone = catalog.read(data_set.name, data_set.root)[5]
    copy = tmp_path / "copy"
    for path in data_set.root.rglob("*"):
        if path.is_file() and path != gone.path:
            target = copy / path.relative_to(data_set.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)
    with pytest.raises(DataError, match=gone.image_id):
        catalog.read(data_set.name, copy)


@pytest.mark.parametrize("name", sorted(catalog.CATALOG))
def test_a_set_says_what_may_be_done_with_it_and_whom_to_cite(name: str) -> None:
    entry = catalog.CATALOG[name]
    assert entry.licence.startswith("CC")
    assert "doi:" in entry.citation


@pytest.mark.parametrize("name", sorted(catalog.CATALOG))
def test_a_folder_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path / 'none'}: no such folder; give the place where {name} lies"):
        catalog.read(name, tmp_path / "none")


@pytest.mark.parametrize("name", sorted(catalog.CATALOG))
def test_a_folder_without_the_set_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path)):
        catalog.read(name, tmp_path)


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "HAM10000_metadata.csv").write_text("lesion_id,image_id,dx,dx_type,age,sex,localization\n")
    (tmp_path / "ISIC_2019_Training_GroundTruth.csv").write_text("image,AK,SCC\n")
    with pytest.raises(DataError, match="names no image"):
        catalog.read("ham10000", tmp_path)


def test_an_unknown_set_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"unknown data set 'ham1000'; known are .*ham10000"):
        catalog.read("ham1000", tmp_path)
