"""A scorecard as one HTML file that needs nothing else: readable on a phone, on paper, and without seeing a chart."""

from __future__ import annotations

from epiluma import __version__
from epiluma.evaluation import paired_report, plots, report
from epiluma.evaluation.paired import Comparison
from epiluma.evaluation.scorecard import Evaluation
from epiluma.pages import template


def render(evaluation: Evaluation, comparison: Comparison | None = None) -> str:
    """The page: charts, every table of the other forms, and the comparison where there is one."""
    return template("epiluma.evaluation", "page.html.j2").render(
        version=__version__,
        evaluation=evaluation,
        page=report.page(evaluation),
        compared=comparison and paired_report.page(comparison),
        plots=plots.draw_all(evaluation),
        cancers=_called_nevus(evaluation),
    )


def _called_nevus(evaluation: Evaluation) -> str:
    """How many cancers were called nevus with confidence, in a sentence; empty when that is not known."""
    figures = evaluation.subsets["all"].figures
    cancers, nevi = (figures[f"{kind}_called_nevus"].metric for kind in ("cancers", "nevi"))
    if not (cancers and nevi):
        return ""
    return (
        f"{round(cancers.value * cancers.n):,} of {cancers.n:,} malignant images have a probability of a nevus of 0.95 "
        f"or more, and {round(nevi.value * nevi.n):,} of {nevi.n:,} images of nevi."
    )
