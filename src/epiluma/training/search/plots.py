"""Plots of a search as SVG for a page: history, importance, parallel coordinates, slices."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from epiluma.training.search.space import Plan, Range
from epiluma.training.search.table import Row, completed

_INK, _LINE = "#1c2227", "#8a939c"
"""Ink becomes the page's own colour; the grey can be read on light and on dark."""
_COLOURS = mpl.colormaps["plasma"]
_VIOLET, _ORANGE = 0.25, 0.8
"""The part of the colours that can be seen on light and on dark."""
_WIDE = 9.0
"""Inches; 72 of the page's pixels each."""
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.edgecolor": _LINE,
    "grid.color": _LINE,
    "grid.alpha": 0.35,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def history(plan: Plan, rows: Sequence[Row]) -> str:
    """Value of each trial in the order of their numbers, and the best so far."""
    done, stopped = completed(rows), [row for row in rows if row.state != "complete"]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="trial", ylabel=plan.metric)
        axes.grid(visible=True)
        if done:
            best = [plan.better(row.value for row in done[: i + 1]) for i in range(len(done))]
            axes.step([row.number for row in done], best, where="post", color=_LINE, label="best so far")
        for drawn, fill, label in ((done, "full", "complete"), (stopped, "none", "stopped early: best it reached")):
            at, reached = [row.number for row in drawn], [row.value for row in drawn]
            axes.plot(at, reached, "o", color=_COLOURS(_VIOLET), fillstyle=fill, label=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False)

    return _svg("history", draw, 3.2)


def importance(shares: Mapping[str, float]) -> str:
    """A bar for each field, the most important on top."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlabel="share of the variance", xlim=(0, 1))
        names = list(shares)[::-1]
        bars = axes.barh(names, [shares[name] for name in names], color=_COLOURS(_VIOLET), height=0.6)
        axes.bar_label(bars, fmt="%.2f", padding=4)

    return _svg("importance", draw, 0.8 + 0.35 * len(shares))


def parallel(plan: Plan, rows: Sequence[Row]) -> str:
    """A line for each completed trial across one axis per field and one for the value; orange lines are good."""
    done = completed(rows)
    low, high = _span(done)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot(xlim=(-0.1, len(plan.space) + 0.1), ylim=(-0.04, 1.04), yticks=[])
        axes.set_xticks(range(len(plan.space) + 1), [*map(_broken, plan.space), plan.metric])
        axes.spines["left"].set_visible(False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(length=0)
        for row in sorted(done, key=lambda row: _good(plan, row, low, high)):
            heights = [place(values, row.parameters[key]) for key, values in plan.space.items()]
            heights.append((row.value - low) / (high - low))
            axes.plot(heights, color=_colour(_good(plan, row, low, high)), linewidth=1.4, alpha=0.85)
        marks = [*map(_marks, plan.space.values()), [(0.0, f"{low:.4g}"), (1.0, f"{high:.4g}")]]
        for at, labels in enumerate(marks):
            axes.axvline(at, color=_LINE, linewidth=1)
            for height, label in labels:
                axes.text(at + 0.02, height, label, fontsize=8, va="center")

    return _svg("parallel", draw, 3.6)


def slices(plan: Plan, rows: Sequence[Row]) -> str:
    """Value against each field alone; violet are early trials, orange late ones."""
    done = completed(rows)
    across = min(3, len(plan.space))
    down = math.ceil(len(plan.space) / across)

    def draw(figure: Figure) -> None:
        for i, (key, values) in enumerate(plan.space.items(), 1):
            axes: Axes = figure.add_subplot(down, across, i, xlabel=key)
            axes.grid(visible=True)
            if i % across == 1 or across == 1:
                axes.set_ylabel(plan.metric)
            if values.choices:
                axes.set_xticks(range(len(values.labels)), [str(label) for label in values.labels])
                axes.set_xlim(-0.5, len(values.labels) - 0.5)
            elif values.log:
                axes.set_xscale("log")
            at = [_along(values, row.parameters[key]) for row in done]
            colours = [_colour(row.number / max(1, done[-1].number)) for row in done]
            axes.scatter(at, [row.value for row in done], c=colours, s=22)

    return _svg("slices", draw, 2.6 * down)


def place(values: Range, value: Any) -> float:
    """Where a value lies in its range: 0 at the low end, 1 at the high end, even in the logarithm if the range is."""
    if values.choices:
        return values.labels.index(value) / max(1, len(values.labels) - 1)
    low, high = values.ends
    if values.log:
        low, high, value = math.log(low), math.log(high), math.log(value)  # type: ignore[arg-type]
    return float((value - low) / (high - low))  # type: ignore[operator]


def _along(values: Range, value: Any) -> float:
    """Where a value stands on the axis of a slice."""
    return float(values.labels.index(value) if values.choices else value)


def _marks(values: Range) -> list[tuple[float, str]]:
    return [(place(values, end), f"{end:.4g}" if isinstance(end, float) else str(end)) for end in values.ends]


def _span(rows: Sequence[Row]) -> tuple[float, float]:
    """Lowest and highest value, apart."""
    found = [row.value for row in rows] or [0.0]
    low, high = min(found), max(found)
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _good(plan: Plan, row: Row, low: float, high: float) -> float:
    """0 for the worst trial, 1 for the best."""
    share = (row.value - low) / (high - low)
    return share if plan.direction == "maximise" else 1 - share


def _colour(share: float) -> tuple[float, float, float, float]:
    """Violet for 0, orange for 1."""
    return _COLOURS(_VIOLET + (_ORANGE - _VIOLET) * share)


def _broken(key: str) -> str:
    """A long field name on two lines."""
    head, dot, last = key.rpartition(".")
    return f"{head}{dot}\n{last}" if dot else key


def _svg(name: str, draw: Callable[[Figure], None], height: float) -> str:
    """What `draw` puts on a figure: the same bytes each time, with identifiers that no plot of another name has."""
    with mpl.rc_context(_STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(_WIDE, height), layout="constrained")
        figure.patch.set_visible(False)
        draw(figure)
        for axes in figure.axes:
            axes.patch.set_visible(False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    drawn = text.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'<g id="[^"]*"', "<g", drawn)  # several drawings on one page would share these
    return drawn.replace(_INK, "currentColor")
