"""What a figure is: its words, its formula, and the kinds of lesions that it cannot do without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from epiluma.evaluation.metrics import Bools, Floats
from epiluma.evaluation.view import View

Section = Literal["diagnosis", "probabilities", "recommendation", "threshold", "curve"]
Weights = Floats | None
Formula = Callable[[View, Weights], Floats]
Kinds = Callable[[View], Mapping[str, Bools]]


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One figure. `title` names the averaging and may use {groups} and {leaves}, the numbers of classes."""

    key: str
    section: Section
    title: str
    formula: Formula
    kinds: Kinds
    """Each kind of lesion that the figure cannot do without; the first is the one it is counted over."""
    unit: Literal["lesions", "images"] = "lesions"
    """What `Metric.n` counts."""
    share: bool = False
    """Whether it is a plain share of images or lesions, so that Wilson's interval applies."""
    fixed_on_calibration: bool = False
    """Whether its threshold was fixed on the calibration rows, which then need both kinds too."""
    noise_raises: bool = False
    """Whether noise can only raise it (calibration errors), so that its interval is reflected."""

    def words(self, view: View) -> str:
        """The title, with the numbers of classes."""
        return self.title.format(groups=len(view.groups), leaves=view.leaves)

    def counted(self, view: View) -> Bools:
        """(n,) the images that the figure is counted over."""
        return next(iter(self.kinds(view).values()))

    def n(self, view: View) -> int:
        """Number of lesions, or of images, that the figure is counted over."""
        counted = self.counted(view)
        return view.lesions(counted) if self.unit == "lesions" else int(counted.sum())


def everything(view: View) -> dict[str, Bools]:
    """All lesions."""
    return {"": view.everything}


def several_classes(view: View) -> dict[str, Bools]:
    """All lesions; needs more than one grouped class."""
    commonest = view.truth == np.bincount(view.truth).argmax()
    return {"": view.everything, "commonest-class": commonest, "other-class": ~commonest}


def malignant_and_benign(view: View) -> dict[str, Bools]:
    """All lesions; needs both."""
    return {"": view.everything, "malignant": view.malignant, "benign": ~view.malignant}


def melanoma_and_rest(view: View) -> dict[str, Bools]:
    """All lesions; needs both."""
    return {"": view.everything, "melanoma": view.melanoma, "other": ~view.melanoma}


def melanoma(view: View) -> dict[str, Bools]:
    """Melanomas alone."""
    return {"melanoma": view.melanoma}


def malignant(view: View) -> dict[str, Bools]:
    """Malignant lesions alone."""
    return {"malignant": view.malignant}


def benign(view: View) -> dict[str, Bools]:
    """Benign lesions alone."""
    return {"benign": ~view.malignant}
