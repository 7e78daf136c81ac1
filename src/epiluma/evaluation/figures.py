"""The figures of a scorecard: for each, its words, its formula, and the lesions that it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from epiluma.evaluation import metrics
from epiluma.evaluation.metrics import Bools, Floats, Ints
from epiluma.predictions import Predictions

MELANOMA = "MEL"
"""Code of the leaf that the operating point protects."""

Section = Literal["diagnosis", "probabilities", "recommendation"]
Weights = Floats | None


@dataclass(frozen=True)
class View:
    """Predictions as the metrics want them: grouped classes, and masks of what matters."""

    table: Predictions

    @property
    def groups(self) -> tuple[str, ...]:
        """Codes of the grouped (seven-class) view, in first-seen order."""
        return tuple(dict.fromkeys(self.table.header.groups))

    @cached_property
    def _group_of_leaf(self) -> Ints:
        return np.array([self.groups.index(code) for code in self.table.header.groups])

    @cached_property
    def truth(self) -> Ints:
        """(n,) grouped truth: the group of the true leaf."""
        return self._group_of_leaf[self.table.truth]

    @cached_property
    def diagnosis(self) -> Ints:
        """(n,) grouped diagnosis: the group of the diagnosed leaf; -1 where it could not be judged."""
        return np.where(self.judged, self._group_of_leaf[self.table.diagnosis], -1)

    @cached_property
    def judged(self) -> Bools:
        """(n,) whether the runner gave a diagnosis."""
        return self.table.diagnosis >= 0

    @cached_property
    def malignant(self) -> Bools:
        """(n,) whether the truth is malignant."""
        return np.array(self.table.header.malignant, bool)[self.table.truth]

    @cached_property
    def melanoma(self) -> Bools:
        """(n,) whether the truth is melanoma; all false for a taxonomy without it."""
        found: Bools = self.table.truth == self.melanoma_leaf
        return found

    @property
    def melanoma_leaf(self) -> int:
        """Index of the melanoma leaf, -1 when the taxonomy has none."""
        codes = self.table.header.codes
        return codes.index(MELANOMA) if MELANOMA in codes else -1

    @property
    def leaves(self) -> int:
        """Number of leaves."""
        return len(self.table.header.codes)

    @property
    def everything(self) -> Bools:
        """(n,) all true."""
        return np.ones(len(self.table), bool)

    @cached_property
    def photos_of_lesion(self) -> Ints:
        """(n,) how many photos its lesion has."""
        _, lesion, photos = np.unique(self.table.group, return_inverse=True, return_counts=True)
        return photos[lesion]

    def lesions(self, among: Bools) -> int:
        """Number of lesions with a photo in `among`."""
        return len(np.unique(self.table.group[among]))


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One figure. `title` names the averaging and may use {groups} and {leaves}, the numbers of classes."""

    key: str
    section: Section
    title: str
    formula: Callable[[View, Weights], Floats]
    kinds: Callable[[View], Mapping[str, Bools]]
    """Each kind of lesion that the figure cannot do without; the first is the one it is counted over."""
    unit: Literal["lesions", "images"] = "lesions"
    """What `Metric.n` counts."""
    share: bool = False
    """Whether it is a plain share of images or lesions, so that Wilson's interval applies."""
    noise_raises: bool = False
    """Whether noise can only raise it (calibration errors), so that its interval is reflected."""


def _all(view: View) -> dict[str, Bools]:
    return {"": view.everything}


def _several_classes(view: View) -> dict[str, Bools]:
    commonest = view.truth == np.bincount(view.truth).argmax()
    return {"": view.everything, "commonest-class": commonest, "other-class": ~commonest}


def _malignant_and_benign(view: View) -> dict[str, Bools]:
    return {"": view.everything, "malignant": view.malignant, "benign": ~view.malignant}


def _melanoma_and_rest(view: View) -> dict[str, Bools]:
    return {"": view.everything, "melanoma": view.melanoma, "other": ~view.melanoma}


def _melanoma(view: View) -> dict[str, Bools]:
    return {"melanoma": view.melanoma}


def _malignant(view: View) -> dict[str, Bools]:
    return {"malignant": view.malignant}


def _benign(view: View) -> dict[str, Bools]:
    return {"benign": ~view.malignant}


def _one_photo_each(view: View, weights: Weights) -> Floats:
    """Weights under which a figure expects one photo of each lesion, drawn at random, as when it is screened."""
    return (1.0 if weights is None else weights) / view.photos_of_lesion


def _caught_by_lesion(view: View, positive: Bools, weights: Weights) -> Floats:
    lesion, every = metrics.every_photo(view.table.referred, view.table.group, positive)
    return metrics.sensitivity(every, lesion, weights)


