"""The scorecard of a drawn table: intervals by lesion, subgroups, and what is refused or cannot be said."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from scipy.stats import bootstrap

from epiluma.evaluation.mask_figures import MaskView, definitions
from epiluma.evaluation.mask_scorecard import LeakedSegmentations, score_masks
from epiluma.evaluation.masks import dice, lesion
from epiluma.segmentations import Segmentations, SegmentationsError
from tests.evaluation.drawn_masks import draw_segmentations


@pytest.fixture(scope="module")
def table() -> Segmentations:
    return draw_segmentations(60)


def test_every_figure_has_its_value_interval_and_lesions(table: Segmentations) -> None:
    found = score_masks(table, replicates=200)
    whole = found.subsets["all"]
    assert (whole.images, whole.lesions) == (80, 60)
    assert list(whole.figures) == [d.key for d in definitions(table.header)]
    for definition in definitions(table.header):
        metric = whole.figures[definition.key].metric
        assert metric is not None
        assert metric.value == pytest.approx(float(definition.formula(MaskView(table), None)), abs=5.1e-5)
        assert metric.lower < metric.value < metric.upper
        assert metric.n == 60
        assert all(round(x, 4) == x for x in (metric.value, metric.lower, metric.upper))


def test_the_interval_of_a_mean_agrees_with_scipy() -> None:
    table = draw_segmentations(150, 3).take(np.arange(200))
    table = replace(table, group=table.image_id)
    metric = score_masks(table).subsets["all"].figures["mean_dice"].metric
    assert metric is not None
    values = dice(lesion(MaskView(table).counts))
    expected = bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    width = expected.high - expected.low
    assert (metric.lower, metric.upper) == pytest.approx(tuple(expected), abs=0.1 * width)


def test_more_photos_of_the_same_lesions_prove_no_more(table: Segmentations) -> None:
    rows = np.tile(np.arange(len(table)), 4)
    copies = replace(table.take(rows), image_id=np.array([f"copy{i}" for i in range(len(rows))]))
    once, often = (score_masks(t, replicates=100).subsets["all"].figures for t in (table, copies))
    assert {key: figure.metric for key, figure in once.items()} == {key: f.metric for key, f in often.items()}
    alone = score_masks(replace(copies, group=copies.image_id), replicates=100).subsets["all"].figures["mean_dice"]
    by_lesion = once["mean_dice"].metric
    assert alone.metric is not None
    assert by_lesion is not None
    assert alone.metric.upper - alone.metric.lower < 0.7 * (by_lesion.upper - by_lesion.lower)


def test_subgroups_are_scored_by_themselves_or_insufficient(table: Segmentations) -> None:
    found = score_masks(table, replicates=50)
    # All images have one source, so it tells nothing.
    assert list(found.subsets) == ["all", "sex: female", "sex: male", "sex: unknown"]
    few = found.subsets["sex: unknown"]
    assert few.lesions == 6
    assert {figure.note for figure in few.figures.values()} == {"insufficient evidence: 6 lesions, 10 needed"}
    assert all(figure.metric is None for figure in few.figures.values())
    women = score_masks(table.take(table.subgroups["sex"] == "female"), replicates=50)
    assert found.subsets["sex: female"].figures == women.subsets["all"].figures
    assert sum(subset.lesions for name, subset in found.subsets.items() if name != "all") == 60


def test_ages_stand_in_bands_and_names_are_no_subgroups(table: Segmentations) -> None:
    ages = np.resize(["5", "29", "30", "80", ""], len(table))
    found = score_masks(replace(table, subgroups={"age": ages, "image": table.image_id}), replicates=20)
    assert list(found.subsets) == ["all", "age: 0-29", "age: 30-44", "age: 75+", "age: unknown"]
    assert [subset.images for subset in found.subsets.values()] == [80, 32, 16, 16, 16]


def test_a_class_of_few_lesions_has_no_figure_of_its_own() -> None:
    table = draw_segmentations(60, classes=3)
    rare = table.take((table.truth[:, 2] == 0) | (np.cumsum(table.truth[:, 2] > 0) <= 1))
    figures = score_masks(rare, replicates=50).subsets["all"].figures
    assert figures["iou_ulcer"].metric is None
    assert figures["iou_ulcer"].note == "insufficient evidence: 1 lesion, 10 needed"
    assert figures["iou_lesion"].metric is not None
    assert figures["iou_lesion"].metric.n == len(np.unique(rare.group[rare.truth[:, 1] > 0]))


def test_what_no_replicate_changes_says_so() -> None:
    table = draw_segmentations(30, slip=0)
    figure = score_masks(table, replicates=50).subsets["all"].figures["mean_dice"]
    assert figure.metric is not None
    assert (figure.metric.lower, figure.metric.value, figure.metric.upper) == (1, 1, 1)
    assert "understates the doubt" in figure.note


def test_the_seed_decides_the_intervals(table: Segmentations) -> None:
    same, again, other = (score_masks(table, replicates=50, seed=seed).subsets["all"] for seed in (1, 1, 2))
    assert same == again != other


def test_a_leak_is_refused_or_said() -> None:
    leaked = draw_segmentations(20, audit="leak: 3 lesions twice")
    with pytest.raises(LeakedSegmentations, match=r"refused: .*leak: 3 lesions twice"):
        score_masks(leaked)
    found = score_masks(leaked, allow_leakage=True, replicates=50)
    assert found.leakage_allowed
    with pytest.raises(LeakedSegmentations, match="scorecard cannot be made"):
        found.to_scorecard("epiluma evaluate")


def test_another_part_and_an_image_twice_are_refused(table: Segmentations) -> None:
    with pytest.raises(SegmentationsError, match="no image in part 'validation'; parts of this table: test"):
        score_masks(table, part="validation")
    with pytest.raises(SegmentationsError, match="parts of this table: none, it is empty"):
        score_masks(table.take(np.arange(0)))
    with pytest.raises(SegmentationsError, match="image image0003 is listed twice in part 'test'"):
        score_masks(table.take(np.array([1, 2, 3, 3])))


def test_a_bundle_carries_the_defined_figures(table: Segmentations) -> None:
    found = score_masks(table, replicates=50)
    card = found.to_scorecard("epiluma evaluate masks.csv")
    assert (card.part, card.command) == ("test", "epiluma evaluate masks.csv")
    assert card.metrics["sex: unknown"] == {}
    assert card.metrics["all"]["miou"] == found.subsets["all"].figures["miou"].metric
    assert msgspec.json.decode(msgspec.json.encode(card), type=type(card)) == card
