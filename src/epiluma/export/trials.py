"""How long the networks of a search take, beside how good they are."""

from __future__ import annotations

from pathlib import Path

from epiluma.export import config
from epiluma.export import network as networks
from epiluma.export.predict import timed
from epiluma.inference import timing
from epiluma.training import data
from epiluma.training import recipe as recipes
from epiluma.training.search import report
from epiluma.training.search.space import Plan
from epiluma.training.search.study import trial_folder


def time_trials(plan: Plan, folder: Path) -> None:
    """Write `timing.json` beside each completed trial that has none, one after the other, on one thread each.

    They are timed after the search, not during it, so that trials which train beside each other do not slow the clock.
    Raises SearchError, RecipeError and DataError.
    """
    for row in report.rows_in(plan, folder):
        run = trial_folder(folder, row.number)
        if row.state != "complete" or not run.is_dir() or (run / timing.TIMING).is_file():
            continue
        recipe = recipes.load(Path(plan.recipe), (*plan.set, *plan.overrides(row.parameters)))
        corpus = data.load(recipe)
        trained = networks.trained(recipe, corpus, run, "best")
        timing.write(timed(trained, config.unshipped(recipe), corpus.shares("train")), run)
