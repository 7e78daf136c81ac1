"""Recommendations: the most severe finding decides, and a report of change never lowers a level."""

from __future__ import annotations

import click
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epiluma import cli
from epiluma.bundle import Abstention, Bundle, Manifest
from epiluma.inference import recommend
from epiluma.inference.decide import diagnose
from epiluma.inference.recommend import ALARMING, LEVELS, Recommendation, Symptom
from epiluma.taxonomy import ISIC_2019


@pytest.fixture(scope="module")
def manifest(tiny_bundle: Bundle) -> Manifest:
    return tiny_bundle.manifest


def at_threshold(manifest: Manifest, threshold: float) -> Manifest:
    point = msgspec.structs.replace(manifest.operating_point, threshold=threshold)
    return msgspec.structs.replace(manifest, operating_point=point)


def about(manifest: Manifest, *symptoms: Symptom, **probabilities: float) -> Recommendation:
    """The recommendation on given probabilities, the diagnosis by the bundle's rule."""
    values = np.array([probabilities.get(code, 0.0) for code in manifest.taxonomy.codes])
    assert values.sum() == pytest.approx(1)
    index = diagnose(values[None], manifest.decision, manifest.calibration)[0]
    return recommend.recommend(values, int(index), manifest, symptoms=symptoms)


@pytest.mark.parametrize("threshold", [0.02, 0.2, 0.9])
def test_a_probable_nevus_that_may_be_a_melanoma_is_urgent(manifest: Manifest, threshold: float) -> None:
    """Whatever the bundle's threshold: the most probable diagnosis does not decide."""
    found = about(at_threshold(manifest, threshold), NV=0.66, MEL=0.30, BKL=0.04)
    assert (found.level, found.within_weeks) == ("urgent", 2)
    assert found.text == "Show this mark to a doctor within 2 weeks."


@pytest.mark.parametrize("nevus", [0.95, 0.97, 0.99])
def test_a_confident_nevus_is_never_told_that_all_is_well(manifest: Manifest, nevus: float) -> None:
    """The failure of a published demo: it called 17 of 28 cancers nevus at 95 to 99%, and said no more than that."""
    found = about(at_threshold(manifest, 0.04), NV=nevus, MEL=1 - nevus)
    expected = {0.95: "refer", 0.97: "recheck", 0.99: "no_sign"}[nevus]
    assert found.level == expected
    assert "bleeds" in found.text or found.level == "refer"


@pytest.mark.parametrize(
    ("probabilities", "level"),
    [
        ({"MEL": 0.12, "NV": 0.88}, "urgent"),
        ({"SCC": 0.06, "MEL": 0.05, "NV": 0.89}, "urgent"),
        ({"MEL": 0.06, "NV": 0.94}, "refer"),
        ({"BCC": 0.13, "NV": 0.87}, "refer"),
        ({"BCC": 0.07, "NV": 0.93}, "recheck"),
        ({"MEL": 0.03, "NV": 0.97}, "recheck"),
        ({"MEL": 0.02, "NV": 0.98}, "no_sign"),
    ],
)
def test_the_table_of_costs_decides_below_the_threshold(
    manifest: Manifest, probabilities: dict[str, float], level: str
) -> None:
    rule = msgspec.structs.replace(manifest.decision, prior_power=0.0)
    found = about(msgspec.structs.replace(at_threshold(manifest, 0.5), decision=rule), **probabilities)
    assert found.level == level


def test_the_threshold_refers_what_the_table_of_costs_would_not(manifest: Manifest) -> None:
    assert about(at_threshold(manifest, 0.01), MEL=0.02, NV=0.98).level == "refer"


def test_a_band_around_the_threshold_is_not_judged(manifest: Manifest) -> None:
    band = Abstention(lower=0.01, upper=0.04, max_share=0.1, share=0.05, error=0.1, error_outside=0.05, lesions=100)
    cautious = msgspec.structs.replace(at_threshold(manifest, 0.03), abstention=band)
    found = about(cautious, MEL=0.02, NV=0.98)
    assert (found.level, found.reason) == ("cannot_judge", recommend.UNCERTAIN)
    assert about(cautious, NV=0.995, MEL=0.005).level == "no_sign"
    assert about(cautious, NV=0.9, MEL=0.1).level == "urgent"


@pytest.mark.parametrize("symptom", ALARMING)
def test_reported_change_is_shown_to_a_doctor(manifest: Manifest, symptom: Symptom) -> None:
    found = about(at_threshold(manifest, 0.2), symptom, NV=1.0)
    assert (found.level, found.within_weeks) == ("refer", 4)
    assert f"the mark {symptom}" in found.reason
    refused = recommend.unjudged("The photo is blurred.", manifest, symptoms=[symptom])
    assert refused.level == "refer"
    assert refused.reason.startswith("The photo is blurred. It was reported")


def test_the_command_line_knows_the_same_symptoms() -> None:
    (option,) = (parameter for parameter in cli.screen.params if parameter.name == "symptoms")
    assert isinstance(option.type, click.Choice)
    assert tuple(option.type.choices) == recommend.SYMPTOMS


def test_an_itch_alone_changes_nothing(manifest: Manifest) -> None:
    assert about(manifest, "itches", NV=1.0) == about(manifest, NV=1.0)
    assert recommend.unjudged("Too dark.", manifest, symptoms=["itches"]).level == "cannot_judge"


@given(
    weights=st.lists(st.floats(0, 1), min_size=8, max_size=8).filter(lambda w: sum(w) > 0.01),
    threshold=st.floats(0.01, 0.99),
    symptoms=st.sets(st.sampled_from(("bleeds", "grew", "changed", "itches"))),
)
def test_symptoms_never_lower_a_level(
    tiny_bundle: Bundle, weights: list[float], threshold: float, symptoms: set[Symptom]
) -> None:
    manifest = at_threshold(tiny_bundle.manifest, threshold)
    values = np.array(weights) / sum(weights)
    index = int(diagnose(values[None], manifest.decision, manifest.calibration)[0])
    without = recommend.recommend(values, index, manifest)
    found = recommend.recommend(values, index, manifest, symptoms=symptoms)
    assert LEVELS.index(found.level) >= LEVELS.index(without.level)
    if symptoms & set(ALARMING):
        assert LEVELS.index(found.level) >= LEVELS.index("refer")
    assert (found.within_weeks is None) == (found.level in {"no_sign", "cannot_judge"})


@given(weights=st.lists(st.floats(0, 1), min_size=8, max_size=8).filter(lambda w: sum(w) > 0.01), more=st.floats(0, 1))
def test_more_melanoma_never_lowers_a_level(tiny_bundle: Bundle, weights: list[float], more: float) -> None:
    """With one and the same diagnosis, as probability moves from all others to melanoma."""
    manifest = tiny_bundle.manifest
    values = np.array(weights) / sum(weights)
    melanoma = np.eye(8)[ISIC_2019.index("MEL")]
    moved = (1 - more) * values + more * melanoma
    nevus = ISIC_2019.index("NV")
    levels = [LEVELS.index(recommend.level_of(p, nevus, manifest)) for p in (values, moved)]
    assert levels[0] <= levels[1]
