"""Overlap against scikit-learn and torchmetrics, boundaries against every pair of pixels, and hand-computed cases."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, jaccard_score
from torchmetrics.functional.classification import multiclass_jaccard_index
from torchmetrics.functional.segmentation import dice_score
from torchmetrics.functional.segmentation.utils import edge_surface_distance

from epiluma.evaluation.masks import (
    Counts,
    boundary,
    compare_boundaries,
    count_pixels,
    dice,
    jaccard,
    lesion,
    measure,
    tabulate,
    thresholded,
)
from epiluma.evaluation.metrics import Bools
from tests.evaluation.drawn_masks import draw_maps, ellipse, header

sizes = st.tuples(st.integers(1, 14), st.integers(1, 14))
seeds = st.integers(0, 10_000)


def random_maps(size: tuple[int, int], classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two maps that agree in about half of the pixels."""
    random = np.random.default_rng(seed)
    predicted, other = random.integers(0, classes, (2, *size))
    return predicted, np.where(random.random(size) < 0.5, predicted, other)


def random_masks(size: tuple[int, int], seed: int) -> tuple[Bools, Bools]:
    """Scattered pixels of any density, often none."""
    random = np.random.default_rng(seed)
    one, other = (random.random(size) < share for share in random.choice([0, 0.1, 0.5, 0.9], 2))
    return one, other


@given(size=sizes, classes=st.integers(2, 6), seed=seeds)
@settings(deadline=None)
def test_overlap_agrees_with_scikit_learn(size: tuple[int, int], classes: int, seed: int) -> None:
    predicted, truth = random_maps(size, classes, seed)
    counts = count_pixels(predicted, truth, classes)
    flat = truth.ravel(), predicted.ravel()
    for function, ours in ((jaccard_score, jaccard(counts)), (f1_score, dice(counts))):
        expected = function(*flat, labels=range(classes), average=None, zero_division=1)
        np.testing.assert_allclose(ours, expected)
    foreground = truth.ravel() > 0, predicted.ravel() > 0
    assert jaccard(lesion(counts)) == pytest.approx(jaccard_score(*foreground, zero_division=1))
    assert dice(lesion(counts)) == pytest.approx(f1_score(*foreground, zero_division=1))


@pytest.mark.parametrize("classes", [2, 5])
def test_overlap_agrees_with_torchmetrics(classes: int) -> None:
    predicted, truth = random_maps((4, 40 * 30), classes, 3)
    tensors = torch.tensor(predicted), torch.tensor(truth)
    pooled = count_pixels(predicted, truth, classes)
    index = multiclass_jaccard_index(*tensors, num_classes=classes, average="none")
    np.testing.assert_allclose(jaccard(pooled), index, rtol=1e-6)
    by_image = [count_pixels(p[None], t[None], classes) for p, t in zip(predicted, truth, strict=True)]
    expected = dice_score(*tensors, num_classes=classes, average="none", input_format="index")
    np.testing.assert_allclose([dice(counts) for counts in by_image], expected, rtol=1e-6)


def test_where_to_be_empty_is_right_the_overlap_is_whole() -> None:
    counts = Counts(np.array([0, 0, 3]), np.array([0, 5, 4]), np.array([0, 0, 5]))
    assert jaccard(counts).tolist() == [1, 0, 0.5]
    assert dice(counts).tolist() == [1, 0, pytest.approx(6 / 9)]
    assert np.isnan(jaccard(counts, where_empty=np.nan)).tolist() == [True, False, False]


def test_a_poor_outline_is_worth_nothing() -> None:
    assert thresholded(np.array([0.0, 0.6499, 0.65, 1.0])).tolist() == [0, 0, 0.65, 1]


