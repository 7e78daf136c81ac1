"""Which epoch, input size and number of views to ship: compared on the validation part, never on another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from rich.table import Table

from epiluma.export.ship import trained_network
from epiluma.imaging.preprocess import normalise, resize_squares
from epiluma.inference.session import over_views
from epiluma.models import registry
from epiluma.training import data
from epiluma.training.recipe import Recipe
from epiluma.training.run import validation_figures

Epoch = Literal["best", "last"]
Views = Literal[1, 4]
Progress = Callable[[int, int], None]
_BLOCK = 8


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One way to ship a run, and what it scores on validation."""

    epoch: Epoch
    size: int
    """Side of the input, pixels."""
    views: Views
    images: int
    balanced_accuracy_grouped: float
    balanced_accuracy_leaves: float
    malignant_auc: float
    score: float
    """Mean of the first and the third, as in the run's log."""


def compare(
    recipe: Recipe,
    run: Path,
    *,
    epochs: Sequence[Epoch],
    sizes: Sequence[int],
    views: Sequence[Views],
    progress: Progress | None = None,
) -> list[Choice]:
    """Every combination, best score first. Raises RecipeError when `run` is not a finished run of the recipe."""
    corpus = data.load(recipe)
    indices = corpus.parts["validation"]
    combinations = [(epoch, size, v) for epoch in epochs for size in sizes for v in views]
    choices = []
    for done, (epoch, size, count) in enumerate(combinations, 1):
        network = trained_network(recipe, run, epoch).eval()
        entry = registry.architecture(recipe.model.architecture)
        rows = []
        for start in range(0, len(indices), _BLOCK):
            squares = resize_squares(corpus.squares[indices[start : start + _BLOCK]], size)
            pixels = normalise(squares, mean=entry.mean, std=entry.std)
            rows.append(over_views(partial(_logits, network), pixels, count))
        figures = validation_figures(np.concatenate(rows), corpus.labels[indices], corpus.shares("train"))
        choices.append(Choice(epoch=epoch, size=size, views=count, images=len(indices), **figures))
        if progress:
            progress(done, len(combinations))
    return sorted(choices, key=lambda choice: -choice.score)


def _logits(network: torch.nn.Module, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    with torch.inference_mode():
        found = network(torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last))
    result: npt.NDArray[np.float32] = found.float().numpy()
    return result


def render(choices: Sequence[Choice]) -> Table:
    """The choices as a table for a terminal."""
    columns = ("epoch", "size", "views", "balanced accuracy", "eight leaves", "malignant AUC", "score")
    table = Table(*columns, box=None, pad_edge=False)
    for c in choices:
        figures = (c.balanced_accuracy_grouped, c.balanced_accuracy_leaves, c.malignant_auc, c.score)
        table.add_row(c.epoch, f"{c.size}", f"{c.views}", *(f"{figure:.4f}" for figure in figures))
    return table
