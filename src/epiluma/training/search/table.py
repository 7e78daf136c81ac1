"""The trials of a search as a table: from its database, and as CSV that can be committed and read again."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from epiluma.training.search.attempt import FIGURES, STOPPED
from epiluma.training.search.space import Parameters, Plan, SearchError

CSV = "trials.csv"
_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
_COLUMNS = ("trial", "state", "value", "epochs", "note")
_LOG = "log."
"""Before the names of columns that come from the run's log, so that none is taken for a recipe field."""


class Row(NamedTuple):
    """One trial."""

    number: int
    state: str
    value: float
    """Of a trial that did not complete: the best it reached, NaN when that is nothing."""
    epochs: int
    """Validated."""
    note: str
    parameters: Parameters
    """Empty, or a part, when the trial was not drawn completely."""
    figures: dict[str, float]
    """Further figures of the best epoch's log line, the seconds of the whole run, the milliseconds of its network."""


def rows_of(plan: Plan, trials: Sequence[FrozenTrial]) -> list[Row]:
    """The trials of a study."""
    return [
        Row(
            number=trial.number,
            state=_STATES[trial.state],
            value=_value(plan, trial),
            epochs=len(trial.intermediate_values),
            note=trial.user_attrs.get(STOPPED, ""),
            parameters=dict(trial.params),
            figures=trial.user_attrs.get(FIGURES, {}),
        )
        for trial in trials
    ]


def _value(plan: Plan, trial: FrozenTrial) -> float:
    if trial.state is TrialState.COMPLETE and trial.value is not None:
        return trial.value
    reached = [value for value in trial.intermediate_values.values() if math.isfinite(value)]
    return plan.better(reached) if reached else math.nan


def best_of(plan: Plan, rows: Sequence[Row]) -> Row | None:
    """The completed trial with the best value, the first of several."""
    done = completed(rows)
    if not done:
        return None
    value = plan.better(row.value for row in done)
    return next(row for row in done if row.value == value)


def completed(rows: Sequence[Row]) -> list[Row]:
    """The trials that ran to their end."""
    return [row for row in rows if row.state == "complete"]


def importance(plan: Plan, rows: Sequence[Row]) -> dict[str, float]:
    """Share of the variance of completed trials' values that each field explains; empty when that cannot be said.

    fANOVA on a random forest (Hutter et al. 2014, proceedings.mlr.press/v32/hutter14.html), as Optuna has it.
    """
    done = completed(rows)
    if len(done) < 4 or len({row.value for row in done}) == 1:
        return {}
    study = optuna.create_study(direction="maximize" if plan.direction == "maximise" else "minimize")
    distributions = plan.distributions
    study.add_trials(
        optuna.create_trial(value=row.value, params=row.parameters, distributions=distributions) for row in done
    )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    try:
        return optuna.importance.get_param_importances(study, evaluator=evaluator)
    except RuntimeError:  # no tree splits: the values do not depend on the fields, or nearly all trials share them
        return {}


def to_csv(plan: Plan, rows: Sequence[Row]) -> str:
    """A line per trial; floats in full, so that nothing is lost."""
    figures = sorted({name for row in rows for name in row.figures})
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow((*_COLUMNS, *plan.space, *(_LOG + name for name in figures)))
    for row in rows:
        value = None if math.isnan(row.value) else row.value
        cells = (row.number, row.state, value, row.epochs, row.note)
        parameters = (row.parameters.get(key) for key in plan.space)
        table.writerow((*cells, *parameters, *(row.figures.get(name) for name in figures)))
    return text.getvalue()


def from_csv(plan: Plan, path: Path) -> list[Row]:
    """The rows that `to_csv` wrote. Raises SearchError naming the line."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SearchError(f"{path}: cannot be read ({error})") from error
    found = []
    for number, line in enumerate(lines, 2):
        try:
            found.append(_row(plan, line))
        except (KeyError, ValueError, TypeError) as error:
            raise SearchError(f"{path}, line {number}: is not a trial of this search ({error})") from error
    return found


def _row(plan: Plan, line: dict[str, str]) -> Row:
    parameters: Parameters = {}
    for key, distribution in plan.distributions.items():
        text = line[key]
        if not text:
            continue
        if isinstance(distribution, CategoricalDistribution):
            parameters[key] = {str(choice): choice for choice in distribution.choices}[text]
        else:
            parameters[key] = int(text) if isinstance(distribution, IntDistribution) else float(text)
    if line["state"] not in _STATES.values():
        raise ValueError(f"unknown state {line['state']!r}")
    return Row(
        number=int(line["trial"]),
        state=line["state"],
        value=float(line["value"] or "nan"),
        epochs=int(line["epochs"]),
        note=line["note"],
        parameters=parameters,
        figures={name[len(_LOG) :]: _number(text) for name, text in line.items() if name.startswith(_LOG) and text},
    )


def _number(text: str) -> float:
    """Whole numbers stay whole, so that a page made from the table is the same."""
    return int(text) if text.lstrip("-").isdigit() else float(text)
