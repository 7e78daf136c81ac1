"""One training run: from a recipe to a folder with the resolved recipe, a log, checkpoints and Predictions."""

from __future__ import annotations

import contextlib
import json
import logging
import platform
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import lightning
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from epiluma import __version__
from epiluma.evaluation import metrics
from epiluma.imaging.preprocess import normalise, resize_squares
from epiluma.inference.decide import malignancy_risk
from epiluma.inference.session import over_views
from epiluma.models import registry
from epiluma.taxonomy import ISIC_2019
from epiluma.training import data
from epiluma.training.classify import Classifier
from epiluma.training.progress import Progress
from epiluma.training.recipe import Recipe, RecipeError

CHECKPOINT = "last.ckpt"
"""Where a stopped run goes on."""
BEST = "best.ckpt"
"""The epoch that validated best: what is exported."""
SCORE = "score"
_BATCH = 64
"""Images scored at a time."""
RECIPE = "recipe.json"
LOG = "log.jsonl"


def train(recipe: Recipe, folder: Path) -> Path:
    """Train, or go on where an earlier run of the same recipe in `folder` was stopped; returns the checkpoint.

    Raises RecipeError when the folder holds a run of another recipe, DataError when the data cannot be read.
    """
    _claim(folder, recipe)
    torch.set_float32_matmul_precision("high")
    lightning.seed_everything(recipe.seed, verbose=False)
    progress = Progress(recipe)
    corpus = data.load(recipe, progress.decoding)
    if corpus.without_leaf:
        progress.say(f"{corpus.without_leaf:,} images without a diagnosis of the taxonomy are not trained on")
    batches = data.TrainingBatches(corpus, recipe)
    module = Classifier(recipe, data.drawn_prior(corpus, recipe.optimiser.balance), len(batches))
    checkpoint = folder / CHECKPOINT
    best = ModelCheckpoint(
        dirpath=folder, filename=Path(BEST).stem, monitor=SCORE, mode="max", enable_version_counter=False
    )
    last = ModelCheckpoint(dirpath=folder, filename=Path(CHECKPOINT).stem, enable_version_counter=False)
    callbacks = [_EpochOrder(batches), progress, Validation(corpus, recipe, folder / LOG), best, last]
    with _quiet():
        _fit(module, batches, callbacks, checkpoint)  # `last` comes last: it remembers what `best` has seen
    return checkpoint


def _fit(module: Classifier, batches: data.TrainingBatches, callbacks: list[Callback], checkpoint: Path) -> None:
    """Train to the last epoch, from the checkpoint when there is one."""
    recipe = module.recipe
    trainer = lightning.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=recipe.epochs,
        precision="bf16-mixed" if recipe.optimiser.precision == "bf16" else "32-true",
        gradient_clip_val=recipe.optimiser.gradient_clip or None,
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader = torch.utils.data.DataLoader(batches, batch_size=None)
    trainer.fit(module, loader, ckpt_path=checkpoint if checkpoint.is_file() else None, weights_only=True)


def logits(
    network: torch.nn.Module,
    corpus: data.Corpus,
    indices: npt.NDArray[np.intp],
    recipe: Recipe,
    size: int,
    *,
    views: int = 1,
) -> npt.NDArray[np.float32]:
    """(n, leaves) logits of a network on cached images, resized to `size`, without augmentation; mean over `views`."""
    entry = registry.architecture(recipe.model.architecture)
    network.eval()
    device = next(network.parameters()).device

    def run(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        batch = torch.from_numpy(pixels).to(device).contiguous(memory_format=torch.channels_last)
        found: npt.NDArray[np.float32] = network(batch).float().cpu().numpy()
        return found

    rows, block = [], _BATCH // views
    with torch.inference_mode():
        for start in range(0, len(indices), block):
            squares = resize_squares(corpus.squares[indices[start : start + block]], size)
            rows.append(over_views(run, normalise(squares, mean=entry.mean, std=entry.std), views))
    return np.concatenate(rows)


class _EpochOrder(Callback):
    """Tells the batches which epoch they belong to, also after a resume."""

    def __init__(self, batches: data.TrainingBatches) -> None:
        self.batches = batches

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.batches.epoch = trainer.current_epoch


class Validation(Callback):
    """Scores the validation part after each epoch and appends a line to the log; the best epoch is kept.

    The score is the mean of balanced accuracy (grouped view, prior-free decision) and malignant AUC.
    """

    def __init__(self, corpus: data.Corpus, recipe: Recipe, log_file: Path) -> None:
        self.corpus, self.recipe, self.log_file = corpus, recipe, log_file
        self.started = time.monotonic()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Keep one line per epoch: a run killed between a line and its checkpoint trains that epoch again."""
        if self.log_file.is_file():
            lines = self.log_file.read_text(encoding="utf-8").splitlines(keepends=True)
            self.log_file.write_text("".join(lines[: trainer.current_epoch]), encoding="utf-8")

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Validate the network that would be exported; the next epoch's start sets the layers' modes anew."""
        assert isinstance(pl_module, Classifier)
        indices = self.corpus.parts["validation"]
        found = logits(pl_module.best_network, self.corpus, indices, self.recipe, self.recipe.phases[-1].size)
        figures = validation_figures(found, self.corpus.labels[indices], self.corpus.shares("train"))
        pl_module.log(SCORE, figures["score"])
        line = {
            "epoch": trainer.current_epoch,
            "phase": self.recipe.phase_at(trainer.current_epoch)[0].name,
            "loss": float(trainer.callback_metrics["loss"]),
            **figures,
            "seconds": time.monotonic() - self.started,
        }
        with self.log_file.open("a", encoding="utf-8") as file:
            file.write(json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in line.items()}) + "\n")


def validation_figures(
    found: npt.NDArray[np.float32], truth: npt.NDArray[np.intp], prevalence: npt.NDArray[np.float64]
) -> dict[str, float]:
    """Balanced accuracy over groups and over leaves, malignant AUC and their score, from prior-free logits."""
    group, malignant = np.array(ISIC_2019.group_of_leaf), np.array(ISIC_2019.malignant)
    chosen = found.argmax(axis=1)
    weighted = np.exp(found - found.max(axis=1, keepdims=True)) * prevalence
    risk = malignancy_risk(weighted / weighted.sum(axis=1, keepdims=True), ISIC_2019)
    grouped = float(metrics.balanced_accuracy(group[truth], group[chosen], len(ISIC_2019.groups)))
    area = float(metrics.auc(risk, malignant[truth]))
    return {
        "balanced_accuracy_grouped": grouped,
        "balanced_accuracy_leaves": float(metrics.balanced_accuracy(truth, chosen, len(ISIC_2019.leaves))),
        "malignant_auc": area,
        "score": (grouped + area) / 2,
    }


def _claim(folder: Path, recipe: Recipe) -> None:
    """Write the resolved recipe and the environment, or check that the folder holds this very recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RECIPE
    if path.is_file() and path.read_bytes() != recipe.resolved():
        raise RecipeError(f"{folder}: holds a run of another recipe; give another --out, or delete it")
    path.write_bytes(recipe.resolved())
    environment = {
        "epiluma": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "lightning": lightning.__version__,
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
    }
    (folder / "environment.json").write_text(json.dumps(environment, indent=2) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's tips; warnings that we do not know still come through."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Checkpoint directory .* exists")  # a resumed run's folder
        warnings.filterwarnings("ignore", ".*does not have many workers")  # a batch is cut from memory in no time
        warnings.filterwarnings("ignore", ".*IterableDataset. has .__len__. defined")  # ours counts exactly
        warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated")  # inside Lightning
        yield
