"""What trackers are told of a run: scalars, sample images with masks, confusion matrices, gradients, the recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import msgspec
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from epiluma.datasets.cache import NO_MASK
from epiluma.evaluation import metrics
from epiluma.training import scoring
from epiluma.training.data import Corpus
from epiluma.training.learner import Learner
from epiluma.training.recipe import Recipe, RecipeError
from epiluma.training.validation import Validation

TRACKERS = ("tensorboard", "mlflow")
FOLDER = "tensorboard"
"""In the run's folder."""
_STEPS = 10
"""Optimiser steps between two readings of the gradient and the learning rate."""
_SAMPLES = 8
_TRUE, _FOUND = (255, 255, 255), (255, 214, 0)
"""Colours of the outlines: the truth is white, what the network found yellow."""


def loggers(track: Sequence[str], folder: Path, recipe: Recipe) -> list[Logger] | bool:
    """Lightning's loggers by name; False for none.

    `mlflow` writes to where MLFLOW_TRACKING_URI says, else into `mlruns` beside the run's folder. Raises RecipeError
    for an unknown tracker, or one that is not installed.
    """
    if unknown := [name for name in track if name not in TRACKERS]:
        raise RecipeError(f"unknown tracker {unknown[0]!r}; known are {', '.join(TRACKERS)}")
    found: list[Logger] = []
    if "tensorboard" in track:
        found.append(TensorBoardLogger(folder, name=FOLDER, version="", default_hp_metric=False))
    if "mlflow" in track:
        found.append(_mlflow(folder, recipe))
    for logger in found:
        logger.log_hyperparams(flat(msgspec.to_builtins(recipe, enc_hook=str)))
    return found or False


def _mlflow(folder: Path, recipe: Recipe) -> Logger:
    import os

    from lightning.pytorch.loggers import MLFlowLogger

    where = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(folder.parent / 'mlflow.db').absolute()}"
    try:
        return MLFlowLogger(experiment_name="epiluma", run_name=recipe.name, tracking_uri=where)
    except ModuleNotFoundError as error:
        raise RecipeError("--track mlflow: MLflow is not installed; `pip install epiluma[track]`") from error


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """`{"phases": [{"epochs": 2}]}` -> `{"phases.0.epochs": 2}`, as `--set` names the keys."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    if items is None:
        return {prefix: tree}
    result: dict[str, Any] = {}
    for key, value in items:
        result |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return result


def callbacks(track: Sequence[str], validation: Validation, recipe: Recipe) -> list[Callback]:
    """What watches a run for the trackers; nothing where there are none."""
    return [Gradients(), Pictures(validation, recipe)] if track else []


class Gradients(Callback):
    """Norm of the whole gradient before it is clipped, and the learning rate of each group of layers."""

    def on_before_optimizer_step(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Every few steps."""
        if trainer.global_step % _STEPS:
            return
        norms = [p.grad.norm() for p in pl_module.parameters() if p.grad is not None]
        found = {"training/gradient_norm": float(torch.stack(norms).norm())} if norms else {}
        found |= {f"training/learning_rate_{i}": group["lr"] for i, group in enumerate(optimizer.param_groups)}
        for logger in trainer.loggers:
            logger.log_metrics(found, step=trainer.global_step)


class Pictures(Callback):
    """After each validation: its confusion matrix, and some of its images with true and found outlines."""

    def __init__(self, validation: Validation, recipe: Recipe) -> None:
        self.validation, self.recipe = validation, recipe

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Comes behind the validation callback."""
        assert isinstance(pl_module, Learner)
        if not trainer.is_global_zero:
            return
        corpus, scored = self.validation.corpus, self.validation.scored
        pictures = {}
        if scored is not None and scored.logits is not None:
            pictures["confusion"] = confusion_picture(scored.logits, corpus, corpus.parts["validation"])
        if corpus.masks is not None:
            pictures["masks"] = self._outlined(pl_module)
        for logger in trainer.loggers:
            for name, picture in pictures.items():
                _show(logger, f"validation/{name}", picture, trainer.current_epoch)

    def _outlined(self, learner: Learner) -> npt.NDArray[np.uint8]:
        """(H, _SAMPLES * H, 3): the first images of the validation part."""
        corpus = self.validation.corpus
        chosen = [
            i for i in corpus.parts["validation"] if corpus.masks is not None and corpus.masks[i, 0, 0] != NO_MASK
        ]
        indices = np.array(chosen[:_SAMPLES], np.intp)
        size = self.recipe.phases[-1].size
        maps = scoring.label_maps(learner.best_network, corpus, indices, learner.input, size)
        rows = [
            outlined(corpus.squares[i], truth, predicted) for i, (predicted, truth) in zip(indices, maps, strict=True)
        ]
        return np.concatenate(rows, axis=1)


def outlined(
    square: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8], found: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """(H, H, 3): the image with the true outline in white and the found one, above it, in yellow."""
    picture = square.copy()
    for labels, colour in ((truth, _TRUE), (found, _FOUND)):
        edge = np.zeros(labels.shape, bool)
        edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
        edge[1:] |= labels[1:] != labels[:-1]
        picture[edge] = colour
    return picture


def confusion_picture(
    logits: npt.NDArray[np.float32], corpus: Corpus, indices: npt.NDArray[np.intp]
) -> npt.NDArray[np.uint8]:
    """A drawn table of images by true group (rows) and chosen group, shades by the row's share."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups, group = corpus.taxonomy.groups, np.array(corpus.taxonomy.group_of_leaf)
    truth, chosen = group[corpus.labels[indices]], group[logits.argmax(1)]
    table = metrics.confusion(truth, chosen, len(groups))[:, :-1]
    figure = Figure(figsize=(5, 5), layout="tight")
    axes = figure.subplots()
    axes.imshow(table / np.maximum(table.sum(1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="diagnosis", ylabel="truth")
    axes.set_xticks(range(len(groups)), groups, rotation=45)
    axes.set_yticks(range(len(groups)), groups)
    for row, column in np.argwhere(table > 0):
        axes.text(column, row, f"{table[row, column]:.0f}", ha="center", va="center", fontsize=8)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def _show(logger: Logger, name: str, picture: npt.NDArray[np.uint8], epoch: int) -> None:
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(name, picture, epoch, dataformats="HWC")
    else:
        logger.experiment.log_image(logger.run_id, picture, key=name.replace("/", "_"), step=epoch)  # type: ignore[attr-defined]
