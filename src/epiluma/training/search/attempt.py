"""One trial as its objective sees it."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import optuna

STOPPED, FIGURES = "stopped", "figures"
"""User attributes of a trial: why it ended early, and the other figures of its best epoch."""


class Attempt(abc.ABC):
    """One trial: its folder, what it changes, and where it reports to."""

    def __init__(self, number: int, folder: Path, parameters: Mapping[str, Any], overrides: tuple[str, ...]) -> None:
        self.number, self.folder, self.parameters, self.overrides = number, folder, parameters, overrides
        """`parameters`: recipe field -> value as Optuna keeps it; `overrides`: the same as `key=value`."""
        self.stopped = ""
        """Why the trial is to end early; empty while it goes on."""

    @abc.abstractmethod
    def report(self, epoch: int, value: float) -> bool:
        """Tell the value of a validated epoch; True when the trial is to stop: it has diverged, or is not promising."""

    @abc.abstractmethod
    def keep(self, figures: Mapping[str, float]) -> None:
        """Keep further figures for the table of trials."""


class StudyAttempt(Attempt):
    """Reports to the study itself."""

    def __init__(self, trial: optuna.Trial, folder: Path, overrides: tuple[str, ...], known: Mapping[int, float]):
        super().__init__(trial.number, folder, trial.params, overrides)
        self.trial = trial
        self._known = set(known)

    def report(self, epoch: int, value: float) -> bool:
        """An epoch that was reported before an interruption is not reported again."""
        if epoch not in self._known:
            self.trial.report(value, epoch)
            self._known.add(epoch)
        if not math.isfinite(value):
            self.stopped = f"diverged: {value} at epoch {epoch}"
        elif self.trial.should_prune():
            self.stopped = f"pruned after epoch {epoch}"
        return bool(self.stopped)

    def keep(self, figures: Mapping[str, float]) -> None:
        """In the database, beside the trial."""
        self.trial.set_user_attr(FIGURES, dict(figures))


Objective = Callable[[Attempt], float]
"""Runs one trial and gives its value. It asks `report` after each epoch whether to stop."""
