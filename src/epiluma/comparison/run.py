"""A run folder as it was left, or as it was committed: everything is read, nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from epiluma.errors import EpilumaError
from epiluma.inference import timing as timings
from epiluma.inference.timing import TIMING, Timing
from epiluma.training import usage
from epiluma.training.usage import USAGE, Reading

RECIPE, ENVIRONMENT, LOG = "recipe.json", "environment.json", "log.jsonl"
FINISHED = "finished.json"
PREDICTIONS, MASKS = "predictions.csv", "masks.csv"


Record = TypeVar("Record", bound=msgspec.Struct)


class RunError(EpilumaError):
    """A folder that holds no run, or a record in it that cannot be read."""


class Network(msgspec.Struct, frozen=True):
    """What a recipe says of its network."""

    architecture: str = ""
    encoder: str = ""
    weights: str = ""
    """What it starts from; empty for random weights."""


class Phase(msgspec.Struct, frozen=True):
    """What a recipe says of a stretch of training."""

    epochs: int = 0
    size: int | None = None


class Plan(msgspec.Struct, frozen=True):
    """What recipes of every version say; `epiluma.training.recipe` reads those of this version whole."""

    name: str = ""
    seed: int | None = None
    model: Network = Network()
    phases: tuple[Phase, ...] = ()


class Environment(msgspec.Struct, frozen=True):
    """Where a run was trained; empty where it was not recorded."""

    machine: str = ""
    device: str = ""
    threads: int | None = None
    torch: str = ""


class Epoch(msgspec.Struct, frozen=True):
    """A line of the log."""

    seconds: Annotated[float, msgspec.Meta(ge=0)]
    """Since training began, or went on."""
    images: int | None = None
    """Trained on in this epoch."""
    score: float | None = None
    """On the validation part: what chooses the epoch that is exported."""


@dataclass(frozen=True)
class Run:
    """What a folder holds."""

    folder: Path
    recipe: Plan
    environment: Environment
    log: list[Epoch]
    """Empty before the first epoch has ended."""
    ended: bool
    """Whether training said that it was done, early or not; older runs say nothing."""
    usage: list[Reading] | None
    """None when there is no table."""
    timing: Timing | None

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.recipe.name or self.folder.absolute().name

    @property
    def epochs(self) -> int:
        """As many as the recipe asks for."""
        return sum(phase.epochs for phase in self.recipe.phases)

    @property
    def size(self) -> int | None:
        """Side of the network's input at the end of training, pixels."""
        return self.recipe.phases[-1].size if self.recipe.phases else None

    @property
    def training_seconds(self) -> float | None:
        """From the first batch to the last validation; a resumed run's clock begins anew, so its parts are added."""
        return sum(self.epoch_seconds) if self.log else None

    @property
    def epoch_seconds(self) -> list[float]:
        """Of each epoch with its validation."""
        ends = [epoch.seconds for epoch in self.log]
        return [end - before if end > before else end for before, end in zip([0.0, *ends[:-1]], ends, strict=True)]


def read(folder: Path) -> Run:
    """Read a run folder. Raises RunError, UsageError or TimingError, naming the file."""
    if not folder.is_dir():
        raise RunError(f"{folder}: is no run folder; name folders that hold a {RECIPE}")
    if not (folder / RECIPE).is_file():
        raise RunError(f"{folder}: holds no {RECIPE}; `epiluma train` writes one at the start of a run")
    return Run(
        folder=folder,
        recipe=_record(folder / RECIPE, Plan),
        environment=_record(folder / ENVIRONMENT, Environment) if (folder / ENVIRONMENT).is_file() else Environment(),
        log=_epochs(folder / LOG) if (folder / LOG).is_file() else [],
        ended=(folder / FINISHED).is_file(),
        usage=usage.read(folder / USAGE) if (folder / USAGE).is_file() else None,
        timing=timings.read(folder / TIMING) if (folder / TIMING).is_file() else None,
    )


def labels(runs: Sequence[Run]) -> list[str]:
    """What each run is called: its recipe, and as much of its folder as tells it from others of that recipe."""
    found = []
    for run in runs:
        others = [other.folder.absolute() for other in runs if other is not run and other.name == run.name]
        tail = _tail(run.folder.absolute(), others) if others else run.name
        found.append(tail if tail.startswith(run.name) else f"{run.name} ({tail})")
    return found


def _tail(folder: Path, others: Sequence[Path]) -> str:
    """The last parts of a path, as many as no other path ends in."""
    for count in range(1, len(folder.parts)):
        tail = folder.parts[-count:]
        if not any(other.parts[-count:] == tail for other in others):
            return "/".join(tail)
    return str(folder)


def _record(path: Path, kind: type[Record]) -> Record:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise RunError(f"{path}: cannot be read ({error})") from error


def _epochs(path: Path) -> list[Epoch]:
    """The log. Raises RunError with the line's number."""
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            found.append(msgspec.json.decode(line, type=Epoch))
        except (UnicodeDecodeError, msgspec.DecodeError) as error:
            raise RunError(f"{path}: line {number}: cannot be read ({error})") from error
    return found
