"""The network of a finished run: what export has to know of training and of the registry is asked here."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from epiluma.export import graph as graphs
from epiluma.export.config import Epoch
from epiluma.models import registry
from epiluma.models.registry import Input
from epiluma.training.batches import drawn_prior
from epiluma.training.data import Corpus
from epiluma.training.learner import Learner, Truth
from epiluma.training.recipe import Recipe, RecipeError
from epiluma.training.run import BEST, CHECKPOINT, FINISHED, RECIPE


class Trained(NamedTuple):
    """A trained network and how to use it."""

    network: nn.Module
    """(n, 3, S, S) normalised -> (n, leaves) logits, (n, K, S, S) masks, or both."""
    task: registry.Task
    input: Input
    """Mean and deviation that the pixels are normalised with."""
    head: str
    """Name of a classifier's last, linear layer."""
    offset: npt.NDArray[np.float64]
    """(leaves,) to take off the logits, so that they know no class shares."""


def check(recipe: Recipe, run: Path) -> None:
    """Raise RecipeError when `run` is not a finished run of the recipe."""
    checkpoint = run / CHECKPOINT
    if not checkpoint.is_file():
        raise RecipeError(f"{checkpoint}: no checkpoint; `epiluma train` makes one")
    if (run / RECIPE).read_bytes() != recipe.resolved():
        raise RecipeError(f"{run}: holds a run of another recipe")
    if not (run / FINISHED).is_file():
        done = torch.load(checkpoint, map_location="cpu", weights_only=True)["epoch"] + 1
        raise RecipeError(f"{run}: stopped after epoch {done} of {recipe.epochs}; train to the end first")


def trained(recipe: Recipe, corpus: Corpus, run: Path, epoch: Epoch) -> Trained:
    """The network of a run on `corpus`, on the processor. Raises RecipeError as `check` does."""
    check(recipe, run)
    saved = torch.load(run / (CHECKPOINT if epoch == "last" else BEST), map_location="cpu", weights_only=True)
    model = msgspec.structs.replace(recipe.model, weights="", teacher="")  # neither is needed any more
    truth = Truth(corpus.taxonomy, drawn_prior(corpus, recipe.optimiser.balance), corpus.counts("train"))
    learner = Learner(msgspec.structs.replace(recipe, model=model), truth, steps_per_epoch=1)
    learner.load_state_dict(saved["state_dict"])
    offset = learner.class_loss.offset.numpy().astype(np.float64)
    task = registry.task_of(recipe.model.architecture, int(recipe.model.masks != "none"))
    return Trained(learner.best_network, task, learner.input, learner.head[0], offset)


def exportable(trained: Trained, prevalence: npt.NDArray[np.float64]) -> graphs.Shipped | graphs.Outliner:
    """The network in the form in which it becomes a graph; its logits are moved to a prevalence."""
    if trained.task == "segmentation":
        return graphs.outliner(trained.network)
    return graphs.shipped(trained.network, prevalence, trained.head, trained.offset, masks=trained.task == "multitask")


def save_weights(network: nn.Module, path: Path) -> None:
    """Write all parameters and batch statistics under timm's names."""
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)
