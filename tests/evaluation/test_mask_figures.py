"""Averaging: pooled figures against scikit-learn and torchmetrics on all pixels at once, and weights as repetition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, jaccard_score
from torchmetrics.classification import MulticlassJaccardIndex

from epiluma.evaluation.mask_figures import PUBLISHED_MASKS, MaskView, definitions
from epiluma.evaluation.masks import measure, tabulate
from epiluma.segmentations import Segmentations
from tests.evaluation.drawn_masks import NAMES, Map, draw_maps, draw_segmentations, header


def table_of(pairs: list[tuple[Map, Map]], classes: int) -> Segmentations:
    names = [f"image{i}" for i in range(len(pairs))]
    height, width = pairs[0][0].shape
    return tabulate(
        header(classes=classes, size=(width, height)),
        [measure(predicted, truth, classes) for predicted, truth in pairs],
        image_id=names,
        group=names,
        part=["test"] * len(pairs),
        subgroups={},
    )


def figures(table: Segmentations) -> dict[str, float]:
    view = MaskView(table)
    return {d.key: float(d.formula(view, None)) for d in definitions(table.header)}


@pytest.mark.parametrize("classes", [2, 4])
def test_pooled_figures_agree_with_libraries_on_all_pixels_at_once(classes: int) -> None:
    pairs = draw_maps(30, 7, classes=classes, size=(48, 36), slip=0.2)
    found = figures(table_of(pairs, classes))
    predicted, truth = (np.concatenate([pair[i].ravel() for pair in pairs]) for i in (0, 1))
    by_class = jaccard_score(truth, predicted, average=None)
    assert [found[f"iou_{name}"] for name in NAMES[:classes]] == pytest.approx(by_class.tolist())
    assert found["miou"] == pytest.approx(by_class.mean())
    metric = MulticlassJaccardIndex(num_classes=classes, average="macro")
    for one in pairs:
        metric.update(torch.tensor(one[0]), torch.tensor(one[1]))
    assert found["miou"] == pytest.approx(float(metric.compute()), rel=1e-6)
    assert found["pooled_jaccard"] == pytest.approx(jaccard_score(truth > 0, predicted > 0))
    assert found["pooled_dice"] == pytest.approx(f1_score(truth > 0, predicted > 0))


def test_averages_agree_with_each_image_by_itself() -> None:
    pairs = draw_maps(31, 8, classes=3, size=(48, 36), slip=0.3)
    found, table = figures(table_of(pairs, 3)), table_of(pairs, 3)
    flat = [(truth.ravel() > 0, predicted.ravel() > 0) for predicted, truth in pairs]
    index = np.array([jaccard_score(*pair, zero_division=1) for pair in flat])
    assert found["mean_jaccard"] == pytest.approx(index.mean())
    assert found["mean_thresholded_jaccard"] == pytest.approx((index * (index >= 0.65)).mean())
    assert found["share_below"] == pytest.approx((index < 0.65).mean())
    assert 0 < found["share_below"] < 1
    assert found["mean_dice"] == pytest.approx(np.mean([f1_score(*pair, zero_division=1) for pair in flat]))
    assert found["mean_boundary_f1"] == pytest.approx(table.boundary_f1.mean())
    for name, average in (("mean", np.mean), ("median", np.median)):
        assert found[f"{name}_hd95_pixels"] == pytest.approx(average(table.hd95))
        assert found[f"{name}_hd95_share"] == pytest.approx(average(table.hd95) / 60)  # 48 x 36 has a diagonal of 60


def test_a_class_that_no_map_has_is_left_out_and_an_image_without_lesion_is_right() -> None:
    nothing = np.zeros((6, 8), np.intp)
    found = figures(table_of([(nothing, nothing)] * 2, 3))
    assert np.isnan(found["iou_ulcer"])
    assert found["miou"] == found["mean_jaccard"] == found["mean_dice"] == found["pooled_dice"] == 1
    assert found["mean_hd95_pixels"] == 0
    lesion = nothing + 1
    missed = figures(table_of([(nothing, lesion)], 2))
    assert missed["mean_dice"] == missed["miou"] == missed["mean_boundary_f1"] == 0
    assert missed["mean_hd95_pixels"] == 10
    assert missed["mean_hd95_share"] == 1


@given(times=st.lists(st.integers(0, 3), min_size=12, max_size=12).filter(any), seed=st.integers(0, 5))
@settings(deadline=None, max_examples=40)
def test_a_weight_counts_an_image_so_many_times(times: list[int], seed: int) -> None:
    table = draw_segmentations(9, seed, classes=3).take(np.arange(12))
    repeated = table.take(np.repeat(np.arange(12), times))
    expected = figures(repeated)
    weights = np.array([times, np.ones(12)], np.float64)
    for definition in definitions(table.header):
        both = definition.formula(MaskView(table), weights)
        assert both.shape == (2,)
        assert both[0] == pytest.approx(expected[definition.key], nan_ok=True)
        assert both[1] == pytest.approx(float(definition.formula(MaskView(table), None)))


def test_pixels_are_averaged_only_where_all_images_have_one_size() -> None:
    one, own = ({d.key for d in definitions(header(own_size=own))} for own in (False, True))
    assert one - own == {"mean_hd95_pixels", "median_hd95_pixels"}
    assert own <= one


def test_published_figures_stand_beside_ones_that_exist_and_agree_with_their_averaging() -> None:
    keys = {definition.key for definition in definitions(header(own_size=True))}
    for entry in PUBLISHED_MASKS:
        assert set(entry.ours) <= keys
        assert len(entry.ours) == len(entry.figures)
        assert all(0 < figure < 1 for figure in entry.figures)
        assert entry.source
    # Pooled, Dice = 2 J / (1 + J); by image it is lower, as the mean of a concave function.
    pooled, by_image = (
        next(e.figures for e in PUBLISHED_MASKS if e.ours == keys)
        for keys in (("pooled_jaccard", "pooled_dice"), ("mean_jaccard", "mean_dice"))
    )
    assert pooled[1] == pytest.approx(2 * pooled[0] / (1 + pooled[0]), abs=1e-4)
    assert by_image[1] < 2 * by_image[0] / (1 + by_image[0]) - 1e-3
