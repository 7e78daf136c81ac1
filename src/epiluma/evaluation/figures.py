"""The figures of a scorecard: for each, its words, its formula, and the lesions that it rests on."""

from __future__ import annotations

import numpy as np

from epiluma.evaluation import definition as kinds
from epiluma.evaluation import malignancy, metrics
from epiluma.evaluation.definition import Definition, Weights
from epiluma.evaluation.metrics import Bools, Floats
from epiluma.evaluation.view import View


def _one_photo_each(view: View, weights: Weights) -> Floats:
    """Weights under which a figure expects one photo of each lesion, drawn at random, as when it is screened."""
    return (1.0 if weights is None else weights) / view.photos_of_lesion


def _caught_by_lesion(view: View, positive: Bools, weights: Weights) -> Floats:
    lesion, every = metrics.every_photo(view.table.referred, view.table.group, positive)
    return metrics.sensitivity(every, lesion, weights)


def _spared_by_lesion(view: View, weights: Weights) -> Floats:
    lesion, every = metrics.every_photo(~view.table.referred, view.table.group, ~view.malignant)
    return metrics.specificity(~every, lesion, weights)


def _macro_f1_of_equals(view: View, weights: Weights) -> Floats:
    equal = metrics.equalised(view.truth, len(view.groups), weights)
    return metrics.macro_f1(view.truth, view.diagnosis, len(view.groups), equal)


def _f1_of_malignant_leaves(view: View, weights: Weights) -> Floats:
    scores = metrics.per_class(view.table.truth, view.table.diagnosis, view.leaves, weights)
    counted = np.array(view.table.header.malignant) & ~np.isnan(scores.recall)
    return metrics.mean_of_defined(np.where(counted, scores.f1, np.nan))


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        key="balanced_accuracy_grouped",
        section="diagnosis",
        title="Balanced accuracy, {groups} classes",
        formula=lambda v, w: metrics.balanced_accuracy(v.truth, v.diagnosis, len(v.groups), w),
        kinds=kinds.several_classes,
    ),
    Definition(
        key="balanced_accuracy_leaves",
        section="diagnosis",
        title="Balanced accuracy, {leaves} leaves",
        formula=lambda v, w: metrics.balanced_accuracy(v.table.truth, v.table.diagnosis, v.leaves, w),
        kinds=kinds.several_classes,
    ),
    Definition(
        key="accuracy_grouped",
        section="diagnosis",
        title="Accuracy, {groups} classes",
        formula=lambda v, w: metrics.accuracy(v.truth, v.diagnosis, w),
        kinds=kinds.everything,
        share=True,
    ),
    Definition(
        key="macro_f1_grouped",
        section="diagnosis",
        title="Macro F1, {groups} classes",
        formula=lambda v, w: metrics.macro_f1(v.truth, v.diagnosis, len(v.groups), w),
        kinds=kinds.several_classes,
    ),
    Definition(
        key="macro_precision_grouped",
        section="diagnosis",
        title="Macro precision, {groups} classes",
        formula=lambda v, w: metrics.macro_precision(v.truth, v.diagnosis, len(v.groups), w),
        kinds=kinds.several_classes,
    ),
    Definition(
        key="balanced_macro_f1_grouped",
        section="diagnosis",
        title="Macro F1, {groups} classes, each weighed equally",
        formula=_macro_f1_of_equals,
        kinds=kinds.several_classes,
    ),
    Definition(
        key="malignant_leaves_f1",
        section="diagnosis",
        title="Macro F1, malignant leaves",
        formula=_f1_of_malignant_leaves,
        kinds=kinds.malignant_and_benign,
    ),
    Definition(
        key="share_judged",
        section="diagnosis",
        title="Share judged",
        formula=lambda v, w: metrics.share(v.judged, v.everything, w),
        kinds=kinds.everything,
        share=True,
    ),
    Definition(
        key="malignant_auc_by_lesion",
        section="probabilities",
        title="AUC, malignant or benign lesions",
        formula=lambda v, w: metrics.auc(v.table.risk, v.malignant, _one_photo_each(v, w)),
        kinds=kinds.malignant_and_benign,
    ),
    Definition(
        key="malignant_auc",
        section="probabilities",
        title="AUC, malignant or benign",
        formula=lambda v, w: metrics.auc(v.table.risk, v.malignant, w),
        kinds=kinds.malignant_and_benign,
    ),
    Definition(
        key="melanoma_auc",
        section="probabilities",
        title="AUC, melanoma or not",
        formula=lambda v, w: metrics.auc(v.table.probabilities[:, v.melanoma_leaf], v.melanoma, w),
        kinds=kinds.melanoma_and_rest,
    ),
    Definition(
        key="macro_auc_grouped",
        section="probabilities",
        title="Macro AUC, {groups} classes, each against the rest",
        formula=lambda v, w: metrics.macro_auc(v.truth, v.group_probabilities, w),
        kinds=kinds.several_classes,
    ),
    Definition(
        key="top3_accuracy",
        section="probabilities",
        title="Top-3 accuracy, {leaves} leaves",
        formula=lambda v, w: metrics.top_k_accuracy(v.table.truth, v.table.probabilities, 3, w),
        kinds=kinds.everything,
        share=True,
    ),
    Definition(
        key="ece_top_label",
        section="probabilities",
        title="ECE, top label, {leaves} leaves",
        formula=lambda v, w: metrics.ece(v.table.truth, v.table.probabilities, w),
        kinds=kinds.everything,
        noise_raises=True,
    ),
    Definition(
        key="ece_malignancy_risk",
        section="probabilities",
        title="ECE, malignancy risk",
        formula=lambda v, w: metrics.binary_ece(v.table.risk, v.malignant, w),
        kinds=kinds.everything,
        noise_raises=True,
    ),
    Definition(
        key="brier_leaves",
        section="probabilities",
        title="Brier, {leaves} leaves (0-2)",
        formula=lambda v, w: metrics.brier(v.table.truth, v.table.probabilities, w),
        kinds=kinds.everything,
    ),
    Definition(
        key="brier_malignancy_risk",
        section="probabilities",
        title="Brier, malignancy risk (0-1)",
        formula=lambda v, w: metrics.binary_brier(v.table.risk, v.malignant, w),
        kinds=kinds.everything,
    ),
    Definition(
        key="cancers_called_nevus",
        section="probabilities",
        title="Called nevus at ≥ 0.95, malignant images",
        formula=lambda v, w: metrics.share(v.called_nevus, v.malignant, w),
        kinds=lambda v: {"malignant": v.malignant, "nevus": v.nevus},
        unit="images",
        share=True,
    ),
    Definition(
        key="nevi_called_nevus",
        section="probabilities",
        title="Called nevus at ≥ 0.95, nevus images",
        formula=lambda v, w: metrics.share(v.called_nevus, v.nevus, w),
        kinds=lambda v: {"nevus": v.nevus},
        unit="images",
        share=True,
    ),
    Definition(
        key="melanoma_sensitivity_by_lesion",
        section="recommendation",
        title="Sensitivity, melanoma lesions",
        formula=lambda v, w: _caught_by_lesion(v, v.melanoma, w),
        kinds=kinds.melanoma,
        share=True,
    ),
    Definition(
        key="melanoma_sensitivity_by_image",
        section="recommendation",
        title="Sensitivity, melanoma images",
        formula=lambda v, w: metrics.sensitivity(v.table.referred, v.melanoma, w),
        kinds=kinds.melanoma,
        unit="images",
        share=True,
    ),
    Definition(
        key="malignant_sensitivity_by_lesion",
        section="recommendation",
        title="Sensitivity, malignant lesions",
        formula=lambda v, w: _caught_by_lesion(v, v.malignant, w),
        kinds=kinds.malignant,
        share=True,
    ),
    Definition(
        key="malignant_sensitivity_by_image",
        section="recommendation",
        title="Sensitivity, malignant images",
        formula=lambda v, w: metrics.sensitivity(v.table.referred, v.malignant, w),
        kinds=kinds.malignant,
        unit="images",
        share=True,
    ),
    Definition(
        key="specificity_by_lesion",
        section="recommendation",
        title="Specificity, benign lesions",
        formula=_spared_by_lesion,
        kinds=kinds.benign,
        share=True,
    ),
    Definition(
        key="specificity_by_image",
        section="recommendation",
        title="Specificity, benign images",
        formula=lambda v, w: metrics.specificity(v.table.referred, ~v.malignant, w),
        kinds=kinds.benign,
        unit="images",
        share=True,
    ),
    *malignancy.DEFINITIONS,
)


