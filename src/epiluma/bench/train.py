"""How fast our trainer steps, beside a plain PyTorch loop that does the same work on the same network.

Ours: batches cut from the decoded uint8 memory map and augmented whole by `epiluma.augmentation`, bfloat16, channels
last, in the trainer that `epiluma train` uses. The peer: float32, and a DataLoader whose two workers decode each JPEG
with Pillow and augment it with torchvision.transforms.v2, on Pillow images and the crop first, which is its fastest
order. Both train all layers of MobileNetV2 at 224 px from random weights, with the same optimiser, gradient clip and
batch; neither keeps a running average of the weights.

Blocks of steps take turns, so that whatever else happens on the machine hits both. The peer's workers start with each
block and end with it, so that they never work while ours is timed; the steps they take to get going are not counted.
The rate is that of the median step. `augmentation` is the same kinds and ranges of change; the peer has no colour cast.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import lightning
import msgspec
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from epiluma.bench.data import _jpegs, _sample, _spread_out
from epiluma.bench.drawn import write_drawn
from epiluma.bench.plain_loop import ARCHITECTURE, Photos, Plain, Step, wait
from epiluma.datasets import cache, split
from epiluma.taxonomy import ISIC_2019
from epiluma.training.batches import TrainingBatches, drawn_prior
from epiluma.training.data import Corpus
from epiluma.training.learner import Learner, Truth
from epiluma.training.recipe import Recipe, parse
from epiluma.training.run import EpochOrder, fit, quiet

AUGMENTATION = "dermoscopy"
SIZE, CACHED, BATCH = 224, 256, 32
"""Pixels a side of the network's input and of the decoded squares; images a step."""
BLOCKS, STEPS, WARM_UP = 4, 8, 5
"""Turns of each, timed steps in a turn, and steps before them: the peer's workers fill four batches ahead."""
PROFILED = 3
DRAWN = 64
"""Lesions that are drawn when no folder is given."""
AIMS = {"ratio": 1.5, "loading": 0.05}
"""At least, at most."""


class Operation(NamedTuple):
    """A kind of computation, and its own share of the computing time of our step."""

    name: str
    share: float


class TrainBench(msgspec.Struct, frozen=True, kw_only=True):
    """What `epiluma bench train` measured."""

    photos: int
    source: str
    """`files`, or `drawn` when no folder was given."""
    ours: float
    """Images a second."""
    plain: float
    ratio: float
    ours_loading: float
    """Share of a step that waits for its batch, augmentation included."""
    plain_loading: float
    operations: tuple[Operation, ...]
    """Of our step, the largest first."""
    steps: int
    """Timed steps of each."""
    batch: int
    size: int
    device: str
    threads: int
    cores: int
    torch_version: str


def run(originals: Path | None, *, as_json: bool = False) -> None:
    """Measure and print. `originals` is a folder of JPEG files. Raises BenchError or DataError."""
    with tempfile.TemporaryDirectory() as scratch:
        measured = measure(originals, scratch=Path(scratch))
    if as_json:
        sys.stdout.write(msgspec.json.encode(measured).decode() + "\n")
    else:
        lines = (render(measured), limits(measured), conditions(measured))
        Console(highlight=False).print(*lines, sep="\n", soft_wrap=True)


