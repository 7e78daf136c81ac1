"""Batches from the decoded cache, in an order that depends on seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from epiluma.augmentation import augment
from epiluma.augmentation import recipe as augmentation_recipe
from epiluma.datasets import cache, catalog, split
from epiluma.datasets.record import DataError, Sample
from epiluma.taxonomy import ISIC_2019
from epiluma.training.recipe import Recipe


@dataclass(frozen=True)
class Corpus:
    """A data set as the trainer sees it."""

    samples: list[Sample]
    squares: npt.NDArray[np.uint8]
    """(n, H, H, 3), memory-mapped."""
    labels: npt.NDArray[np.intp]
    """Leaf index of each sample."""
    split: split.Split
    parts: dict[str, npt.NDArray[np.intp]]
    """Sample indices of each part."""

    def counts(self, part: str) -> npt.NDArray[np.intp]:
        """Images of each leaf in a part."""
        return np.bincount(self.labels[self.parts[part]], minlength=len(ISIC_2019.leaves))

    def shares(self, part: str) -> npt.NDArray[np.float64]:
        """Share of each leaf among a part's images."""
        counts = self.counts(part)
        result: npt.NDArray[np.float64] = counts / counts.sum()
        return result


def load(recipe: Recipe, progress: cache.Progress | None = None) -> Corpus:
    """Read, split and decode the recipe's data set. Raises DataError."""
    samples = catalog.read(recipe.data.set, recipe.data.root)
    assignment = split.read(recipe.data.split)
    parts = {part: np.array(assignment.select(samples, part), np.intp) for part in split.SHARES}
    if empty := [part for part, indices in parts.items() if not len(indices)]:
        raise DataError(f"{recipe.data.split}: no image of {recipe.data.set} is in {', '.join(empty)}; use more images")
    squares = cache.decoded(samples, size=recipe.data.cache_size, folder=recipe.data.cache, progress=progress)
    labels = np.array([ISIC_2019.index(sample.diagnosis) for sample in samples], np.intp)
    return Corpus(samples, squares, labels, assignment, parts)


class TrainingBatches(IterableDataset[tuple[Tensor, Tensor]]):
    """Augmented batches of one epoch: ((b, 3, S, S) float32 in [0, 1], (b,) leaf indices)."""

    def __init__(self, corpus: Corpus, recipe: Recipe) -> None:
        self.corpus = corpus
        self.recipe = recipe
        self.epoch = 0

    def __len__(self) -> int:
        return max(1, len(self.corpus.parts["train"]) // self.recipe.optimiser.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        recipe, corpus = self.recipe, self.corpus
        phase, _ = recipe.phase_at(self.epoch)
        random = np.random.default_rng([recipe.seed, self.epoch])
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        indices = corpus.parts["train"]
        weights = sampling_weights(corpus.labels[indices], recipe.optimiser.balance)
        steps, batch = len(self), min(recipe.optimiser.batch_size, len(indices))
        order = draw(weights, steps * batch, random)
        for step in range(steps):
            chosen = np.sort(indices[order[step * batch : (step + 1) * batch]])  # sorted: one pass over the map
            pixels = torch.from_numpy(corpus.squares[chosen])
            augmentation = augmentation_recipe(phase.augmentation)
            yield augment(pixels, augmentation, phase.size, generator), torch.from_numpy(corpus.labels[chosen])


def sampling_weights(labels: npt.NDArray[np.intp], balance: float) -> npt.NDArray[np.float64]:
    """(n,) chance of each image per draw: 1 / count(class)^balance, summing to 1."""
    counts = np.bincount(labels).astype(float)
    weights = counts[labels] ** -balance
    result: npt.NDArray[np.float64] = weights / weights.sum()
    return result


def draw(weights: npt.NDArray[np.float64], n: int, random: np.random.Generator) -> npt.NDArray[np.intp]:
    """(n,) indices in random order, each i appearing floor or ceil of n * weights[i] times.

    Systematic resampling over a random order: every image is seen as evenly as the weights allow, where
    independent draws would leave out a third of them.
    """
    order = random.permutation(len(weights))
    edges = np.cumsum(weights[order])
    points = (np.arange(n) + random.random()) / n * edges[-1]
    picked = order[np.minimum(np.searchsorted(edges, points, side="right"), len(order) - 1)]
    result: npt.NDArray[np.intp] = random.permutation(picked)
    return result
