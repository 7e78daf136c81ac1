"""A comparison of two tables of Predictions, as a page of tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from epiluma.evaluation.definition import Section
from epiluma.evaluation.leakage import is_leaked
from epiluma.evaluation.mask_compare import MaskComparison
from epiluma.evaluation.paired import Comparison, compare
from epiluma.evaluation.sheet import Page, Sheet
from epiluma.predictions import PredictionsError, read

SECTIONS: dict[Section, str] = {
    "diagnosis": "Diagnosis, by the decision rule",
    "probabilities": "Calibrated probabilities",
    "recommendation": "Recommendation, at the operating point",
    "threshold": "Malignant or benign, at thresholds fixed on the calibration part",
    "curve": "Malignant or benign, at points chosen on this part's own ROC curve",
}
"""Title of each section, where probabilities are calibrated."""


def compare_files(
    first: Path | str, second: Path | str, *, part: str = "test", allow_leakage: bool = False, seed: int = 0
) -> Comparison:
    """The paired difference of two Predictions files on the same images. Raises PredictionsError naming both."""
    tables = read(first), read(second)
    try:
        return compare(*tables, part=part, allow_leakage=allow_leakage, seed=seed)
    except PredictionsError as error:
        raise type(error)(f"{first}, {second}: {error}") from error


def page(found: Comparison) -> Page:
    """The lines, tables and footnotes that every form of the report shows."""
    return Page(list(compared(found)), list(_differences(found)), list(_comparison_notes(found)))


def compared(found: Comparison | MaskComparison) -> Iterator[tuple[str, bool]]:
    """What is compared on what, for above the tables: lines, and whether each is a warning."""
    for name, model, audit in zip("AB", (found.first, found.second), found.audits, strict=True):
        if is_leaked(audit):
            yield f"{name} is LEAKED: {audit}. The comparison flatters it and must not be quoted.", True
        yield f"{name}: {model}; audit: {audit}", False
    yield f"part {found.part!r}: {found.images:,} images of {found.lesions:,} lesions, the same in both", False


def _differences(found: Comparison) -> Iterator[Sheet]:
    for section, title in SECTIONS.items():
        rows = []
        for figure in found.figures.values():
            if figure.section == section:
                metric = figure.difference
                between = f"{metric.value:+.3f} ({metric.lower:.3f} to {metric.upper:.3f})"
                rows.append((figure.title, f"{figure.first:.3f}", f"{figure.second:.3f}", between, f"{figure.p:.4f}"))
        yield Sheet(title, ("Metric", "A", "B", "A - B (95%)", "p"), rows)
    tests = [(test.what, test.name, f"{test.p:.4f}") for test in found.tests]
    yield Sheet("Classical tests, which take images for independent", ("Figure", "Test", "p"), tests, words=2)


def _comparison_notes(found: Comparison) -> Iterator[str]:
    yield (
        f"Intervals: 95%, percentiles of {found.replicates:,} bootstrap replicates that draw the same whole lesions "
        f"for A and B, within their true class (seed {found.seed})."
    )
    yield (
        f"p: two-sided, from the same replicates, not corrected for the number of figures; it cannot be below "
        f"{2 / (found.replicates + 1):.4f}. A figure for which either table has too little evidence is left out."
    )
    yield (
        "DeLong's test (1988) and McNemar's exact test take every photo for independent; where they disagree with the "
        "resampling of lesions, the latter counts."
    )