@pytest.mark.parametrize(
    ("predicted", "truth", "reason"),
    [
        (np.zeros((2, 3), int), np.zeros((3, 2), int), r"\(2, 3\) and \(3, 2\)"),
        (np.zeros(4, int), np.zeros(4, int), "two maps"),
        (np.zeros((0, 3), int), np.zeros((0, 3), int), "two maps"),
        (np.full((2, 2), 2), np.zeros((2, 2), int), "holds 0 to 1"),
        (np.zeros((2, 2), int), np.full((2, 2), 255), "holds 0 to 1"),
        (np.zeros((2, 2), int), np.full((2, 2), -1), "holds 0 to 1"),
    ],
)
def test_what_is_no_pair_of_label_maps_is_refused(predicted: np.ndarray, truth: np.ndarray, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        measure(predicted, truth)


def edge_by_hand(mask: Bools) -> list[tuple[int, int]]:
    """Pixels of the mask, one by one, that lack a neighbour above, below, left or right."""
    inside = {(y, x) for y, x in np.argwhere(mask).tolist()}
    return [(y, x) for y, x in inside if not {(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)} <= inside]


def nearest_by_hand(a: Bools, b: Bools) -> np.ndarray:
    """The distance from each edge pixel of `a` to the nearest of `b`, over every pair."""
    there, here = edge_by_hand(b), edge_by_hand(a)
    return np.array([min(np.hypot(y - v, x - u) for v, u in there) for y, x in here])


@given(size=sizes, seed=seeds, tolerance=st.sampled_from([0.0075, 0.06, 0.2]))
@settings(deadline=None)
def test_boundaries_agree_with_every_pair_of_pixels(size: tuple[int, int], seed: int, tolerance: float) -> None:
    predicted, truth = random_masks(size, seed)
    f1, hd95 = compare_boundaries(predicted, truth, tolerance=tolerance)
    diagonal = np.hypot(*size)
    if not (predicted.any() and truth.any()):
        assert (f1, hd95) == ((1, 0) if predicted.any() == truth.any() else (0, diagonal))
        return
    there, back = nearest_by_hand(predicted, truth), nearest_by_hand(truth, predicted)
    assert hd95 == pytest.approx(max(np.quantile(there, 0.95), np.quantile(back, 0.95)))
    hits = np.mean(there <= tolerance * diagonal), np.mean(back <= tolerance * diagonal)
    assert f1 == pytest.approx(2 * hits[0] * hits[1] / sum(hits) if sum(hits) else 0)
    assert compare_boundaries(truth, predicted, tolerance=tolerance) == (pytest.approx(f1), pytest.approx(hd95))


def test_distances_agree_with_torchmetrics_as_monai_takes_their_percentile() -> None:
    for predicted, truth in draw_maps(20, 5, classes=2, size=(48, 48), slip=0.3):  # torchmetrics needs a square
        tensors = torch.tensor(predicted > 0), torch.tensor(truth > 0)
        directed = edge_surface_distance(*tensors, symmetric=True)
        expected = max(float(np.percentile(distance, 95)) for distance in directed)
        assert compare_boundaries(predicted > 0, truth > 0)[1] == pytest.approx(expected, rel=1e-6)


def square(left: int) -> Bools:
    mask = np.zeros((30, 40), bool)  # its diagonal is 50 pixels
    mask[10:20, left : left + 10] = True
    return mask


@pytest.mark.parametrize(
    ("pixels", "within"),
    [(0, 14), (1, 18), (2, 22), (3, 36)],
)
def test_a_square_moved_by_three_pixels(pixels: int, within: int) -> None:
    """Of its 36 edge pixels 14 lie on the other edge, 4 are one pixel off it, 4 are two, and 14 are three."""
    f1, hd95 = compare_boundaries(square(10), square(13), tolerance=(pixels + 0.3) / 50)
    assert f1 == pytest.approx(within / 36)
    assert hd95 == pytest.approx(3)


def test_a_stray_pixel_moves_the_maximum_but_not_the_95th_percentile() -> None:
    stray = square(10)
    stray[0, 39] = True
    assert compare_boundaries(stray, square(10))[1] == 0
    assert nearest_by_hand(stray, square(10)).max() == pytest.approx(np.hypot(10, 20))


def test_beyond_the_frame_there_is_no_mask() -> None:
    whole = np.ones((5, 7), bool)
    edge = boundary(whole)
    assert edge.sum() == 2 * 5 + 2 * 7 - 4
    assert not edge[1:-1, 1:-1].any()
    assert compare_boundaries(whole, whole) == (1, 0)


def test_all_classes_but_the_background_are_the_lesion() -> None:
    truth = ellipse((40, 30), (20, 15), (10, 8)).astype(int)
    called = measure(truth * 2, truth, 3)
    assert (called.boundary_f1, called.hd95) == (1, 0)
    assert jaccard(lesion(called.counts)) == 1
    assert jaccard(called.counts).tolist() == [1, 0, 0]
    assert (called.width, called.height) == (40, 30)


def test_a_table_keeps_what_was_measured() -> None:
    pairs = draw_maps(5, 1, classes=3, size=(48, 36), slip=0.2)
    measured = [measure(predicted, truth, 3) for predicted, truth in pairs]
    names = [f"image{i}" for i in range(5)]
    table = tabulate(
        header(classes=3), measured, image_id=names, group=names, part=["test"] * 5, subgroups={"sex": ["male"] * 5}
    )
    for i, (predicted, truth) in enumerate(pairs):
        assert table.truth[i].tolist() == [int((truth == c).sum()) for c in range(3)]
        assert table.predicted[i].tolist() == [int((predicted == c).sum()) for c in range(3)]
        assert table.intersection[i].tolist() == [int(((predicted == c) & (truth == c)).sum()) for c in range(3)]
        assert (table.boundary_f1[i], table.hd95[i]) == compare_boundaries(predicted > 0, truth > 0)
    assert tabulate(header(), [], image_id=[], group=[], part=[], subgroups={}).truth.shape == (0, 2)


def test_an_image_takes_some_milliseconds() -> None:
    ((predicted, truth),) = draw_maps(1, 2, classes=2, size=(256, 256), slip=0.1)
    seconds = []
    for _ in range(7):
        start = time.process_time()
        measure(predicted, truth)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.03  # about 0.003 on one core; the rest is for a busy machine
