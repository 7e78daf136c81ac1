"""The report of a search: one HTML file that needs nothing else, and its trials as CSV and Markdown."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from epiluma import __version__
from epiluma.inference import timing
from epiluma.pages import template
from epiluma.training.search import plots, table
from epiluma.training.search.space import Plan, SearchError
from epiluma.training.search.study import DATABASE, PLAN, opened, trial_folder
from epiluma.training.search.table import Row

HTML, MARKDOWN = "report.html", "trials.md"


def rows_in(plan: Plan, folder: Path) -> list[Row]:
    """The trials of a folder: from its database, or from its table when that is all there is. Raises SearchError."""
    if (folder / PLAN).is_file() and (folder / PLAN).read_bytes() != plan.resolved():
        raise SearchError(f"{folder / PLAN}: belongs to another search than this study file")
    if (folder / DATABASE).is_file():
        with opened(plan, folder) as shared:
            rows = table.rows_of(plan, shared.study.get_trials(deepcopy=False))
        return [_with_time(row, trial_folder(folder, row.number)) for row in rows]
    return table.from_csv(plan, folder / table.CSV)


def _with_time(row: Row, run: Path) -> Row:
    """With the milliseconds of its network, where they were measured."""
    record = run / timing.TIMING
    if not record.is_file() or not (latency := timing.read(record).latency):
        return row
    return row._replace(figures=row.figures | {"milliseconds": latency.p50_ms})


def write(plan: Plan, folder: Path) -> list[Row]:
    """Write the report and both tables into the folder that holds the trials. Raises SearchError."""
    rows = rows_in(plan, folder)
    pages = {HTML: to_html(plan, rows), MARKDOWN: to_markdown(plan, rows), table.CSV: table.to_csv(plan, rows)}
    try:
        for name, page in pages.items():
            (folder / name).write_text(page, encoding="utf-8")
    except OSError as error:
        raise SearchError(f"{error.filename}: cannot be written ({error.strerror})") from error
    return rows


def to_html(plan: Plan, rows: Sequence[Row]) -> str:
    """The page."""
    shares, done = table.importance(plan, rows), table.completed(rows)
    drawings = {
        "history": plots.history(plan, rows) if rows else "",
        "importance": plots.importance(shares) if shares else "",
        "parallel": plots.parallel(plan, rows) if done else "",
        "slices": plots.slices(plan, rows) if done else "",
    }
    columns, cells = _sheet(plan, rows)
    return template("epiluma.training.search", "report.html.j2").render(
        plan=plan,
        version=__version__,
        summary=summary(plan, rows),
        plots=drawings,
        completed=len(done),
        columns=columns,
        cells=cells,
        best=table.best_of(plan, rows),
    )


def to_markdown(plan: Plan, rows: Sequence[Row]) -> str:
    """The trials as a table, the best first."""
    columns, cells = _sheet(plan, rows)
    lines = [columns, tuple("---" for _ in columns), *(line for _, line in cells)]
    text = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    return "".join(f"{line}\n\n" for line in summary(plan, rows)) + text + "\n"


def summary(plan: Plan, rows: Sequence[Row]) -> list[str]:
    """What was searched, how many trials there are of each kind, and the best with how to train it again."""
    counts = Counter(row.state for row in rows)
    how = f"sampler {plan.sampler}, pruner {plan.pruner}, seed {plan.seed}"
    lines = [
        f"{plan.recipe}: {plan.direction} {plan.metric} on the validation part over {', '.join(plan.space)}; {how}.",
        f"{len(rows)} trials: {', '.join(f'{n} {state}' for state, n in sorted(counts.items())) or 'none yet'}.",
    ]
    if best := table.best_of(plan, rows):
        changes = (*plan.set, *plan.overrides(best.parameters))
        lines.append(
            f"Best: trial {best.number}, {plan.metric} {best.value:.4f}. It was chosen on the validation part and so "
            f"flatters: score the test part once, with the recipe that is kept."
        )
        lines.append(shlex.join(("epiluma", "train", plan.recipe, *(word for c in changes for word in ("--set", c)))))
    return lines


def _sheet(plan: Plan, rows: Sequence[Row]) -> tuple[tuple[str, ...], list[tuple[str, tuple[str, ...]]]]:
    """Columns, and (state, cells) of each row: completed trials first, then by value, the best first."""
    figures = sorted({name for row in rows for name in row.figures})
    columns = ("trial", *plan.space, plan.metric, "epochs", "state", *figures, "note")
    sign = -1 if plan.direction == "maximise" else 1

    def rank(row: Row) -> tuple[bool, bool, float]:
        return row.state != "complete", math.isnan(row.value), sign * row.value

    cells = []
    for row in sorted(rows, key=rank):
        parameters = (_short(row.parameters.get(key)) for key in plan.space)
        extra = (_short(row.figures.get(name)) for name in figures)
        rest = (_short(row.value), str(row.epochs), row.state, *extra, row.note)
        cells.append((row.state, (str(row.number), *parameters, *rest)))
    return columns, cells


def _short(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
