from __future__ import annotations

from pathlib import Path

import pytest

from epiluma.datasets.record import DataError, MissingImage, Omitted, OutOfScope, Reading, Sample
from epiluma.errors import EpilumaError

FACTS = {
    "image_id": "a",
    "path": Path("a.jpg"),
    "diagnosis": "NV",
    "source": "S",
    "modality": "dermoscopy",
    "licence": "CC0-1.0",
}


def test_what_the_publisher_does_not_give_is_empty() -> None:
    sample = Sample(**FACTS)  # type: ignore[arg-type]
    texts = (sample.label, sample.lesion, sample.patient, sample.confirmation, sample.sex, sample.site, sample.part)
    assert set(texts) == {""}
    assert (sample.malignant, sample.age, sample.skin_type, sample.mask) == (None, None, None, None)
    assert sample.geometry == "original"


@pytest.mark.parametrize("name", sorted(FACTS))
def test_no_fact_that_identifies_or_licenses_an_image_can_be_left_out(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        Sample(**{key: value for key, value in FACTS.items() if key != name})  # type: ignore[arg-type]


def test_a_sample_does_not_change() -> None:
    sample = Sample(**FACTS)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        sample.diagnosis = "MEL"  # type: ignore[misc]


def test_the_same_image_published_twice_has_two_keys() -> None:
    first, second = (Sample(**FACTS | {"source": source}) for source in ("ham10000", "isic2019"))  # type: ignore[arg-type]
    assert (first.key, second.key) == ("ham10000/a", "isic2019/a")


def test_a_reading_counts_samples_and_omitted_rows() -> None:
    omitted = Omitted(where="t.csv: line 3", image_id="b", kind="missing", reason="image b is not in images")
    assert Reading(samples=[Sample(**FACTS)], omitted=[omitted, omitted]).rows == 3  # type: ignore[arg-type]
    assert Reading(samples=[]).rows == 0


@pytest.mark.parametrize("error", [OutOfScope, MissingImage])
def test_the_ways_in_which_a_row_gives_no_sample_are_data_errors(error: type[DataError]) -> None:
    assert issubclass(error, DataError)
    assert issubclass(error, EpilumaError)
