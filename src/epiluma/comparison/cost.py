"""What a run took to train and what its network takes to use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from epiluma.bundle import Bundle
from epiluma.comparison import quality
from epiluma.comparison.cell import Cell, missing
from epiluma.comparison.run import ENVIRONMENT, LOG, Run
from epiluma.inference import timing
from epiluma.inference.timing import TIMING, TimingError
from epiluma.training.usage import USAGE, Reading

EVALUATION = "evaluation"
"""Phase of the lines of `usage.csv` that an export wrote; all others are training."""
NOT_READABLE = "not readable: the machine has no counter, or keeps it from this account"
_NO_USAGE = missing(f"no {USAGE}")
_NO_LOG = missing(f"no epoch in {LOG}")
_J_PER_WH = 3600


class Graph(NamedTuple):
    """An exported network, and where it was found."""

    data: bytes
    views: int
    source: str


class Price(NamedTuple):
    """What one processor core costs for an hour."""

    per_core_hour: float
    currency: str = ""


def of_training(run: Run, price: Price | None) -> dict[str, Cell]:
    """Time, speed, load, energy and cost of the training."""
    seconds = run.training_seconds
    found = {
        "training_minutes": Cell(value=seconds / 60) if seconds is not None else _NO_LOG,
        "images_per_second": _images_per_second(run),
        **_load(run),
    }
    if price:
        found["training_cost"] = _training_cost(run, price)
    return found


def of_use(run: Run, graph: Graph | None, price: Price | None, *, images: int) -> dict[str, Cell]:
    """Time of an evaluation, and time, size and cost of the exported graph, timed `images` times now (0: not)."""
    found = {"evaluation_minutes": _evaluation(run), **_latency(run, graph, images), **_extent(run, graph)}
    if price:
        median = found["latency_p50_ms"]
        found["cost_per_1000"] = (
            Cell(value=price.per_core_hour * median.value / 3600, note="network alone, on one core")
            if median.value is not None
            else missing(median.note)
        )
    return found


def graph_of(run: Run, given: Sequence[Bundle], installed: Sequence[Bundle] = ()) -> Graph | None:
    """The run's exported network: a bundle that was given, a file in its folder, or an installed bundle."""
    made_by = quality.models(run.folder)
    for bundle in given:
        if bundle.id in made_by:
            return Graph(bundle.graph, bundle.manifest.views, f"bundle {bundle.id[:12]}")
    for path in sorted(run.folder.glob("*.onnx"), key=lambda path: (path.name != "model.onnx", path.name)):
        return Graph(path.read_bytes(), 1, path.name)
    for bundle in installed:
        if bundle.id in made_by:
            return Graph(bundle.graph, bundle.manifest.views, f"installed bundle {bundle.id[:12]}")
    return None


def _images_per_second(run: Run) -> Cell:
    if not run.log:
        return _NO_LOG
    counts = [epoch.images for epoch in run.log if epoch.images is not None]
    if len(counts) < len(run.log):
        return missing(f"{LOG} does not count `images`")
    seconds = run.training_seconds
    return Cell(value=sum(counts) / seconds) if seconds else missing("no time passed")


def _load(run: Run) -> dict[str, Cell]:
    """Means over time, and peaks, of the lines of training."""
    keys = ("cpu_percent", "memory_mb", "gpu_percent", "gpu_memory_mb", "energy_wh", "gpu_energy_wh")
    if run.usage is None:
        return dict.fromkeys(keys, _NO_USAGE)
    lines = [(line, took) for line, took in _with_duration(run.usage) if line.phase != EVALUATION]
    if not lines:
        return dict.fromkeys(keys, missing(f"{USAGE} has no line of training"))
    no_gpu = missing("no GPU was used, or its driver does not say")
    return {
        "cpu_percent": _mean(lines, lambda line: line.cpu_percent, no_gpu),
        "memory_mb": Cell(value=max(line.memory_mb for line, _ in lines)),
        "gpu_percent": _mean(lines, lambda line: line.gpu_percent, no_gpu),
        "gpu_memory_mb": _largest([line.gpu_memory_mb for line, _ in lines], no_gpu),
        "energy_wh": _energy([line.energy_j for line, _ in lines], missing(NOT_READABLE)),
        "gpu_energy_wh": _energy([line.gpu_energy_j for line, _ in lines], no_gpu),
    }


def _with_duration(readings: Sequence[Reading]) -> list[tuple[Reading, float]]:
    """Each line with the seconds since the line before."""
    ends = [reading.seconds for reading in readings]
    return list(zip(readings, np.diff([0.0, *ends]).tolist(), strict=True))


def _mean(lines: Sequence[tuple[Reading, float]], value: Callable[[Reading], float | None], otherwise: Cell) -> Cell:
    known = [(found, took) for line, took in lines if (found := value(line)) is not None]
    total = sum(took for _, took in known)
    return Cell(value=sum(found * took for found, took in known) / total) if total > 0 else otherwise


def _largest(values: Sequence[float | None], otherwise: Cell) -> Cell:
    known = [value for value in values if value is not None]
    return Cell(value=max(known)) if known else otherwise


def _energy(joules: Sequence[float | None], otherwise: Cell) -> Cell:
    """Counted since the run's start, so the largest is the whole."""
    total = _largest(joules, otherwise)
    return total if total.value is None else Cell(value=total.value / _J_PER_WH)


def _training_cost(run: Run, price: Price) -> Cell:
    if run.training_seconds is None:
        return _NO_LOG
    if run.environment.threads is None:
        return missing(f"{ENVIRONMENT} does not say how many threads trained")
    return Cell(value=price.per_core_hour * run.environment.threads * run.training_seconds / 3600)


def _evaluation(run: Run) -> Cell:
    if run.timing and run.timing.evaluation_seconds is not None:
        return Cell(value=run.timing.evaluation_seconds / 60)
    took = [took for line, took in _with_duration(run.usage or ()) if line.phase == EVALUATION]
    if took:
        return Cell(value=sum(took) / 60, note=f"from {USAGE}: the whole export")
    return missing(f"neither in {TIMING} nor in {USAGE}")


def _latency(run: Run, graph: Graph | None, images: int) -> dict[str, Cell]:
    keys = ("latency_p50_ms", "latency_p99_ms")
    if graph and images:
        try:
            found = timing.time_graph(graph.data, size=run.size or 224, views=graph.views, images=images)
        except TimingError as error:
            raise TimingError(f"{run.folder}: {graph.source}: {error}") from error
        origin = f"timed now: {graph.source}"
    elif run.timing and run.timing.latency:
        found, origin = run.timing.latency, f"from {TIMING}"
    else:
        return dict.fromkeys(
            keys, missing(f"no {TIMING}, and {'not timed now' if graph else 'no exported graph here'}")
        )
    views = f", {found.views} views" if found.views > 1 else ""
    note = f"{origin}, {found.size} px{views}, {found.images} images, one thread, {found.runtime}"
    return {keys[0]: Cell(value=found.p50_ms, note=note), keys[1]: Cell(value=found.p99_ms, note=note)}


def _extent(run: Run, graph: Graph | None) -> dict[str, Cell]:
    recorded, none = run.timing, missing(f"no {TIMING}, and no exported graph here")
    size = len(graph.data) if graph else recorded.graph_bytes if recorded else None
    if recorded and recorded.parameters:
        weights = Cell(value=recorded.parameters / 1e6)
    elif graph:
        weights = Cell(value=timing.count_weights(graph.data) / 1e6, note="counted in the graph, batch norm folded in")
    else:
        weights = none
    return {"size_mb": Cell(value=size / 1e6) if size else none, "weights_m": weights}
