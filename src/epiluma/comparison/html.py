"""A comparison as one HTML file that needs nothing else: the tables, and plots of load and score over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from epiluma import __version__
from epiluma.comparison import report
from epiluma.comparison.compare import Comparison
from epiluma.comparison.plot import Curve, line_chart
from epiluma.comparison.run import Run
from epiluma.pages import template
from epiluma.training.usage import Reading

_LOADS: dict[str, tuple[str, Callable[[Reading], float | None]]] = {
    "Processor, all cores": ("%", lambda reading: reading.cpu_percent),
    "Resident memory": ("MB", lambda reading: reading.memory_mb),
    "GPU": ("%", lambda reading: reading.gpu_percent),
    "GPU memory": ("MB", lambda reading: reading.gpu_memory_mb),
}


def render(comparison: Comparison, runs: Sequence[Run]) -> str:
    """The page; `runs` are those of the comparison, in its order."""
    labels = [run.label for run in comparison.runs]
    return template("epiluma.comparison", "page.html.j2").render(
        page=report.page(comparison),
        plots=dict(_plots(labels, runs)),
        without_usage=[label for label, run in zip(labels, runs, strict=True) if run.usage is None],
        version=__version__,
    )


def _plots(labels: Sequence[str], runs: Sequence[Run]) -> Iterator[tuple[str, str]]:
    """Title and SVG of each plot for which a run has a curve."""
    for title, (unit, value) in _LOADS.items():
        known = [[r for r in run.usage or () if value(r) is not None] for run in runs]
        curves = [
            Curve(label, [r.seconds / 60 for r in readings], [value(r) or 0.0 for r in readings])
            for label, readings in zip(labels, known, strict=True)
            if readings
        ]
        if curves:
            yield title, line_chart(title, unit, curves)
    scores = [_scores(label, run) for label, run in zip(labels, runs, strict=True)]
    if any(curve.minutes for curve in scores):
        title = "Score on the validation part"
        yield title, line_chart(title, "score", scores)


def _scores(label: str, run: Run) -> Curve:
    ends = np.cumsum(run.epoch_seconds) / 60
    points = [(end, epoch.score) for end, epoch in zip(ends.tolist(), run.log, strict=True) if epoch.score is not None]
    return Curve(label, [minute for minute, _ in points], [score for _, score in points])
