"""Several runs beside each other, as one record that every report shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from epiluma.bundle import Bundle, BundleError
from epiluma.comparison import cost, quality
from epiluma.comparison import run as runs
from epiluma.comparison.cell import Cell
from epiluma.comparison.cost import Price
from epiluma.comparison.run import Run, RunError
from epiluma.inference.locate import find_bundle
from epiluma.inference.timing import IMAGES

Progress = Callable[[int, int], None]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    label: str
    folder: str
    facts: dict[str, str]
    """What was trained, on what; empty where it was not recorded."""
    figures: dict[str, Cell]


class CloudRow(NamedTuple):
    """A row of the cloud comparison that the third reference system published."""

    system: str
    accuracy: float
    training_minutes: float
    evaluation_minutes: float


CLOUD = (CloudRow("MobileNetV2", 0.889, 126.5, 2.0), CloudRow("InceptionV3", 0.906, 121.1, 0.6))
"""Malignant or benign, 11,000 ISIC images, on a rented machine; as its report states them."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What `epiluma compare` shows."""

    runs: tuple[Compared, ...]
    published: tuple[CloudRow, ...] = CLOUD
    """Measured on other data and other machines."""
    price_per_core_hour: float | None
    currency: str


def compare(
    read: Sequence[Run],
    *,
    bundles: Sequence[Bundle] = (),
    installed: Sequence[Bundle] = (),
    price: Price | None = None,
    images: int = IMAGES,
    progress: Progress | None = None,
) -> Comparison:
    """Put runs side by side; graphs are timed `images` times each, here and now (0: not at all).

    Raises RunError for a bundle that belongs to none of the runs, PredictionsError, SegmentationsError and
    TimingError for a file that is broken.
    """
    made_by = set().union(*(quality.models(run.folder) for run in read))
    for bundle in bundles:
        if bundle.id not in made_by:
            raise RunError(f"bundle {bundle.manifest.name!r} ({bundle.id[:12]}): no run's tables were made with it")
    compared = []
    for done, (run, label) in enumerate(zip(read, runs.labels(read), strict=True)):
        if progress:
            progress(done, len(read))
        graph = cost.graph_of(run, bundles, installed)
        figures = {
            **quality.of_diagnosis(run.folder),
            **quality.of_outline(run.folder),
            **cost.of_training(run, price),
            **cost.of_use(run, graph, price, images=images),
        }
        compared.append(Compared(label=label, folder=str(run.folder), facts=facts(run), figures=figures))
    return Comparison(
        runs=tuple(compared),
        price_per_core_hour=price.per_core_hour if price else None,
        currency=price.currency if price else "",
    )


def read_all(folders: Sequence[Path]) -> list[Run]:
    """Read run folders. Raises RunError when one is named twice, and what `run.read` raises."""
    seen = [folder.resolve() for folder in folders]
    if twice := [folder for folder, path in zip(folders, seen, strict=True) if seen.count(path) > 1]:
        raise RunError(f"{twice[0]}: is named twice; name each run once")
    return [runs.read(folder) for folder in folders]


def installed_bundles() -> list[Bundle]:
    """The bundle that would be screened with, where there is one: it is some run's exported network."""
    try:
        return [find_bundle()]
    except BundleError:
        return []


def facts(run: Run) -> dict[str, str]:
    """What was trained, from what, how long and where, in words."""
    recipe, where, done = run.recipe, run.environment, len(run.log)
    early = ", ended early" if run.ended else ""
    return {
        "network": " on ".join(filter(None, (recipe.model.architecture, recipe.model.encoder))),
        "size": str(run.size or ""),
        "epochs": f"{done} of {run.epochs}{early}" if done < run.epochs else str(done),
        "start": Path(recipe.model.weights).name or "random",
        "seed": "" if recipe.seed is None else str(recipe.seed),
        "machine": ", ".join(
            filter(
                None,
                (
                    where.device or where.machine,
                    f"{where.threads} threads" if where.threads else "",
                    f"torch {where.torch}" if where.torch else "",
                ),
            )
        ),
    }