def measure(originals: Path | None, *, scratch: Path) -> TrainBench:
    """Train both in turn; `scratch` holds the decoded cache and what has to be drawn. Raises BenchError."""
    paths = _photos(originals, scratch)
    recipe = _recipe()
    corpus = _corpus(paths, scratch / "cache")
    batches = TrainingBatches(corpus, recipe)
    truth = Truth(ISIC_2019, drawn_prior(corpus, 0.0), corpus.counts("train"))
    learner = Learner(recipe, truth, steps_per_epoch=len(batches))
    turns = Turns(paths, corpus.labels.tolist(), learning_rate=recipe.phases[0].learning_rate)
    with quiet():
        trainer = lightning.Trainer(
            max_epochs=1,
            precision="bf16-mixed",
            gradient_clip_val=recipe.optimiser.gradient_clip,
            callbacks=[EpochOrder(batches), turns],
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        fit(trainer, learner, batches, scratch / "none.ckpt")
    ours, plain = (BATCH / median(step.whole for step in steps) for steps in (turns.ours, turns.plain))
    return TrainBench(
        photos=len(paths),
        source="files" if originals else "drawn",
        ours=round(ours, 2),
        plain=round(plain, 2),
        ratio=round(ours / plain, 2),
        ours_loading=_loading(turns.ours),
        plain_loading=_loading(turns.plain),
        operations=tuple(turns.operations),
        steps=len(turns.ours),
        batch=BATCH,
        size=SIZE,
        device=turns.device_name,
        threads=torch.get_num_threads(),
        cores=os.cpu_count() or 1,
        torch_version=str(torch.__version__),
    )


def render(measured: TrainBench) -> Table:
    """The figures as an aligned table."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for name in ("", "images/s", "share of a step spent loading"):
        table.add_column(name, justify="right" if name else "left")
    table.add_row("our trainer", f"{measured.ours:.1f}", f"{measured.ours_loading:.1%}")
    table.add_row("plain PyTorch loop", f"{measured.plain:.1f}", f"{measured.plain_loading:.1%}")
    table.add_row("ratio", f"{measured.ratio:.2f}x", "")
    table.add_row("sought", f"{AIMS['ratio']}x", f"at most {AIMS['loading']:.0%}")
    return table


def limits(measured: TrainBench) -> str:
    """What our step spends its computing time on, in one line."""
    first, *others = (f"{operation.name} {operation.share:.0%}" for operation in measured.operations)
    return f"Limiting operation of our step: {first} of its computing time; then {', '.join(others)}"


def conditions(measured: TrainBench) -> str:
    """What the figures hold for, in one line."""
    return (
        f"MobileNetV2, {measured.size} px, batch {measured.batch}, {measured.steps} steps of each in {BLOCKS} turns, "
        f"{measured.photos} photos ({measured.source}), {measured.device}, {measured.threads} threads on "
        f"{measured.cores} cores, torch {measured.torch_version}"
    )


class Turns(Callback):
    """Times the trainer's steps block by block, and lets the peer have its block after each."""

    def __init__(self, paths: Sequence[Path], labels: Sequence[int], *, learning_rate: float) -> None:
        self.photos = Photos(paths, labels, size=SIZE, count=(WARM_UP + STEPS) * BATCH)
        self.learning_rate = learning_rate
        self.ours: list[Step] = []
        self.plain: list[Step] = []
        self.operations: list[Operation] = []
        self.device_name = ""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Build the peer, beside the network that is trained."""
        device = pl_module.device
        self.device_name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
        self.peer = Plain(self.photos, device, batch=BATCH, learning_rate=self.learning_rate)
        self.ended = perf_counter()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """The batch is there."""
        self.ready = perf_counter()
        if batch_idx == _in_turns():
            self.profiler = profile(activities=_activities(pl_module.device))
            self.profiler.start()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """The step is over; at the end of a block it is the peer's turn."""
        wait(pl_module.device)
        done = batch_idx + 1
        turn, step = divmod(batch_idx, WARM_UP + STEPS)
        if turn < BLOCKS:
            if step >= WARM_UP:
                self.ours.append(Step(perf_counter() - self.ended, self.ready - self.ended))
            if step + 1 == WARM_UP + STEPS:
                self.plain += self.peer.block(WARM_UP, STEPS)
        elif done == _in_turns() + PROFILED:
            self.profiler.stop()
            self.operations = _largest(self.profiler, pl_module.device)
        self.ended = perf_counter()


def _in_turns() -> int:
    """Steps of ours before those that are profiled."""
    return BLOCKS * (WARM_UP + STEPS)


def _recipe() -> Recipe:
    phase = {
        "name": "all", "train": "all", "epochs": 1, "size": SIZE, "learning_rate": 1e-3, "augmentation": AUGMENTATION,
    }  # fmt: skip
    tree = {
        "name": "bench",
        "data": {"manifest": "none", "cache_size": CACHED},
        "model": {"architecture": ARCHITECTURE},
        "phases": [phase],
        "optimiser": {"batch_size": BATCH, "precision": "bf16"},
    }
    return parse(tree, Path("bench"))


def _corpus(paths: Sequence[Path], folder: Path) -> Corpus:
    """The photos, decoded once, in as many draws as there are steps; labels in turn, as no figure hangs on them."""
    samples = [_sample(path) for path in paths]
    squares = cache.decoded(samples, size=CACHED, folder=folder)
    labels = np.arange(len(paths)) % len(ISIC_2019.leaves)
    draws = np.arange((_in_turns() + PROFILED) * BATCH) % len(paths)
    empty = np.arange(0)
    return Corpus(samples, squares, labels, split.Split({}, ""), {"train": draws, "validation": empty})


def _photos(originals: Path | None, scratch: Path) -> list[Path]:
    if originals is None:
        (scratch / "drawn").mkdir()
        return sorted(write_drawn(scratch / "drawn", count=DRAWN).iterdir())
    return _spread_out(_jpegs(originals))


def _loading(steps: Sequence[Step]) -> float:
    return round(sum(step.loading for step in steps) / sum(step.whole for step in steps), 4)


def _activities(device: torch.device) -> list[ProfilerActivity]:
    return [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]


def _largest(profiler: profile, device: torch.device, count: int = 5) -> list[Operation]:
    """The operations with the most time of their own, on the device that computes."""
    own = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    times = {event.key: float(getattr(event, own)) for event in profiler.key_averages()}
    total = sum(times.values())
    ranked = sorted(times.items(), key=lambda item: -item[1])[:count]
    return [Operation(name, round(time / total, 4)) for name, time in ranked]
