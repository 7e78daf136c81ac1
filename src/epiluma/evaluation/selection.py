"""The rows of a table of Predictions that are scored, after what must be refused has been."""

from __future__ import annotations

import numpy as np

from epiluma.evaluation.leakage import refuse_leak
from epiluma.evaluation.view import View
from epiluma.predictions import Predictions, PredictionsError

CALIBRATION = "calibration"
"""The part on which thresholds are fixed."""


class LeakedPredictions(PredictionsError):
    """Predictions whose audit found test images in training; their figures would flatter."""


def select(predictions: Predictions, part: str, *, allow_leakage: bool = False) -> View:
    """One part, with the calibration rows beside it unless it is itself the calibration part.

    Raises LeakedPredictions when the audit says `leak` and `allow_leakage` is false, and PredictionsError when the
    table contradicts itself or has no such part.
    """
    _check(predictions)
    refuse_leak(predictions.header.audit, LeakedPredictions, allow=allow_leakage)
    chosen = predictions.only(part)
    if not len(chosen):
        known = ", ".join(sorted(set(predictions.part.tolist()))) or "none, it is empty"
        raise PredictionsError(f"no image in part {part!r}; parts of this table: {known}")
    if len(np.unique(chosen.image_id)) < len(chosen):
        raise PredictionsError(f"an image is listed twice in part {part!r}; every image may count once")
    calibration = predictions.only(CALIBRATION)
    return View(chosen, calibration if len(calibration) and part != CALIBRATION else None)


def _check(predictions: Predictions) -> None:
    header, leaves = predictions.header, len(predictions.header.codes)
    if leaves < 2:
        raise PredictionsError("the header names fewer than two diagnoses")
    for name, column in (("groups", header.groups), ("malignant", header.malignant)):
        if len(column) != leaves:
            raise PredictionsError(f"the header's {name!r} has {len(column)} values for {leaves} diagnoses")
    if len(header.prevalence) not in (0, leaves):
        raise PredictionsError(f"the header's 'prevalence' has {len(header.prevalence)} values for {leaves} diagnoses")
    outside = ((predictions.probabilities < 0) | (predictions.probabilities > 1)).any(axis=1)
    if outside.any():
        raise PredictionsError(f"image {predictions.image_id[outside][0]}: probabilities must lie in 0 to 1")
