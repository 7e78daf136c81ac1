"""Fitting of the score by which a bundle refuses what is unlike its training data: for each graph that ships."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from epiluma import bundle as bundles
from epiluma.bundle import Bundle, Scope
from epiluma.evaluation.metrics import Floats
from epiluma.export.picking import evenly
from epiluma.inference.scope import ScopeScorer, Statistics, distances, energies

MAX_BYTES = 1_000_000
"""Of the file of statistics: wide features get fewer components."""
FILE = "scope.f32"
_BLOCK = 16
TRAINING = 2000
"""Images of the training part, evenly picked, that the statistics are made of."""
FEWEST = 5
"""Images that a diagnosis needs for a centre of its own."""


if TYPE_CHECKING:  # these need torch, and the bench does not
    from epiluma.export.scored import Scored

Network = Callable[[npt.NDArray[np.float32]], Mapping[str, npt.NDArray[np.float32]]]
"""(n, 3, S, S) normalised float32 -> what a graph gives, by output name."""
Batches = Iterable[npt.NDArray[np.float32]]


class Shape(NamedTuple):
    """What is chosen by measurement and not fitted: `epiluma bench gate` compares candidates."""

    components: int
    residual_weight: float
    energy_weight: float


CHOSEN = Shape(components=128, residual_weight=0.0, energy_weight=0.05)
MAX_SHARE = 0.01
"""Of the calibration lesions, those that may have a photo that is refused."""
Output = Literal["features", "textures"]


class Seen(NamedTuple):
    """What a graph gave for n images, the photos as they are."""

    features: npt.NDArray[np.float32]
    """(n, d): the output that statistics are made of."""
    logits: npt.NDArray[np.float32]
    """(n, leaves)."""


def output_of(given: Collection[str]) -> Output:
    """Of the outputs that a graph gives, the one that statistics are made of. Raises ValueError when it has neither."""
    if "textures" in given:
        return "textures"
    if "features" in given:
        return "features"
    raise ValueError("the graph has no output `features`, so nothing can be said of what is out of its scope")


def look(network: Network, batches: Batches) -> Seen:
    """What a graph gives for batches of (n, 3, S, S) normalised images. Raises ValueError as `output_of` does."""
    features, logits = [], []
    for batch in batches:
        found = network(batch)
        features.append(found[output_of(found)].reshape(len(batch), -1))
        logits.append(found["logits"])
    return Seen(np.concatenate(features), np.concatenate(logits))


class FittedScope(NamedTuple):
    """What a bundle says of its scope, and which of the scored photos lie within."""

    facts: Scope
    data: bytes
    """Content of the file that the facts name."""
    within: dict[str, npt.NDArray[np.bool_]]
    """(n,) of each part that is held out of training."""


def fit_on(network: Network, scored: Scored, parts: Iterable[str], *, file: str = FILE) -> FittedScope:
    """Fit on what a graph gives for the training and calibration parts of a corpus. Raises ValueError."""
    training = scored.corpus.parts["train"]
    picked = training[evenly(len(training), TRAINING)]
    seen = {part: look(network, _batches(scored, scored.corpus.parts[part])) for part in parts}
    facts, data = fit_scope(
        look(network, _batches(scored, picked)),
        scored.corpus.labels[picked],
        seen["calibration"],
        scored.group("calibration"),
        output=output_of(network(scored.normalised(picked[:1]))),
        file=file,
    )
    scorer = ScopeScorer(facts, data)
    within = {part: scorer(one.features, one.logits) <= facts.threshold for part, one in seen.items()}
    return FittedScope(facts, data, within)


def _batches(scored: Scored, indices: npt.NDArray[np.intp]) -> Iterator[npt.NDArray[np.float32]]:
    for start in range(0, len(indices), _BLOCK):
        yield scored.normalised(indices[start : start + _BLOCK])


def fit_scope(
    training: Seen,
    diagnosis: npt.NDArray[np.intp],
    calibration: Seen,
    lesion: npt.NDArray[np.generic],
    *,
    output: Output = "features",
    file: str = FILE,
    shape: Shape = CHOSEN,
    max_share: float = MAX_SHARE,
) -> tuple[Scope, bytes]:
    """The record and the content of `file`: statistics of the training part, threshold of the calibration part.

    `diagnosis` (n,) is the leaf of each training image, `lesion` (m,) names that of each calibration image, `output`
    is the graph's that was seen. Every diagnosis weighs the same in the spread within diagnoses: by images, the common
    ones would decide what is far, and photos of rare ones would be refused. The same inputs give the same bytes.
    Raises ValueError when there are too few images for one component or one centre.
    """
    components = _components(training.features.shape, shape.components)
    fitted = _statistics(training.features, diagnosis, components)
    stored = Statistics(*(np.asarray(array, np.float32).astype(np.float64) for array in fitted))
    energy = energies(training.logits)
    facts = Scope(
        output=output,
        file=file,
        features=training.features.shape[1],
        components=components,
        centres=len(stored.centres),
        residual=_rounded(max(float(np.median(distances(training.features, stored)[1])), 1e-12)),
        residual_weight=shape.residual_weight,
        energy_mean=_rounded(float(energy.mean())),
        energy_spread=_rounded(max(float(energy.std()), 1e-6)),
        energy_weight=shape.energy_weight,
        threshold=0.0,
        max_share=max_share,
        share=0.0,
        lesions=0,
        n=len(diagnosis),
    )
    data = stored.to_bytes()
    return weighted(facts, data, shape, calibration, lesion), data


def weighted(scope: Scope, data: bytes, shape: Shape, calibration: Seen, lesion: npt.NDArray[np.generic]) -> Scope:
    """The record with other weights, and the threshold that belongs to them; the statistics stay."""
    facts = msgspec.structs.replace(scope, residual_weight=shape.residual_weight, energy_weight=shape.energy_weight)
    score = ScopeScorer(facts, data)(calibration.features, calibration.logits)
    threshold, share, lesions = threshold_of(score, lesion, scope.max_share)
    return msgspec.structs.replace(facts, threshold=threshold, share=share, lesions=lesions)


def threshold_of(score: Floats, lesion: npt.NDArray[np.generic], max_share: float) -> tuple[float, float, int]:
    """The lowest threshold that refuses a photo of at most `max_share` of the lesions, that share, and their number.

    A lesion counts as refused when any photo of it has a score above the threshold. Raises ValueError without images,
    and for a score that is not finite.
    """
    if not len(score) or not np.isfinite(score).all():
        raise ValueError("the threshold needs calibration images, each with a finite score")
    _, member = np.unique(lesion, return_inverse=True)
    worst = np.full(member.max() + 1, -np.inf)
    np.maximum.at(worst, member, score)
    refused = int(max_share * len(worst))
    threshold = float(np.ceil(np.sort(worst)[len(worst) - 1 - refused] * 1e6) / 1e6)  # in the manifest with six digits
    return threshold, float(np.mean(worst > threshold)), len(worst)


def with_scope(bundle: Bundle, scope: Scope, data: bytes) -> Bundle:
    """The same bundle, another id, whose default graph has these statistics. What it had before is replaced."""
    files = {**bundle.files, scope.file: data}
    old = bundle.manifest.scope
    if old and old.file != scope.file:
        del files[old.file]
    return bundles.build(bundle.manifest, files, scope=scope)


def _components(shape: tuple[int, ...], wanted: int) -> int:
    """As many as wanted, as images and features allow, and as fit into the file beside mean, whitener and centres."""
    images, width = shape
    components = min(wanted, images - 1, width)
    while components > 1 and 4 * ((components + 1) * width + components * (components + 16)) > MAX_BYTES:
        components -= 1
    if components < 1:
        raise ValueError(f"{images} training images with {width} features are too few for a distance")
    return components


def _statistics(features: npt.NDArray[np.float32], diagnosis: npt.NDArray[np.intp], components: int) -> Statistics:
    exact = features.astype(np.float64)
    mean = exact.mean(axis=0)
    moved = exact - mean
    values, vectors = np.linalg.eigh(moved.T @ moved / len(moved))
    basis = vectors[:, ::-1][:, :components].T
    heaviest = basis[np.arange(components), np.abs(basis).argmax(axis=1)]
    basis *= np.sign(heaviest)[:, None]  # a sign that is always the same
    inside = moved @ basis.T
    leaves = [leaf for leaf in np.unique(diagnosis) if np.count_nonzero(diagnosis == leaf) >= FEWEST]
    if not leaves:
        raise ValueError(f"no diagnosis has {FEWEST} training images, so there is no centre to measure from")
    centres = np.stack([inside[diagnosis == leaf].mean(axis=0) for leaf in leaves])
    own = [inside[diagnosis == leaf] - centre for leaf, centre in zip(leaves, centres, strict=True)]
    covariance: Floats = np.mean([moved.T @ moved / len(moved) for moved in own], axis=0)
    covariance += 1e-6 * max(float(values[-1]), 1e-12) * np.eye(components)  # features that never vary
    whitener = np.linalg.inv(np.linalg.cholesky(covariance))
    return Statistics(mean, basis, whitener, centres @ whitener.T)


def _rounded(value: float) -> float:
    return float(f"{value:.9g}")
