"""What an owner states beside his images is read strictly: a slip is named with the nearest right word."""

from __future__ import annotations

from pathlib import Path

import pytest

from epiluma.datasets import terms
from epiluma.datasets.fields import UnmappedLabel
from epiluma.datasets.record import DataError, OutOfScope
from epiluma.datasets.terms import Terms


def test_all_that_can_be_stated_is_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.toml"
    path.write_text(
        'modality = "clinical"\nlicence = "CC0-1.0"\nattribution = "me"\nignore = ["x"]\n[labels]\na = "NV"\nb = ""\n'
    )
    assert terms.read(path) == Terms(
        modality="clinical", licence="CC0-1.0", attribution="me", ignore=["x"], labels={"a": "NV", "b": ""}
    )


@pytest.mark.parametrize("name", ["clinic", "clinic.unpacked"])
def test_a_set_has_the_name_of_its_folder_or_archive(tmp_path: Path, name: str) -> None:
    assert terms.source_of(tmp_path / name) == "clinic"


def test_no_file_states_nothing(tmp_path: Path) -> None:
    assert terms.read(tmp_path / "labels.toml") == Terms()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'license = "CC0-1.0"', "unknown key 'license'; nearest: licence"),
        (b"colour = 1", "unknown key 'colour'; known are modality, licence"),
        (b'modality = "Clinical"', "modality 'Clinical' is neither dermoscopy nor clinical"),
        (b"modality = 1", "Expected `str`, got `int`"),
        (b'[labels]\na = "nv"', "labels: 'a' = 'nv' is no leaf code; nearest: NV; empty is out of scope"),
        (b"modality", "Expected"),
        (b'licence = "\xff"', "codec"),
    ],
)
def test_a_slip_is_named_with_the_file(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "labels.toml"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"labels\.toml: .*{reason}"):
        terms.read(path)


@pytest.mark.parametrize(
    ("label", "leaf"),
    [("NV", "NV"), (" mole ", "NV"), ("Basal_Cell-Carcinoma", "BCC"), ("lichen planus-like keratosis", "BKL")],
)
def test_spellings_of_a_label(label: str, leaf: str) -> None:
    assert terms.leaf_of(label, Terms()) == leaf


def test_the_owner_s_word_goes_before_the_taxonomy_s() -> None:
    stated = Terms(labels={"Mole": "BKL", "nevus": ""})
    assert terms.leaf_of("mole", stated) == "BKL"
    with pytest.raises(OutOfScope):
        terms.leaf_of("Nevus", stated)


def test_an_unknown_label_names_the_nearest_also_of_the_owner_s() -> None:
    with pytest.raises(UnmappedLabel, match="unknown label 'zebras'; nearest: zebra"):
        terms.leaf_of("zebras", Terms(labels={"Zebra": "NV"}))
