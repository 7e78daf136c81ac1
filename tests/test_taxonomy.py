"""The built-in tree, its derived views, and trees of others."""

from __future__ import annotations

import msgspec
import pytest

from epiluma.taxonomy import BINARY_NOTE, BINARY_NOTE_ZH, ISIC_2019, Diagnosis, Taxonomy, UnknownDiagnosis


def test_leaves_and_views_of_isic_2019() -> None:
    assert ISIC_2019.codes == ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
    assert ISIC_2019.groups == ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
    assert [ISIC_2019.groups[i] for i in ISIC_2019.group_of_leaf] == [
        "MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC", "AKIEC",
    ]  # fmt: skip
    malignant = {leaf.code for leaf, true in zip(ISIC_2019.leaves, ISIC_2019.malignant, strict=True) if true}
    assert malignant == {"MEL", "BCC", "SCC", "AK"}


def test_every_leaf_can_be_shown_in_both_languages() -> None:
    for leaf in ISIC_2019.leaves:
        assert all((leaf.name, leaf.name_zh, leaf.plain, leaf.plain_zh))
        assert (leaf.urgency in {"urgent", "soon"}) == leaf.malignant


def test_the_binary_note_says_what_counts() -> None:
    assert "premalignant" in BINARY_NOTE
    assert "癌前" in BINARY_NOTE_ZH


def test_every_name_finds_its_own_leaf() -> None:
    for leaf in ISIC_2019.leaves:
        for name in (leaf.code, leaf.name, leaf.name_zh, leaf.plain, *leaf.synonyms):
            assert ISIC_2019.find(f"  {name.upper()} ") is leaf
        assert ISIC_2019.index(leaf.code) == ISIC_2019.codes.index(leaf.code)


def test_no_name_belongs_to_two_leaves() -> None:
    names = [
        name
        for leaf in ISIC_2019.leaves
        for name in {name.casefold() for name in (leaf.code, leaf.name, leaf.plain, *leaf.synonyms)}
    ]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("label", ["melanomma", "", "  ", "M"])
def test_unknown_labels_are_refused(label: str) -> None:
    with pytest.raises(UnknownDiagnosis) as caught:
        ISIC_2019.find(label)
    assert caught.value.label == label


def test_a_near_miss_names_its_neighbour() -> None:
    with pytest.raises(UnknownDiagnosis, match=r"unknown diagnosis 'melanomma'; nearest: .*melanoma"):
        ISIC_2019.find("melanomma")
    with pytest.raises(UnknownDiagnosis, match="unknown diagnosis 'mel'"):
        ISIC_2019["mel"]


def test_another_list_of_diagnoses_is_data() -> None:
    text = b"""{"leaves": [
        {"code": "A", "name": "A", "name_zh": "", "malignant": true, "urgency": "urgent", "parent": "G"},
        {"code": "B", "name": "B", "name_zh": "", "malignant": false, "urgency": "none", "parent": "G"},
        {"code": "C", "name": "C", "name_zh": "", "malignant": false, "urgency": "none"}]}"""
    taxonomy = msgspec.json.decode(text, type=Taxonomy)
    assert (taxonomy.groups, taxonomy.group_of_leaf) == (("G", "C"), (0, 0, 1))
    assert msgspec.json.decode(msgspec.json.encode(taxonomy), type=Taxonomy) == taxonomy


def test_empty_and_repeated_lists_are_refused() -> None:
    leaf = Diagnosis(code="A", name="A", name_zh="", malignant=True, urgency="urgent")
    with pytest.raises(ValueError, match="at least one"):
        Taxonomy(leaves=())
    with pytest.raises(ValueError, match="twice: A"):
        Taxonomy(leaves=(leaf, leaf))
