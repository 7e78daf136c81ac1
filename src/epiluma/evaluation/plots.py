"""The charts of an evaluation as SVG text for a page: no script, no font, nothing to fetch."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from epiluma.evaluation.charts import Bin, Charts, Curve
from epiluma.evaluation.scorecard import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE = (5.0, 4.4)
"""Inches; the page scales it to the width of a column."""
_MODEL, _OTHER, _PLAIN, _MARKED = "#2f6690", "#8a8f96", "#565f68", "#a12b1b"
_CLASS_LINES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D")
_MEASURED = "DejaVu Sans"
"""Font whose widths the layout is made with, as it comes with matplotlib; the page shows its own."""
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "epiluma",
    "font.family": _MEASURED,
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _PLAIN,
    "axes.grid": True,
    "grid.color": "#e6e2db",
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.fontsize": 9.5,
}


class Plot(NamedTuple):
    """One chart."""

    title: str
    alt: str
    """What it shows, in a sentence, for whoever does not see it."""
    svg: str


def draw_all(evaluation: Evaluation) -> list[Plot]:
    """Every chart for which there is enough evidence."""
    return list(_plots(evaluation))


def _plots(evaluation: Evaluation) -> Iterator[Plot]:
    charts = evaluation.charts
    if curve := charts.malignant:
        known = ". ".join(
            f"{mark.name.capitalize()}: sensitivity {mark.sensitivity:.3f}, specificity {mark.specificity:.3f}"
            for mark in charts.marks
        )
        yield _plot(
            "ROC curve, malignant or benign, by image",
            f"Sensitivity against 1 - specificity of the malignancy risk. {known}. Shaded: above 0.80 sensitivity.",
            partial(_roc, charts, curve),
        )
        yield _plot(
            "Precision and recall, malignant or benign, by image",
            f"Precision against sensitivity of the malignancy risk, with the points of the ROC curve. {known}.",
            partial(_precision_recall, charts, curve),
        )
    if charts.classes:
        yield _plot(
            "ROC curve of each class against the rest, by image",
            f"One curve for each of {', '.join(charts.classes)}, of the probability of the class.",
            partial(_class_rocs, charts.classes),
        )
    for what, bins in (("malignancy risk", charts.risk_reliability), ("top probability", charts.label_reliability)):
        if bins:
            yield _reliability_plot(what, bins)
    if charts.decision:
        yield _plot(
            "Decision curve, by image",
            "Net benefit of referring those whose risk reaches a threshold, against referring everybody and nobody "
            "(Vickers and Elkin 2006), with 95% intervals by lesion.",
            partial(_decision, evaluation),
        )


def _plot(title: str, alt: str, fill: Callable[[Axes], None]) -> Plot:
    import matplotlib  # comes with the training extra; tables need none of it
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        fill(figure.add_subplot())
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return Plot(title, alt, _inline(buffer.getvalue(), title, alt))


def _inline(document: str, title: str, alt: str) -> str:
    """The document as an element of a page: named for a screen reader, its groups without ids that would repeat."""
    body = document[document.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = body.replace(f"'{_MEASURED}'", "system-ui").replace("xlink:href", "href")
    label = f'role="img" aria-label="{escape(f"{title}. {alt}")}"'
    return re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf'<svg xmlns="http://www.w3.org/2000/svg" {label} \1>', body)


def _unit_axes(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x, ylabel=y)


def _roc(charts: Charts, curve: Curve, axes: Axes) -> None:
    missed = [1 - value for value in curve.specificity]
    axes.plot([0, 1], [0, 1], color=_OTHER, linestyle=":", label="chance")
    axes.plot(missed, curve.sensitivity, color=_MODEL, label="malignancy risk")
    floor = [max(0.8, value) for value in curve.sensitivity]
    axes.fill_between(missed, 0.8, floor, color=_MODEL, alpha=0.12, linewidth=0)
    for mark, marker in zip(charts.marks, _MARKERS, strict=False):
        axes.plot(1 - mark.specificity, mark.sensitivity, marker, color=_MARKED, label=mark.name)
    _unit_axes(axes, "1 - specificity", "sensitivity")
    axes.legend(loc="lower right")


def _precision_recall(charts: Charts, curve: Curve, axes: Axes) -> None:
    points = [(s, p) for s, p in zip(curve.sensitivity, curve.precision, strict=True) if p is not None]
    axes.plot(*zip(*points, strict=True), color=_MODEL, label="malignancy risk")
    axes.axhline(points[0][1], color=_OTHER, linestyle=":", label="referring everybody")
    for mark, marker in zip(charts.marks, _MARKERS, strict=False):
        if mark.precision is not None:
            axes.plot(mark.sensitivity, mark.precision, marker, color=_MARKED, label=mark.name)
    _unit_axes(axes, "sensitivity (recall)", "precision")
    axes.legend(loc="lower left")


def _class_rocs(classes: dict[str, Curve], axes: Axes) -> None:
    import matplotlib

    colours = matplotlib.color_sequences["tab10"]
    for i, (code, curve) in enumerate(classes.items()):
        line, colour = _CLASS_LINES[i % len(_CLASS_LINES)], colours[i % len(colours)]
        axes.plot([1 - s for s in curve.specificity], curve.sensitivity, color=colour, linestyle=line, label=code)
    _unit_axes(axes, "1 - specificity", "sensitivity")
    axes.legend(loc="lower right", ncols=2)


def _reliability_plot(what: str, bins: tuple[Bin, ...]) -> Plot:
    known = [(b.predicted, b.observed) for b in bins if b.observed]
    said = "; ".join(f"{predicted:.2f} said, {observed.value:.2f} true" for predicted, observed in known)

    def fill(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=_OTHER, linestyle=":", label="perfect")
        x, y = [predicted for predicted, _ in known], [observed.value for _, observed in known]
        below = [max(0.0, observed.value - observed.lower) for _, observed in known]
        above = [max(0.0, observed.upper - observed.value) for _, observed in known]
        axes.errorbar(x, y, yerr=[below, above], color=_MODEL, marker="o", capsize=3, label=f"{what}, 95% by lesion")
        _unit_axes(axes, f"mean {what}", "share that came true")
        axes.legend(loc="lower right")

    return _plot(
        f"Reliability, {what}, by image",
        f"Bins of the calibration error with at least ten lesions: {said or 'none'}.",
        fill,
    )


def _decision(evaluation: Evaluation, axes: Axes) -> None:
    points = evaluation.charts.decision
    thresholds = [point.threshold for point in points]
    axes.plot(thresholds, [point.refer_all for point in points], color=_OTHER, linestyle="--", label="refer everybody")
    axes.axhline(0, color=_PLAIN, linewidth=1, label="refer nobody")
    axes.plot(thresholds, [point.model.value for point in points], color=_MODEL, label="refer by risk")
    lower, upper = [point.model.lower for point in points], [point.model.upper for point in points]
    axes.fill_between(thresholds, lower, upper, color=_MODEL, alpha=0.12, linewidth=0)
    if evaluation.threshold is not None:
        axes.axvline(evaluation.threshold, color=_MARKED, linestyle=":", label=f"in use: {evaluation.threshold:.3f}")
    top = max(point.model.upper for point in points)
    axes.set(xlim=(0, thresholds[-1]), ylim=(-0.25 * top, 1.15 * top), xlabel="risk threshold", ylabel="net benefit")
    axes.legend(loc="upper right")
