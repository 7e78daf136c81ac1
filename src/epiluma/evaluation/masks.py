"""How one predicted label map agrees with its truth: overlap by pixel counts, and distance between boundaries.

A label map is (height, width) of class indices, 0 the background; all other classes together are the lesion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from epiluma.evaluation.metrics import Bools, Floats, Ints, ratio
from epiluma.segmentations import BOUNDARY_TOLERANCE, Header, Segmentations

JACCARD_LEAST = 0.65
"""A Jaccard index below this counts as 0 in the thresholded one (ISIC 2018, task 1)."""


Pixels = Ints | Floats
"""Numbers of pixels; with a fraction where images are weighted."""


class Counts(NamedTuple):
    """Pixels in both maps, in the prediction, in the truth; of any one shape, such as (images, classes)."""

    intersection: Pixels
    predicted: Pixels
    truth: Pixels


class Measures(NamedTuple):
    """What a table keeps of one image."""

    width: int
    height: int
    counts: Counts
    """Each (classes,)."""
    boundary_f1: float
    hd95: float
    """Pixels."""


def measure(
    predicted: npt.NDArray[np.integer],
    truth: npt.NDArray[np.integer],
    classes: int = 2,
    *,
    tolerance: float = BOUNDARY_TOLERANCE,
) -> Measures:
    """All measures of one image; both maps (height, width), of indices below `classes`. Raises ValueError."""
    counts = count_pixels(predicted, truth, classes)
    f1, hd95 = compare_boundaries(predicted > 0, truth > 0, tolerance=tolerance)
    height, width = truth.shape
    return Measures(width=width, height=height, counts=counts, boundary_f1=f1, hd95=hd95)


def count_pixels(predicted: npt.NDArray[np.integer], truth: npt.NDArray[np.integer], classes: int) -> Counts:
    """Pixels of each class in both maps, in the prediction, and in the truth, each (classes,). Raises ValueError."""
    if predicted.shape != truth.shape or truth.ndim != 2 or not truth.size:
        raise ValueError(f"expected two maps of one (height, width); got {predicted.shape} and {truth.shape}")
    if min(predicted.min(), truth.min()) < 0 or max(predicted.max(), truth.max()) >= classes:
        raise ValueError(f"a map of {classes} classes holds 0 to {classes - 1} and nothing else")
    cell = truth.astype(np.intp).ravel() * classes + predicted.ravel()
    table = np.bincount(cell, minlength=classes * classes).reshape(classes, classes)
    return Counts(intersection=np.diagonal(table).copy(), predicted=table.sum(0), truth=table.sum(1))


def lesion(counts: Counts) -> Counts:
    """Counts of the lesion, every class but the background; the last axis, of the classes, is gone."""
    pixels = counts.truth.sum(-1)
    background = Counts(*(count[..., 0] for count in counts))
    union = background.predicted + background.truth - background.intersection
    return Counts(pixels - union, pixels - background.predicted, pixels - background.truth)


def jaccard(counts: Counts, *, where_empty: float = 1.0) -> Floats:
    """Intersection over union (Jaccard 1901), 0 to 1; `where_empty` where neither map has a pixel."""
    union = counts.predicted + counts.truth - counts.intersection
    return ratio(_floats(counts.intersection), _floats(union), otherwise=where_empty)


def thresholded(index: Floats) -> Floats:
    """The Jaccard index, 0 where it is below 0.65: an outline that a reader would redraw is worth nothing."""
    return np.where(index < JACCARD_LEAST, 0.0, index)


def dice(counts: Counts) -> Floats:
    """2 |A and B| / (|A| + |B|) (Dice 1945), 0 to 1; 1 where neither map has a pixel."""
    return ratio(_floats(2 * counts.intersection), _floats(counts.predicted + counts.truth), otherwise=1.0)


def boundary(mask: Bools) -> Bools:
    """Pixels of the mask with a side on something else; beyond the frame there is no mask."""
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    outer: Bools = mask & ~inside
    return outer


def compare_boundaries(predicted: Bools, truth: Bools, *, tolerance: float = BOUNDARY_TOLERANCE) -> tuple[float, float]:
    """(boundary F1, HD95 in pixels) of two masks (height, width).

    Boundary F1 (Csurka et al. 2013, "What is a good evaluation measure for semantic segmentation?"): precision is
    the share of predicted boundary pixels that have a true one within `tolerance` x diagonal, recall the reverse.
    HD95 is the larger of the two directed 95th percentiles of the distance from each boundary pixel to the other
    boundary (Huttenlocher et al. 1993 with a rank; linear between ranks), as MONAI and the BraTS challenge have it.
    Both empty: F1 1, distance 0. One empty: F1 0, and the diagonal as the distance.
    """
    diagonal = float(np.hypot(*truth.shape))
    if not (predicted.any() and truth.any()):
        alike = not (predicted.any() or truth.any())
        return (1.0, 0.0) if alike else (0.0, diagonal)
    there, back = _distances(boundary(predicted), boundary(truth))
    precision, recall = (float((distance <= tolerance * diagonal).mean()) for distance in (there, back))
    f1 = 2 * precision * recall / (precision + recall) if precision and recall else 0.0
    return f1, float(max(np.percentile(there, 95), np.percentile(back, 95)))


def tabulate(
    header: Header,
    measures: Sequence[Measures],
    *,
    image_id: Sequence[str],
    group: Sequence[str],
    part: Sequence[str],
    subgroups: Mapping[str, Sequence[str]],
) -> Segmentations:
    """One row for each measured image; all sequences are in its order, subgroup values empty where unknown."""
    shape = (len(measures), len(header.classes))
    intersection, predicted, truth = (
        np.array([m.counts[i] for m in measures], np.intp).reshape(shape) for i in range(len(Counts._fields))
    )
    return Segmentations(
        header=header,
        image_id=np.array(image_id, np.str_),
        group=np.array(group, np.str_),
        part=np.array(part, np.str_),
        width=np.array([m.width for m in measures], np.intp),
        height=np.array([m.height for m in measures], np.intp),
        boundary_f1=np.array([m.boundary_f1 for m in measures], np.float64),
        hd95=np.array([m.hd95 for m in measures], np.float64),
        intersection=intersection,
        predicted=predicted,
        truth=truth,
        subgroups={name: np.array(column, np.str_) for name, column in subgroups.items()},
    )


def _distances(a: Bools, b: Bools) -> tuple[Floats, Floats]:
    """Pixels from each pixel of `a` to the nearest of `b`, and back; neither is empty."""
    from scipy.ndimage import distance_transform_edt  # scipy comes with the training extra; scoring a table needs none

    either = a | b
    rows, columns = (np.flatnonzero(either.any(axis)) for axis in (1, 0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # nothing outside it can be nearest
    a, b = a[box], b[box]
    return distance_transform_edt(~b)[a], distance_transform_edt(~a)[b]


def _floats(pixels: Pixels) -> Floats:
    return np.asarray(pixels, np.float64)
