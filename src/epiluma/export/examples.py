"""Which photos a bundle names as examples, and where they lie among the features of each graph that ships."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from epiluma.bundle import Examples
from epiluma.export.picking import evenly
from epiluma.inference.examples import COLUMNS, direction

if TYPE_CHECKING:  # these need torch, and tests of the fit do not
    from epiluma.export.scope import Network
    from epiluma.export.scored import Scored

FILE, NAMES = "examples.f16", "examples.csv"
MOST, COMPONENTS = 2000, 64
FEWEST = 20
"""With fewer photos the nearest one says nothing, and the bundle names none."""
PART = "calibration"
"""Its photos were not trained on, so a network's features spread over them as over new ones."""
PUBLIC = re.compile(r"ISIC_\d{7}")
"""Only images of the public archive are named: no other id may leave with a bundle."""
_BLOCK = 16


class FittedExamples(NamedTuple):
    """What a bundle says of its examples, and the contents of its two files."""

    facts: Examples
    files: dict[str, bytes]


def fit_on(network: Network, scored: Scored, *, file: str = FILE) -> FittedExamples | None:
    """The examples of a graph; None when it gives no features, or too few photos of the part are of the archive."""
    samples, indices = scored.corpus.samples, scored.corpus.parts[PART]
    public = np.array([i for i in indices if PUBLIC.fullmatch(samples[i].image_id)], np.intp)
    if len(public) < FEWEST:
        return None
    picked = public[evenly(len(public), MOST)]
    features = []
    for start in range(0, len(picked), _BLOCK):
        found = network(scored.normalised(picked[start : start + _BLOCK]))
        if "features" not in found:
            return None
        features.append(found["features"].reshape(-1, found["features"].shape[-1]))
    codes = scored.corpus.taxonomy.codes
    names = [(samples[i].image_id, codes[scored.corpus.labels[i]]) for i in picked]
    return fit_examples(
        np.concatenate(features), names, source=f"{scored.corpus.samples[0].source}, {PART} part", file=file
    )


def fit_examples(
    features: npt.NDArray[np.float32], names: Sequence[tuple[str, str]], *, source: str, file: str = FILE
) -> FittedExamples:
    """The record and files of (n, d) features and the id and diagnosis of each; the same inputs give the same bytes."""
    n, d = features.shape
    mean = features.mean(axis=0, dtype=np.float64)
    _, _, axes = np.linalg.svd(features - mean, full_matrices=False)
    basis = axes[: min(COMPONENTS, n - 1, d)]
    heaviest = basis[np.arange(len(basis)), np.abs(basis).argmax(axis=1)]
    basis = basis * np.sign(heaviest)[:, None]  # a sign that is always the same
    stored = [np.asarray(array, "<f2").astype(np.float32) for array in (mean, basis)]
    rows = direction(features, *stored)
    facts = Examples(file=file, names=NAMES, source=source, features=d, components=len(basis), n=n)
    data = b"".join(np.ascontiguousarray(array, "<f2").tobytes() for array in (*stored, rows))
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([COLUMNS, *names])
    return FittedExamples(facts, {file: data, NAMES: table.getvalue().encode("ascii")})
