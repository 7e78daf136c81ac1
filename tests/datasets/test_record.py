from __future__ import annotations

from pathlib import Path

import pytest

from epiluma.datasets.record import Sample

FACTS = {
    "image_id": "a",
    "path": Path("a.jpg"),
    "diagnosis": "NV",
    "lesion": "1",
    "source": "S",
    "modality": "dermoscopy",
    "licence": "CC0-1.0",
}


def test_what_the_publisher_does_not_give_is_empty() -> None:
    sample = Sample(**FACTS)  # type: ignore[arg-type]
    assert (sample.confirmation, sample.age, sample.sex, sample.site, sample.mask) == ("", None, "", "", None)


@pytest.mark.parametrize("name", sorted(FACTS))
def test_no_fact_that_groups_or_licenses_an_image_can_be_left_out(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        Sample(**{key: value for key, value in FACTS.items() if key != name})  # type: ignore[arg-type]


def test_a_sample_does_not_change() -> None:
    sample = Sample(**FACTS)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        sample.diagnosis = "MEL"  # type: ignore[misc]
