"""Sets of diagnoses that contain the truth as often as promised: split conformal prediction, diagnosis by diagnosis.

The score of a photo is the probability of its true leaf, and each leaf has its own threshold (class-conditional or
Mondrian: Vovk 2012; least ambiguous sets: Sadinle, Lei and Wasserman 2019; Angelopoulos and Bates 2021, sec. 4.2),
for a promise that holds on average over all lesions can be kept by nevi alone. Adaptive sets (Romano, Sesia and Candès
2020) promise only that average.

Photos of one lesion are not exchangeable with those of others, lesions are. So a lesion gives one score, the lowest
of its photos: of new lesions drawn like those of the calibration part, the promised share has the truth in the set of
*every* photo.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from epiluma.bundle import Conformal, Metric
from epiluma.evaluation.intervals import bootstrap, wilson
from epiluma.evaluation.metrics import Bools, Floats, Ints, every_photo
from epiluma.inference.decide import prediction_sets
from epiluma.predictions import Predictions

RARE = 20
"""A leaf with fewer calibration lesions shares the threshold of all such leaves of equal malignancy."""
_DECIMALS = 6


class SetFigures(NamedTuple):
    """What sets of diagnoses are worth on some images."""

    coverage: Metric
    """Share of lesions with the truth in the set of every photo; Wilson interval."""
    size: Metric
    """Leaves in a set, mean over photos; bootstrap by lesion."""
    by_code: dict[str, Metric]
    """Coverage of the lesions of each diagnosis that occurs."""


def fit_conformal(
    probabilities: Floats,
    truth: Ints,
    group: npt.NDArray[np.generic],
    malignant: Sequence[bool],
    *,
    coverage: float = 0.9,
    rare: int = RARE,
) -> Conformal:
    """Thresholds by leaf on (n, leaves) calibrated probabilities, `truth` (n,), lesions `group` (n,).

    A threshold is the lesion score of rank n + 1 - ceil((n + 1) coverage) from below, and 0 where n is too small for
    that. Leaves with fewer than `rare` lesions are pooled with those of equal malignancy: the promise then holds for
    the pool, not for each leaf in it. Raises ValueError when coverage is not inside 0 to 1.
    """
    if not 0 < coverage < 1:
        raise ValueError("coverage must lie inside 0 to 1")
    scores = [_lesion_scores(probabilities, truth, group, leaf) for leaf in range(len(malignant))]
    pooled = {
        kind: np.concatenate(
            [s for s, bad in zip(scores, malignant, strict=True) if bad == kind and len(s) < rare] or [np.empty(0)]
        )
        for kind in (False, True)
    }
    behind = [s if len(s) >= rare else pooled[bad] for s, bad in zip(scores, malignant, strict=True)]
    fitted = Conformal(
        coverage=coverage,
        thresholds=tuple(_threshold(s, coverage) for s in behind),
        lesions=tuple(len(s) for s in behind),
        covered=0.0,
        mean_size=0.0,
    )
    sets = prediction_sets(probabilities, fitted)
    lesion, covered = every_photo(sets[np.arange(len(truth)), truth], group, np.ones(len(truth), bool))
    return msgspec.structs.replace(
        fitted,
        covered=round(float(covered.sum() / lesion.sum()), _DECIMALS),
        mean_size=round(float(sets.sum(axis=1).mean()), _DECIMALS),
    )


def set_figures(table: Predictions, conformal: Conformal, *, replicates: int = 2000) -> SetFigures:
    """Coverage and size of the sets of the judged photos in `table`. Raises ValueError when there are none."""
    table = table.where(table.diagnosis >= 0)
    sets = prediction_sets(table.probabilities, conformal)
    inside = sets[np.arange(len(table)), table.truth]
    sizes = sets.sum(axis=1).astype(np.float64)
    statistics = {"size": lambda weights: (weights @ sizes) / weights.sum(axis=-1)}
    interval = bootstrap(statistics, table.group, stratum=table.truth, replicates=replicates)["size"]
    of_leaf = {code: table.truth == leaf for leaf, code in enumerate(table.header.codes)}
    return SetFigures(
        coverage=lesion_share(inside, table.group, np.ones(len(table), bool)),
        size=Metric(value=float(sizes.mean()), lower=interval.lower, upper=interval.upper, n=len(table)),
        by_code={code: lesion_share(inside, table.group, mask) for code, mask in of_leaf.items() if mask.any()},
    )


def lesion_share(flag: Bools, group: npt.NDArray[np.generic], among: Bools) -> Metric:
    """Share of the lesions with a photo in `among` of which every such photo is flagged, with Wilson's interval."""
    lesion, every = every_photo(flag, group, among)
    trials, successes = int(lesion.sum()), int(every.sum())
    interval = wilson(successes, trials)
    return Metric(value=successes / trials, lower=interval.lower, upper=interval.upper, n=trials)


def _lesion_scores(probabilities: Floats, truth: Ints, group: npt.NDArray[np.generic], leaf: int) -> Floats:
    """Lowest probability of `leaf` among the photos of each lesion of that diagnosis, ascending."""
    own = truth == leaf
    names, member = np.unique(group[own], return_inverse=True)
    lowest = np.ones(len(names))
    np.minimum.at(lowest, member, probabilities[own, leaf])
    return np.sort(lowest)


def _threshold(scores: Floats, coverage: float) -> float:
    rank = len(scores) + 1 - math.ceil((len(scores) + 1) * coverage - 1e-9)  # of 10 lesions at 0.9, the first
    if rank < 1:
        return 0.0
    # Rounded down, so that neither the manifest nor a table with six decimals loses a set that holds the truth.
    return math.floor(float(np.sort(scores)[rank - 1]) * 1e6) / 1e6