def of_class(index: int, code: str) -> dict[str, Definition]:
    """Recall, precision, F1 and AUC of one class of the grouped view, each against the rest, by their name."""
    recall = Definition(
        key=f"recall_{code}",
        section="diagnosis",
        title=f"Recall, {code}",
        formula=lambda v, w: metrics.sensitivity(v.diagnosis == index, v.truth == index, w),
        kinds=lambda v: {code: v.truth == index},
        share=True,
    )
    precision = Definition(
        key=f"precision_{code}",
        section="diagnosis",
        title=f"Precision, {code}",
        formula=lambda v, w: metrics.share(v.truth == index, v.diagnosis == index, w),
        kinds=lambda v: {f"diagnosed-{code}": v.diagnosis == index},
        share=True,
    )
    f1 = Definition(
        key=f"f1_{code}",
        section="diagnosis",
        title=f"F1, {code}",
        formula=lambda v, w: metrics.per_class(v.truth, v.diagnosis, len(v.groups), w).f1[..., index],
        kinds=lambda v: {code: v.truth == index},
    )
    auc = Definition(
        key=f"auc_{code}",
        section="probabilities",
        title=f"AUC, {code}",
        formula=lambda v, w: metrics.auc(v.group_probabilities[:, index], v.truth == index, w),
        kinds=lambda v: {code: v.truth == index, "other": v.truth != index},
    )
    return {"recall": recall, "precision": precision, "f1": f1, "auc": auc}
