"""Batches from the decoded cache, in an order that depends on seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from epiluma.augmentation import augment
from epiluma.augmentation import recipe as augmentation_recipe
from epiluma.datasets import cache, catalog, correlation, groups, manifest, split
from epiluma.datasets.record import DataError, Sample
from epiluma.taxonomy import ISIC_2019
from epiluma.training.recipe import Data, Phase, Recipe


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
    curation: Curation | None = None
    """What a curated manifest asks for; None draws and weighs all images alike."""
    audit: str = ""
    """The manifest's verdict; empty when a set was read without a manifest."""
    own: int | None = None
    """Samples of the set itself; those after them are of extra sets. None when there are none."""
    without_leaf: int = 0
    """Images that were passed over for want of a diagnosis of the taxonomy."""

    def counts(self, part: str) -> npt.NDArray[np.intp]:
        """Images of each leaf in a part of the set itself: its prevalence is what probabilities are calibrated at."""
        indices = self.parts[part]
        return np.bincount(
            self.labels[indices[indices < (self.own or len(self.labels))]], minlength=len(ISIC_2019.leaves)
        )

    def shares(self, part: str) -> npt.NDArray[np.float64]:
        """Share of each leaf among a part's images."""
        counts = self.counts(part)
        result: npt.NDArray[np.float64] = counts / counts.sum()
        return result


class Curation(NamedTuple):
    """By sample: how often an epoch draws it, its share of the loss, and its augmentation recipe."""

    repeats: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    augmentations: list[str]
    """Empty for the phase's own."""


def load(
    recipe: Recipe, progress: cache.Progress | None = None, *, needed: Iterable[str] = ("train", "validation")
) -> Corpus:
    """Read, split and decode the recipe's data. Raises DataError, also when a `needed` part is empty."""
    source = recipe.data
    if isinstance(source.manifest, Path):
        return _with_pixels(_from_manifest(source.manifest, source), source, source.manifest, progress, needed)
    assert isinstance(source.root, Path)
    assert isinstance(source.split, Path)
    read = catalog.read(str(source.set), source.root)
    extras = [sample for extra in source.also for sample in catalog.read(extra.set, extra.root)]
    own, more = ([sample for sample in samples if sample.diagnosis] for samples in (read, extras))
    assignment = split.read(source.split)
    of = dict(assignment.of)
    more = [msgspec.structs.replace(sample, image_id=sample.key) for sample in more]
    of.update({sample.image_id: split.Assignment(sample.lesion or sample.key, "train") for sample in more})
    found = _Labelled(
        own + more, split.Split(of, assignment.sha256), None, "", len(own), len(read) + len(extras) - len(own + more)
    )
    return _with_pixels(found, source, source.split, progress, needed)


class _Labelled(NamedTuple):
    """Images with a diagnosis, before anything is decoded."""

    samples: list[Sample]
    split: split.Split
    curation: Curation | None
    audit: str
    own: int
    without_leaf: int


def _with_pixels(
    found: _Labelled, source: Data, where: Path, progress: cache.Progress | None, needed: Iterable[str]
) -> Corpus:
    parts = {part: np.array(found.split.select(found.samples, part), np.intp) for part in split.SHARES}
    if empty := [part for part in needed if not len(parts[part])]:
        raise DataError(f"{where}: no image of {source.name} is in {', '.join(empty)}; use more images")
    squares = cache.decoded(found.samples, size=source.cache_size, folder=source.cache, progress=progress)
    if found.own < len(found.samples):
        parts["train"] = _untied(found.samples, squares, parts, found.own)
    labels = np.array([ISIC_2019.index(sample.diagnosis) for sample in found.samples], np.intp)
    return Corpus(
        found.samples, squares, labels, found.split, parts, found.curation, found.audit, found.own, found.without_leaf
    )


