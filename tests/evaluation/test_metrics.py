"""Every metric against scikit-learn (torchmetrics for the calibration error), weights included."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from epiluma.evaluation import metrics

CLASSES = 5


class Drawn:
    """n images with ties in the scores, classes that may be missing, and integer weights that may be 0."""

    def __init__(self, seed: int, n: int = 60) -> None:
        random = np.random.default_rng(seed)
        self.truth = random.integers(0, random.integers(2, CLASSES + 1), n)
        self.predicted = np.where(random.random(n) < 0.5, self.truth, random.integers(0, CLASSES, n))
        self.probabilities = random.dirichlet(np.ones(CLASSES), n)
        self.risk = random.integers(0, 12, n) / 11
        self.positive = random.random(n) < 0.2 + 0.6 * self.risk
        self.weights = random.integers(0, 4, n).astype(float)


drawn = st.integers(0, 2**32 - 1).map(Drawn)

Metric = Callable[[Drawn, metrics.Floats | None], metrics.Floats]
EVERY_METRIC: dict[str, Metric] = {
    "accuracy": lambda d, w: metrics.accuracy(d.truth, d.predicted, w),
    "balanced_accuracy": lambda d, w: metrics.balanced_accuracy(d.truth, d.predicted, CLASSES, w),
    "macro_f1": lambda d, w: metrics.macro_f1(d.truth, d.predicted, CLASSES, w),
    "recall": lambda d, w: metrics.per_class(d.truth, d.predicted, CLASSES, w).recall,
    "precision": lambda d, w: metrics.per_class(d.truth, d.predicted, CLASSES, w).precision,
    "f1": lambda d, w: metrics.per_class(d.truth, d.predicted, CLASSES, w).f1,
    "confusion": lambda d, w: metrics.confusion(d.truth, d.predicted, CLASSES, w),
    "top_k_accuracy": lambda d, w: metrics.top_k_accuracy(d.truth, d.probabilities, 2, w),
    "auc": lambda d, w: metrics.auc(d.risk, d.positive, w),
    "sensitivity": lambda d, w: metrics.sensitivity(d.risk > 0.5, d.positive, w),
    "specificity": lambda d, w: metrics.specificity(d.risk > 0.5, ~d.positive, w),
    "macro_precision": lambda d, w: metrics.macro_precision(d.truth, d.predicted, CLASSES, w),
    "macro_auc": lambda d, w: metrics.macro_auc(d.truth, d.probabilities, w),
    "balanced_f1": lambda d, w: metrics.macro_f1(d.truth, d.predicted, CLASSES, metrics.equalised(d.truth, CLASSES, w)),
    "ece": lambda d, w: metrics.ece(d.truth, d.probabilities, w),
    "binary_ece": lambda d, w: metrics.binary_ece(d.risk, d.positive, w),
    "brier": lambda d, w: metrics.brier(d.truth, d.probabilities, w),
    "binary_brier": lambda d, w: metrics.binary_brier(d.risk, d.positive, w),
}


@pytest.mark.parametrize("name", EVERY_METRIC)
@given(data=drawn)
@settings(max_examples=25, deadline=None)
def test_a_weight_is_how_often_an_image_counts(name: str, data: Drawn) -> None:
    repeated = Drawn(0)
    for column, values in vars(data).items():
        setattr(repeated, column, np.repeat(values, data.weights.astype(int), axis=0))
    expected = EVERY_METRIC[name](repeated, None)
    np.testing.assert_allclose(EVERY_METRIC[name](data, data.weights), expected, atol=1e-12)


@pytest.mark.parametrize("name", EVERY_METRIC)
def test_replicates_at_once_equal_replicates_one_by_one(name: str) -> None:
    data = Drawn(1)
    weights = np.random.default_rng(2).integers(0, 3, (7, len(data.truth))).astype(float)
    expected = [EVERY_METRIC[name](data, row) for row in weights]
    np.testing.assert_allclose(EVERY_METRIC[name](data, weights), expected, atol=1e-12)


@given(data=drawn)
@settings(max_examples=40, deadline=None)
def test_predicted_classes_agree_with_scikit_learn(data: Drawn) -> None:
    how = {"sample_weight": data.weights}
    present = np.unique(data.truth[data.weights > 0])
    ours = metrics.per_class(data.truth, data.predicted, CLASSES, data.weights)
    theirs = sk.precision_recall_fscore_support(
        data.truth, data.predicted, labels=range(CLASSES), zero_division=np.nan, **how
    )
    np.testing.assert_allclose(ours.precision, theirs[0])
    np.testing.assert_allclose(ours.recall, theirs[1])
    np.testing.assert_allclose(ours.f1, theirs[2])
    macro = sk.f1_score(data.truth, data.predicted, labels=present, average="macro", **how)
    np.testing.assert_allclose(metrics.macro_f1(data.truth, data.predicted, CLASSES, data.weights), macro)
    macro = sk.precision_score(data.truth, data.predicted, labels=present, average="macro", zero_division=0, **how)
    np.testing.assert_allclose(metrics.macro_precision(data.truth, data.predicted, CLASSES, data.weights), macro)
    accuracy = sk.accuracy_score(data.truth, data.predicted, **how)
    np.testing.assert_allclose(metrics.accuracy(data.truth, data.predicted, data.weights), accuracy)
    drawn_rows = data.weights > 0  # scikit-learn would count a class of weight 0 as present
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="y_pred contains classes not in y_true")
        balanced = sk.balanced_accuracy_score(
            data.truth[drawn_rows], data.predicted[drawn_rows], sample_weight=data.weights[drawn_rows]
        )
    np.testing.assert_allclose(metrics.balanced_accuracy(data.truth, data.predicted, CLASSES, data.weights), balanced)


@given(data=drawn)
@settings(max_examples=40, deadline=None)
def test_scores_agree_with_scikit_learn(data: Drawn) -> None:
    how = {"sample_weight": data.weights}
    np.testing.assert_allclose(
        metrics.auc(data.risk, data.positive, data.weights), sk.roc_auc_score(data.positive, data.risk, **how)
    )
    np.testing.assert_allclose(
        metrics.binary_brier(data.risk, data.positive, data.weights),
        sk.brier_score_loss(data.positive, data.risk, **how),
    )
    np.testing.assert_allclose(
        metrics.brier(data.truth, data.probabilities, data.weights),
        sk.brier_score_loss(data.truth, data.probabilities, labels=range(CLASSES), scale_by_half=False, **how),
    )
    present = np.unique(data.truth)
    each = [sk.roc_auc_score(data.truth == i, data.probabilities[:, i]) for i in present]
    np.testing.assert_allclose(metrics.macro_auc(data.truth, data.probabilities), np.mean(each))
    for k in (1, 2, 3):
        np.testing.assert_allclose(
            metrics.top_k_accuracy(data.truth, data.probabilities, k, data.weights),
            sk.top_k_accuracy_score(data.truth, data.probabilities, k=k, labels=range(CLASSES), **how),
        )


def test_equal_weights_give_what_large_balanced_resamples_tend_to() -> None:
    data, random = Drawn(4, n=400), np.random.default_rng(5)
    classes = np.unique(data.truth)
    rows = np.concatenate([random.choice(np.flatnonzero(data.truth == i), 40_000) for i in classes])
    resampled = sk.f1_score(data.truth[rows], data.predicted[rows], labels=classes, average="macro")
    equal = metrics.equalised(data.truth, CLASSES)
    assert metrics.macro_f1(data.truth, data.predicted, CLASSES, equal) == pytest.approx(resampled, abs=5e-3)
    assert [equal[data.truth == i].sum() for i in classes] == pytest.approx(np.ones(len(classes)))
    by_recall = sk.f1_score(
        data.truth,
        data.predicted,
        labels=classes,
        average="macro",
        sample_weight=1 / np.bincount(data.truth)[data.truth],
    )
    assert metrics.macro_f1(data.truth, data.predicted, CLASSES, equal) == pytest.approx(by_recall)


@given(inside=st.lists(st.integers(0, 5), min_size=1), outside=st.lists(st.integers(0, 5), min_size=1))
def test_ood_auroc_counts_pairs(inside: list[int], outside: list[int]) -> None:
    won = [(out > own) + (out == own) / 2 for own in inside for out in outside]
    found = metrics.ood_auroc(np.array(inside, float), np.array(outside, float))
    assert found == pytest.approx(np.mean(won))


def test_calibration_error_agrees_with_torchmetrics() -> None:
    functional = pytest.importorskip("torchmetrics.functional.classification")
    torch = pytest.importorskip("torch")
    data = Drawn(3, n=2000)
    top_label = functional.multiclass_calibration_error(
        torch.tensor(data.probabilities), torch.tensor(data.truth), num_classes=CLASSES, n_bins=15, norm="l1"
    )
    np.testing.assert_allclose(metrics.ece(data.truth, data.probabilities), top_label, atol=1e-6)


def test_calibration_error_by_hand() -> None:
    risk = np.array([0.02, 0.04, 0.95, 0.99, 0.97])
    malignant = np.array([False, True, True, True, False])
    # First bin: mean risk 0.03, share 1/2, 2 of 5. Last bin: mean risk 0.97, share 2/3, 3 of 5.
    expected = 2 / 5 * abs(1 / 2 - 0.03) + 3 / 5 * abs(2 / 3 - 0.97)
    assert metrics.binary_ece(risk, malignant) == pytest.approx(expected)


def test_a_bin_holds_its_upper_edge() -> None:
    malignant = np.array([False, True])
    # 0.14 and 0.2 share the bin (2/15, 3/15]; 0.2 and 0.26 lie in neighbours.
    assert metrics.binary_ece(np.array([0.14, 0.2]), malignant) == pytest.approx(0.5 - 0.17)
    assert metrics.binary_ece(np.array([0.2, 0.26]), malignant) == pytest.approx((0.2 + 0.74) / 2)


def test_an_image_that_could_not_be_judged_counts_as_wrong() -> None:
    truth, predicted = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, -1, 1, 1])
    assert metrics.balanced_accuracy(truth, predicted, 2) == pytest.approx((3 / 4 + 1) / 2)
    assert metrics.accuracy(truth, predicted) == pytest.approx(5 / 6)
    assert metrics.confusion(truth, predicted, 2).tolist() == [[3, 0, 1], [0, 2, 0]]
    assert metrics.per_class(truth, predicted, 2).precision.tolist() == [1, 1]


def test_what_the_data_cannot_define_is_nan() -> None:
    nobody = np.zeros(3, bool)
    assert np.isnan(metrics.auc(np.array([0.1, 0.2, 0.3]), nobody))
    assert np.isnan(metrics.sensitivity(np.ones(3, bool), nobody))
    assert np.isnan(metrics.specificity(np.ones(3, bool), nobody))
    scores = metrics.per_class(np.array([0, 0, 1]), np.array([0, 0, 0]), 3)
    assert np.isnan(scores.recall).tolist() == [False, False, True]
    assert np.isnan(scores.precision).tolist() == [False, True, True]


def test_top_k_breaks_ties_by_the_first_class() -> None:
    equal = np.full((4, 4), 0.25)
    assert metrics.top_k_accuracy(np.arange(4), equal, 3) == pytest.approx(3 / 4)
    assert metrics.top_k_accuracy(np.arange(4), equal, 1) == pytest.approx(1 / 4)


@given(data=st.data(), n=st.integers(1, 30))
@settings(max_examples=40, deadline=None)
def test_a_lesion_counts_only_when_every_photo_does(data: st.DataObject, n: int) -> None:
    flags = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    among = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    lesion = np.array(data.draw(st.lists(st.sampled_from("abcde"), min_size=n, max_size=n)))
    representative, every = metrics.every_photo(flags, lesion, among)
    for name in "abcde":
        own = [i for i in range(n) if lesion[i] == name and among[i]]
        assert representative[lesion == name].sum() == bool(own)
        assert every[lesion == name].sum() == bool(own and all(flags[own]))
    assert not (every & ~representative).any()
    assert not (representative & ~among).any()