def _spared_by_lesion(view: View, weights: Weights) -> Floats:
    lesion, every = metrics.every_photo(~view.table.referred, view.table.group, ~view.malignant)
    return metrics.specificity(~every, lesion, weights)


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        key="balanced_accuracy_grouped",
        section="diagnosis",
        title="Balanced accuracy, {groups} classes",
        formula=lambda v, w: metrics.balanced_accuracy(v.truth, v.diagnosis, len(v.groups), w),
        kinds=_several_classes,
    ),
    Definition(
        key="balanced_accuracy_leaves",
        section="diagnosis",
        title="Balanced accuracy, {leaves} leaves",
        formula=lambda v, w: metrics.balanced_accuracy(v.table.truth, v.table.diagnosis, v.leaves, w),
        kinds=_several_classes,
    ),
    Definition(
        key="accuracy_grouped",
        section="diagnosis",
        title="Accuracy, {groups} classes",
        formula=lambda v, w: metrics.accuracy(v.truth, v.diagnosis, w),
        kinds=_all,
        share=True,
    ),
    Definition(
        key="macro_f1_grouped",
        section="diagnosis",
        title="Macro F1, {groups} classes",
        formula=lambda v, w: metrics.macro_f1(v.truth, v.diagnosis, len(v.groups), w),
        kinds=_several_classes,
    ),
    Definition(
        key="share_judged",
        section="diagnosis",
        title="Share judged",
        formula=lambda v, w: metrics.share(v.judged, v.everything, w),
        kinds=_all,
        share=True,
    ),
    Definition(
        key="malignant_auc_by_lesion",
        section="probabilities",
        title="AUC, malignant or benign lesions",
        formula=lambda v, w: metrics.auc(v.table.risk, v.malignant, _one_photo_each(v, w)),
        kinds=_malignant_and_benign,
    ),
    Definition(
        key="malignant_auc",
        section="probabilities",
        title="AUC, malignant or benign",
        formula=lambda v, w: metrics.auc(v.table.risk, v.malignant, w),
        kinds=_malignant_and_benign,
    ),
    Definition(
        key="melanoma_auc",
        section="probabilities",
        title="AUC, melanoma or not",
        formula=lambda v, w: metrics.auc(v.table.probabilities[:, v.melanoma_leaf], v.melanoma, w),
        kinds=_melanoma_and_rest,
    ),
    Definition(
        key="top3_accuracy",
        section="probabilities",
        title="Top-3 accuracy, {leaves} leaves",
        formula=lambda v, w: metrics.top_k_accuracy(v.table.truth, v.table.probabilities, 3, w),
        kinds=_all,
        share=True,
    ),
    Definition(
        key="ece_top_label",
        section="probabilities",
        title="ECE, top label, {leaves} leaves",
        formula=lambda v, w: metrics.ece(v.table.truth, v.table.probabilities, w),
        kinds=_all,
        noise_raises=True,
    ),
    Definition(
        key="ece_malignancy_risk",
        section="probabilities",
        title="ECE, malignancy risk",
        formula=lambda v, w: metrics.binary_ece(v.table.risk, v.malignant, w),
        kinds=_all,
        noise_raises=True,
    ),
    Definition(
        key="brier_leaves",
        section="probabilities",
        title="Brier, {leaves} leaves (0-2)",
        formula=lambda v, w: metrics.brier(v.table.truth, v.table.probabilities, w),
        kinds=_all,
    ),
    Definition(
        key="brier_malignancy_risk",
        section="probabilities",
        title="Brier, malignancy risk (0-1)",
        formula=lambda v, w: metrics.binary_brier(v.table.risk, v.malignant, w),
        kinds=_all,
    ),
    Definition(
        key="melanoma_sensitivity_by_lesion",
        section="recommendation",
        title="Sensitivity, melanoma lesions",
        formula=lambda v, w: _caught_by_lesion(v, v.melanoma, w),
        kinds=_melanoma,
        share=True,
    ),
    Definition(
        key="melanoma_sensitivity_by_image",
        section="recommendation",
        title="Sensitivity, melanoma images",
        formula=lambda v, w: metrics.sensitivity(v.table.referred, v.melanoma, w),
        kinds=_melanoma,
        unit="images",
        share=True,
    ),
    Definition(
        key="malignant_sensitivity_by_lesion",
        section="recommendation",
        title="Sensitivity, malignant lesions",
        formula=lambda v, w: _caught_by_lesion(v, v.malignant, w),
        kinds=_malignant,
        share=True,
    ),
    Definition(
        key="malignant_sensitivity_by_image",
        section="recommendation",
        title="Sensitivity, malignant images",
        formula=lambda v, w: metrics.sensitivity(v.table.referred, v.malignant, w),
        kinds=_malignant,
        unit="images",
        share=True,
    ),
    Definition(
        key="specificity_by_lesion",
        section="recommendation",
        title="Specificity, benign lesions",
        formula=_spared_by_lesion,
        kinds=_benign,
        share=True,
    ),
    Definition(
        key="specificity_by_image",
        section="recommendation",
        title="Specificity, benign images",
        formula=lambda v, w: metrics.specificity(v.table.referred, ~v.malignant, w),
        kinds=_benign,
        unit="images",
        share=True,
    ),
)


def recall_of(index: int, code: str) -> Definition:
    """The recall of one class of the grouped view."""
    return Definition(
        key=f"recall_{code}",
        section="diagnosis",
        title=f"Recall, {code}",
        formula=lambda v, w: metrics.sensitivity(v.diagnosis == index, v.truth == index, w),
        kinds=lambda v: {code: v.truth == index},
        share=True,
    )
