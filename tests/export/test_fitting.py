"""What is fitted on a graph's outputs: each part keeps its promise on the images that it was fitted on."""

from __future__ import annotations

from typing import get_args

import msgspec
import numpy as np
import pytest

from epiluma.bundle import FP32, Fitted
from epiluma.evaluation.operating_points import TooFewLesions
from epiluma.export import fitting
from epiluma.export.config import Format, Shipping
from epiluma.export.variants import FORMATS
from epiluma.inference import decide
from epiluma.taxonomy import ISIC_2019, Taxonomy, UnknownDiagnosis

PREVALENCE = np.array([0.15, 0.55, 0.1, 0.04, 0.08, 0.02, 0.02, 0.04])
SHIPPING = Shipping(
    name="test",
    modality="dermoscopy",
    size=32,
    licence="CC0-1.0",
    licence_note="test",
    non_commercial=False,
    training_data="none",
    sensitivity=0.9,
    lower_bound=0.8,
    coverage=0.9,
    abstain=0.1,
    cost={"MEL": 2.0},
)


class Part:
    """A calibration part of 600 lesions with one or two photos, drawn by classes that overlap."""

    def __init__(self, seed: int = 0, leaves: int = 8) -> None:
        random = np.random.default_rng(seed)
        shares = PREVALENCE[:leaves] / PREVALENCE[:leaves].sum()
        kind = random.choice(leaves, 600, p=shares)
        self.group = np.repeat(np.arange(600), random.integers(1, 3, 600))
        self.truth = kind[self.group]
        self.logits = random.normal(0, 1, (len(self.truth), leaves)) + np.log(shares)
        self.logits[np.arange(len(self.truth)), self.truth] += 2.5
        self.judged = random.random(len(self.truth)) > 0.05
        self.shares = shares

    def fit(self, shipping: Shipping = SHIPPING, taxonomy: Taxonomy = ISIC_2019) -> Fitted:
        return fitting.fit(
            self.logits,
            self.truth,
            self.group,
            judged=self.judged,
            taxonomy=taxonomy,
            prevalence=self.shares,
            prevalence_source="test",
            rule=fitting.decision_rule(shipping, taxonomy),
            shipping=shipping,
        )


def test_all_promises_hold_where_they_were_fitted() -> None:
    part = Part()
    fitted = part.fit()
    rule = fitting.decision_rule(SHIPPING, ISIC_2019)
    probabilities = decide.probabilities_from_logits(part.logits, fitted.calibration)
    diagnosis = decide.diagnose(probabilities, rule, fitted.calibration)
    risk = decide.malignancy_risk(probabilities, ISIC_2019)
    referred = decide.refers(probabilities, diagnosis, fitted.operating_point.threshold, ISIC_2019)
    melanoma = part.truth == 0
    caught = [referred[part.group == one].all() for one in np.unique(part.group[melanoma])]
    assert np.mean(caught) == pytest.approx(fitted.operating_point.sensitivity)
    assert np.mean(caught) >= 0.9

    bad, seen = np.array(ISIC_2019.malignant), part.judged
    point = fitted.accuracy_point
    assert point is not None
    assert point.images == seen.sum()
    assert point.accuracy == pytest.approx(np.mean((risk >= point.threshold)[seen] == bad[part.truth][seen]))

    assert fitted.conformal is not None
    inside = decide.prediction_sets(probabilities, fitted.conformal)[np.arange(len(risk)), part.truth]
    covered = [inside[seen & (part.group == one)].all() for one in np.unique(part.group[seen])]
    assert np.mean(covered) == pytest.approx(fitted.conformal.covered, abs=1e-6)
    assert np.mean(covered) >= 0.9

    assert fitted.abstention is not None
    doubtful = decide.abstains(risk, bad[diagnosis], fitted.abstention)
    entered = [doubtful[seen & (part.group == one)].any() for one in np.unique(part.group[seen])]
    assert 0 < np.mean(entered) <= 0.1
    assert fitted.abstention.lower <= fitted.operating_point.threshold <= fitted.abstention.upper


def test_what_is_not_asked_for_is_not_made() -> None:
    plain = msgspec.structs.replace(SHIPPING, coverage=0.0, abstain=0.0, calibration="temperature")
    fitted = Part().fit(plain)
    assert (fitted.conformal, fitted.abstention) == (None, None)
    assert fitted.calibration.method == "temperature"


def test_another_graph_of_the_network_gets_its_own_fit() -> None:
    part, other = Part(), Part()
    other.logits = 3 * other.logits
    one, two = (p.fit(msgspec.structs.replace(SHIPPING, calibration="temperature")) for p in (part, other))
    assert two.calibration.temperature == pytest.approx(3 * one.calibration.temperature, rel=1e-3)
    assert two.operating_point.threshold == pytest.approx(one.operating_point.threshold, abs=1e-3)


def test_a_costlier_diagnosis_is_made_more_often() -> None:
    part = Part()
    fitted = part.fit()
    probabilities = decide.probabilities_from_logits(part.logits, fitted.calibration)
    counts = []
    for cost in ({}, {"MEL": 3.0}, {"MEL": 30.0}):
        rule = fitting.decision_rule(msgspec.structs.replace(SHIPPING, cost=cost), ISIC_2019)
        assert rule.cost == (cost.get("MEL", 1.0), *(1.0,) * 7)
        counts.append(int((decide.diagnose(probabilities, rule, fitted.calibration) == 0).sum()))
    assert counts[0] < counts[1] < counts[2]


def test_a_cost_of_an_unknown_diagnosis_is_refused() -> None:
    with pytest.raises(UnknownDiagnosis, match="MELANOM"):
        fitting.decision_rule(msgspec.structs.replace(SHIPPING, cost={"MELANOM": 2.0}), ISIC_2019)


def test_without_melanoma_everything_malignant_is_protected() -> None:
    taxonomy = Taxonomy(leaves=ISIC_2019.leaves[1:7])
    part = Part(leaves=6)
    fitted = part.fit(msgspec.structs.replace(SHIPPING, cost={}, lower_bound=0.5), taxonomy)
    malignant = np.array(taxonomy.malignant)[part.truth]
    assert "malignant sensitivity" in fitted.operating_point.target
    assert fitted.operating_point.lesions == len(np.unique(part.group[malignant]))


def test_too_few_melanomas_are_refused() -> None:
    with pytest.raises(TooFewLesions):
        Part().fit(msgspec.structs.replace(SHIPPING, sensitivity=0.99, lower_bound=0.9999))


def test_the_recipe_names_the_formats_that_there_are() -> None:
    assert {FP32, *get_args(Format)} == set(FORMATS)
