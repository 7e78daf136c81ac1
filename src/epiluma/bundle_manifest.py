"""The manifest of a bundle, record by record: every fact that a runner needs and the evidence behind it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from epiluma.taxonomy import Taxonomy

Modality = Literal["dermoscopy", "clinical"]
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]

FP32 = "onnx-fp32"
"""Name of the graph that a manifest describes at its top level, the one that runs unless another is asked for."""


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every part of the manifest: immutable, and an unknown field is an error."""


class Preprocessing(_Record, frozen=True, kw_only=True):
    """How a photo becomes the network's input: shorter side to `size`, centre crop, scale. RGB, NCHW."""

    size: Annotated[int, msgspec.Meta(ge=32, le=1024)]
    """Side of the square input, pixels."""
    mean: tuple[float, float, float]
    """Subtracted from pixel values in [0, 1]."""
    std: tuple[float, float, float]
    """Divides after the mean is subtracted."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"


class CalibrationChoice(_Record, frozen=True, kw_only=True):
    """Why the method was chosen: mean negative log-likelihood on lesions that were left out of the fit."""

    folds: int
    temperature: float
    """With one temperature."""
    vector: float
    """With the best vector scaling."""
    standard_error: float
    """Of the difference, by lesion; vector scaling is chosen only when it gains more than this."""


class Calibration(_Record, frozen=True, kw_only=True, omit_defaults=True):
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


class DecisionRule(_Record, frozen=True, kw_only=True):
    """How probabilities become one diagnosis: the largest p(k) / prior(k)^prior_power * cost(k)."""

    prior_power: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """0 takes the most probable class; 1 undoes the prevalence fully (best for balanced accuracy)."""
    cost: tuple[Positive, ...]
    """Relative cost of missing each leaf, in the taxonomy's order; all 1 for balanced accuracy."""


class OperatingPoint(_Record, frozen=True, kw_only=True):
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


class AccuracyPoint(_Record, frozen=True, kw_only=True):
    """The threshold on malignancy risk that tells malignant from benign with the fewest errors; refers nobody."""

    threshold: Probability
    accuracy: Probability
    """Share of images on the right side of the threshold, calibration part, where it was chosen."""
    sensitivity: Probability
    """Share of malignant images at or above it."""
    specificity: Probability
    """Share of benign images below it."""
    images: int


class Conformal(_Record, frozen=True, kw_only=True):
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


class Abstention(_Record, frozen=True, kw_only=True):
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


class KnownAnswer(_Record, frozen=True, kw_only=True):
    """A drawn input and the probabilities that the exported graph gave for it."""

    seed: int
    """Seed of `epiluma.inference.session.known_input`."""
    probabilities: tuple[Probability, ...]


class Scope(_Record, frozen=True, kw_only=True):
    """How unlike the training part a photo looks to the network, and from where on it is refused.

    score = sqrt(D / components + residual_weight * R / residual) + energy_weight * (E - energy_mean) / energy_spread,
    with D the squared Mahalanobis distance of the features to the nearest diagnosis within the first principal
    components, R the squared length of what these leave over, and E the energy of the logits.
    """

    file: str
    """Little-endian float32, one array after the other: mean (features), basis (components, features), whitener
    (components, components), centres (centres, components)."""
    features: Annotated[int, msgspec.Meta(ge=1)]
    """Length d of the graph's output `features`."""
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


class Fitted(_Record, frozen=True, kw_only=True, omit_defaults=True):
    """What the calibration part says about the outputs of one graph."""

    calibration: Calibration
    operating_point: OperatingPoint
    accuracy_point: AccuracyPoint | None = None
    conformal: Conformal | None = None
    abstention: Abstention | None = None


class Graph(Fitted, frozen=True, kw_only=True):
    """One graph, what was fitted on its outputs, and how to tell that it is computed faithfully."""

    graph: str
    """File name of the ONNX graph: input `image` (N,3,S,S) float32, output `logits` (N,leaves) float32 and, where
    photos are to be compared, `features` (N,d) float32."""
    known_answers: tuple[KnownAnswer, ...]
    scope: Scope | None = None
    """Which photos are like those that the network was made for; absent from bundles that do not say."""

    def check(self, leaves: int) -> None:
        """Raise ValueError when a list by leaf has another length, or there is no known answer."""
        calibration, vector = self.calibration, leaves if self.calibration.method == "vector" else 0
        lengths = {
            "calibration.prevalence": (len(calibration.prevalence), leaves),
            "calibration.scale": (len(calibration.scale), vector),
            "calibration.bias": (len(calibration.bias), vector),
            **{f"known_answers[{i}]": (len(a.probabilities), leaves) for i, a in enumerate(self.known_answers)},
        }
        if self.conformal:
            lengths["conformal.thresholds"] = len(self.conformal.thresholds), leaves
            lengths["conformal.lesions"] = len(self.conformal.lesions), leaves
        for where, (length, expected) in lengths.items():
            if length != expected:
                raise ValueError(f"{where} has {length} values for {expected} diagnoses")
        if not self.known_answers:
            raise ValueError("known_answers is empty: a session could not check the graph")


