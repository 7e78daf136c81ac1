"""Figures of malignant against benign: at thresholds fixed on the calibration part, and along the ROC curve."""

from __future__ import annotations

import numpy as np

from epiluma.evaluation import curves, metrics
from epiluma.evaluation import definition as kinds
from epiluma.evaluation.definition import Definition, Weights
from epiluma.evaluation.metrics import Floats
from epiluma.evaluation.view import View

SPECIFICITIES = (0.80, 0.90, 0.95)
SENSITIVITIES = (0.90, 0.95, 0.97)


def _f1_of_equals(view: View, weights: Weights) -> Floats:
    """(..., 2) F1 of benign and of malignant, both kinds weighing the same."""
    truth = view.malignant.astype(np.intp)
    equal = metrics.equalised(truth, 2, weights)
    return metrics.per_class(truth, view.called_malignant(view.balanced_f1), 2, equal).f1


def _sensitivity_at(least: float) -> Definition:
    return Definition(
        key=f"sensitivity_at_specificity_{100 * least:.0f}",
        section="curve",
        title=f"Sensitivity at specificity ≥ {least:.2f}, malignant images",
        formula=lambda v, w: curves.sensitivity_at_specificity(v.table.risk, v.malignant, least, w),
        kinds=lambda v: {"malignant": v.malignant, "benign": ~v.malignant},
        unit="images",
    )


def _specificity_at(least: float) -> Definition:
    return Definition(
        key=f"specificity_at_sensitivity_{100 * least:.0f}",
        section="curve",
        title=f"Specificity at sensitivity ≥ {least:.2f}, benign images",
        formula=lambda v, w: curves.specificity_at_sensitivity(v.table.risk, v.malignant, least, w),
        kinds=lambda v: {"benign": ~v.malignant, "malignant": v.malignant},
        unit="images",
    )


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        key="binary_accuracy",
        section="threshold",
        title="Accuracy, at the most accurate threshold",
        formula=lambda v, w: metrics.accuracy(v.malignant.astype(np.intp), v.called_malignant(v.most_accurate), w),
        kinds=kinds.malignant_and_benign,
        share=True,
        fixed_on_calibration=True,
    ),
    Definition(
        key="binary_sensitivity",
        section="threshold",
        title="Sensitivity, at the most accurate threshold, malignant images",
        formula=lambda v, w: metrics.share(v.called_malignant(v.most_accurate) == 1, v.malignant, w),
        kinds=kinds.malignant,
        unit="images",
        share=True,
        fixed_on_calibration=True,
    ),
    Definition(
        key="binary_specificity",
        section="threshold",
        title="Specificity, at the most accurate threshold, benign images",
        formula=lambda v, w: metrics.share(v.called_malignant(v.most_accurate) == 0, ~v.malignant, w),
        kinds=kinds.benign,
        unit="images",
        share=True,
        fixed_on_calibration=True,
    ),
    Definition(
        key="balanced_binary_f1",
        section="threshold",
        title="Mean F1, malignant and benign weighed equally",
        formula=lambda v, w: _f1_of_equals(v, w).mean(-1),
        kinds=kinds.malignant_and_benign,
        fixed_on_calibration=True,
    ),
    Definition(
        key="balanced_f1_malignant",
        section="threshold",
        title="F1 of malignant, weighed equally",
        formula=lambda v, w: _f1_of_equals(v, w)[..., 1],
        kinds=kinds.malignant_and_benign,
        fixed_on_calibration=True,
    ),
    Definition(
        key="balanced_f1_benign",
        section="threshold",
        title="F1 of benign, weighed equally",
        formula=lambda v, w: _f1_of_equals(v, w)[..., 0],
        kinds=kinds.malignant_and_benign,
        fixed_on_calibration=True,
    ),
    Definition(
        key="malignant_partial_auc",
        section="probabilities",
        title="Partial AUC, malignant or benign, above 0.80 sensitivity (0-0.2)",
        formula=lambda v, w: curves.partial_auc(v.table.risk, v.malignant, w, least=0.80),
        kinds=kinds.malignant_and_benign,
    ),
    Definition(
        key="malignant_average_precision",
        section="probabilities",
        title="Average precision, malignant or benign",
        formula=lambda v, w: curves.average_precision(v.table.risk, v.malignant, w),
        kinds=kinds.malignant_and_benign,
    ),
    *(_sensitivity_at(least) for least in SPECIFICITIES),
    *(_specificity_at(least) for least in SENSITIVITIES),
)
