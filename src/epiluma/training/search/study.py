"""The search itself: trials in an SQLite file that several processes share, and that outlives all of them.

Each trial holds a lock while it runs. A trial that is marked as running and whose lock is free was killed: whoever
takes the next trial takes that one, with the same values and in the same folder, so that its run goes on.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, process
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import optuna
from optuna.trial import TrialState

from epiluma.training.search.attempt import STOPPED, Attempt, Objective, StudyAttempt
from epiluma.training.search.locks import hold
from epiluma.training.search.space import Plan, SearchError

DATABASE, PLAN, ERROR = "search.sqlite", "study.json", "error.txt"
_LOCK, _NAME = "lock", "search"
_INTERRUPTED = "interrupted"
_FAILED = "failed"
_LIVES = 3
"""How often a trial may be cut off before it counts as failed: it may be what kills its process."""
_IN_A_ROW = 3
"""Failed trials after which a search gives up: the fault is not in the values."""
_SQLITE_WAIT = 60.0
"""Seconds to wait for another process's write."""


class Shared(NamedTuple):
    """A search as one process sees it."""

    plan: Plan
    folder: Path
    study: optuna.Study
    storage: optuna.storages.RDBStorage
    running: dict[int, IO[str]]
    """Locks of the trials that this process runs. To lock them once more would end them: a lock is the process's."""

    def of(self, number: int) -> Path:
        """Run folder of a trial."""
        return trial_folder(self.folder, number)


def trial_folder(folder: Path, number: int) -> Path:
    """Run folder of a trial of the search in `folder`."""
    return folder / f"trial-{number:04}"


def search(
    plan: Plan,
    folder: Path,
    objective: Objective,
    *,
    trials: int,
    jobs: int = 1,
    say: Callable[[str], None] = print,
) -> None:
    """Run trials until `trials` are completed or pruned, counting those that `folder` holds already.

    With several jobs, `objective` and `say` must be picklable. Raises SearchError when the folder holds another
    search, when several trials in a row fail, or when a worker process is killed.
    """
    claim(folder / PLAN, plan.resolved())
    if jobs == 1:
        work(plan, folder, objective, trials, say)
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    spawn = multiprocessing.get_context("spawn")  # a forked process must not use what torch has started
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_start_worker, initargs=(threads,)) as pool:
        started = [pool.submit(work, plan, folder, objective, trials, say) for _ in range(jobs)]
        try:
            for future in started:
                future.result()
        except process.BrokenProcessPool as error:
            raise SearchError(
                f"{folder}: a worker process was killed, perhaps for want of memory: give fewer --jobs. "
                f"The same command goes on where the search stopped"
            ) from error


def work(plan: Plan, folder: Path, objective: Objective, trials: int, say: Callable[[str], None]) -> None:
    """Take one trial after the other until there is none left; any number of processes may do so at once."""
    with opened(plan, folder) as shared:
        failed = 0
        while attempt := take(shared, trials):
            value = math.nan
            try:
                value = float(objective(attempt))
            except SearchError:
                raise
            except Exception as error:
                note_failure(attempt, error)
            say(finish(shared, attempt, value))
            failed = failed + 1 if is_failed(attempt) else 0
            stop_when_hopeless(failed, attempt)