class Variant(Graph, frozen=True, kw_only=True):
    """Another graph of the same network, such as one in int8."""

    name: str
    """What made it, as in Predictions: `onnx-int8`, ..."""


class Provenance(_Record, frozen=True, kw_only=True):
    """Where the weights come from, enough to rebuild them."""

    recipe: str
    """Name of the training recipe."""
    recipe_sha256: str
    data_manifest_sha256: str
    architecture: str
    starting_weights: str
    epiluma_version: str
    training_data: str


class Metric(_Record, frozen=True, kw_only=True):
    """One figure with its interval: a bootstrap by lesion unless the method says otherwise."""

    value: float
    lower: float
    upper: float
    n: int
    """Lesions (or images, when the name says so) behind the figure."""


class Scorecard(_Record, frozen=True, kw_only=True):
    """Figures on the held-out test part, by metric name, for the whole part and for named subsets."""

    part: str
    metrics: dict[str, dict[str, Metric]]
    """subset -> metric -> figure; the subset `all` is always there."""
    command: str
    """The command that prints these figures."""


class OutlineAnswer(_Record, frozen=True, kw_only=True):
    """A drawn input and how much of it the exported graph takes for lesion."""

    seed: int
    """Seed of `epiluma.inference.session.known_input`."""
    share: Probability
    """Mean over the pixels of the probability of lesion."""


class Outline(_Record, frozen=True, kw_only=True):
    """A network of its own that finds where the lesion is. It sees the whole photo, resized to a square."""

    graph: str
    """File name of the ONNX graph: input `image` (N,3,S,S) float32, output `masks` (N,1,S,S) float32, logits."""
    size: Annotated[int, msgspec.Meta(ge=32, le=1024)]
    """Side S of the square input, pixels."""
    mean: tuple[float, float, float]
    """Subtracted from pixel values in [0, 1]."""
    std: tuple[float, float, float]
    """Divides after the mean is subtracted."""
    known_answers: Annotated[tuple[OutlineAnswer, ...], msgspec.Meta(min_length=1)]
    scorecard: Scorecard
    provenance: Provenance


class FileEntry(_Record, frozen=True, kw_only=True):
    """One file of the bundle."""

    sha256: str
    bytes: int


class Manifest(Graph, frozen=True, kw_only=True):
    """All that a runner needs to know about a bundle. The facts of `Graph` are those of the graph `onnx-fp32`."""

    format: Literal[1]
    name: str
    created: str
    """Date, ISO 8601."""
    modality: Modality
    taxonomy: Taxonomy
    preprocessing: Preprocessing
    views: Literal[1, 4]
    """1: the photo as it is; 4: the logits are averaged over its four mirror images, at four times the cost."""
    decision: DecisionRule
    scorecard: Scorecard | None
    provenance: Provenance
    licence: str
    licence_note: str
    """What a person must know before using the weights, in one sentence."""
    non_commercial: bool
    files: dict[str, FileEntry]
    variants: tuple[Variant, ...] = ()
    """Further graphs of the same network, each with what was fitted on its own outputs."""
    outline: Outline | None = None
    """Where the lesion is; absent from bundles that do not say."""

    def __post_init__(self) -> None:
        leaves = len(self.taxonomy.leaves)
        if len(self.decision.cost) != leaves:
            raise ValueError(f"decision.cost has {len(self.decision.cost)} values for {leaves} diagnoses")
        for graph in (self, *self.variants):
            graph.check(leaves)
            if graph.graph not in self.files:
                raise ValueError(f"graph {graph.graph!r} is not among the files")
            if graph.scope and graph.scope.file not in self.files:
                raise ValueError(f"scope {graph.scope.file!r} is not among the files")
        if self.outline and self.outline.graph not in self.files:
            raise ValueError(f"graph {self.outline.graph!r} is not among the files")
        names = [FP32, *(variant.name for variant in self.variants)]
        if len(set(names)) < len(names):
            raise ValueError(f"two graphs have one name: {', '.join(names)}")

    def canonical(self) -> bytes:
        """The one byte string that stands for this manifest: sorted keys, no spaces, a final newline."""
        return msgspec.json.encode(self, order="sorted") + b"\n"
