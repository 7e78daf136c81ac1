"""The figures of a segmentation scorecard: for each, its words, its formula, and the images that it rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from epiluma.evaluation import masks
from epiluma.evaluation.masks import Counts
from epiluma.evaluation.metrics import Bools, Floats, image_weights, mean_of_defined, ratio
from epiluma.evaluation.published import Published
from epiluma.segmentations import Header, Segmentations

Section = Literal["pooled", "by image"]
Weights = Floats | None
"""How often each image was drawn: (n,), or (b, n) for b replicates at once; None counts each image once."""


@dataclass(frozen=True)
class MaskView:
    """A table as the figures want it."""

    table: Segmentations

    @cached_property
    def counts(self) -> Counts:
        """Each (n, classes)."""
        return Counts(self.table.intersection, self.table.predicted, self.table.truth)

    @cached_property
    def lesion(self) -> Counts:
        """Each (n,): all classes but the background together."""
        return masks.lesion(self.counts)

    @cached_property
    def jaccard(self) -> Floats:
        """(n,) of the lesion."""
        return masks.jaccard(self.lesion)

    @property
    def poor(self) -> Floats:
        """(n,) 1 where the thresholded Jaccard index counts 0 for a poor outline, else 0."""
        return (self.jaccard < masks.JACCARD_LEAST).astype(np.float64)

    @property
    def hd95_share(self) -> Floats:
        """(n,) HD95 as a share of the diagonal."""
        share: Floats = self.table.hd95 / self.table.diagonal
        return share

    def lesions(self, among: Bools) -> int:
        """Number of lesions with an image in `among`."""
        return len(np.unique(self.table.group[among]))


Formula = Callable[[MaskView, Weights], Floats]


def _everything(view: MaskView) -> Bools:
    return np.ones(len(view.table), bool)


@dataclass(frozen=True, kw_only=True)
class MaskDefinition:
    """One figure."""

    key: str
    section: Section
    title: str
    """Names the averaging."""
    formula: Formula
    among: Callable[[MaskView], Bools] = _everything
    """(n,) the images without which it cannot be given."""
    digits: int = 3
    """Decimals that a report shows."""


def _mean(values: Floats, weights: Weights) -> Floats:
    drawn = image_weights(weights, len(values))
    return ratio(drawn @ values, drawn.sum(-1))


def _median(values: Floats, weights: Weights) -> Floats:
    """The median of the values, each as often as it was drawn."""
    order = np.argsort(values)
    reached = np.cumsum(image_weights(weights, len(values))[..., order], axis=-1)
    half = reached[..., -1:] / 2
    ranked, lower, upper = values[order], (reached < half).sum(-1), (reached <= half).sum(-1)
    middle: Floats = (ranked[lower] + ranked[upper]) / 2
    return middle


def definitions(header: Header) -> list[MaskDefinition]:
    """All figures that suit a table: one IoU for each class, and pixels only where all images have one size."""
    below, tolerance = f"below {masks.JACCARD_LEAST:g}", f"{header.boundary_tolerance:.2%} of the diagonal"
    return [
        MaskDefinition(
            key="miou", section="pooled", title=f"mIoU, mean of {len(header.classes)} classes", formula=_miou
        ),
        *(_iou_of(i, name) for i, name in enumerate(header.classes)),
        MaskDefinition(key="pooled_jaccard", section="pooled", title="Jaccard of the lesion", formula=_pooled_jaccard),
        MaskDefinition(key="pooled_dice", section="pooled", title="Dice of the lesion", formula=_pooled_dice),
        _by_image("mean_jaccard", "Jaccard, mean of images", lambda view: view.jaccard),
        _by_image(
            "mean_thresholded_jaccard",
            f"Jaccard, 0 where {below}, mean of images",
            lambda view: masks.thresholded(view.jaccard),
        ),
        _by_image("share_below", f"Share of images with a Jaccard {below}", lambda view: view.poor),
        _by_image("mean_dice", "Dice, mean of images", lambda view: masks.dice(view.lesion)),
        _by_image(
            "mean_boundary_f1", f"Boundary F1 within {tolerance}, mean of images", lambda view: view.table.boundary_f1
        ),
        *_hd95("share", "share of the diagonal", lambda view: view.hd95_share, digits=3),
        *(_hd95("pixels", "pixels", lambda view: view.table.hd95, digits=1) if header.scored_size else ()),
    ]


def _hd95(unit: str, words: str, values: Callable[[MaskView], Floats], digits: int) -> list[MaskDefinition]:
    return [
        _by_image(f"{name}_hd95_{unit}", f"HD95, {words}, {name} of images", values, average=average, digits=digits)
        for name, average in (("mean", _mean), ("median", _median))
    ]


def _by_image(
    key: str,
    title: str,
    values: Callable[[MaskView], Floats],
    *,
    average: Callable[[Floats, Weights], Floats] = _mean,
    digits: int = 3,
) -> MaskDefinition:
    def formula(view: MaskView, weights: Weights) -> Floats:
        return average(values(view), weights)

    return MaskDefinition(key=key, section="by image", title=title, formula=formula, digits=digits)


def _iou_of(index: int, name: str) -> MaskDefinition:
    return MaskDefinition(
        key=f"iou_{name}",
        section="pooled",
        title=f"IoU of {name}",
        formula=lambda view, weights: _iou(view, weights)[..., index],
        among=lambda view: view.table.truth[:, index] > 0,
    )


def _pooled(counts: Counts, weights: Weights) -> Counts:
    """Sums over the images, (...) or (..., classes)."""
    drawn = image_weights(weights, len(counts.truth))
    return Counts(*(drawn @ count.astype(np.float64) for count in counts))


def _iou(view: MaskView, weights: Weights) -> Floats:
    """(..., classes) pooled intersection over pooled union; NaN for a class that no map has."""
    return masks.jaccard(_pooled(view.counts, weights), where_empty=np.nan)


def _miou(view: MaskView, weights: Weights) -> Floats:
    return mean_of_defined(_iou(view, weights))


def _pooled_jaccard(view: MaskView, weights: Weights) -> Floats:
    return masks.jaccard(_pooled(view.lesion, weights))


def _pooled_dice(view: MaskView, weights: Weights) -> Floats:
    return masks.dice(_pooled(view.lesion, weights))


_ISIC_2018 = "ISIC 2018 Task 1"
_THRESHOLDED = "Jaccard, 0 where below 0.65, mean of images"
PUBLISHED_MASKS = (
    Published("PP-LiteSeg-T", "540 images a class", "mIoU, pooled", (0.838,), ("miou",), "PaddleX, its own report"),
    Published(
        "PP-LiteSeg-T, after search", "the same", "mIoU, pooled", (0.868,), ("miou",), "PaddleX, its own report"
    ),
    Published("winner", _ISIC_2018, _THRESHOLDED, (0.802,), ("mean_thresholded_jaccard",), "challenge"),
    Published("baseline", _ISIC_2018, _THRESHOLDED, (0.772,), ("mean_thresholded_jaccard",), "challenge"),
    Published("baseline", _ISIC_2018, "Jaccard, mean of images", (0.815,), ("mean_jaccard",), "challenge"),
    # Its evaluation code pools all pixels and counts the lesion alone, which it calls mIoU.
    Published(
        "VM-UNet", "ISIC 2018, own split", "Jaccard / Dice of the lesion, pooled", (0.8135, 0.8971),
        ("pooled_jaccard", "pooled_dice"), "its README",
    ),
    Published(
        "U-Net", "PH2", "Jaccard / Dice, averaging not known", (0.851, 0.915), ("mean_jaccard", "mean_dice"),
        "PMC11236745",
    ),
)  # fmt: skip
"""Published segmentation figures that a report prints beside its own. Each was measured on other images."""
