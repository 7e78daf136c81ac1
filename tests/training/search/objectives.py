"""Objectives whose answer is known, and a base recipe that needs no data. Importable, for other processes."""

from __future__ import annotations

import math
import os
import signal
import time
from pathlib import Path

from epiluma.training.search.attempt import Attempt
from epiluma.training.search.space import Plan, Range

RATE, MIXUP = "phases.0.learning_rate", "optimiser.mixup"
EPOCHS = 4
RECIPE = """
name = "base"
[data]
manifest = "none.parquet"
[model]
architecture = "mobilenetv2"
[[phases]]
name = "all"
train = "all"
epochs = 4
size = 32
learning_rate = 1e-3
"""


def make_plan(**changes: object) -> Plan:
    """Rate and mixup; both ends of `curve`'s best values are inside."""
    space = {RATE: Range(low=1e-4, high=1e-1, log=True), MIXUP: Range(choices=(0.0, 0.2, 0.4))}
    return Plan(**{"recipe": "base.toml", "space": space, "seed": 1, **changes})  # type: ignore[arg-type]


def peak(attempt: Attempt) -> float:
    """1 at a rate of 10^-2.5 without mixup, lower elsewhere."""
    rate, mixup = attempt.parameters[RATE], attempt.parameters[MIXUP]
    return 1 - (math.log10(rate) + 2.5) ** 2 / 4 - mixup / 4


def curve(attempt: Attempt) -> float:
    """Rises to `peak` over some epochs, and stops when told."""
    value = 0.0
    for epoch in range(EPOCHS):
        value = peak(attempt) * (1 - 0.5 ** (epoch + 1))
        if attempt.report(epoch, value):
            break
    attempt.keep({"epoch": epoch, "process": os.getpid()})
    return value


def slow(attempt: Attempt) -> float:
    """`curve` in half a second, so that another process has time to take a trial as well."""
    time.sleep(0.5)
    return curve(attempt)


def killed(attempt: Attempt) -> float:
    """What the operating system does to a process that takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    return peak(attempt)


def resumable(attempt: Attempt) -> float:
    """Writes a line per epoch into the trial's folder and goes on after the last line, as training does.

    The second trial waits in the middle until there is a file `go` beside its folder.
    """
    log, go = attempt.folder / "epochs", attempt.folder.parent / "go"
    done = len(log.read_text().splitlines()) if log.is_file() else 0
    for epoch in range(done, EPOCHS):
        while attempt.number == 1 and epoch == EPOCHS // 2 and not go.exists():
            time.sleep(0.05)
        attempt.report(epoch, peak(attempt) * epoch)
        with log.open("a") as file:
            file.write(f"{epoch} {os.getpid()}\n")
    attempt.keep({"epoch": EPOCHS - 1})
    return peak(attempt)


if __name__ == "__main__":  # the search that is killed: folder
    import sys

    from epiluma.training.search.study import search

    search(make_plan(pruner="none"), Path(sys.argv[1]), resumable, trials=4)
