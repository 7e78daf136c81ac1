"""One training run: from a recipe to a folder with the resolved recipe, a log, checkpoints and tracking."""

from __future__ import annotations

import contextlib
import json
import logging
import platform
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning
import msgspec
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from epiluma import __version__
from epiluma.training import batches as drawing
from epiluma.training import data, tracking
from epiluma.training.learner import Learner, Truth
from epiluma.training.progress import Progress
from epiluma.training.recipe import Recipe, RecipeError, parse
from epiluma.training.usage import USAGE, Usage
from epiluma.training.validation import SCORE, Validation, Watch

CHECKPOINT = "last.ckpt"
"""Where a stopped run goes on."""
BEST = "best.ckpt"
"""The epoch that validated best: what is exported."""
RECIPE = "recipe.json"
ENVIRONMENT = "environment.json"
LOG = "log.jsonl"
FINISHED = "finished.json"
"""There when a run came to its end, early or not."""


def train(
    recipe: Recipe,
    folder: Path,
    *,
    watch: Watch | None = None,
    accelerator: str = "auto",
    devices: int = 1,
    track: Sequence[str] = (),
    plugins: Sequence[Any] = (),
    strategy: Any = None,
) -> Path:
    """Train, or go on where an earlier run of the same recipe in `folder` was stopped; returns the checkpoint.

    `watch` is told each epoch's figures and ends the run by returning true. `devices` processes share every batch.
    `track` names trackers (epiluma.training.tracking). `plugins` and `strategy` are Lightning's, for a cluster.

    Raises RecipeError when the folder holds a run of another recipe, DataError when the data cannot be read.
    """
    claim(folder, recipe)
    if (folder / FINISHED).is_file():
        return folder / CHECKPOINT
    torch.set_float32_matmul_precision("high")
    lightning.seed_everything(recipe.seed, verbose=False)
    progress = Progress(recipe)
    corpus = data.load(recipe, progress.decoding)
    if corpus.without_leaf:
        progress.say(f"{corpus.without_leaf:,} images without a diagnosis of the taxonomy are not trained on")
    batches = drawing.TrainingBatches(corpus, recipe)
    truth = Truth(corpus.taxonomy, drawing.drawn_prior(corpus, recipe.optimiser.balance), corpus.counts("train"))
    learner = Learner(recipe, truth, steps_per_epoch=-(-len(batches) // recipe.optimiser.accumulate))
    validation = Validation(corpus, recipe, folder / LOG, watch)
    best = ModelCheckpoint(
        dirpath=folder, filename=Path(BEST).stem, monitor=SCORE, mode="max", enable_version_counter=False
    )
    last = ModelCheckpoint(dirpath=folder, filename=Path(CHECKPOINT).stem, enable_version_counter=False)
    usage = Usage(folder / USAGE)
    seen = [progress, PhaseInUse(usage, recipe), validation, *tracking.callbacks(track, validation, recipe)]
    callbacks = [EpochOrder(batches), *seen, best, last]
    with quiet():
        trainer = _trainer(
            recipe,
            callbacks,  # `last` comes last: it remembers what `best` has seen
            logger=tracking.loggers(track, folder, recipe),
            accelerator=accelerator,
            devices=devices,
            plugins=list(plugins),
            strategy=strategy or ("ddp_find_unused_parameters_true" if devices > 1 else "auto"),
        )
        if recipe.optimiser.batch_size % trainer.world_size:
            raise RecipeError(
                f"optimiser.batch_size: {recipe.optimiser.batch_size} images cannot be shared by "
                f"{trainer.world_size} processes"
            )
        with usage if trainer.is_global_zero else contextlib.nullcontext():
            fit(trainer, learner, batches, folder / CHECKPOINT)
    if trainer.is_global_zero:
        end = {"epochs": trainer.current_epoch, "reason": validation.stopped or "last epoch"}
        (folder / FINISHED).write_text(json.dumps(end, indent=2) + "\n", encoding="utf-8")
    return folder / CHECKPOINT


def _trainer(recipe: Recipe, callbacks: list[Callback], **settings: Any) -> lightning.Trainer:
    return lightning.Trainer(
        max_epochs=recipe.epochs,
        precision="bf16-mixed" if recipe.optimiser.precision == "bf16" else "32-true",
        gradient_clip_val=recipe.optimiser.gradient_clip or None,
        accumulate_grad_batches=recipe.optimiser.accumulate,
        callbacks=callbacks,
        use_distributed_sampler=False,
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )


def fit(trainer: lightning.Trainer, learner: Learner, batches: drawing.TrainingBatches, checkpoint: Path) -> None:
    """Train to the last epoch, from the checkpoint when there is one."""
    loader = torch.utils.data.DataLoader(batches, batch_size=None)
    trainer.fit(learner, loader, ckpt_path=checkpoint if checkpoint.is_file() else None, weights_only=True)


class EpochOrder(Callback):
    """Tells the batches which epoch and which process they are for, also after a resume."""

    def __init__(self, batches: drawing.TrainingBatches) -> None:
        self.batches = batches

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Before the first batch is drawn."""
        self.batches.epoch = trainer.current_epoch
        self.batches.rank, self.batches.processes = trainer.global_rank, trainer.world_size


class PhaseInUse(Callback):
    """Tells the readings of the machine which phase of the recipe they belong to."""

    def __init__(self, usage: Usage, recipe: Recipe) -> None:
        self.usage, self.recipe = usage, recipe

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Before the first batch."""
        self.usage.phase = self.recipe.phase_at(trainer.current_epoch)[0].name


def claim(folder: Path, recipe: Recipe) -> None:
    """Write the resolved recipe and the environment, or check that the folder holds this very recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RECIPE
    if path.is_file():
        if recipe_of(folder) != recipe:
            raise RecipeError(f"{folder}: holds a run of another recipe; give another --out, or delete it")
        return
    path.write_bytes(recipe.resolved())
    environment = {
        "epiluma": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }
    (folder / ENVIRONMENT).write_text(json.dumps(environment, indent=2) + "\n", encoding="utf-8")


def recipe_of(folder: Path) -> Recipe:
    """The recipe of a run. Raises RecipeError when the folder holds none that can be read."""
    path = folder / RECIPE
    try:
        return parse(msgspec.json.decode(path.read_bytes()), path)
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}; `epiluma train` makes it") from error
    except msgspec.DecodeError as error:
        raise RecipeError(f"{path}: {error}") from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence Lightning's tips; warnings that we do not know still come through."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Checkpoint directory .* exists")  # a resumed run's folder
        warnings.filterwarnings("ignore", ".*does not have many workers")  # a batch is cut from memory in no time
        warnings.filterwarnings("ignore", ".*IterableDataset. has .__len__. defined")  # ours counts exactly
        warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated")  # inside Lightning
        yield
