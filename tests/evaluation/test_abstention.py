"""The abstention band against brute force, lesion by lesion."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma.evaluation.abstention import fit_abstention, selective_figures
from epiluma.evaluation.metrics import Bools, Floats, Ints
from epiluma.inference.decide import abstains
from epiluma.predictions import Header, Predictions

THRESHOLD = 0.2


class Part(NamedTuple):
    """A calibration part."""

    risk: Floats
    called_malignant: Bools
    malignant: Bools
    lesion: Ints


def draw_part(seed: int, lesions: int = 120) -> Part:
    random = np.random.default_rng(seed)
    photos = random.integers(1, 4, lesions)
    lesion = np.repeat(np.arange(lesions), photos)
    malignant = (random.random(lesions) < 0.3)[lesion]
    risk = np.round(random.beta(np.where(malignant, 3, 1.0), np.where(malignant, 2.0, 6)), 3)
    return Part(risk, (risk > 0.5) | (random.random(len(risk)) < 0.05), malignant, lesion)


def share_inside(part: Part, inside: Bools) -> float:
    return float(np.mean([inside[part.lesion == one].any() for one in np.unique(part.lesion)]))


def log_odds(p: float) -> float:
    return math.log(p / (1 - p))


@given(seed=st.integers(0, 2**32 - 1), max_share=st.sampled_from([0.01, 0.05, 0.1, 0.3]))
@settings(max_examples=40, deadline=None)
def test_the_band_is_the_widest_that_few_enough_lesions_enter(seed: int, max_share: float) -> None:
    part = draw_part(seed)
    band = fit_abstention(*part, threshold=THRESHOLD, max_share=max_share)
    inside = abstains(part.risk, part.called_malignant, band)
    assert share_inside(part, inside) == pytest.approx(band.share, abs=1e-6)
    assert band.share <= max_share
    assert band.lower <= THRESHOLD <= band.upper
    assert band.lesions == 120
    if band.upper < 1 - 1e-5:
        half = log_odds(band.upper) - log_odds(THRESHOLD)
        assert half == pytest.approx(log_odds(THRESHOLD) - log_odds(band.lower), abs=1e-3)
        wider = np.abs(np.log(part.risk / (1 - part.risk + 1e-12) + 1e-300) - log_odds(THRESHOLD)) < half + 1e-3
        assert share_inside(part, wider & ~part.called_malignant) > max_share - 1e-9


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_the_evidence_is_counted_lesion_by_lesion(seed: int) -> None:
    part = draw_part(seed)
    band = fit_abstention(*part, threshold=THRESHOLD, max_share=0.1)
    inside = abstains(part.risk, part.called_malignant, band)
    referred = (part.risk >= THRESHOLD) | part.called_malignant
    wrong, outside = [], []
    for one in np.unique(part.lesion):
        own = part.lesion == one
        wrong.append(bool((referred != part.malignant)[own].any()))
        outside.append(not inside[own].any())
    assert band.error == pytest.approx(np.mean(wrong), abs=1e-6)
    assert band.error_outside == pytest.approx(np.mean(np.array(wrong)[outside]), abs=1e-6)


def test_new_lesions_seldom_enter() -> None:
    random = np.random.default_rng(0)
    shares = []
    for seed in random.integers(0, 2**31, 200):
        band = fit_abstention(*draw_part(int(seed)), threshold=THRESHOLD, max_share=0.1)
        new = draw_part(int(seed) + 1)
        shares.append(share_inside(new, abstains(new.risk, new.called_malignant, band)))
    assert np.mean(shares) <= (0.1 * 120 + 1) / 121 + 0.005
    assert np.mean(shares) > 0.05


def test_whom_the_diagnosis_refers_is_not_in_doubt() -> None:
    part = Part(np.full(40, THRESHOLD), np.ones(40, bool), np.ones(40, bool), np.arange(40))
    band = fit_abstention(*part, threshold=THRESHOLD, max_share=0.05)
    assert band.share == 0
    assert not abstains(part.risk, part.called_malignant, band).any()
    assert abstains(part.risk, ~part.called_malignant, band).all()


def test_certain_risks_and_thresholds_stay_finite() -> None:
    part = Part(np.r_[np.zeros(30), np.ones(30)], np.zeros(60, bool), np.arange(60) >= 30, np.arange(60))
    band = fit_abstention(*part, threshold=0.0, max_share=0.05)
    assert 0 <= band.lower <= band.upper <= 1
    assert fit_abstention(*part, threshold=0.5, max_share=0.05).error == 0


@pytest.mark.parametrize("max_share", [0.0, 1.0])
def test_a_share_that_is_none_is_refused(max_share: float) -> None:
    with pytest.raises(ValueError, match="max_share"):
        fit_abstention(*draw_part(0), threshold=THRESHOLD, max_share=max_share)


def test_figures_of_a_table() -> None:
    """Six lesions by hand: a band from 0.1 to 0.3, benign unless called otherwise."""
    rows = [
        # lesion, risk, diagnosis, truth, referred
        ("a", 0.05, 1, 1, False),  # right, outside
        ("b", 0.15, 1, 0, False),  # melanoma missed, inside
        ("c", 0.90, 0, 0, True),  # right, outside
        ("d", 0.25, 0, 0, True),  # its diagnosis refers it: outside
        ("e", 0.02, -1, 1, False),  # could not be judged
        ("f", 0.05, 1, 1, False),  # right, outside
        ("f", 0.60, 1, 1, True),  # and its other photo wrong
    ]
    lesion, risk, diagnosis, truth, referred = (np.array(column) for column in zip(*rows, strict=True))
    header = Header(
        codes=("MEL", "NV"),
        groups=("MEL", "NV"),
        malignant=(True, False),
        runner="test",
        model="test",
        manifest_sha256="",
        audit="clean",
        prevalence=(0.5, 0.5),
    )
    predictions = Predictions(
        header=header,
        image_id=np.arange(7).astype(str),
        group=lesion,
        part=np.full(7, "test"),
        truth=truth,
        probabilities=np.column_stack([risk, 1 - risk]),
        diagnosis=diagnosis,
        referred=referred,
    )
    band = fit_abstention(*draw_part(0), threshold=THRESHOLD, max_share=0.05)
    band = msgspec.structs.replace(band, lower=0.1, upper=0.3)
    figures = selective_figures(predictions, band)
    assert (figures.judged.value, figures.judged.n) == (pytest.approx(4 / 6), 6)
    assert (figures.error.value, figures.error.n) == (pytest.approx(3 / 6), 6)
    assert (figures.error_outside.value, figures.error_outside.n) == (pytest.approx(1 / 4), 4)
    assert figures.error_outside.lower < 0.25 < figures.error_outside.upper
