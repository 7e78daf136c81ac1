"""What is fitted on the outputs of a graph, or chosen by them: calibration, thresholds, scope."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every part of the manifest: immutable, and an unknown field is an error."""


class CalibrationChoice(Record, frozen=True, kw_only=True):
    """Why the method was chosen: mean negative log-likelihood on lesions that were left out of the fit."""

    folds: int
    temperature: float
    """With one temperature."""
    vector: float
    """With the best vector scaling."""
    standard_error: float
    """Of the difference, by lesion; vector scaling is chosen only when it gains more than this."""


class Calibration(Record, frozen=True, kw_only=True, omit_defaults=True):
    """How logits become probabilities at the prevalence named here.

    `temperature`: p = softmax(logits / temperature). `vector`: softmax(scale * log p + bias), leaf by leaf.
    """

    method: Literal["temperature", "vector"]
    temperature: Positive
    scale: tuple[Positive, ...] = ()
    """By leaf, with the method `vector` only; 1 changes nothing."""
    bias: tuple[float, ...] = ()
    """By leaf, with the method `vector` only; 0 changes nothing."""
    prevalence: tuple[Probability, ...]
    """Share of each leaf at which the probabilities are calibrated, in the taxonomy's order; sums to 1."""
    prevalence_source: str
    n: int
    """Images that it was fitted on."""
    choice: CalibrationChoice | None = None


class DecisionRule(Record, frozen=True, kw_only=True):
    """How probabilities become one diagnosis: the largest p(k) / prior(k)^prior_power * cost(k)."""

    prior_power: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """0 takes the most probable class; 1 undoes the prevalence fully (best for balanced accuracy)."""
    cost: tuple[Positive, ...]
    """Relative cost of missing each leaf, in the taxonomy's order; all 1 for balanced accuracy."""


class OperatingPoint(Record, frozen=True, kw_only=True):
    """The threshold on malignancy risk at or above which a person is referred."""

    name: str
    threshold: Probability
    target: str
    """The rule that set the threshold, in words."""
    sensitivity: Probability
    """Melanoma sensitivity by lesion on the calibration part."""
    sensitivity_lower_bound: Probability
    """One-sided 95% Clopper-Pearson lower bound of `sensitivity`."""
    lesions: int
    """Melanoma lesions in the calibration part."""
    specificity: Probability
    """Share of benign lesions below the threshold, calibration part."""


class AccuracyPoint(Record, frozen=True, kw_only=True):
    """The threshold on malignancy risk that tells malignant from benign with the fewest errors; refers nobody."""

    threshold: Probability
    accuracy: Probability
    """Share of images on the right side of the threshold, calibration part, where it was chosen."""
    sensitivity: Probability
    """Share of malignant images at or above it."""
    specificity: Probability
    """Share of benign images below it."""
    images: int


class Conformal(Record, frozen=True, kw_only=True):
    """Sets of diagnoses: the most probable leaf, and every leaf whose probability reaches its threshold."""

    coverage: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    """Of new lesions of each diagnosis, at least this share has the truth in the set of every photo."""
    thresholds: tuple[Probability, ...]
    """By leaf; 0, always in the set, where the calibration part has too few lesions to promise anything."""
    lesions: tuple[int, ...]
    """By leaf: calibration lesions behind its threshold; rare leaves of equal malignancy share one."""
    covered: Probability
    """Share of all calibration lesions that is covered, where the thresholds were fitted."""
    mean_size: float
    """Leaves in a set, mean over the images of the calibration part."""


class Abstention(Record, frozen=True, kw_only=True):
    """Risks so near the referral threshold that the bundle would rather not judge: lower < risk < upper."""

    lower: Probability
    upper: Probability
    max_share: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    """At most this share of the calibration lesions may have a photo in the band."""
    share: Probability
    """The share that has one."""
    error: Probability
    """Share of calibration lesions of which a photo gets the wrong recommendation, band or not."""
    error_outside: Probability
    """The same among lesions without a photo in the band."""
    lesions: int


class Scope(Record, frozen=True, kw_only=True, omit_defaults=True):
    """How unlike the training part a photo looks to the network, and from where on it is refused.

    score = sqrt(D / components + residual_weight * R / residual) + energy_weight * (E - energy_mean) / energy_spread,
    with D the squared Mahalanobis distance of an output to the nearest diagnosis within its first principal
    components, R the squared length of what these leave over, and E the energy of the logits.
    """

    output: Literal["features", "textures"] = "features"
    """Which of the graph's outputs the statistics are of."""
    file: str
    """Little-endian float32, one array after the other: mean (features), basis (components, features), whitener
    (components, components), centres (centres, components)."""
    features: Annotated[int, msgspec.Meta(ge=1)]
    """Length d of that output."""
    components: Annotated[int, msgspec.Meta(ge=1)]
    centres: Annotated[int, msgspec.Meta(ge=1)]
    """Diagnoses with images enough for a centre."""
    residual: Positive
    """Median of R on the training part."""
    residual_weight: Annotated[float, msgspec.Meta(ge=0)]
    energy_mean: float
    """Of the training part."""
    energy_spread: Positive
    """Standard deviation there."""
    energy_weight: Annotated[float, msgspec.Meta(ge=0)]
    threshold: float
    """A photo with a score above this is refused."""
    max_share: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    """At most this share of the calibration lesions may have a photo that is refused."""
    share: Probability
    """The share that has one."""
    lesions: int
    """Lesions of the calibration part."""
    n: int
    """Images of the training part behind the statistics."""


class Examples(Record, frozen=True, kw_only=True):
    """Photos with a known diagnosis, by which a screening says what a photo looks most like to the network."""

    file: str
    """Little-endian float16, one array after the other: mean (features), basis (components, features), and a row of
    unit length (components) for each example."""
    names: str
    """CSV table with the columns id and diagnosis, a row for each example in the same order."""
    source: str
    """Where the photos are from."""
    features: Annotated[int, msgspec.Meta(ge=1)]
    """Length of the graph's output `features`."""
    components: Annotated[int, msgspec.Meta(ge=1)]
    n: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    """Examples."""


class Fitted(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What the calibration part says about the outputs of one graph."""

    calibration: Calibration
    operating_point: OperatingPoint
    accuracy_point: AccuracyPoint | None = None
    conformal: Conformal | None = None
    abstention: Abstention | None = None
