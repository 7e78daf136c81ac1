"""How unlike its training data a photo looks to a bundle's network: a distance of features, and energy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from epiluma.bundle import Bundle, BundleError, Scope
from epiluma.inference.decide import Floats


class Statistics(NamedTuple):
    """The arrays of a bundle's file, float32 there and float64 here."""

    mean: Floats
    """(d,) of the training features."""
    basis: Floats
    """(k, d) principal directions, orthonormal."""
    whitener: Floats
    """(k, k): what is multiplied by it has unit covariance within a diagnosis."""
    centres: Floats
    """(c, k) whitened mean of each diagnosis."""

    def to_bytes(self) -> bytes:
        """As the bundle holds them."""
        return b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in self)


def read_statistics(scope: Scope, data: bytes) -> Statistics:
    """The arrays of a file. Raises BundleError when it has another length or holds what is no finite number."""
    d, k, c = scope.features, scope.components, scope.centres
    shapes = ((d,), (k, d), (k, k), (c, k))
    sizes = [int(np.prod(shape)) for shape in shapes]
    if len(data) != 4 * sum(sizes):
        raise BundleError(scope.file, f"has {len(data):,} bytes where the manifest's numbers need {4 * sum(sizes):,}")
    values = np.frombuffer(data, "<f4").astype(np.float64)
    if not np.isfinite(values).all():
        raise BundleError(scope.file, "holds a value that is not a finite number")
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return Statistics(*(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)))


def energies(logits: npt.NDArray[np.floating]) -> Floats:
    """(n,) energy of (n, leaves) logits: minus the logarithm of the sum of their exponentials.

    The higher, the less the network finds of anything that it knows (Liu et al. 2020, arXiv:2010.03759, eq. 4 with
    temperature 1).
    """
    exact = np.asarray(logits, np.float64)
    largest = exact.max(axis=1, keepdims=True)
    result: Floats = -(largest[:, 0] + np.log(np.exp(exact - largest).sum(axis=1)))
    return result


def distances(features: npt.NDArray[np.floating], statistics: Statistics) -> tuple[Floats, Floats]:
    """Two (n,) squared lengths of (n, d) features: Mahalanobis to the nearest centre (Lee et al. 2018,
    arXiv:1807.03888) within the principal components, and what these leave over (Wang et al. 2022, arXiv:2203.10807).
    """
    moved = np.asarray(features, np.float64) - statistics.mean
    inside = moved @ statistics.basis.T
    whitened = inside @ statistics.whitener.T
    nearest = ((whitened[:, None, :] - statistics.centres) ** 2).sum(axis=2).min(axis=1)
    left_over = np.maximum((moved**2).sum(axis=1) - (inside**2).sum(axis=1), 0)
    return nearest, left_over


class ScopeScorer:
    """A bundle's statistics, read once; features and logits of n photos in, n scores out."""

    def __init__(self, scope: Scope, data: bytes) -> None:
        """Raises BundleError."""
        self.facts = scope
        self.statistics = read_statistics(scope, data)

    def __call__(self, features: npt.NDArray[np.floating], logits: npt.NDArray[np.floating]) -> Floats:
        """(n,) score of (n, d), the output that the statistics are of, and (n, leaves) logits of photos as they are.

        Above `threshold`: refused. Raises ValueError for rows of another length. What is not finite gives a score that
        is not.
        """
        facts = self.facts
        if features.ndim != 2 or features.shape[1] != facts.features:
            raise ValueError(f"the statistics are of {facts.features} features, not of {features.shape}")
        nearest, left_over = distances(features, self.statistics)
        distance = np.sqrt(nearest / facts.components + facts.residual_weight * left_over / facts.residual)
        energy = (energies(logits) - facts.energy_mean) / facts.energy_spread
        result: Floats = distance + facts.energy_weight * energy
        return result


def open_scope(bundle: Bundle) -> ScopeScorer | None:
    """The scorer of the graph that runs; None when the bundle has none. Raises BundleError."""
    scope = bundle.manifest.scope
    return ScopeScorer(scope, bundle.files[scope.file]) if scope else None
