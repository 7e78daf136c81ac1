"""The images that a recipe names, with their truth, as the trainer sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from epiluma.datasets import cache, catalog, correlation, groups, manifest, split
from epiluma.datasets.record import DataError, Sample
from epiluma.evaluation.leakage import is_leaked
from epiluma.taxonomy import ISIC_2019, Taxonomy
from epiluma.taxonomy import load as load_taxonomy
from epiluma.training.centring import Followed
from epiluma.training.recipe import Centre, Data, Recipe


@dataclass(frozen=True)
class Corpus:
    """A data set as the trainer sees it."""

    samples: list[Sample]
    squares: npt.NDArray[np.uint8]
    """(n, H, H, 3), memory-mapped: what the network is shown."""
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
    taxonomy: Taxonomy = ISIC_2019
    whole: npt.NDArray[np.uint8] | None = None
    """(n, H, H, 3), memory-mapped: each photo's largest centred square, where the network is shown another."""
    masks: npt.NDArray[np.uint8] | None = None
    """(n, H, H), memory-mapped: 1 on the lesion, 0 beside it, cache.NO_MASK all over an image without mask."""

    def counts(self, part: str) -> npt.NDArray[np.intp]:
        """Images of each leaf in a part of the set itself: its prevalence is what probabilities are calibrated at."""
        indices = self.parts[part]
        return np.bincount(
            self.labels[indices[indices < (self.own or len(self.labels))]], minlength=len(self.taxonomy.leaves)
        )

    def shares(self, part: str) -> npt.NDArray[np.float64]:
        """Share of each leaf among a part's images."""
        counts = self.counts(part)
        result: npt.NDArray[np.float64] = counts / counts.sum()
        return result

    @property
    def photos(self) -> npt.NDArray[np.uint8]:
        """(n, H, H, 3): each photo's largest centred square, whatever the network is shown."""
        return self.squares if self.whole is None else self.whole


class Curation(NamedTuple):
    """By sample: how often an epoch draws it, its share of the loss, and its augmentation recipe."""

    repeats: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    augmentations: list[str]
    """Empty for the phase's own."""


def load(
    recipe: Recipe,
    progress: cache.Progress | None = None,
    *,
    needed: Iterable[str] = ("train", "validation"),
    size: int | None = None,
) -> Corpus:
    """Read, split and decode the recipe's data. Raises DataError, also when a `needed` part is empty.

    With `size`, what the network is shown has that many pixels to a side, made of the photo in one step as the runtime
    makes it; without, as many as the recipe's cache, from which training takes smaller squares.
    """
    source = recipe.data
    if isinstance(source.manifest, Path):
        found = _without(_from_manifest(source.manifest, source), source)
        return _with_pixels(found, recipe, source.manifest, progress, needed=needed, size=size)
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
    return _with_pixels(_without(found, source), recipe, source.split, progress, needed=needed, size=size)


class _Labelled(NamedTuple):
    """Images with a diagnosis, before anything is decoded."""

    samples: list[Sample]
    split: split.Split
    curation: Curation | None
    audit: str
    own: int
    without_leaf: int


def _without(found: _Labelled, source: Data) -> _Labelled:
    """All but the images that the recipe excludes. Raises DataError for one that is not there."""
    gone = set(source.exclude)
    if unknown := gone - {sample.image_id for sample in found.samples}:
        raise DataError(f"data.exclude: no image {min(unknown)!r} in {source.name}; name ids that are there")
    kept = [i for i, sample in enumerate(found.samples) if sample.image_id not in gone]
    curation = found.curation
    if curation:
        curation = Curation(curation.repeats[kept], curation.weights[kept], [curation.augmentations[i] for i in kept])
    own = found.own - sum(sample.image_id in gone for sample in found.samples[: found.own])
    return found._replace(samples=[found.samples[i] for i in kept], curation=curation, own=own)


def _with_pixels(
    found: _Labelled,
    recipe: Recipe,
    where: Path,
    progress: cache.Progress | None,
    *,
    needed: Iterable[str],
    size: int | None,
) -> Corpus:
    source = recipe.data
    taxonomy = load_taxonomy(source.taxonomy) if isinstance(source.taxonomy, Path) else ISIC_2019
    parts = {part: np.array(found.split.select(found.samples, part), np.intp) for part in split.SHARES}
    if empty := [part for part in needed if not len(parts[part])]:
        raise DataError(f"{where}: no image of {source.name} is in {', '.join(empty)}; use more images")
    whole = cache.decoded(found.samples, size=source.cache_size, folder=source.cache, progress=progress)
    if found.own < len(found.samples):
        parts["train"] = _untied(found.samples, whole, parts, found.own)
    squares, side = whole, size or source.cache_size
    followed = Followed(source.centre) if isinstance(source.centre, Centre) else None
    if followed or side != source.cache_size:
        squares = cache.decoded(found.samples, size=side, folder=source.cache, progress=progress, squares=followed)
    labels = np.array([taxonomy.index(sample.diagnosis) for sample in found.samples], np.intp)
    masks = None
    if recipe.model.masks != "none":
        masks = cache.masks(found.samples, size=source.cache_size, folder=source.cache, progress=progress)
    return Corpus(
        found.samples,
        squares,
        labels,
        found.split,
        parts,
        found.curation,
        found.audit,
        found.own,
        found.without_leaf,
        taxonomy=taxonomy,
        whole=whole,
        masks=masks,
    )


def _from_manifest(path: Path, source: Data) -> _Labelled:
    """The images of a manifest that are used and have a leaf, under names that are unique over its sources."""
    whole = manifest.read(path)
    verdict = manifest.verdict(whole)
    if is_leaked(verdict) and source.allow_leakage is not True:
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
    if torn and not is_leaked(verdict):  # the audit was before, or never: what is seen here goes on
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
