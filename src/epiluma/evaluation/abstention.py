"""The band of risks so near the referral threshold that it is better not to judge.

Refusing the doubtful cases lowers the error among the others (Chow 1970; El-Yaniv and Wiener 2010).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from epiluma.bundle import Abstention, Metric
from epiluma.evaluation.conformal import lesion_share
from epiluma.evaluation.metrics import Bools, Floats
from epiluma.inference.decide import abstains
from epiluma.predictions import Predictions

_LEAST = 1e-9
"""Risks nearer 0 or 1 than this count as being this near: their log odds stay finite."""
_DECIMALS = 6


class Selective(NamedTuple):
    """What a bundle does when it may abstain, by lesion."""

    judged: Metric
    """Share of lesions of which every photo is judged: of good enough quality and outside the band."""
    error: Metric
    """Share of all lesions of which a photo gets the wrong recommendation or none, as if there were no band."""
    error_outside: Metric
    """Share of wrong ones among the lesions that are judged."""


def fit_abstention(
    risk: Floats,
    called_malignant: Bools,
    malignant: Bools,
    group: npt.NDArray[np.generic],
    *,
    threshold: float,
    max_share: float,
) -> Abstention:
    """The widest band about `threshold`, even in log odds, that at most `max_share` of the lesions enter.

    `risk` (n,), whether the diagnosis is malignant (n,), whether the truth is (n,), lesions (n,). A lesion enters with
    any of its photos; one whose diagnosis is malignant is referred for that and never enters. The half-width is an
    order statistic of the lesions' distances, so new lesions drawn alike enter with a chance of at most
    (max_share n + 1) / (n + 1). Raises ValueError when max_share is not inside 0 to 1 or there is no image.
    """
    if not 0 < max_share < 1 or not len(risk):
        raise ValueError("max_share must lie inside 0 to 1, and there must be images")
    centre = float(_log_odds(np.array(threshold)))
    names, member = np.unique(group, return_inverse=True)
    nearest = np.full(len(names), -float(_log_odds(np.zeros(()))))
    np.minimum.at(nearest, member, np.where(called_malignant, math.inf, np.abs(_log_odds(risk) - centre)))
    half = float(np.sort(nearest)[math.floor(max_share * len(names) + 1e-9)])
    band = Abstention(
        # rounded inwards: six decimals never widen the band
        lower=min(threshold, math.ceil(_risk(centre - half) * 1e6) / 1e6),
        upper=max(threshold, math.floor(_risk(centre + half) * 1e6) / 1e6),
        max_share=max_share,
        share=0.0,
        error=0.0,
        error_outside=0.0,
        lesions=len(names),
    )
    right = ((risk >= threshold) | called_malignant) == malignant
    found = _selective(right, ~abstains(risk, called_malignant, band), group)
    return msgspec.structs.replace(
        band,
        share=round(1 - found.judged.value, _DECIMALS),
        error=round(found.error.value, _DECIMALS),
        error_outside=round(found.error_outside.value, _DECIMALS),
    )


def selective_figures(table: Predictions, band: Abstention) -> Selective:
    """What `band` does to a table of Predictions: the share judged, and errors with it and without.

    A photo that the runner could not judge counts as not judged and, without the band, as wrong. Raises ValueError
    when no lesion is judged.
    """
    malignant, able = np.array(table.header.malignant, bool), table.diagnosis >= 0
    inside = abstains(table.risk, malignant[table.diagnosis], band)
    return _selective(able & (table.referred == malignant[table.truth]), able & ~inside, table.group)


def _selective(right: Bools, judged: Bools, group: npt.NDArray[np.generic]) -> Selective:
    everything = np.ones(len(right), bool)
    whole = ~np.isin(group, group[~judged])
    return Selective(
        judged=lesion_share(judged, group, everything),
        error=_one_minus(lesion_share(right, group, everything)),
        error_outside=_one_minus(lesion_share(right, group, whole)),
    )


def _one_minus(share: Metric) -> Metric:
    return Metric(value=1 - share.value, lower=1 - share.upper, upper=1 - share.lower, n=share.n)


def _log_odds(risk: Floats) -> Floats:
    clipped = np.clip(risk, _LEAST, 1 - _LEAST)
    result: Floats = np.log(clipped) - np.log1p(-clipped)
    return result


def _risk(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
