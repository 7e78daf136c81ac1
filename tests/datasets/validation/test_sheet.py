"""The data sheet follows the paper's order, and says what the manifest knows and no more."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from epiluma.datasets.manifest import Entry, Manifest
from epiluma.datasets.validation.sheet import data_sheet
from tests.datasets.manifests import manifest_of, sample


def answers(manifest: Manifest) -> dict[str, str]:
    return {answer.question: answer.answer for held in data_sheet(manifest).values() for answer in held}


def test_the_sheet_answers_from_the_manifest(found: Manifest) -> None:
    said = answers(found)
    assert said["How many are there?"] == "6 photos; 3 named lesions; 0 named patients."
    assert said["Are there recommended parts?"] == "By the publishers: none. Here: train 5, test 1."
    assert said["Under which licence?"] == "CC0: it allows commercial use."


def test_the_sections_are_in_the_paper_s_order(found: Manifest) -> None:
    assert list(data_sheet(found)) == [
        "Motivation", "Composition", "Collection", "Preprocessing", "Uses", "Distribution", "Maintenance",
    ]  # fmt: skip


def test_lesions_and_patients_of_two_sources_are_counted_apart() -> None:
    both = [sample("1", source=name, lesion="12", patient="7") for name in ("one", "two")]
    assert answers(manifest_of(both))["How many are there?"] == "2 photos; 2 named lesions; 2 named patients."
    one = [sample("1", lesion="12", patient="7")]
    assert answers(manifest_of(one))["How many are there?"] == "1 photo; 1 named lesion; 1 named patient."


def test_a_row_is_what_the_set_holds() -> None:
    mixed = [
        sample("1", modality="dermoscopy"),
        sample("2", modality="clinical", diagnosis="", malignant=True),
        sample("3", modality="clinical", diagnosis=""),
    ]
    assert answers(manifest_of(mixed))["What does a row stand for?"] == (
        "One photo (clinical 2, dermoscopy 1). Diagnosis of the taxonomy: 1; only malignant or benign: 1; no label: 1."
    )


@pytest.mark.parametrize(
    ("ages", "words"),
    [
        ([None, None], "Ages: 0 photos"),
        ([40, 45], "Ages: 2 photos, all multiples of five"),
        ([41, None], "Ages: 1 photo, not all multiples of five"),
    ],
)
def test_ages_are_called_rounded_only_when_they_are(ages: list[int | None], words: str) -> None:
    said = answers(manifest_of([sample(str(i), age=age) for i, age in enumerate(ages)]))
    assert f"{words};" in said["Could a person be recognised?"]


@pytest.mark.parametrize("grouped", [True, False])
def test_photos_are_grouped_only_when_they_are(grouped: bool) -> None:
    entries = [Entry(sample=sample(str(i)), group="g" if grouped else "") for i in range(2)]
    said = answers(manifest_of(entries))["Do photos belong together?"]
    assert said.startswith("1 group" if grouped else "Not grouped yet")


@pytest.mark.parametrize(
    ("licence", "words"),
    [
        ("CC BY-NC 4.0", "CC BY-NC 4.0: it forbids commercial use."),
        ("see our web site", "see our web site: its terms are not known here; ask its owner before any use."),
    ],
)
def test_terms_that_nobody_has_read_are_not_told(licence: str, words: str) -> None:
    plain = manifest_of([sample("1")])
    assert answers(replace(plain, header=replace(plain.header, licence=licence)))["Under which licence?"] == words


def test_publishers_parts_are_told_apart_from_those_made_here() -> None:
    said = answers(manifest_of([sample("1", part="train"), sample("2", part="test")]))
    assert said["Are there recommended parts?"] == "By the publishers: train 1, test 1. Here: none yet."
