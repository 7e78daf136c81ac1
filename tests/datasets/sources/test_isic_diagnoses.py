from __future__ import annotations

import pytest

from epiluma.datasets.fields import UnmappedLabel
from epiluma.datasets.sources.isic_diagnoses import OLDER, TREE, leaf_of_levels, leaf_of_older
from epiluma.taxonomy import ISIC_2019, UnknownDiagnosis


@pytest.mark.parametrize("vocabulary", [OLDER, TREE])
def test_every_name_is_a_leaf_or_none(vocabulary: dict[str, str]) -> None:
    assert set(vocabulary.values()) == {*ISIC_2019.codes, ""}
    assert len({name.casefold() for name in vocabulary}) == len(vocabulary)


@pytest.mark.parametrize("vocabulary", [OLDER, TREE])
def test_no_name_contradicts_the_taxonomy(vocabulary: dict[str, str]) -> None:
    for name, code in vocabulary.items():
        try:
            leaf = ISIC_2019.find(name)
        except UnknownDiagnosis:
            continue
        assert code == leaf.code, name


def test_the_older_vocabulary_is_that_of_the_archive() -> None:
    # 36 values of LegacyDxEnum in ImageMarkup/isic-metadata, and `unknown` of ISIC 2020.
    assert len(OLDER) == 37
    assert leaf_of_older("squamous cell carcinoma") == "SCC"
    assert leaf_of_older("AIMP") == ""
    with pytest.raises(UnmappedLabel, match="unknown label 'nevi'; nearest: nevus"):
        leaf_of_older("nevi")


@pytest.mark.parametrize(
    ("levels", "leaf"),
    [
        (("Benign",), ""),
        (("Benign", "Benign melanocytic proliferations", "Nevus", "Nevus, Spitz"), "NV"),
        (("Benign", "Benign melanocytic proliferations", "Nevus", "Blue nevus", "Blue nevus, Cellular"), "NV"),
        (("Malignant", "Malignant melanocytic proliferations (Melanoma)"), "MEL"),
        (("Malignant", "Malignant epidermal proliferations", "Squamous cell carcinoma in situ"), "SCC"),
        (("Malignant", "Malignant epidermal proliferations"), ""),
        (("Benign", "Benign soft tissue proliferations - Vascular", "Hemangioma", "Hemangioma, Cherry"), "VASC"),
        (("Benign", "Benign soft tissue proliferations - Vascular", ""), "VASC"),
        (("Benign", "Cysts", "", "", ""), ""),
        (("", "", ""), ""),
    ],
)
def test_the_deepest_of_three_levels_decides(levels: tuple[str, ...], leaf: str) -> None:
    assert leaf_of_levels(levels) == leaf


def test_an_unknown_name_in_the_tree_is_an_error_even_below_a_known_one() -> None:
    with pytest.raises(UnmappedLabel, match="unknown label 'Naevus'; nearest: nevus"):
        leaf_of_levels(("Benign", "Benign melanocytic proliferations", "Naevus"))
