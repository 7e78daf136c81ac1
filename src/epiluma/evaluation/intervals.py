"""Intervals: a bootstrap that resamples lesions, and exact and approximate intervals of a share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from epiluma.evaluation.metrics import Floats, Ints

REPLICATES = 2000
_BLOCK = 4_000_000
"""Weights held at once (32 MB): replicates x images."""

Statistic = Callable[[Floats], Floats]
"""From weights (b, n), how often each replicate drew each image, to the metric of each replicate (b,)."""


class Interval(NamedTuple):
    """A confidence interval, both ends included."""

    lower: float
    upper: float


def bootstrap(
    statistics: Mapping[str, Statistic],
    group: npt.NDArray[np.generic],
    *,
    stratum: Ints | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Percentile intervals (Efron and Tibshirani 1993, ch. 13) of several metrics from the same replicates.

    Replicates where a metric is undefined are left out; NaN when all are.
    """
    values = resample(statistics, group, stratum=stratum, replicates=replicates, seed=seed)
    return {name: percentiles(found, level) for name, found in values.items()}


def resample(
    statistics: Mapping[str, Statistic],
    group: npt.NDArray[np.generic],
    *,
    stratum: Ints | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> dict[str, Floats]:
    """Value of each metric on each replicate, (replicates,); NaN where a replicate cannot define it.

    Groups (lesions) are drawn whole, with replacement, so photos of one lesion never count as independent.
    With `stratum` (n,), each class's lesions are drawn among themselves: a rare class cannot vanish from a
    replicate, and the intervals are those of a part with this mix of classes. A group whose images have several
    strata belongs to its rarest.
    """
    values: dict[str, list[Floats]] = {name: [] for name in statistics}
    for weights in _replicate_weights(group, stratum, replicates, np.random.default_rng(seed)):
        for name, statistic in statistics.items():
            values[name].append(statistic(weights))
    return {name: np.concatenate(parts) for name, parts in values.items()}


def two_sided_p(differences: Floats) -> float:
    """Chance of a difference as large if there is none, from bootstrap replicates: where the interval leaves 0.

    Twice the share of replicates on the rarer side of 0, counting one more so that it is never 0 (Davison and
    Hinkley 1997, sec. 4.2); 1 when every replicate is 0, NaN when none is defined.
    """
    defined = differences[~np.isnan(differences)]
    if not len(defined):
        return math.nan
    fewer = min((defined <= 0).sum(), (defined >= 0).sum())
    return min(1.0, 2 * (int(fewer) + 1) / (len(defined) + 1))


def percentiles(values: Floats, level: float = 0.95) -> Interval:
    """Interval that holds the middle `level` of the replicates that are defined; NaN when none is."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return Interval(np.nan, np.nan)
    lower, upper = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(lower), float(upper))


def reflect(interval: Interval, value: float) -> Interval:
    """Basic bootstrap interval (Davison and Hinkley 1997, eq. 5.6) of a metric >= 0 that noise can only raise.

    The calibration error is one: each replicate adds its own noise, so percentiles lie too high, sometimes wholly
    above the value. Reflecting them about the value undoes that; the value itself always stays inside.
    """
    lower, upper = 2 * value - interval.upper, 2 * value - interval.lower
    return Interval(max(0.0, min(lower, value)), max(upper, value))


def clopper_pearson_lower(successes: int, trials: int, *, confidence: float = 0.95) -> float:
    """One-sided exact lower bound of a share (Clopper and Pearson 1934): 28 of 28 gives 0.899."""
    from scipy.stats import beta  # here, so that reading a scorecard does not need scipy

    _check_share(successes, trials)
    return float(beta.ppf(1 - confidence, successes, trials - successes + 1)) if successes else 0.0


def wilson(successes: int, trials: int, *, level: float = 0.95) -> Interval:
    """Score interval of a share (Wilson 1927); unlike a bootstrap it has a width when all trials agree."""
    _check_share(successes, trials)
    z = NormalDist().inv_cdf((1 + level) / 2)
    p, spread = successes / trials, z * z / trials
    centre = (p + spread / 2) / (1 + spread)
    half = (z / (1 + spread)) * ((p * (1 - p) + spread / 4) / trials) ** 0.5
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def _check_share(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} of {trials} is not a share: 0 <= successes <= trials and trials >= 1")


def _replicate_weights(
    group: npt.NDArray[np.generic], stratum: Ints | None, replicates: int, random: np.random.Generator
) -> Iterator[Floats]:
    """Blocks (b, n) of how often each image is drawn, `replicates` rows in all."""
    if not len(group):
        raise ValueError("nothing to resample: no images")
    names, member = np.unique(group, return_inverse=True)
    pools = _pools(member, len(names), stratum)
    step = max(1, _BLOCK // len(group))
    for start in range(0, replicates, step):
        rows = min(step, replicates - start)
        drawn = np.zeros((rows, len(names)))
        for pool in pools:
            drawn[:, pool] = _draw(len(pool), rows, random)
        yield drawn[:, member]


def _pools(member: Ints, groups: int, stratum: Ints | None) -> list[Ints]:
    """Groups that are drawn among themselves."""
    if stratum is None:
        return [np.arange(groups)]
    names, index, size = np.unique(stratum, return_inverse=True, return_counts=True)
    rarest_first = np.lexsort((index, size[index], member))
    _, first = np.unique(member[rarest_first], return_index=True)
    stratum_of_group = index[rarest_first][first]
    return [pool for i in range(len(names)) if len(pool := np.flatnonzero(stratum_of_group == i))]


def _draw(size: int, rows: int, random: np.random.Generator) -> Floats:
    """(rows, size) counts of `size` draws with replacement from `size` groups."""
    picks = random.integers(0, size, (rows, size)) + size * np.arange(rows)[:, None]
    counts: Floats = np.bincount(picks.ravel(), minlength=rows * size).reshape(rows, size).astype(np.float64)
    return counts
