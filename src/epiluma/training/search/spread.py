"""A search over a Ray cluster: Ray Tune places the trials; the study, its database and its pruner stay on one machine.

Tune asks here for each trial and hears here of each epoch, so that a search can be begun on one machine, spread over
several and ended on one. The folder must lie where every machine sees it under the same path.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from epiluma.training.search import study
from epiluma.training.search.attempt import Attempt, Objective, StudyAttempt
from epiluma.training.search.space import Plan, SearchError

try:
    import ray
    from ray import tune
    from ray.tune.schedulers import FIFOScheduler, TrialScheduler
    from ray.tune.search import Searcher
except ModuleNotFoundError as error:
    raise SearchError("spreading a search needs Ray; `pip install epiluma[scale]`") from error


def spread(
    plan: Plan,
    folder: Path,
    objective: Objective,
    *,
    trials: int,
    jobs: int,
    address: str | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Do what `study.search` does with up to `jobs` trials at once on the cluster at `address`, None for this machine.

    A trial whose machine is lost is taken up again, in its folder. Raises SearchError as `study.search` does.
    """
    folder = folder.absolute()
    study.claim(folder / study.PLAN, plan.resolved())
    if not ray.is_initialized():
        ray.init(address=address, log_to_driver=False)
    whole = ray.cluster_resources()  # type: ignore[no-untyped-call]
    share = {"cpu": max(1, int(whole.get("CPU", 1) // jobs)), "gpu": whole.get("GPU", 0) / jobs}
    with study.opened(plan, folder) as shared:
        desk = Desk(shared, trials, jobs, say)
        tune.Tuner(
            tune.with_resources(tune.with_parameters(_train, objective=objective), share),
            tune_config=tune.TuneConfig(search_alg=_Asks(desk), scheduler=_Prunes(desk), num_samples=-1),
            run_config=tune.RunConfig(name="search", storage_path=str(folder / "ray"), verbose=0),
        ).fit()
        if desk.error:
            raise SearchError(desk.error)


class Desk:
    """Where trials are handed out and come back: Tune's name of a trial -> ours."""

    def __init__(self, shared: study.Shared, trials: int, jobs: int, say: Callable[[str], None]) -> None:
        self.shared, self.trials, self.jobs, self.say = shared, trials, jobs, say
        self.running: dict[str, StudyAttempt] = {}
        self.failed = 0
        self.error = ""
        """Why the search is to end."""

    def take(self, name: str) -> StudyAttempt | None:
        """The next trial, or None when there is none for now."""
        if self.error or len(self.running) >= self.jobs:
            return None
        attempt = study.take(self.shared, self.trials)
        if attempt:
            self.running[name] = attempt
        return attempt

    def hear(self, name: str, result: Mapping[str, Any]) -> bool:
        """A trial reports an epoch or its end; True when it is to stop."""
        attempt = self.running.get(name)
        if attempt is None:
            return True
        if "epoch" in result:
            if attempt.report(result["epoch"], result["value"]):
                self._end(name, math.nan)
                return True
        elif result.get("error"):
            self.error = result["error"]
            self.lose(name)
        elif "ended" in result:
            attempt.stopped = result["stopped"]
            attempt.keep({key.removeprefix("figures/"): v for key, v in result.items() if key.startswith("figures/")})
            self._end(name, result["value"])
        return False

    def _end(self, name: str, value: float) -> None:
        attempt = self.running.pop(name)
        self.say(study.finish(self.shared, attempt, value))
        self.failed = self.failed + 1 if study.is_failed(attempt) else 0
        try:
            study.stop_when_hopeless(self.failed, attempt)
        except SearchError as error:
            self.error = str(error)

    def lose(self, name: str) -> None:
        """A trial ended without a word, perhaps with its machine: it is taken up again."""
        if attempt := self.running.pop(name, None):
            study.release(self.shared, attempt.number)

    def __reduce__(self) -> tuple[Any, ...]:
        """Tune keeps copies of what it is given, for a resume of its own that is not used here."""
        return (object, ())


class _Asks(Searcher):
    """Tune asks for a trial."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk

    def suggest(self, trial_id: str) -> Any:
        attempt = self.desk.take(trial_id)
        if attempt:
            return {
                "number": attempt.number,
                "folder": str(attempt.folder),
                "parameters": dict(attempt.parameters),
                "overrides": list(attempt.overrides),
            }
        return None if self.desk.running else Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        self.desk.lose(trial_id)

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        pass


class _Prunes(FIFOScheduler):
    """Tune hears of a trial."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.desk = desk

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        stop = self.desk.hear(trial.trial_id, result)
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)


class _RemoteAttempt(Attempt):
    """Reports through Tune, which ends the process when the trial is to stop."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config["number"], Path(config["folder"]), config["parameters"], tuple(config["overrides"]))
        self.figures: dict[str, float] = {}

    def report(self, epoch: int, value: float) -> bool:
        tune.report({"epoch": epoch, "value": value})
        return False

    def keep(self, figures: Mapping[str, float]) -> None:
        self.figures = dict(figures)


def _train(config: dict[str, Any], objective: Objective) -> None:
    """What runs on the cluster: one trial."""
    attempt, value, fault = _RemoteAttempt(config), math.nan, ""
    try:
        value = float(objective(attempt))
    except SearchError as error:
        fault = str(error)
    except Exception as error:
        study.note_failure(attempt, error)
    tune.report({"ended": True, "value": value, "stopped": attempt.stopped, "error": fault, "figures": attempt.figures})
