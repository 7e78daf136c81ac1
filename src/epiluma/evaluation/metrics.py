"""Metrics as pure functions on arrays; every one takes weights, so that a bootstrap replicate is a weight vector.

`weights` (n,) says how often each image was drawn; (b, n) holds b replicates and gives b values at once; None
counts each image once. A figure that its data cannot define (a class without images) is NaN, never a guess.
An image that could not be judged (`predicted == -1`) counts as wrong in every metric of predicted classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]

ECE_BINS = 15


class PerClass(NamedTuple):
    """Recall, precision and F1 of each class, each (..., classes)."""

    recall: Floats
    """NaN for a class without images."""
    precision: Floats
    """NaN for a class that was never predicted."""
    f1: Floats
    """2 TP / (2 TP + FP + FN); NaN for a class that is neither in the truth nor predicted."""


def confusion(truth: Ints, predicted: Ints, classes: int, weights: Floats | None = None) -> Floats:
    """(..., classes, classes + 1) images by truth (rows) and prediction; the last column could not be judged."""
    columns = classes + 1
    cell = truth * columns + np.where(predicted < 0, classes, predicted)
    counted = image_weights(weights, len(truth)) @ _one_hot(cell, classes * columns)
    return counted.reshape(*counted.shape[:-1], classes, columns)


def per_class(truth: Ints, predicted: Ints, classes: int, weights: Floats | None = None) -> PerClass:
    """One-vs-rest recall, precision and F1 (van Rijsbergen 1979) of each class."""
    table = confusion(truth, predicted, classes, weights)
    hits = np.diagonal(table, axis1=-2, axis2=-1)
    actual, called = table.sum(-1), table[..., :classes].sum(-2)
    return PerClass(ratio(hits, actual), ratio(hits, called), ratio(2 * hits, actual + called))


def balanced_accuracy(truth: Ints, predicted: Ints, classes: int, weights: Floats | None = None) -> Floats:
    """Mean recall over the classes present in the truth (Brodersen 2010); absent classes are left out."""
    return mean_of_defined(per_class(truth, predicted, classes, weights).recall)


def macro_f1(truth: Ints, predicted: Ints, classes: int, weights: Floats | None = None) -> Floats:
    """Mean F1 over the classes present in the truth; an absent class's false alarms lower only precision elsewhere."""
    scores = per_class(truth, predicted, classes, weights)
    return mean_of_defined(np.where(np.isnan(scores.recall), np.nan, scores.f1))


def macro_precision(truth: Ints, predicted: Ints, classes: int, weights: Floats | None = None) -> Floats:
    """Mean precision over the classes present in the truth; one that was never predicted counts 0."""
    scores = per_class(truth, predicted, classes, weights)
    return mean_of_defined(np.where(np.isnan(scores.recall), np.nan, np.nan_to_num(scores.precision)))


def accuracy(truth: Ints, predicted: Ints, weights: Floats | None = None) -> Floats:
    """Share of images whose prediction is the truth."""
    return share(truth == predicted, np.ones(len(truth), bool), weights)


def top_k_accuracy(truth: Ints, probabilities: Floats, k: int, weights: Floats | None = None) -> Floats:
    """Share of images whose truth is among the k most probable classes; among equals the first class wins."""
    own = probabilities[np.arange(len(truth)), truth][:, None]
    earlier = np.arange(probabilities.shape[1]) < truth[:, None]
    rank = ((probabilities > own) | ((probabilities == own) & earlier)).sum(axis=1)
    return share(rank < k, np.ones(len(truth), bool), weights)


def share(flag: Bools, among: Bools, weights: Floats | None = None) -> Floats:
    """Share of the images in `among` whose `flag` is true; NaN when there are none."""
    counts = image_weights(weights, len(flag))
    return ratio(counts @ (flag & among).astype(np.float64), counts @ among.astype(np.float64))


def sensitivity(flagged: Bools, positive: Bools, weights: Floats | None = None) -> Floats:
    """Share of positives that are flagged, TP / (TP + FN)."""
    return share(flagged, positive, weights)


def specificity(flagged: Bools, negative: Bools, weights: Floats | None = None) -> Floats:
    """Share of negatives that are not flagged, TN / (TN + FP)."""
    return share(~flagged, negative, weights)


def auc(score: Floats, positive: Bools, weights: Floats | None = None) -> Floats:
    """Chance that a positive outscores a negative, ties counting half (Mann and Whitney 1947)."""
    order = np.argsort(score, kind="stable")
    ranked, sign = score[order], positive[order]
    ends = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])  # last image of each distinct score
    drawn = image_weights(weights, len(score))[..., order]
    positives, negatives = (np.cumsum(drawn * side, axis=-1)[..., ends] for side in (sign, ~sign))
    gained = np.diff(positives, axis=-1, prepend=0)
    outscored = negatives - np.diff(negatives, axis=-1, prepend=0) / 2
    return ratio((gained * outscored).sum(-1), positives[..., -1] * negatives[..., -1])


