"""What a recipe may say: one frozen, typed tree."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the recipe's parts."""


class Extra(Part, frozen=True, kw_only=True):
    """A further set of which every image with a diagnosis joins the training part, and no other part."""

    set: str
    root: Path


class Centre(Part, frozen=True, kw_only=True):
    """The network is shown the square around the lesion, not the photo's largest centred one."""

    bundle: str
    """Whose outline of the lesion is followed; a bundle made of this run outlines with the same network."""
    margin: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.25
    """Added on each side, as a share of the lesion's longer extent."""
    least: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.45
    """Smallest side of the square, as a share of the photo's shorter side."""


class Data(Part, frozen=True, kw_only=True):
    """Which images, and how they are kept: a `manifest`, or a catalogued `set` with its `root` and `split`."""

    manifest: Path | msgspec.UnsetType = msgspec.UNSET
    """Parquet manifest with parts, made by `epiluma data`; unset keys are not part of the resolved recipe."""
    fold: Annotated[int, msgspec.Meta(ge=0)] | msgspec.UnsetType = msgspec.UNSET
    """Of a manifest in folds: the one to validate on; all others are trained on."""
    allow_leakage: bool | msgspec.UnsetType = msgspec.UNSET
    """Train although the manifest's audit found a leak."""
    set: str | msgspec.UnsetType = msgspec.UNSET
    """Name in the catalog."""
    root: Path | msgspec.UnsetType = msgspec.UNSET
    """Folder in the publisher's layout; relative to the working directory."""
    split: Path | msgspec.UnsetType = msgspec.UNSET
    """Committed manifest `image_id,group,part`."""
    also: tuple[Extra, ...] = ()
    """Sets to train on besides; an image that nearly repeats one of the other parts is left out."""
    exclude: tuple[str, ...] = ()
    """Image ids of `set` that are used for nothing, such as a training image of a lesion that is also held out."""
    taxonomy: Path | msgspec.UnsetType = msgspec.UNSET
    """TOML file with the diagnoses to tell apart; unset for the eight of ISIC 2019."""
    centre: Centre | msgspec.UnsetType = msgspec.UNSET
    """Follow the lesion; unset shows the whole of the largest centred square."""
    cache: Path = Path("cache")
    """Folder of the decoded images."""
    cache_size: Annotated[int, msgspec.Meta(ge=32, le=1024)] = 256
    """Side of the decoded squares, pixels."""

    def __post_init__(self) -> None:
        given = [name for name in ("manifest", "set", "root", "split") if getattr(self, name) is not msgspec.UNSET]
        if given not in (["manifest"], ["set", "root", "split"]):
            raise ValueError(f"give either manifest, or set, root and split; given: {', '.join(given) or 'none'}")
        if self.also and given == ["manifest"]:
            raise ValueError("also goes with set, root and split; merge further sets into the manifest instead")

    @property
    def name(self) -> str:
        """What the data is called in provenance: the set, or the manifest's file name."""
        return Path(self.manifest).stem if isinstance(self.manifest, Path) else str(self.set)


class Model(Part, frozen=True, kw_only=True):
    """Which network, what it starts from, and what it learns from besides the truth."""

    architecture: str
    """A classifier (a preset or any timm name) or a segmentation network."""
    encoder: str = ""
    """Of a segmentation network that takes one: a classifier's name; empty for the network's own choice."""
    masks: Literal["none", "lesion", "diagnosis"] = "none"
    """What is segmented: the lesion, or background and each group of diagnoses. A classifier then learns both."""
    weights: str = ""
    """A safetensors file, `imagenet` to download, or empty for random weights."""
    dropout: Share = 0.0
    drop_path: Share = 0.0
    """Share of residual blocks that are skipped, rising linearly with depth to this."""
    teacher: str = ""
    """A bundle whose answers on the very same augmented images are learned too; see `loss.distillation`."""


