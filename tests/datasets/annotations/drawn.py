"""Masks of every awkward kind, and how far two of them are apart."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from scipy import ndimage
from scipy.spatial.distance import directed_hausdorff

from epiluma.datasets.annotations.region import Annotation, full_mask, region_of

Mask = npt.NDArray[np.bool_]


@st.composite
def masks(draw: st.DrawFn, *, width: int, height: int) -> Mask:
    """Noise, or blobs with holes and several parts, up to the edge; at least one pixel."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    noise = random.normal(size=(height, width))
    smooth = draw(st.sampled_from([0.0, 0.7, 1.5, 3.0]))
    field = ndimage.gaussian_filter(noise, smooth) if smooth else noise
    mask: Mask = field >= np.quantile(field, draw(st.floats(0, 1)))
    return mask


@st.composite
def annotations(draw: st.DrawFn, labels: tuple[str, ...] = ("lesion", "hair & <ruler>")) -> Annotation:
    """An image of up to 24 x 24 pixels with one to three regions, which may overlap."""
    width, height = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    regions = [
        region_of(draw(st.sampled_from(labels)), draw(masks(width=width, height=height)))
        for _ in range(draw(st.integers(1, 3)))
    ]
    return Annotation("drawn", "folder/photo 1.jpg", width, height, tuple(r for r in regions if r is not None))


def by_label(annotation: Annotation) -> dict[str, Mask]:
    """All pixels of each label."""
    result: dict[str, Mask] = {}
    for region in annotation.regions:
        mask = full_mask(region, annotation.width, annotation.height)
        result[region.label] = result.get(region.label, np.zeros_like(mask)) | mask
    return result


def painted(annotation: Annotation) -> dict[str, Mask]:
    """All pixels of each label where the later region hides the earlier ones; labels without any are left out."""
    result: dict[str, Mask] = {}
    for region in annotation.regions:
        mask = full_mask(region, annotation.width, annotation.height)
        result = {label: earlier & ~mask for label, earlier in result.items()}
        result[region.label] = result.get(region.label, np.zeros_like(mask)) | mask
    return {label: mask for label, mask in result.items() if mask.any()}


def boundary(mask: Mask) -> npt.NDArray[np.intp]:
    """(n, 2) pixels of the mask with a neighbour, or the image's end, outside it."""
    return np.argwhere(mask & ~ndimage.binary_erosion(mask))


def apart(a: Mask, b: Mask) -> float:
    """Symmetric Hausdorff distance of the boundaries, pixels."""
    if a.any() != b.any():
        return float("inf")
    if not a.any():
        return 0.0
    u, v = boundary(a), boundary(b)
    return max(directed_hausdorff(u, v)[0], directed_hausdorff(v, u)[0])


def decoded_by_pycocotools(code: dict[str, Any]) -> Mask:
    """The mask of a run-length code; pycocotools 2.0.11 still asks NumPy for a copy in the old way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        mask: Mask = coco_mask.decode(code) > 0
    return mask