@contextlib.contextmanager
def opened(plan: Plan, folder: Path) -> Iterator[Shared]:
    """The study in a folder, made when there is none."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    lock = hold(folder / _LOCK, wait=True)
    assert lock is not None
    with lock:
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{(folder / DATABASE).absolute()}", {"connect_args": {"timeout": _SQLITE_WAIT}}
        )
        study = optuna.create_study(
            study_name=_NAME,
            storage=storage,
            pruner=_pruner(plan),
            direction="maximize" if plan.direction == "maximise" else "minimize",
            load_if_exists=True,
        )
    shared = Shared(plan, folder, study, storage, {})
    try:
        yield shared
    finally:
        for number in list(shared.running):
            release(shared, number)
        storage.remove_session()
        storage.engine.dispose()


def take(shared: Shared, trials: int) -> StudyAttempt | None:
    """The next trial, locked: one that was cut off, or a new one; None when enough are done or running.

    One process at a time takes a trial, so that they are counted exactly and none looks dead before it is locked.
    """
    plan, study = shared.plan, shared.study
    lock = hold(shared.folder / _LOCK, wait=True)
    assert lock is not None
    with lock:
        _revive(shared)
        there = study.get_trials(deepcopy=False)
        counted = [t for t in there if t.state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)]
        if len(counted) >= trials:
            return None
        if plan.sampler == "grid" and not any(t.state is TrialState.WAITING for t in there):
            tried = [t.params for t in there]
            point = next((point for point in plan.grid if point not in tried), None)
            if point is None:
                return None
            study.enqueue_trial(point)
        study.sampler = _sampler(plan, len(there))
        trial = study.ask(plan.distributions)
        running = hold(shared.of(trial.number) / _LOCK, wait=False)
        assert running is not None
        shared.running[trial.number] = running
    known = study.get_trials(deepcopy=False)[trial.number].intermediate_values
    return StudyAttempt(trial, shared.of(trial.number), plan.overrides(trial.params), known)


def _revive(shared: Shared) -> None:
    """Put back into the queue what is marked as running and is not; after some times, count it as failed."""
    study, storage = shared.study, shared.storage
    whole = storage.get_study_id_from_name(_NAME)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        lock = None if trial.number in shared.running else hold(shared.of(trial.number) / _LOCK, wait=False)
        if lock is None:
            continue
        with lock:
            key = storage.get_trial_id_from_study_id_trial_number(whole, trial.number)
            if storage.get_trial(key).state is not TrialState.RUNNING:
                continue  # it ended between the look and the lock
            times = trial.user_attrs.get(_INTERRUPTED, 0) + 1
            storage.set_trial_user_attr(key, _INTERRUPTED, times)
            if times <= _LIVES:
                storage.set_trial_state_values(key, TrialState.WAITING)
            else:
                storage.set_trial_user_attr(key, STOPPED, f"{_FAILED}: cut off {times} times")
                study.tell(trial.number, state=TrialState.FAIL)


def note_failure(attempt: Attempt, error: Exception) -> None:
    """Write down why a trial failed."""
    (attempt.folder / ERROR).write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    attempt.stopped = f"{_FAILED}: {type(error).__name__}: {str(error).partition(chr(10))[0]}"


def is_failed(attempt: Attempt) -> bool:
    """Whether a trial ended with an error."""
    return attempt.stopped.startswith(_FAILED)


def stop_when_hopeless(failed: int, last: Attempt) -> None:
    """Raise SearchError after several failed trials in a row."""
    if failed >= _IN_A_ROW:
        raise SearchError(f"{failed} trials in a row failed; the last: {last.folder / ERROR}")


def finish(shared: Shared, attempt: StudyAttempt, value: float) -> str:
    """Tell the study how a trial ended and let go of it; returns a line that says so."""
    if not attempt.stopped and not math.isfinite(value):
        attempt.stopped = f"diverged: {value}"
    if attempt.stopped:
        attempt.trial.set_user_attr(STOPPED, attempt.stopped)
        shared.study.tell(attempt.trial, state=TrialState.FAIL if is_failed(attempt) else TrialState.PRUNED)
    else:
        shared.study.tell(attempt.trial, value)
    release(shared, attempt.number)
    outcome = attempt.stopped or f"{shared.plan.metric} {value:.5g}"
    return f"trial {attempt.number}: {outcome}  {'  '.join(attempt.overrides)}"


def release(shared: Shared, number: int) -> None:
    """Let go of a trial. One that has not been finished is taken up again."""
    shared.running.pop(number).close()


def _sampler(plan: Plan, number: int) -> optuna.samplers.BaseSampler:
    """The sampler of the trial with this number: a resumed search must not draw the same values again."""
    seed = int(np.random.SeedSequence([plan.seed, number]).generate_state(1)[0])
    if plan.sampler == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)  # a grid's values are fixed before it is asked


def _pruner(plan: Plan) -> optuna.pruners.BasePruner:
    if plan.pruner == "median":
        return optuna.pruners.MedianPruner(n_warmup_steps=1)  # the first epoch is mostly warm-up
    if plan.pruner == "halving":
        return optuna.pruners.SuccessiveHalvingPruner()
    return optuna.pruners.NopPruner()


def claim(path: Path, content: bytes) -> None:
    """Write a file that identifies a search, or check that it says the same. Raises SearchError."""
    if path.is_file() and path.read_bytes() != content:
        raise SearchError(f"{path}: belongs to another search; give another --out, or delete the folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _start_worker(threads: int) -> None:
    """Share the processors, end with the parent, and leave an interrupt from the keyboard to it."""
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
