"""From logits to probabilities, a diagnosis, a set of them and a referral, for n images at once. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from epiluma.bundle import Abstention, Calibration, Conformal, DecisionRule
from epiluma.taxonomy import Taxonomy, Urgency

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

COST: dict[Urgency, float] = {"urgent": 20.0, "soon": 8.0, "routine": 1.0, "none": 0.0}
"""Harm of missing a malignant diagnosis, counted in needless visits to a doctor: a melanoma that is missed is as bad as
twenty visits for nothing, so a probability of 0.05 is worth one; a basal cell carcinoma grows slowly, 0.125 is."""


def probabilities_from_logits(logits: npt.NDArray[np.floating], calibration: Calibration) -> Floats:
    """(n, leaves) calibrated probabilities in float64: softmax(logits / temperature), and with the method `vector`
    softmax(scale * log of that + bias).
    """
    scaled = np.asarray(logits, np.float64) / calibration.temperature
    if calibration.method == "vector":
        scaled = log_softmax(scaled) * np.asarray(calibration.scale) + np.asarray(calibration.bias)
    exponent = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: Floats = exponent / exponent.sum(axis=1, keepdims=True)
    return result


def log_softmax(scores: Floats) -> Floats:
    """(n, leaves) logarithm of the softmax of each row, finite for finite scores."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result


def at_prevalence(probabilities: Floats, *, calibrated_at: Sequence[float], prevalence: Sequence[float]) -> Floats:
    """(n, leaves) probabilities moved to another prevalence: p * new / old, made to sum to 1.

    Exact where only the shares of the diagnoses differ and each looks the same in both places (Saerens et al. 2002,
    "Adjusting the outputs of a classifier to new a priori probabilities", eq. 2.4). A threshold on the risk belongs
    to the prevalence that it was fitted at: compare it with the probabilities before they are moved. Raises ValueError
    when the shares are none, or when a diagnosis has a share now that it did not have before.
    """
    old, new = np.asarray(calibrated_at, np.float64), np.asarray(prevalence, np.float64)
    for shares in (old, new):
        if shares.shape != probabilities.shape[1:] or (shares < 0).any() or not np.isclose(shares.sum(), 1, atol=1e-3):
            raise ValueError(f"a prevalence has one share per diagnosis, and they sum to 1; got {shares.tolist()}")
    if (new[old == 0] > 0).any():
        raise ValueError("a diagnosis that was calibrated at a share of 0 cannot be given another one")
    ratio = np.divide(new, old, out=np.zeros_like(new), where=old > 0)
    moved = probabilities * ratio
    total = moved.sum(axis=1, keepdims=True)
    if not total.all():
        raise ValueError("a photo has no probability left: all that it may be has a share of 0 now")
    result: Floats = moved / total
    return result


def prediction_sets(probabilities: Floats, conformal: Conformal) -> Bools:
    """(n, leaves) true where a leaf is in the photo's set: it reaches its threshold, or is the most probable."""
    result: Bools = probabilities >= np.asarray(conformal.thresholds)
    result[np.arange(len(result)), probabilities.argmax(axis=1)] = True
    return result


def diagnose(probabilities: Floats, rule: DecisionRule, calibration: Calibration) -> npt.NDArray[np.intp]:
    """(n,) index of the leaf with the largest p / prevalence^prior_power * cost.

    Dividing by the prevalence gives the class that best explains the photo, whatever is common: the rule that
    maximises balanced accuracy (Menon et al. 2021, "Long-tail learning via logit adjustment", eq. 8).
    """
    prior = np.maximum(np.asarray(calibration.prevalence), 1e-9) ** rule.prior_power
    result: npt.NDArray[np.intp] = (probabilities * np.asarray(rule.cost) / prior).argmax(axis=1)
    return result


def malignancy_risk(probabilities: Floats, taxonomy: Taxonomy) -> Floats:
    """(n,) sum of the malignant leaves' probabilities."""
    result: Floats = probabilities[:, np.array(taxonomy.malignant, bool)].sum(axis=1)
    return result


def expected_harm(probabilities: Floats, taxonomy: Taxonomy) -> Floats:
    """(n,) needless visits that missing the mark would be as bad as: sum of p * `COST` over the malignant leaves."""
    costs = [COST[leaf.urgency] if leaf.malignant else 0.0 for leaf in taxonomy.leaves]
    result: Floats = probabilities @ np.asarray(costs)
    return result


def refers(probabilities: Floats, diagnosis: npt.NDArray[np.intp], threshold: float, taxonomy: Taxonomy) -> Bools:
    """(n,) true where the malignancy risk reaches the threshold, the diagnosis itself is malignant, or the harm to be
    expected is that of a needless visit.

    The last holds whatever threshold a bundle has (Pauker and Kassirer 1980, doi:10.1056/NEJM198005153022003: act when
    the probability exceeds 1 / (1 + benefit / harm)).
    """
    risky = malignancy_risk(probabilities, taxonomy) >= threshold
    harmful = expected_harm(probabilities, taxonomy) >= 1
    result: Bools = risky | np.array(taxonomy.malignant, bool)[diagnosis] | harmful
    return result


def abstains(risk: Floats, called_malignant: Bools, band: Abstention) -> Bools:
    """(n,) true where the risk lies inside the band and the diagnosis is benign, so that the risk alone decides."""
    result: Bools = (risk > band.lower) & (risk < band.upper) & ~called_malignant
    return result
