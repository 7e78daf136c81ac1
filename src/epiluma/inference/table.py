"""Screenings as an aligned table for the terminal, row by row as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from epiluma.bundle import Manifest
from epiluma.inference.recommend import WEEKS
from epiluma.inference.result import NOT_A_DIAGNOSIS, Level, Screening, ScreeningError
from epiluma.taxonomy import BINARY_NOTE, Taxonomy

FILE_WIDTH = 32
_ACTIONS: dict[Level, tuple[str, str, str]] = {
    "urgent": ("▲", "Doctor", "bold red"),
    "refer": ("▲", "Doctor", "red"),
    "recheck": ("↻", "Again", "yellow"),
    "no_sign": ("●", "No sign found", ""),
    "cannot_judge": ("?", "Take again", "yellow"),
}
"""Sign, words and style of each level."""


def render_table(
    results: Iterable[Screening], taxonomy: Taxonomy, *, file_width: int = FILE_WIDTH, header: bool = True
) -> Table:
    """Rows of fixed widths: tables with one row each, printed one after the other, align too."""
    table = Table(box=None, show_header=header, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("File", width=file_width, overflow="fold")
    table.add_column("What to do", width=17)
    table.add_column("Diagnosis", width=24)
    table.add_column("p", width=4, justify="right")
    table.add_column("Risk", width=4, justify="right")
    table.add_column("Note", min_width=12, overflow="fold")
    for result in results:
        table.add_row(*_cells(result, taxonomy))
    return table


def summary(counts: Counter[str], manifest: Manifest) -> str:
    """What a run came to, in a few lines: counts by level (`error` for unreadable files), and what the words mean."""
    counted = (
        f"{counts.total()} photos: {counts['urgent'] + counts['refer']} to show to a doctor "
        f"({counts['urgent']} of them within {WEEKS['urgent']} weeks), "
        f"{counts['recheck']} to photograph again in {WEEKS['recheck']} weeks, {counts['no_sign']} without a sign, "
        f"{counts['cannot_judge']} to take again, {counts['error']} not read."
    )
    rule = f"A malignancy risk of {manifest.operating_point.threshold:.2f} or more is referred. {BINARY_NOTE}"
    return "\n".join((counted, rule, NOT_A_DIAGNOSIS))


def tally(counts: Counter[str], result: Screening | ScreeningError) -> None:
    """Count one result under its level, or under `error`."""
    counts["error" if isinstance(result, ScreeningError) else result.recommendation.level] += 1


def _cells(result: Screening, taxonomy: Taxonomy) -> tuple[Text, ...]:
    sign, words, style = _ACTIONS[result.recommendation.level]
    weeks = result.recommendation.within_weeks
    action = Text(f"{sign} {words}" + (f", {weeks} weeks" if weeks else ""), style=style)
    file, note = Text(result.file), Text(_note(result))
    if result.diagnosis is None or result.malignancy_risk is None:
        return file, action, Text("–"), Text("–"), Text("–"), note
    return (
        file,
        action,
        Text(taxonomy[result.diagnosis].name),
        Text(f"{result.probabilities[result.diagnosis]:.2f}"),
        Text(f"{result.malignancy_risk:.2f}"),
        note,
    )


def _note(result: Screening) -> str:
    """What the other columns do not say: why a photo cannot be judged, or why a low risk is referred all the same."""
    recommendation, risk = result.recommendation, result.malignancy_risk
    if (
        risk is None
        or result.symptoms
        or (recommendation.level in {"refer", "urgent"} and risk < recommendation.threshold)
    ):
        return recommendation.reason
    return ""
