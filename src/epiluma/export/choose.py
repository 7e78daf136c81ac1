"""Which epoch, input size and number of views to ship: compared on the validation part, never on another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from rich.table import Table

from epiluma.export.config import Epoch, Views
from epiluma.export.ship import trained_network
from epiluma.training import data
from epiluma.training.recipe import Recipe
from epiluma.training.run import logits, validation_figures

Progress = Callable[[int, int], None]


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
        found = logits(trained_network(recipe, run, epoch), corpus, indices, recipe, size, views=count)
        figures = validation_figures(found, corpus.labels[indices], corpus.shares("train"))
        choices.append(Choice(epoch=epoch, size=size, views=count, images=len(indices), **figures))
        if progress:
            progress(done, len(combinations))
    return sorted(choices, key=lambda choice: -choice.score)


def render(choices: Sequence[Choice]) -> Table:
    """The choices as a table for a terminal."""
    columns = ("epoch", "size", "views", "balanced accuracy", "eight leaves", "malignant AUC", "score")
    table = Table(*columns, box=None, pad_edge=False)
    for c in choices:
        figures = (c.balanced_accuracy_grouped, c.balanced_accuracy_leaves, c.malignant_auc, c.score)
        table.add_row(c.epoch, f"{c.size}", f"{c.views}", *(f"{figure:.4f}" for figure in figures))
    return table
