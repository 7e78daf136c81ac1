"""Predictions as the metrics want them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from epiluma.evaluation.curves import Counts, accuracy_of, best_threshold, mean_f1_of
from epiluma.evaluation.metrics import Bools, Floats, Ints, equalised
from epiluma.predictions import Predictions

MELANOMA = "MEL"
"""Code of the leaf that the operating point protects."""
NEVUS = "NV"
"""Code of the leaf that no cancer should be called with confidence."""
CONFIDENT = 0.95
"""Least probability of a nevus that counts as confidence."""


@dataclass(frozen=True)
class View:
    """Predictions as the metrics want them: grouped classes, and masks of what matters."""

    table: Predictions
    calibration: Predictions | None = None
    """The rows on which thresholds are fixed; None when there are none besides those that are scored."""

    def where(self, mask: Bools) -> View:
        """The rows for which `mask` is true, with the same calibration rows."""
        return View(self.table.where(mask), self.calibration)

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

    @cached_property
    def nevus(self) -> Bools:
        """(n,) whether the truth is a nevus; all false for a taxonomy without it."""
        codes = self.table.header.codes
        found: Bools = self.table.truth == (codes.index(NEVUS) if NEVUS in codes else -1)
        return found

    @cached_property
    def called_nevus(self) -> Bools:
        """(n,) whether the probability of a nevus is at least 0.95."""
        codes = self.table.header.codes
        return self.table.probabilities[:, codes.index(NEVUS)] >= CONFIDENT

    @property
    def melanoma_leaf(self) -> int:
        """Index of the melanoma leaf, -1 when the taxonomy has none."""
        codes = self.table.header.codes
        return codes.index(MELANOMA) if MELANOMA in codes else -1

    @property
    def leaves(self) -> int:
        """Number of leaves."""
        return len(self.table.header.codes)

    @cached_property
    def group_probabilities(self) -> Floats:
        """(n, groups) probability of each group: the sum over its leaves."""
        member = (self._group_of_leaf[:, None] == np.arange(len(self.groups))).astype(np.float64)
        summed: Floats = self.table.probabilities @ member
        return summed

    @cached_property
    def most_accurate(self) -> float:
        """Risk threshold with the highest accuracy, malignant or benign, on the calibration rows; NaN without any."""
        return self._fixed(accuracy_of, equal=False)

    @cached_property
    def balanced_f1(self) -> float:
        """Risk threshold with the highest mean F1 on the calibration rows, malignant and benign weighed equally."""
        return self._fixed(mean_f1_of, equal=True)

    def _fixed(self, goal: Callable[[Counts], Floats], *, equal: bool) -> float:
        if self.calibration is None:
            return math.nan
        part = View(self.calibration)
        malignant, risk = part.malignant[part.judged], part.table.risk[part.judged]
        if not len(risk):
            return math.nan
        return best_threshold(risk, malignant, goal, equalised(malignant.astype(np.intp), 2) if equal else None)

    def called_malignant(self, threshold: float) -> Ints:
        """(n,) 1 where the risk reaches the threshold, 0 where not, -1 where the runner could not judge."""
        return np.where(self.judged, self.table.risk >= threshold, -1)

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
