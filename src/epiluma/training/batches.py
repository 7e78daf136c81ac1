"""Batches from the decoded cache, in an order that depends on seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from epiluma.augmentation import augment_pairs
from epiluma.augmentation import recipe as augmentation_recipe
from epiluma.datasets import cache
from epiluma.training.data import Corpus
from epiluma.training.recipe import Phase, Recipe


class Batch(NamedTuple):
    """Images with their truth."""

    pixels: Tensor
    """(b, 3, S, S) float32 in [0, 1], channels-last in memory."""
    truth: Tensor
    """(b,) leaf indices."""
    weight: Tensor
    """(b,) float32 shares of the loss; their mean over the training part is 1."""
    masks: Tensor | None = None
    """(b, S, S) uint8: the class of each pixel, or augmentation.UNKNOWN all over an image."""


class TrainingBatches(IterableDataset[Batch]):
    """Augmented batches of one epoch; each of several processes yields its share of every batch."""

    def __init__(self, corpus: Corpus, recipe: Recipe) -> None:
        self.corpus = corpus
        self.recipe = recipe
        self.epoch = 0
        self.rank, self.processes = 0, 1
        self._batch: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return max(1, len(self.corpus.parts["train"]) // self.recipe.optimiser.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        recipe, corpus = self.recipe, self.corpus
        phase, _ = recipe.phase_at(self.epoch)
        random = np.random.default_rng([recipe.seed, self.epoch])
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        if self.processes > 1:  # each process draws its own augmentation; the order of images is common to all
            generator.manual_seed(generator.initial_seed() ^ self.rank)
        indices = corpus.parts["train"]
        weights = drawing_weights(corpus, recipe.optimiser.balance)
        shares = loss_weights(corpus)
        steps, batch = len(self), min(recipe.optimiser.batch_size, len(indices))
        order = draw(weights, steps * batch, random)
        for step in range(steps):
            chosen = np.sort(indices[order[step * batch : (step + 1) * batch]])  # sorted: one pass over the map
            chosen = chosen[self.rank :: self.processes]
            pixels, masks = self._augmented(chosen, phase, generator)
            yield Batch(pixels, torch.from_numpy(corpus.labels[chosen]), torch.from_numpy(shares[chosen]), masks)

    def _augmented(
        self, chosen: npt.NDArray[np.intp], phase: Phase, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None]:
        """The chosen images, each changed by its own recipe where the manifest names one, else by the phase's."""
        if self._batch is None or len(self._batch) != len(chosen):
            self._batch = np.empty((len(chosen), *self.corpus.squares.shape[1:]), np.uint8)
        squares = torch.from_numpy(cache.gather(self.corpus.squares, chosen, self._batch))
        masks = None if self.corpus.masks is None else torch.from_numpy(cache.gather(self.corpus.masks, chosen))
        curation = self.corpus.curation
        names = [(curation.augmentations[i] if curation else "") or phase.augmentation for i in chosen]
        if len(set(names)) == 1:
            pixels, moved = augment_pairs(squares, masks, augmentation_recipe(names[0]), phase.size, generator)
            return pixels, self._classes(moved, chosen)
        result = torch.empty(len(chosen), 3, phase.size, phase.size).contiguous(memory_format=torch.channels_last)
        outlines = None if masks is None else torch.empty(len(chosen), phase.size, phase.size, dtype=torch.uint8)
        for name in sorted(set(names)):
            rows = [i for i, own in enumerate(names) if own == name]
            some = None if masks is None else masks[rows]
            result[rows], moved = augment_pairs(squares[rows], some, augmentation_recipe(name), phase.size, generator)
            if outlines is not None and moved is not None:
                outlines[rows] = moved
        return result, self._classes(outlines, chosen)

    def _classes(self, masks: Tensor | None, chosen: npt.NDArray[np.intp]) -> Tensor | None:
        """The lesion's pixels get the class of its diagnosis where that is what the network segments."""
        if masks is None or self.recipe.model.masks != "diagnosis":
            return masks
        return torch.where(masks == 1, pixel_classes(self.corpus, chosen)[:, None, None], masks)


def pixel_classes(corpus: Corpus, chosen: npt.NDArray[np.intp]) -> Tensor:
    """(b,) uint8 class of each image's lesion: 1 + the group of its diagnosis; 0 is background."""
    group = np.array(corpus.taxonomy.group_of_leaf)[corpus.labels[chosen]]
    return torch.from_numpy((group + 1).astype(np.uint8))


def drawing_weights(corpus: Corpus, balance: float) -> npt.NDArray[np.float64]:
    """(training images,) chance of each per draw: repeats / count(class)^balance, summing to 1."""
    indices = corpus.parts["train"]
    repeats = corpus.curation.repeats[indices] if corpus.curation else None
    return sampling_weights(corpus.labels[indices], balance, repeats)


def loss_weights(corpus: Corpus) -> npt.NDArray[np.float32]:
    """(n,) share of each image in the loss; their mean over the training part is 1."""
    if corpus.curation is None:
        return np.ones(len(corpus.samples), np.float32)
    weights = corpus.curation.weights
    result: npt.NDArray[np.float32] = (weights / weights[corpus.parts["train"]].mean()).astype(np.float32)
    return result


def drawn_prior(corpus: Corpus, balance: float) -> npt.NDArray[np.float64]:
    """(leaves,) share of each class in the loss: images as they are drawn, each with its weight."""
    indices = corpus.parts["train"]
    mass = drawing_weights(corpus, balance) * loss_weights(corpus)[indices]
    share = np.bincount(corpus.labels[indices], weights=mass, minlength=len(corpus.taxonomy.leaves))
    result: npt.NDArray[np.float64] = share / share.sum()
    return result


def sampling_weights(
    labels: npt.NDArray[np.intp], balance: float, repeats: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
    """(n,) chance of each image per draw: its repeats / (repeats of its class)^balance, summing to 1."""
    repeats = np.ones(len(labels)) if repeats is None else repeats
    weights = repeats * np.bincount(labels, weights=repeats)[labels] ** -balance
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
