"""How much a mark seems to change between photos that were taken without time between them."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console

from epiluma.bench.errors import BenchError
from epiluma.datasets import catalog
from epiluma.export.picking import evenly
from epiluma.inference.locate import find_bundle
from epiluma.inference.screen import Screener
from epiluma.inference.visits import GREW, compare_photos


class VisitsBench(msgspec.Struct, frozen=True, kw_only=True):
    """What `epiluma bench visits` measured."""

    bundle: str
    pairs: int
    """Of photos of one lesion, each lesion once."""
    refused: int
    """Where a photo cannot be judged or outlines nothing."""
    compared: int
    """Where the photos could be laid over each other."""
    area_p50: float
    """Quantiles of the relative change of the area, whichever way round it is a growth."""
    area_p95: float
    colour_p95: float
    """Of the CIEDE2000 difference of the mark once the skin's own change is taken off."""
    said_to_grow: float
    """Share of the compared pairs that are said to have grown, in the order in which they are published."""


def run(root: Path, name: str, *, pairs: int, bundle: Path | None, as_json: bool) -> None:
    """Measure and print. Raises DataError, BenchError, BundleError or SessionError."""
    measured = measure(root, name, pairs=pairs, bundle=bundle)
    if as_json:
        sys.stdout.write(msgspec.json.encode(measured).decode() + "\n")
        return
    Console(highlight=False, soft_wrap=True).print(
        f"{measured.pairs} pairs of photos of one lesion: {measured.refused} with a photo that is not judged, "
        f"{measured.compared} laid over each other\n"
        f"growth of the area: median {measured.area_p50:.0%}, 95% of pairs below {measured.area_p95:.0%}\n"
        f"colour against the skin: 95% of pairs below {measured.colour_p95:.1f} (CIEDE2000)\n"
        f"said to have grown (from {GREW:.0%} on): {measured.said_to_grow:.1%} of those compared"
    )


def measure(root: Path, name: str, *, pairs: int, bundle: Path | None) -> VisitsBench:
    """The first two photos of each lesion that has several, evenly picked. Raises BenchError when there is none."""
    of: dict[str, list[Path]] = defaultdict(list)
    for sample in catalog.read(name, root):
        if sample.lesion:
            of[sample.lesion].append(sample.path)
    several = [paths[:2] for _, paths in sorted(of.items()) if len(paths) > 1]
    if not several:
        raise BenchError(f"{root}: no lesion has two photos, so there is nothing to compare")
    screener = Screener(find_bundle(bundle))
    picked = [several[i] for i in evenly(len(several), pairs)]
    found = [compare_photos(screener, *paths).visits for paths in picked]
    sizes = [one.evolution.size.area for one in found if one.evolution and one.evolution.size]
    if not sizes:
        raise BenchError(f"{root}: no pair could be compared")
    growth = [max(area, 1 / (1 + area) - 1) for area in sizes]
    against = [one.evolution.colour.lesion_against_skin for one in found if one.evolution and one.evolution.size]
    return VisitsBench(
        bundle=screener.bundle.id,
        pairs=len(picked),
        refused=sum(one.evolution is None for one in found),
        compared=len(sizes),
        area_p50=round(float(np.quantile(growth, 0.5)), 4),
        area_p95=round(float(np.quantile(growth, 0.95)), 4),
        colour_p95=round(float(np.quantile([value for value in against if value is not None], 0.95)), 2),
        said_to_grow=round(float(np.mean(np.array(sizes) >= GREW)), 4),
    )