class Loss(Part, frozen=True, kw_only=True):
    """What is minimised."""

    classes: Literal["logit_adjusted", "cross_entropy", "focal", "class_balanced"] = "logit_adjusted"
    gamma: NotNegative = 2.0
    """Of `focal`: how much images that are already right are played down."""
    beta: Share = 0.999
    """Of `class_balanced`: 0 weighs all classes alike, towards 1 by the inverse of their counts."""
    label_smoothing: Share = 0.0
    distillation: Share = 0.0
    """Share of the teacher in the loss of the classes."""
    masks: Literal["dice_bce", "bce", "dice"] = "dice_bce"
    """Of masks; with several classes cross-entropy takes the place of binary cross-entropy."""
    mask_weight: NotNegative = 1.0
    """Of the masks' loss beside the classes', where a network learns both."""


class Phase(Part, frozen=True, kw_only=True):
    """A stretch of epochs with one set of trained layers and one learning-rate curve."""

    name: str
    train: Literal["head", "all"] | Count
    """The new layers alone, all layers, or the new ones and that many of the network's last stages."""
    epochs: Count
    size: Annotated[int, msgspec.Meta(ge=32, le=1024)]
    """Side of the network's input during this phase, pixels."""
    learning_rate: Positive
    """Of the head at the end of warm-up; falls to `final` x itself."""
    schedule: Literal["cosine", "linear", "poly", "constant"] = "cosine"
    """Shape of the fall: half a cosine, a line, a line to the power of 0.9, or none."""
    backbone_factor: Positive = 1.0
    """Learning rate of all other layers, relative to the head's."""
    warmup: Share = 0.05
    """Share of the phase's steps over which the rate rises from zero."""
    final: Share = 0.0
    augmentation: str = "none"
    frozen: tuple[str, ...] = ()
    """Layers, by name, that stay as they are, batch statistics too, when `train` is not `head`."""


class Optimiser(Part, frozen=True, kw_only=True):
    """The optimiser and what surrounds it."""

    algorithm: Literal["adamw", "sgd"] = "adamw"
    momentum: Share = 0.9
    """Of sgd."""
    batch_size: Count = 32
    accumulate: Count = 1
    """Batches whose gradients are averaged into one step."""
    weight_decay: NotNegative = 0.02
    """Applied to the head, and elsewhere to weights of two or more dimensions only."""
    mixup: NotNegative = 0.0
    """Each batch is blended with itself in another order, by a share from Beta(mixup, mixup); 0 leaves it."""
    cutmix: NotNegative = 0.0
    """A rectangle comes from another image, its area from Beta(cutmix, cutmix); with mixup, they take turns."""
    gradient_clip: NotNegative = 1.0
    """Largest norm of the whole gradient; 0 leaves it."""
    average: Share = 0.0
    """Decay of the running average of the weights that is validated and exported; 0 uses the weights themselves."""
    balance: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """Images are drawn with weight 1 / count(class)^balance: 0 as they come, 1 every class equally often."""
    precision: Literal["fp32", "bf16"] = "bf16"


class Recipe(Part, frozen=True, kw_only=True):
    """Everything that decides a run."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]*$")]
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 0
    data: Data
    model: Model
    phases: Annotated[tuple[Phase, ...], msgspec.Meta(min_length=1)]
    loss: Loss = Loss()
    optimiser: Optimiser = Optimiser()
    patience: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Epochs without a better score after which the run ends early; 0 trains to the last epoch."""

    @property
    def epochs(self) -> int:
        """Epochs of all phases together."""
        return sum(phase.epochs for phase in self.phases)

    def phase_at(self, epoch: int) -> tuple[Phase, int]:
        """The phase of a 0-based epoch, and that phase's first epoch."""
        first = 0
        for phase in self.phases:
            if epoch < first + phase.epochs:
                return phase, first
            first += phase.epochs
        raise IndexError(f"epoch {epoch} is past the last phase")

    def resolved(self) -> bytes:
        """The recipe with every default filled in, as JSON."""
        return msgspec.json.format(msgspec.json.encode(self, enc_hook=str), indent=2) + b"\n"

    @property
    def sha256(self) -> str:
        """Hash of the resolved recipe."""
        return hashlib.sha256(self.resolved()).hexdigest()
