"""The objective of a real search: train the recipe with one trial's changes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from epiluma.training import recipe as recipes
from epiluma.training import run
from epiluma.training.search.attempt import Attempt
from epiluma.training.search.space import Plan, SearchError, nearest
from epiluma.training.search.study import claim, search

RECIPE = "recipe.json"
"""The recipe that all trials start from, resolved."""


def run_search(
    plan: Plan, folder: Path, *, trials: int, jobs: int = 1, ray: str | None = None, say: Callable[[str], None] = print
) -> None:
    """Search by training, here or over the Ray cluster at the address `ray`.

    Raises SearchError, also when `folder` was searched with another recipe.
    """
    claim(folder / RECIPE, recipes.load(Path(plan.recipe), plan.set).resolved())
    objective = partial(train_trial, plan)
    if ray is None:
        search(plan, folder, objective, trials=trials, jobs=jobs, say=say)
    else:
        from epiluma.training.search.spread import spread

        spread(plan, folder, objective, trials=trials, jobs=jobs, address=ray, say=say)


def train_trial(plan: Plan, attempt: Attempt) -> float:
    """Train into the trial's folder, or go on there; returns the metric of the best epoch, NaN when none has any.

    Raises SearchError when the log has no such figure; what training raises fails this trial alone.
    """
    recipe = recipes.load(Path(plan.recipe), (*plan.set, *attempt.overrides))
    log = attempt.folder / run.LOG

    def watch(epoch: int, _figures: dict[str, float]) -> bool:
        return attempt.report(epoch, _figure(_lines(log)[-1], plan.metric))

    run.train(recipe, attempt.folder, watch=watch)
    lines = _lines(log)
    finite = [line for line in lines if math.isfinite(_figure(line, plan.metric))]
    if not finite:
        return math.nan
    value = plan.better(line[plan.metric] for line in finite)
    best = next(line for line in finite if line[plan.metric] == value) | {"seconds": lines[-1]["seconds"]}
    attempt.keep({name: best[name] for name in _figures(best) if name != plan.metric})
    return float(value)


def _lines(log: Path) -> list[dict[str, Any]]:
    """Figures of each epoch; more of them than `watch` is given, such as the loss."""
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def _figures(line: dict[str, Any]) -> list[str]:
    return [name for name, figure in line.items() if isinstance(figure, int | float)]


def _figure(line: dict[str, Any], metric: str) -> float:
    known = _figures(line)
    if metric not in known:
        raise SearchError(
            f"metric: the run's log has no figure `{metric}`{nearest(metric, known)}; it has {', '.join(known)}"
        )
    return float(line[metric])
