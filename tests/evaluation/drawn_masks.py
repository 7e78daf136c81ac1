"""Drawn outlines: ellipses as truth, and the same ellipses moved and resized as what a network might say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from epiluma.evaluation.masks import measure, tabulate
from epiluma.segmentations import Header, Segmentations

Map = npt.NDArray[np.intp]
NAMES = ("background", "lesion", "ulcer", "scab")


def header(
    *, classes: int = 2, size: tuple[int, int] = (48, 36), own_size: bool = False, audit: str = "clean: none"
) -> Header:
    return Header(
        classes=NAMES[:classes],
        runner="onnx-fp32",
        model="drawn",
        network_size=(32, 32),
        scored_size=None if own_size else size,
        manifest_sha256="0" * 64,
        audit=audit,
    )


def ellipse(size: tuple[int, int], centre: npt.ArrayLike, radii: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """(height, width); centre and radii are (x, y) in pixels."""
    (width, height), (x, y), (across, down) = size, np.asarray(centre), np.asarray(radii)
    rows, columns = np.mgrid[:height, :width]
    return ((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 <= 1


def draw_maps(count: int, seed: int, *, classes: int, size: tuple[int, int], slip: float) -> list[tuple[Map, Map]]:
    """(predicted, truth) pairs; `slip` is how far a prediction goes astray, as a share of the radius."""
    random, frame = np.random.default_rng(seed), np.array(size)
    pairs = []
    for _ in range(count):
        centre, radii = frame * random.uniform(0.35, 0.65, 2), frame * random.uniform(0.15, 0.35, 2)
        error = random.normal(0, slip, 4)
        kind, called = random.integers(1, classes, 2) if random.random() < 0.3 else [random.integers(1, classes)] * 2
        truth = ellipse(size, centre, radii) * kind
        predicted = ellipse(size, centre + error[:2] * radii, radii * np.exp(error[2:])) * called
        pairs.append((predicted.astype(np.intp), truth.astype(np.intp)))
    return pairs


def draw_segmentations(
    lesions: int = 60,
    seed: int = 0,
    *,
    classes: int = 2,
    size: tuple[int, int] = (48, 36),
    slip: float = 0.12,
    audit: str = "clean: none",
    part: str = "test",
) -> Segmentations:
    """Two images of every third lesion, one of the others; every other lesion is of a woman, one in ten unknown."""
    lesion = np.repeat(np.arange(lesions), [2 if i % 3 == 0 else 1 for i in range(lesions)])
    pairs = draw_maps(len(lesion), seed, classes=classes, size=size, slip=slip)
    return tabulate(
        header(classes=classes, size=size, audit=audit),
        [measure(predicted, truth, classes) for predicted, truth in pairs],
        image_id=[f"image{i:04}" for i in range(len(lesion))],
        group=[f"lesion{i:04}" for i in lesion],
        part=[part] * len(lesion),
        subgroups={
            "sex": ["" if i % 10 == 9 else ("female", "male")[i % 2] for i in lesion],
            "source": ["drawn"] * len(lesion),
        },
    )
