"""From a screening to the words on the page, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext, gettext_lazy

from epiluma.bundle import Manifest
from epiluma.inference import donut, result
from epiluma.inference.recommend import ALARMING
from epiluma.service.cases.models import Screening
from epiluma.taxonomy import BINARY_NOTE, BINARY_NOTE_ZH, Diagnosis

TOP = 3
"""Diagnoses named on the page."""

LEVEL_WORDS: dict[str, Promise] = {
    "urgent": gettext_lazy("See a doctor soon"),
    "refer": gettext_lazy("See a doctor"),
    "recheck": gettext_lazy("Photograph it again"),
    "no_sign": gettext_lazy("No sign found"),
    "cannot_judge": gettext_lazy("Cannot judge"),
}
_MODALITIES: dict[str, Promise] = {
    "dermoscopy": gettext_lazy("Photos taken through a dermatoscope"),
    "clinical": gettext_lazy("Ordinary photos"),
}


def odds(probability: float) -> str:
    """A probability as people say it, "about 3 in 10": never none, never certain."""
    if probability < 0.005:
        return gettext("less than 1 in 100")
    if probability < 0.095:
        return gettext("about %(n)d in 100") % {"n": round(100 * probability)}
    if probability < 0.95:
        return gettext("about %(n)d in 10") % {"n": round(10 * probability)}
    return gettext("more than 9 in 10")


def short_odds(probability: float) -> str:
    """The same in the little room of a chart: "3 in 10"."""
    if probability < 0.005:
        return gettext("<1 in 100")
    if probability < 0.095:
        return gettext("%(n)d in 100") % {"n": round(100 * probability)}
    if probability < 0.95:
        return gettext("%(n)d in 10") % {"n": round(10 * probability)}
    return gettext(">9 in 10")


def language() -> donut.Language:
    """Language of the page, as the taxonomy and the charts call it."""
    return "zh" if (get_language() or "").startswith("zh") else "en"


@dataclass(frozen=True)
class Name:
    """A diagnosis by its name and by the name that people know, with its odds."""

    name: str
    plain: str
    odds: str
    malignant: bool


@dataclass(frozen=True)
class Shown:
    """A screening as the templates show it."""

    screening: Screening

    @property
    def facts(self) -> result.Screening:
        """The result that is shown."""
        return self.screening.facts

    @property
    def manifest(self) -> Manifest:
        """The manifest of the bundle that made it."""
        return self.screening.bundle.facts

    @property
    def level(self) -> str:
        """As the runtime says it: also the class that gives shape and colour."""
        return self.screening.level

    @property
    def level_word(self) -> Promise:
        """The level in two or three words."""
        return LEVEL_WORDS[self.level]

    @property
    def judged(self) -> bool:
        """Whether there are probabilities to show."""
        return self.screening.risk is not None

    @property
    def odds(self) -> str:
        """Malignancy risk in words; empty when not judged."""
        return "" if self.screening.risk is None else odds(self.screening.risk)

    @property
    def headline(self) -> str:
        """What to do, and by when."""
        if self.level == "no_sign":
            return gettext("Keep an eye on this mark.")
        if self.level == "cannot_judge":
            return gettext("Take another photo.")
        weeks = self.facts.recommendation.within_weeks
        if self.level == "recheck":
            return gettext("Photograph this mark again in %(weeks)d weeks.") % {"weeks": weeks}
        return gettext("Show this mark to a doctor within %(weeks)d weeks.") % {"weeks": weeks}

    @property
    def reason(self) -> str:
        """Why, in a sentence or two; never that all is well."""
        if self.level in {"refer", "urgent"} and set(self.facts.symptoms) & set(ALARMING):
            return gettext("A mark that bleeds, grows or changes should be seen by a doctor, whatever a photo shows.")
        if self.level in {"refer", "urgent"}:
            return gettext("The model sees signs that a doctor should check. Many such marks turn out to be harmless.")
        if self.level == "no_sign":
            return gettext(
                "The model found no sign of skin cancer in this photo. It can be wrong. "
                "See a doctor if the mark changes, bleeds, itches or worries you."
            )
        if self.level == "recheck":
            return gettext(
                "The model sees little that worries it, and cannot rule cancer out. A mark that is harmful changes in "
                "that time. See a doctor at once if it does, or if it bleeds, itches or worries you."
            )
        if not any(finding.severity == "refuse" for finding in self.facts.findings) and self.facts.quality.usable:
            return gettext("The model cannot tell whether this mark needs a doctor, so there is no result.")
        return gettext("This photo is not good enough to judge, so there is no result.")

    @property
    def quality(self) -> list[str]:
        """What is wrong with the photo, and what to do about it."""
        said = [gettext(reason) for reason in self.facts.quality.reasons]
        others = [finding for finding in self.facts.findings if finding.code != "quality"]
        return said + [f"{gettext(finding.reason)} {gettext(finding.action)}" for finding in others]

    @property
    def risk_sentence(self) -> str:
        """The first donut in words."""
        return gettext("Chance that this mark is malignant: %(odds)s.") % {"odds": self.odds}

    @property
    def rule(self) -> str:
        """The threshold behind the recommendation, and where this photo lies."""
        threshold = self.facts.recommendation.threshold
        return gettext(
            "The model advises a doctor when the chance of a malignant mark is %(odds)s or more (threshold "
            "%(threshold).3f), or when a malignant diagnosis explains the photo best. "
            "This photo: %(here)s (%(risk).3f)."
        ) % {"odds": odds(threshold), "threshold": threshold, "here": self.odds, "risk": self.screening.risk}

    @property
    def names(self) -> list[Name]:
        """The most probable diagnoses, largest first."""
        ranked = sorted(self.facts.probabilities.items(), key=lambda item: -item[1])[:TOP]
        return [self._name(self.manifest.taxonomy[code], probability) for code, probability in ranked]

    @property
    def binary_note(self) -> str:
        """What counts as malignant."""
        return BINARY_NOTE_ZH if language() == "zh" else BINARY_NOTE

    @property
    def modality(self) -> Promise:
        """The photos that the model was made for."""
        return _MODALITIES[self.manifest.modality]

    @property
    def malignancy_donut(self) -> SafeString:
        """SVG of malignant against benign."""
        return self._chart(donut.malignancy_donut)

    @property
    def diagnosis_donut(self) -> SafeString:
        """SVG of the most probable diagnoses."""
        return self._chart(donut.diagnosis_donut)

    def _chart(self, draw: Callable[..., str]) -> SafeString:
        svg = draw(self.facts, self.manifest.taxonomy, language=language(), number=short_odds)
        return mark_safe(svg)  # nosec B308 B703: `donut` escapes every word that it draws

    @staticmethod
    def _name(leaf: Diagnosis, probability: float) -> Name:
        name, plain = (leaf.name_zh, leaf.plain_zh) if language() == "zh" else (leaf.name, leaf.plain)
        return Name(name, plain, odds(probability), leaf.malignant)
