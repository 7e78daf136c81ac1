"""The manifest of a bundle, record by record: every fact that a runner needs and the evidence behind it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from epiluma.bundle_fitted import DecisionRule, Examples, Fitted, Probability, Record, Scope
from epiluma.taxonomy import Taxonomy

Modality = Literal["dermoscopy", "clinical"]

FP32 = "onnx-fp32"
"""Name of the graph that a manifest describes at its top level, the one that runs unless another is asked for."""


class Preprocessing(Record, frozen=True, kw_only=True):
    """How a photo becomes the network's input: shorter side to `size`, centre crop, scale. RGB, NCHW."""

    size: Annotated[int, msgspec.Meta(ge=32, le=1024)]
    """Side of the square input, pixels."""
    mean: tuple[float, float, float]
    """Subtracted from pixel values in [0, 1]."""
    std: tuple[float, float, float]
    """Divides after the mean is subtracted."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"


class Crop(Record, frozen=True, kw_only=True):
    """The square of the photo that the network is shown, around the lesion that the bundle's outline finds.

    See `epiluma.imaging.preprocess.lesion_box`. A photo without outline is shown as its largest centred square.
    """

    margin: Annotated[float, msgspec.Meta(ge=0, le=2)]
    """Added on each side, as a share of the lesion's longer extent."""
    least: Probability
    """Smallest side, as a share of the photo's shorter side: what is tiny is not blown up."""


class KnownAnswer(Record, frozen=True, kw_only=True):
    """A drawn input and the probabilities that the exported graph gave for it."""

    seed: int
    """Seed of `epiluma.inference.session.known_input`."""
    probabilities: tuple[Probability, ...]


class Graph(Fitted, frozen=True, kw_only=True):
    """One graph, what was fitted on its outputs, and how to tell that it is computed faithfully."""

    graph: str
    """File name of the ONNX graph: input `image` (N,3,S,S) float32, output `logits` (N,leaves) float32 and, where
    photos are to be compared, `features` (N,d) float32."""
    known_answers: tuple[KnownAnswer, ...]
    scope: Scope | None = None
    """Which photos are like those that the network was made for; absent from bundles that do not say."""
    examples: Examples | None = None
    """Photos that a screening may name as alike; absent from bundles that name none."""

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


class Provenance(Record, frozen=True, kw_only=True):
    """Where the weights come from, enough to rebuild them."""

    recipe: str
    """Name of the training recipe."""
    recipe_sha256: str
    data_manifest_sha256: str
    architecture: str
    starting_weights: str
    epiluma_version: str
    training_data: str


class Metric(Record, frozen=True, kw_only=True):
    """One figure with its interval: a bootstrap by lesion unless the method says otherwise."""

    value: float
    lower: float
    upper: float
    n: int
    """Lesions (or images, when the name says so) behind the figure."""


class Scorecard(Record, frozen=True, kw_only=True):
    """Figures on the held-out test part, by metric name, for the whole part and for named subsets."""

    part: str
    metrics: dict[str, dict[str, Metric]]
    """subset -> metric -> figure; the subset `all` is always there."""
    command: str
    """The command that prints these figures."""


class OutlineAnswer(Record, frozen=True, kw_only=True):
    """A drawn input and how much of it the exported graph takes for lesion."""

    seed: int
    """Seed of `epiluma.inference.session.known_input`."""
    share: Probability
    """Mean over the pixels of the probability of lesion."""


class Outline(Record, frozen=True, kw_only=True):
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


class FileEntry(Record, frozen=True, kw_only=True):
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
    preferred: str = FP32
    """The graph that runs where nobody names another: `onnx-fp32`, or an ONNX variant for processors that give its
    known answers."""
    outline: Outline | None = None
    """Where the lesion is; absent from bundles that do not say."""
    crop: Crop | None = None
    """Absent where the network is shown the largest centred square."""

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
            if graph.examples and not {graph.examples.file, graph.examples.names} <= self.files.keys():
                raise ValueError(f"examples {graph.examples.file!r} are not among the files")
        if self.outline and self.outline.graph not in self.files:
            raise ValueError(f"graph {self.outline.graph!r} is not among the files")
        if self.crop and not self.outline:
            raise ValueError("crop follows the lesion, and there is no outline to find it")
        names = [FP32, *(variant.name for variant in self.variants)]
        if len(set(names)) < len(names):
            raise ValueError(f"two graphs have one name: {', '.join(names)}")
        if self.preferred not in names or self.preferred == "openvino":
            raise ValueError(f"preferred names {self.preferred!r}, which is no ONNX graph among {', '.join(names)}")

    def canonical(self) -> bytes:
        """The one byte string that stands for this manifest: sorted keys, no spaces, a final newline."""
        return msgspec.json.encode(self, order="sorted") + b"\n"
