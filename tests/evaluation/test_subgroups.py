"""Each subgroup is what its rows give alone; small ones stay open; what is no subgroup is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epiluma.evaluation.scorecard import score
from epiluma.evaluation.selection import select
from epiluma.evaluation.subgroups import FIGURES, MAX_VALUES, age_band, score_subgroups
from epiluma.predictions import Predictions

HOW = {"seed": 0, "replicates": 50}


def with_columns(table: Predictions, **columns: list[str]) -> Predictions:
    """The table with columns whose values go round."""
    return replace(table, subgroups={name: np.resize(values, len(table)) for name, values in columns.items()})


def test_a_subgroup_is_scored_as_if_it_were_alone(table: Predictions) -> None:
    mixed = with_columns(table, sex=["male", "female", ""])
    found = score_subgroups(select(mixed, "test"), **HOW)["sex"]
    assert list(found) == ["female", "male", "unknown"]
    for name, column in (("female", "female"), ("unknown", "")):
        alone = score(mixed.where(mixed.subgroups["sex"] == column), replicates=50).subsets["all"]
        assert found[name].images == alone.images
        assert found[name].lesions == alone.lesions
        for key in FIGURES:
            assert found[name].figures[key].metric == alone.figures[key].metric
    assert sum(group.images for group in found.values()) == len(mixed)


def test_few_lesions_are_no_evidence(table: Predictions) -> None:
    rare = np.where(np.arange(len(table)) < 12, "V", "II")
    found = score_subgroups(select(replace(table, subgroups={"skin_type": rare}), "test"), **HOW)["skin_type"]
    for figure in found["V"].figures.values():
        assert figure.metric is None
        assert figure.note.startswith("insufficient evidence: ")
    assert all(figure.metric for figure in found["II"].figures.values())


@pytest.mark.parametrize("years", ["0", "29", "30", "44.5", "60", "75", "110"])
def test_ages_are_banded(table: Predictions, years: str) -> None:
    mixed = with_columns(table, age=[years, "50", "", "sixties"])
    names = list(score_subgroups(select(mixed, "test"), **HOW)["age"])
    assert set(names) == {age_band(float(years)), "45-59", "unknown", "sixties"}
    assert names[-1] == "unknown"


@given(years=st.integers(0, 120))
def test_every_age_is_in_the_band_that_names_it(years: int) -> None:
    band = age_band(years)
    low, high = (int(band[:-1]), 200) if band.endswith("+") else map(int, band.split("-"))
    assert low <= years <= high


def test_what_tells_nothing_apart_is_left_out(table: Predictions) -> None:
    names = [f"photographer {i}" for i in range(MAX_VALUES + 1)]
    mixed = with_columns(table, modality=["dermoscopy"], photographer=names, ood_score=["0.1", "0.2"], site=["a", "b"])
    assert list(score_subgroups(select(mixed, "test"), **HOW)) == ["site"]
