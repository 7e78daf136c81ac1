"""From logits to probabilities, a diagnosis and a referral, for n images at once. Pure functions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from epiluma.bundle import Calibration, DecisionRule
from epiluma.taxonomy import Taxonomy

Floats = npt.NDArray[np.float64]


def probabilities_from_logits(logits: npt.NDArray[np.floating], calibration: Calibration) -> Floats:
    """(n, leaves) calibrated probabilities: softmax(logits / temperature) in float64."""
    scaled = np.asarray(logits, np.float64) / calibration.temperature
    exponent = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    result: Floats = exponent / exponent.sum(axis=1, keepdims=True)
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


def refers(
    risk: Floats, diagnosis: npt.NDArray[np.intp], threshold: float, taxonomy: Taxonomy
) -> npt.NDArray[np.bool_]:
    """(n,) true where the risk reaches the threshold or the diagnosis itself is malignant."""
    result: npt.NDArray[np.bool_] = (risk >= threshold) | np.array(taxonomy.malignant, bool)[diagnosis]
    return result