def _from_manifest(path: Path, source: Data) -> _Labelled:
    """The images of a manifest that are used and have a leaf, under names that are unique over its sources."""
    whole = manifest.read(path)
    verdict = manifest.verdict(whole)
    if verdict.startswith("leak") and source.allow_leakage is not True:
        raise DataError(f"{path}: {verdict}; mend it, or say `allow_leakage = true` in the recipe's [data]")
    if source.fold is not msgspec.UNSET:
        whole = split.for_fold(whole, source.fold)
    used = [entry for entry in whole.entries if entry.used]
    entries = [entry for entry in used if entry.sample.diagnosis]
    if loose := [entry.sample.key for entry in entries if not entry.part]:
        raise DataError(
            f"{path}: {len(loose):,} images are in no part ({loose[0]}, ...); run `epiluma data split` on it"
        )
    if source.fold is msgspec.UNSET and (folds := {e.part for e in entries} - set(split.SHARES)):
        raise DataError(f"{path}: is split in folds ({', '.join(sorted(folds))}); name one, `fold = 0` in [data]")
    part_of: dict[str, str] = {}
    torn = [e.group for e in entries if part_of.setdefault(e.group, e.part) != e.part]
    if torn and source.allow_leakage is not True:
        raise DataError(f"{path}: leak: group {torn[0]} is in two parts; run `epiluma data split` on it")
    if torn and not verdict.startswith("leak"):  # the audit was before, or never: what is seen here goes on
        verdict = f"leak: group {torn[0]} is in two parts"
    one = len(whole.header.sources) == 1
    samples = [msgspec.structs.replace(e.sample, image_id=e.sample.image_id if one else e.sample.key) for e in entries]
    of = {s.image_id: split.Assignment(e.group, e.part) for s, e in zip(samples, entries, strict=True)}
    curation = Curation(
        np.array([entry.repeats for entry in entries], np.float64),
        np.array([entry.weight for entry in entries], np.float64),
        [entry.augmentation for entry in entries],
    )
    assignment = split.Split(of, manifest.sha256(whole))
    return _Labelled(samples, assignment, curation, verdict, len(samples), len(used) - len(entries))


def _untied(
    samples: list[Sample], squares: npt.NDArray[np.uint8], parts: dict[str, npt.NDArray[np.intp]], own: int
) -> npt.NDArray[np.intp]:
    """The training part without extra images of a patient, lesion or picture that is held out."""
    held_out = np.concatenate([indices for part, indices in parts.items() if part != "train"])
    extra = np.arange(own, len(samples))
    thumbs, order = correlation.thumbnails(squares), np.concatenate([held_out, extra])
    copies = [
        (int(order[i]), int(order[j]))
        for i, j, _ in correlation.near_duplicates(thumbs[order])
        if i < len(held_out) <= j
    ]
    known = set(held_out.tolist())
    tied = {i for group in groups.members(samples, copies) if known.intersection(group) for i in group if i >= own}
    return np.array([i for i in parts["train"].tolist() if i not in tied], np.intp)


Batch = tuple[Tensor, Tensor, Tensor]
"""(b, 3, S, S) float32 in [0, 1], (b,) leaf indices, (b,) float32 shares of the loss."""


class TrainingBatches(IterableDataset[Batch]):
    """Augmented batches of one epoch."""

    def __init__(self, corpus: Corpus, recipe: Recipe) -> None:
        self.corpus = corpus
        self.recipe = recipe
        self.epoch = 0
        self._batch: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return max(1, len(self.corpus.parts["train"]) // self.recipe.optimiser.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        recipe, corpus = self.recipe, self.corpus
        phase, _ = recipe.phase_at(self.epoch)
        random = np.random.default_rng([recipe.seed, self.epoch])
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        indices = corpus.parts["train"]
        weights = drawing_weights(corpus, recipe.optimiser.balance)
        shares = loss_weights(corpus)
        steps, batch = len(self), min(recipe.optimiser.batch_size, len(indices))
        order = draw(weights, steps * batch, random)
        for step in range(steps):
            chosen = np.sort(indices[order[step * batch : (step + 1) * batch]])  # sorted: one pass over the map
            pixels = self._augmented(chosen, phase, generator)
            yield pixels, torch.from_numpy(corpus.labels[chosen]), torch.from_numpy(shares[chosen])

    def _augmented(self, chosen: npt.NDArray[np.intp], phase: Phase, generator: torch.Generator) -> Tensor:
        """The chosen images, each changed by its own recipe where the manifest names one, else by the phase's."""
        if self._batch is None or len(self._batch) != len(chosen):
            self._batch = np.empty((len(chosen), *self.corpus.squares.shape[1:]), np.uint8)
        squares = torch.from_numpy(cache.gather(self.corpus.squares, chosen, self._batch))
        curation = self.corpus.curation
        names = [(curation.augmentations[i] if curation else "") or phase.augmentation for i in chosen]
        if len(set(names)) == 1:
            return augment(squares, augmentation_recipe(names[0]), phase.size, generator)
        result = torch.empty(len(chosen), 3, phase.size, phase.size).contiguous(memory_format=torch.channels_last)
        for name in sorted(set(names)):
            rows = [i for i, own in enumerate(names) if own == name]
            result[rows] = augment(squares[rows], augmentation_recipe(name), phase.size, generator)
        return result


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
    share = np.bincount(corpus.labels[indices], weights=mass, minlength=len(ISIC_2019.leaves))
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
