"""Which epoch, input size and number of views to ship: compared on the validation part, never on another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from rich.table import Table

from epiluma.export import network as networks
from epiluma.export.config import Epoch, Views
from epiluma.training import data, scoring
from epiluma.training.recipe import Recipe

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
    malignant_auc: float = math.nan
    """NaN where all diagnoses are malignant or none is."""
    score: float
    """Mean of the first and the third, as in the run's log."""


def compare(
    recipe: Recipe,
    run: Path,
    *,
    shown: Recipe | None = None,
    epochs: Sequence[Epoch],
    sizes: Sequence[int],
    views: Sequence[Views],
    progress: Progress | None = None,
) -> list[Choice]:
    """Every combination, best score first. Raises RecipeError when `run` is not a finished run of the recipe.

    `shown` is the recipe with what the bundle's network is to be shown of each photo, where that is not what training
    showed (epiluma.export.outline.shown).
    """
    corpus = data.load(shown or recipe)
    indices = corpus.parts["validation"]
    combinations = [(epoch, size, v) for epoch in epochs for size in sizes for v in views]
    choices = []
    for done, (epoch, size, count) in enumerate(combinations, 1):
        trained = networks.trained(recipe, corpus, run, epoch)
        found = scoring.score(trained.network, corpus, indices, trained.input, size, views=count).logits
        assert found is not None
        figures = scoring.class_figures(
            (found - trained.offset).astype(np.float32), corpus.labels[indices], corpus.shares("train"), corpus.taxonomy
        )
        chosen = {name: value for name, value in figures.items() if name in Choice.__struct_fields__}
        choices.append(Choice(epoch=epoch, size=size, views=count, images=len(indices), **chosen))
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
