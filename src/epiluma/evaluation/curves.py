"""Figures of a score over all its thresholds, as pure functions; weights and NaN as in `metrics`.

A threshold flags every image whose score reaches it. Tied scores are flagged together, so a curve has one point for
each distinct score, and one where nothing is flagged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from epiluma.evaluation.metrics import Bools, Floats, Ints, image_weights, ratio

_ROUNDING = 1e-9
"""How far a share may miss a bound that it meets in exact arithmetic."""


class Counts(NamedTuple):
    """Weight of the images on each side of each threshold, thresholds ascending, each (..., distinct scores + 1)."""

    threshold: Floats
    """(distinct scores + 1,): each midway between two scores; the first flags all, the last nothing."""
    true_positive: Floats
    false_positive: Floats

    @property
    def false_negative(self) -> Floats:
        """Positives that are not flagged."""
        return self.true_positive[..., :1] - self.true_positive

    @property
    def true_negative(self) -> Floats:
        """Negatives that are not flagged."""
        return self.false_positive[..., :1] - self.false_positive

    @property
    def sensitivity(self) -> Floats:
        """Share of positives that are flagged."""
        return ratio(self.true_positive, self.true_positive[..., :1])

    @property
    def specificity(self) -> Floats:
        """Share of negatives that are not flagged."""
        return ratio(self.true_negative, self.false_positive[..., :1])

    @property
    def precision(self) -> Floats:
        """Share of the flagged that are positive; NaN where nothing is flagged."""
        return ratio(self.true_positive, self.true_positive + self.false_positive)


def sweep(score: Floats, positive: Bools, weights: Floats | None = None) -> Counts:
    """Count at every threshold that makes a difference. `score` (n,) must be finite and not empty."""
    order = np.argsort(score, kind="stable")
    ranked, sign = score[order], positive[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    distinct = ranked[starts]
    middle = (distinct[1:] + distinct[:-1]) / 2
    middle = np.where(
        middle > distinct[:-1], middle, distinct[1:]
    )  # of neighbouring floats the middle may be the lower
    drawn = image_weights(weights, len(score))[..., order]
    return Counts(
        np.r_[distinct[0], middle, np.nextafter(distinct[-1], np.inf)],
        _at_or_above(drawn * sign, starts),
        _at_or_above(drawn * ~sign, starts),
    )


def sensitivity_at_specificity(score: Floats, positive: Bools, least: float, weights: Floats | None = None) -> Floats:
    """Highest sensitivity of a threshold whose specificity is at least `least`."""
    counts = sweep(score, positive, weights)
    return _best(counts.sensitivity, counts.specificity, least)


def specificity_at_sensitivity(score: Floats, positive: Bools, least: float, weights: Floats | None = None) -> Floats:
    """Highest specificity of a threshold whose sensitivity is at least `least`."""
    counts = sweep(score, positive, weights)
    return _best(counts.specificity, counts.sensitivity, least)


def partial_auc(score: Floats, positive: Bools, weights: Floats | None = None, *, least: float = 0.8) -> Floats:
    """Area between the ROC curve and sensitivity `least`: 0 to 1 - least (ISIC 2024 challenge, least = 0.80).

    The curve is read sideways: specificity over the share of positives that are missed, from 0 to 1 - least, with
    straight lines between the points, as in scikit-learn's `roc_auc_score(max_fpr=...)` before it is rescaled.
    """
    counts = sweep(score, positive, weights)
    missed, spared, reach = 1 - counts.sensitivity, counts.specificity, 1 - least
    left, right = missed[..., :-1], missed[..., 1:]
    width = np.clip(right, None, reach) - np.clip(left, None, reach)
    rise = np.diff(spared, axis=-1) * ratio(width, right - left, otherwise=0.0)
    area: Floats = ((spared[..., :-1] + rise / 2) * width).sum(-1)
    return area


def average_precision(score: Floats, positive: Bools, weights: Floats | None = None) -> Floats:
    """Precision averaged over the positives, in steps, without interpolation: sum of (R_k - R_k-1) P_k."""
    counts = sweep(score, positive, weights)
    gained = counts.sensitivity[..., :-1] - counts.sensitivity[..., 1:]
    average: Floats = (gained * np.nan_to_num(counts.precision[..., :-1])).sum(-1)
    return average


def net_benefit(flagged: Bools, positive: Bools, odds: float, weights: Floats | None = None) -> Floats:
    """True positives less false positives times `odds`, per image (Vickers and Elkin 2006).

    `odds` = t / (1 - t) for the risk t at which a person would just accept to be referred.
    """
    counts = image_weights(weights, len(flagged))
    gained = (flagged & positive) - odds * (flagged & ~positive)
    return ratio(counts @ gained, counts.sum(-1))


def accuracy_of(counts: Counts) -> Floats:
    """Share of images on the right side of each threshold."""
    right = counts.true_positive + counts.true_negative
    return ratio(right, counts.true_positive[..., :1] + counts.false_positive[..., :1])


def mean_f1_of(counts: Counts) -> Floats:
    """Mean of the F1 of positives and the F1 of negatives at each threshold."""
    wrong = counts.false_positive + counts.false_negative
    both = (ratio(2 * hits, 2 * hits + wrong) for hits in (counts.true_positive, counts.true_negative))
    return sum(both, start=np.zeros(())) / 2


def best_threshold(
    score: Floats, positive: Bools, goal: Callable[[Counts], Floats], weights: Floats | None = None
) -> float:
    """The threshold with the highest `goal`; of equals the lowest, which flags more. `weights` is (n,) or None."""
    counts = sweep(score, positive, weights)
    return float(counts.threshold[np.round(goal(counts), 12).argmax()])


def corners(counts: Counts) -> Ints:
    """Indices of the points at which the ROC curve of `counts` (one replicate) turns, both ends included."""
    step = np.stack([np.diff(counts.true_positive), np.diff(counts.false_positive)])
    turns = np.flatnonzero(step[0, 1:] * step[1, :-1] != step[0, :-1] * step[1, 1:]) + 1
    return np.concatenate([[0], turns, [len(counts.threshold) - 1]])


def _best(wanted: Floats, bounded: Floats, least: float) -> Floats:
    undefined = np.isnan(wanted[..., 0]) | np.isnan(bounded[..., 0])
    best: Floats = np.where(bounded >= least - _ROUNDING, wanted, 0).max(-1)
    return np.where(undefined, np.nan, best)


def _at_or_above(weight: Floats, starts: Ints) -> Floats:
    """Sum from each of `starts` to the end, and 0 for none."""
    upwards = np.cumsum(weight[..., ::-1], axis=-1)[..., ::-1][..., starts]
    return np.concatenate([upwards, np.zeros((*upwards.shape[:-1], 1))], axis=-1)
