"""The photos with a known diagnosis that a photo looks most like to a bundle's network: named, never shown."""

from __future__ import annotations

import csv
import io

import numpy as np
import numpy.typing as npt

from epiluma.bundle import Bundle, BundleError, Examples
from epiluma.inference.result import Example

NEAREST = 5
"""Examples that a screening names."""
COLUMNS = ("id", "diagnosis")
LINK = "https://api.isic-archive.com/images/{}/"
"""Where the archive shows an image."""


class ExampleFinder:
    """A bundle's examples, read once; the features of a photo in, those nearest to it out."""

    def __init__(self, facts: Examples, data: bytes, names: bytes) -> None:
        """Raises BundleError when a file is not what `facts` says."""
        d, k, n = facts.features, facts.components, facts.n
        sizes = (d, k * d, n * k)
        if len(data) != 2 * sum(sizes):
            raise BundleError(
                facts.file, f"has {len(data):,} bytes where the manifest's numbers need {2 * sum(sizes):,}"
            )
        values = np.frombuffer(data, "<f2").astype(np.float32)
        if not np.isfinite(values).all():
            raise BundleError(facts.file, "holds a value that is not a finite number")
        mean, basis, rows = np.split(values, np.cumsum(sizes)[:-1])
        self._mean, self._basis, self._rows = mean, basis.reshape(k, d), rows.reshape(n, k)
        self._names = read_names(facts, names)

    def __call__(self, features: npt.NDArray[np.float32], nearest: int = NEAREST) -> tuple[Example, ...]:
        """The examples nearest to (1, d) features, the nearest first; similarity is the cosine, -1 to 1.

        Raises ValueError for features of another length.
        """
        if features.shape != (1, len(self._mean)):
            raise ValueError(f"the examples are of {len(self._mean)} features, not of {features.shape}")
        similarity = self._rows @ direction(features, self._mean, self._basis)[0]
        order = np.argsort(-similarity, kind="stable")[:nearest]
        return tuple(
            Example(
                id=self._names[i][0],
                diagnosis=self._names[i][1],
                similarity=round(float(np.clip(similarity[i], -1, 1)), 3),
                url=LINK.format(self._names[i][0]),
            )
            for i in order
        )


def direction(
    features: npt.NDArray[np.float32], mean: npt.NDArray[np.float32], basis: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """(n, d) features -> (n, k) rows of unit length in the space of (k, d) components; a row of zeros stays zero."""
    rows = (features - mean) @ basis.T
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), np.float32)


def read_names(facts: Examples, data: bytes) -> list[tuple[str, str]]:
    """Id and diagnosis of each example. Raises BundleError when the table is not what `facts` says."""
    try:
        rows = list(csv.reader(io.StringIO(data.decode("ascii"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BundleError(facts.names, f"is no table of examples ({error})") from error
    if not rows or tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise BundleError(facts.names, f"needs the columns {' and '.join(COLUMNS)} in every row")
    if len(rows) - 1 != facts.n:
        raise BundleError(facts.names, f"names {len(rows) - 1:,} examples where the manifest says {facts.n:,}")
    return [(row[0], row[1]) for row in rows[1:]]


def open_examples(bundle: Bundle) -> ExampleFinder | None:
    """The finder of the graph that runs; None when the bundle names no examples. Raises BundleError."""
    facts = bundle.manifest.examples
    return ExampleFinder(facts, bundle.files[facts.file], bundle.files[facts.names]) if facts else None
