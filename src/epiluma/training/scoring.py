"""What a network says of cached images, without augmentation, and how good that is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from epiluma.augmentation import UNKNOWN
from epiluma.evaluation import metrics
from epiluma.imaging.preprocess import normalise, resize_squares
from epiluma.inference.decide import malignancy_risk
from epiluma.inference.session import over_views
from epiluma.models.registry import Input
from epiluma.taxonomy import Taxonomy
from epiluma.training.batches import pixel_classes
from epiluma.training.data import Corpus

_BATCH = 64
"""Images scored at a time."""


class Overlap(NamedTuple):
    """Pixels of each image, by class: all (n, K)."""

    intersection: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    truth: npt.NDArray[np.int64]

    @property
    def miou(self) -> float:
        """Intersections and unions pooled over the images, then the mean over the classes that occur."""
        intersection = self.intersection.sum(0)
        union = self.predicted.sum(0) + self.truth.sum(0) - intersection
        return float((intersection[union > 0] / union[union > 0]).mean())

    @property
    def dice(self) -> float:
        """Mean over the images of the Dice of all that is not background; 1 where none is there and none is found."""
        overlap = 2 * self.intersection[:, 1:].sum(1)
        area = self.predicted[:, 1:].sum(1) + self.truth[:, 1:].sum(1)
        return float(np.where(area > 0, overlap / np.maximum(area, 1), 1.0).mean())


class Scored(NamedTuple):
    """What a network says of some images; None for what it does not learn."""

    logits: npt.NDArray[np.float32] | None
    """(n, leaves), as the network gives them."""
    overlap: Overlap | None
    """Over the images whose mask is known."""


def score(
    network: nn.Module, corpus: Corpus, indices: npt.NDArray[np.intp], settings: Input, size: int, *, views: int = 1
) -> Scored:
    """Run a network, in evaluation mode, on cached images resized to `size`; logits are the mean over `views`."""
    logits, overlaps = [], []
    for start, found, masks in _outputs(network, corpus.squares, indices, settings, size=size, views=views):
        if found is not None:
            logits.append(found)
        if masks is not None:
            overlaps.append(_overlap(masks, corpus, indices[start : start + len(masks)]))
    overlap = Overlap(*(np.concatenate(part) for part in zip(*overlaps, strict=True))) if overlaps else None
    return Scored(np.concatenate(logits) if logits else None, overlap)


def label_maps(
    network: nn.Module, corpus: Corpus, indices: npt.NDArray[np.intp], settings: Input, size: int
) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]:
    """For each image the predicted and the true class of each pixel, (H, H) at the cache's size; known masks only."""
    for start, _, masks in _outputs(network, corpus.squares, indices, settings, size=size, views=1):
        assert masks is not None
        chosen = indices[start : start + len(masks)]
        yield from (
            (predicted, truth)
            for predicted, truth in zip(*_label_maps(masks, corpus, chosen), strict=True)
            if truth[0, 0] != UNKNOWN
        )


def _outputs(
    network: nn.Module,
    images: npt.NDArray[np.uint8],
    indices: npt.NDArray[np.intp],
    settings: Input,
    *,
    size: int,
    views: int,
) -> Iterator[tuple[int, npt.NDArray[np.float32] | None, torch.Tensor | None]]:
    """Block by block: its first index, the logits of classes, the logits of masks."""
    network.eval()
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    block = _BATCH // views
    masks: list[torch.Tensor] = []

    def run(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        batch = torch.from_numpy(pixels).to(device).contiguous(memory_format=torch.channels_last)
        found = network(batch)
        if not isinstance(found, torch.Tensor):
            found, outlines = found
            masks.append(outlines.float())
        elif found.ndim == 4:
            masks.append(found.float())
            return np.zeros((len(pixels), 0), np.float32)
        result: npt.NDArray[np.float32] = found.float().cpu().numpy()
        return result

    with torch.inference_mode():
        for start in range(0, len(indices), block):
            masks.clear()
            squares = resize_squares(images[indices[start : start + block]], size)
            found = over_views(run, normalise(squares, mean=settings.mean, std=settings.std), views)
            yield start, found if found.shape[1] else None, masks[0] if masks else None


def _label_maps(
    masks: torch.Tensor, corpus: Corpus, chosen: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Predicted and true classes, both (b, H, H) at the size of the cache."""
    assert corpus.masks is not None
    truth = corpus.masks[chosen]
    if masks.shape[1] > 1:
        truth = np.where(truth == 1, pixel_classes(corpus, chosen).numpy()[:, None, None], truth)
    full = functional.interpolate(masks, size=truth.shape[1:], mode="bilinear", align_corners=False)
    predicted = full.argmax(1) if masks.shape[1] > 1 else full[:, 0] >= 0
    return predicted.to(torch.uint8).cpu().numpy(), truth


def _overlap(masks: torch.Tensor, corpus: Corpus, chosen: npt.NDArray[np.intp]) -> Overlap:
    predicted, truth = _label_maps(masks, corpus, chosen)
    known = truth[:, 0, 0] != UNKNOWN
    classes = max(2, masks.shape[1])

    def counted(where: npt.NDArray[np.bool_], of: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        counts: npt.NDArray[np.int64] = np.stack([((of == k) & where).sum((1, 2)) for k in range(classes)], 1)[known]
        return counts

    everywhere = np.ones_like(truth, bool)
    return Overlap(counted(predicted == truth, truth), counted(everywhere, predicted), counted(everywhere, truth))


def figures(
    scored: Scored, truth: npt.NDArray[np.intp], prevalence: npt.NDArray[np.float64], taxonomy: Taxonomy
) -> dict[str, float]:
    """The figures of an epoch and their `score`: the mean of what the network learns.

    `scored.logits` must know no class shares. A classifier's score is the mean of balanced accuracy (grouped view,
    prior-free decision) and malignant AUC, or the former alone where all diagnoses are malignant or none is; a
    segmentation network's is its mIoU.
    """
    found: dict[str, float] = {}
    scores = []
    if scored.logits is not None:
        found |= class_figures(scored.logits, truth, prevalence, taxonomy)
        scores.append(found["score"])
    if scored.overlap is not None:
        found |= {"miou": scored.overlap.miou, "dice": scored.overlap.dice}
        scores.append(found["miou"])
    return found | {"score": float(np.mean(scores))}


def class_figures(
    logits: npt.NDArray[np.float32],
    truth: npt.NDArray[np.intp],
    prevalence: npt.NDArray[np.float64],
    taxonomy: Taxonomy,
) -> dict[str, float]:
    """Balanced accuracy over groups and leaves, accuracy, malignant AUC, score; from logits free of class shares."""
    group, malignant = np.array(taxonomy.group_of_leaf), np.array(taxonomy.malignant)
    chosen = logits.argmax(axis=1)
    weighted = np.exp(logits - logits.max(axis=1, keepdims=True)) * prevalence
    risk = malignancy_risk(weighted / weighted.sum(axis=1, keepdims=True), taxonomy)
    grouped = float(metrics.balanced_accuracy(group[truth], group[chosen], len(taxonomy.groups)))
    found = {
        "balanced_accuracy_grouped": grouped,
        "balanced_accuracy_leaves": float(metrics.balanced_accuracy(truth, chosen, len(taxonomy.leaves))),
        "accuracy": float(metrics.accuracy(group[truth], group[weighted.argmax(axis=1)])),
    }
    if malignant.all() or not malignant.any():
        return found | {"score": grouped}
    area = float(metrics.auc(risk, malignant[truth]))
    return found | {"malignant_auc": area, "score": (grouped + area) / 2}
