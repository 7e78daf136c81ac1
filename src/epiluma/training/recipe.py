"""The recipe of a training: one frozen, typed tree, read once from one TOML file."""

from __future__ import annotations

import difflib
import hashlib
import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from epiluma.augmentation import RECIPES
from epiluma.errors import EpilumaError
from epiluma.models.registry import REGISTRY

Positive = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class RecipeError(EpilumaError):
    """A recipe that cannot be used; the message names the file, the key and what is allowed."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the recipe's parts."""


class Extra(_Part, frozen=True, kw_only=True):
    """A further set of which every image with a diagnosis joins the training part, and no other part."""

    set: str
    root: Path


class Data(_Part, frozen=True, kw_only=True):
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


class Model(_Part, frozen=True, kw_only=True):
    """Which network, and what it starts from."""

    architecture: str
    weights: str = ""
    """A safetensors file, `imagenet` to download, or empty for random weights."""
    dropout: Share = 0.0


class Phase(_Part, frozen=True, kw_only=True):
    """A stretch of epochs with one set of trained layers and one learning-rate curve."""

    name: str
    train: Literal["head", "all"]
    epochs: Annotated[int, msgspec.Meta(ge=1)]
    size: Annotated[int, msgspec.Meta(ge=32, le=1024)]
    """Side of the network's input during this phase, pixels."""
    learning_rate: Positive
    """Of the head at the end of warm-up; falls to `final` x itself along a half cosine."""
    backbone_factor: Positive = 1.0
    """Learning rate of all other layers, relative to the head's."""
    warmup: Share = 0.05
    """Share of the phase's steps over which the rate rises from zero."""
    final: Share = 0.0
    augmentation: str = "none"
    frozen: tuple[str, ...] = ()
    """Layers, by name, that stay as they are, batch statistics too, when `train` is `all`."""


class Optimiser(_Part, frozen=True, kw_only=True):
    """AdamW and what surrounds it."""

    batch_size: Annotated[int, msgspec.Meta(ge=1)] = 32
    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 0.02
    """Applied to the head, and elsewhere to weights of two or more dimensions only."""
    label_smoothing: Share = 0.0
    mixup: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Each batch is blended with itself in another order, by a share from Beta(mixup, mixup); 0 leaves it."""
    gradient_clip: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    """Largest norm of the whole gradient; 0 leaves it."""
    average: Share = 0.0
    """Decay of the running average of the weights that is validated and exported; 0 uses the weights themselves."""
    balance: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """Images are drawn with weight 1 / count(class)^balance: 0 as they come, 1 every class equally often."""
    precision: Literal["fp32", "bf16"] = "bf16"


class Recipe(_Part, frozen=True, kw_only=True):
    """Everything that decides a run."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_-]*$")]
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 0
    data: Data
    model: Model
    phases: Annotated[tuple[Phase, ...], msgspec.Meta(min_length=1)]
    optimiser: Optimiser = Optimiser()

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


def load(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read a TOML recipe; `overrides` are `key.path=value` with TOML values (`phases.1.learning_rate=0.02`).

    Raises RecipeError that names the key and, for an unknown one, the nearest known.
    """
    try:
        tree = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: {error}") from error
    tree.pop("bundle", None)  # what is shipped from a run is read by epiluma.export and does not change the run
    for override in overrides:
        _apply(tree, override)
    try:
        recipe = msgspec.convert(tree, Recipe, strict=True, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise RecipeError(f"{path}: {_with_nearest(str(error))}") from error
    _check_names(recipe, path)
    return recipe


def _path(kind: type, value: object) -> Path:
    """Paths are strings in TOML."""
    if kind is not Path or not isinstance(value, str):
        raise TypeError(f"expected a path, got {value!r}")
    return Path(value)


def _check_names(recipe: Recipe, path: Path) -> None:
    choices = [("model.architecture", recipe.model.architecture, sorted(REGISTRY))]
    names = [phase.augmentation for phase in recipe.phases]
    choices += [(f"phases.{i}.augmentation", name, sorted(RECIPES)) for i, name in enumerate(names)]
    for where, given, known in choices:
        if given not in known:
            raise RecipeError(f"{path}: {where}: unknown {given!r}; known are {', '.join(known)}")


def _apply(tree: dict[str, object], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator:
        raise RecipeError(f"--set {override}: expected key=value")
    try:
        parsed = msgspec.toml.decode(f"value = {value}".encode())["value"]
    except msgspec.DecodeError:
        parsed = value  # a bare word is a string
    *parents, last = key.split(".")
    node: object = tree
    try:
        for name in parents:
            node = node[int(name)] if isinstance(node, list) else node[name]  # type: ignore[index]
        if isinstance(node, list):
            node[int(last)] = parsed
        elif isinstance(node, dict):
            node[last] = parsed
        else:
            raise KeyError(last)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise RecipeError(f"--set {override}: the recipe has no {key!r}") from error


def _with_nearest(message: str) -> str:
    """Add the nearest known key to msgspec's "unknown field" message."""
    unknown = re.search(r"unknown field `(\w+)`", message)
    if not unknown:
        return message
    known = {field for part in (Recipe, Data, Model, Phase, Optimiser) for field in part.__struct_fields__}
    near = difflib.get_close_matches(unknown.group(1), sorted(known), n=1, cutoff=0.4)
    return f"{message}; did you mean `{near[0]}`?" if near else message