def macro_auc(truth: Ints, scores: Floats, weights: Floats | None = None) -> Floats:
    """Mean over the classes present in the truth of the AUC of one class against the rest; `scores` (n, classes)."""
    each = [auc(scores[:, index], truth == index, weights) for index in range(scores.shape[1])]
    return mean_of_defined(np.stack(each, axis=-1))


def ood_auroc(inside: Floats, outside: Floats) -> float:
    """Chance that an out-of-distribution image has a higher score of being so than one from the distribution."""
    both = np.concatenate([inside, outside])
    return float(auc(both, np.arange(len(both)) >= len(inside)))


def ece(truth: Ints, probabilities: Floats, weights: Floats | None = None) -> Floats:
    """Expected calibration error of the top label: 15 equal-width bins of confidence (Guo et al. 2017, eq. 3).

    The label is the most probable class, not the decision rule's diagnosis: this scores the probabilities.
    """
    return _binned_gap(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth, weights)


def binary_ece(risk: Floats, positive: Bools, weights: Floats | None = None) -> Floats:
    """Gap between predicted risk and the observed share, 15 equal-width bins of risk over [0, 1]."""
    return _binned_gap(risk, positive, weights)


def calibration_bin(confidence: Floats) -> Ints:
    """The bin, 0 to 14, of each confidence; bins are (low, high], the first with 0."""
    return np.digitize(confidence, np.linspace(0, 1, ECE_BINS + 1)[1:-1], right=True)


def brier(truth: Ints, probabilities: Floats, weights: Floats | None = None) -> Floats:
    """Mean squared distance between probabilities and truth, summed over classes: 0 to 2 (Brier 1950)."""
    squared = ((probabilities - _one_hot(truth, probabilities.shape[1])) ** 2).sum(axis=1)
    return _weighted_mean(squared, weights)


def binary_brier(risk: Floats, positive: Bools, weights: Floats | None = None) -> Floats:
    """Mean squared distance between risk and outcome: 0 to 1."""
    return _weighted_mean((risk - positive) ** 2, weights)


def every_photo(flag: Bools, lesion: npt.NDArray[np.generic], among: Bools) -> tuple[Bools, Bools]:
    """Turn flags of photos into flags of lesions: (representative, every), both (n,).

    `representative` marks one photo of each lesion that has a photo in `among`; `every` is true there when `flag`
    holds for all of its photos in `among`. `share(every, representative, weights)` then counts by lesion, as all
    photos of a lesion carry one weight when lesions are resampled.
    """
    photos = np.flatnonzero(among)
    _, first, member = np.unique(lesion[photos], return_index=True, return_inverse=True)
    unflagged = np.bincount(member, weights=~flag[photos], minlength=len(first))
    representative, every = np.zeros(len(flag), bool), np.zeros(len(flag), bool)
    representative[photos[first]] = True
    every[photos[first]] = unflagged == 0
    return representative, every


def image_weights(weights: Floats | None, n: int) -> Floats:
    """The weights, or one for each of `n` images."""
    return np.ones(n) if weights is None else weights


def equalised(classes: Ints, count: int, weights: Floats | None = None) -> Floats:
    """(..., n) weights under which every class of 0 to `count` - 1 that has images weighs 1 in all.

    What a resample that draws equally many images of each class gives on average, without drawing.
    """
    weights = image_weights(weights, len(classes))
    total = weights @ _one_hot(classes, count)
    return ratio(weights, total[..., classes], otherwise=0.0)


def ratio(part: Floats, whole: Floats, *, otherwise: float = np.nan) -> Floats:
    """`part / whole`; `otherwise` where `whole` is 0."""
    part, whole = np.broadcast_arrays(part, whole)
    result: Floats = np.divide(part, whole, out=np.full(whole.shape, otherwise), where=whole > 0)
    return result


def mean_of_defined(values: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN when all is."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0).sum(-1), defined.sum(-1))


def _one_hot(index: Ints, size: int) -> Floats:
    result: Floats = (index[:, None] == np.arange(size)).astype(np.float64)
    return result


def _weighted_mean(values: Floats, weights: Floats | None) -> Floats:
    counts = image_weights(weights, len(values))
    return ratio(counts @ values, counts.sum(-1))


def _binned_gap(confidence: Floats, outcome: Bools, weights: Floats | None) -> Floats:
    """Sum over bins of |sum of (outcome - confidence)| over the number of images."""
    counts = image_weights(weights, len(confidence))
    bins = _one_hot(calibration_bin(confidence), ECE_BINS)
    gap = np.abs(counts @ (bins * (outcome - confidence)[:, None])).sum(-1)
    return ratio(gap, counts.sum(-1))
