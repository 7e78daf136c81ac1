"""Manifests, pairs and inspections made by hand, for the tests of what reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from epiluma.datasets import groups
from epiluma.datasets.inspection import MEASURES, Inspections
from epiluma.datasets.manifest import Entry, Header, Manifest, Source
from epiluma.datasets.record import Sample

ROOT = Path("/sets")


class Pair(groups.Pair):
    """What the duplicate search gives: a near-duplicate, unless told otherwise."""

    def __new__(cls, a: int, b: int, score: float = 0.99, kind: groups.Kind = "near") -> Pair:
        return super().__new__(cls, a, b, score, kind)


def sample(image_id: str, *, source: str = "one", diagnosis: str = "NV", root: Path = ROOT, **facts: object) -> Sample:
    """A dermoscopic nevus, unless told otherwise."""
    given: dict[str, object] = {"path": root / source / f"{image_id}.jpg", "modality": "dermoscopy", "licence": "CC0"}
    return Sample(image_id=image_id, source=source, diagnosis=diagnosis, **(given | facts))  # type: ignore[arg-type]


def source(name: str, rows: int, *, root: Path = ROOT, licence: str = "CC0") -> Source:
    return Source(name=name, root=str(root / name), licence=licence, citation=f"{name} et al.", rows=rows)


def manifest_of(entries: Sequence[Entry | Sample], *, root: Path = ROOT) -> Manifest:
    """In key order, from sources whose folders are below `root`; samples become plain entries."""
    made = [e if isinstance(e, Entry) else Entry(sample=e) for e in entries]
    made.sort(key=lambda e: e.sample.key)
    names = sorted({e.sample.source for e in made})
    sources = tuple(source(name, sum(e.sample.source == name for e in made), root=root) for name in names)
    return Manifest(header=Header(sources=sources, licence="CC0"), entries=tuple(made))


def inspected(
    n: int,
    *,
    sha256: Sequence[str] = (),
    error: dict[int, str] | None = None,
    thumbs: npt.NDArray[np.uint8] | None = None,
    size: Sequence[tuple[int, int]] = (),
    **measures: Sequence[float],
) -> Inspections:
    """Of n images of noise, 64 x 48 pixels, all different."""
    random = np.random.default_rng(0)
    sizes = np.array(size or [(64, 48)] * n, np.int32)
    none = np.full(n, np.nan, np.float32)
    return Inspections(
        sha256=np.array(sha256 or [f"{i:064x}" for i in range(n)], dtype=np.str_),
        error=np.array([(error or {}).get(i, "") for i in range(n)], dtype=np.str_),
        width=sizes[:, 0],
        height=sizes[:, 1],
        thumbs=random.integers(0, 256, (n, 32, 32, 3), np.uint8) if thumbs is None else thumbs,
        features=np.zeros((n, 0), np.float16),
        measures={name: np.array(measures.get(name, none), np.float32) for name in MEASURES},
    )
