"""How well a runner tells images that are not what the network was made for, from its own score of each image."""

from __future__ import annotations

import numpy as np

from epiluma import bundle
from epiluma.evaluation import metrics
from epiluma.evaluation.intervals import bootstrap
from epiluma.evaluation.measure import MIN_LESIONS, Figure
from epiluma.evaluation.metrics import Floats
from epiluma.predictions import Predictions, PredictionsError

COLUMN = "ood_score"
"""Column of Predictions; the higher, the less an image is like those the network was made for."""


def score_outside(inside: Predictions, outside: Predictions, *, seed: int, replicates: int) -> Figure:
    """AUROC of telling the images of `outside` from those of `inside`, with its interval by lesion.

    Raises PredictionsError when a table lacks `ood_score` or holds something other than finite numbers there.
    """
    score = np.concatenate([_scores(inside, "the scored part"), _scores(outside, "the out-of-distribution table")])
    is_outside = np.arange(len(score)) >= len(inside)
    group = np.concatenate([np.char.add("in ", inside.group), np.char.add("out ", outside.group)])
    fewest = min(len(set(inside.group)), len(set(outside.group)))
    metric, note = None, f"insufficient evidence: {fewest} lesions on one side, {MIN_LESIONS} needed"
    if fewest >= MIN_LESIONS:
        interval = bootstrap(
            {COLUMN: lambda weights: metrics.auc(score, is_outside, weights)},
            group,
            stratum=is_outside.astype(np.intp),
            replicates=replicates,
            seed=seed,
        )[COLUMN]
        value = metrics.ood_auroc(score[~is_outside], score[is_outside])
        metric, note = bundle.Metric(value=value, lower=interval.lower, upper=interval.upper, n=len(set(group))), ""
    title = "AUROC, out of distribution or not"
    return Figure(title=title, section="probabilities", unit="lesions", metric=metric, baseline=0.5, note=note)


def _scores(table: Predictions, which: str) -> Floats:
    if COLUMN not in table.subgroups:
        raise PredictionsError(f"{which} has no column {COLUMN!r}, so out-of-distribution images cannot be told")
    try:
        scores = table.subgroups[COLUMN].astype(np.float64)
    except ValueError as error:
        raise PredictionsError(f"{which}: {COLUMN} must hold numbers ({error})") from error
    if not np.isfinite(scores).all():
        raise PredictionsError(f"{which}: {COLUMN} must hold finite numbers")
    return scores
