"""Networks by name. Adding one: a line in `PRESETS` or `SEGMENTERS`; the tests run over every entry."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from torch import nn

from epiluma.models import weights as starting
from epiluma.models.classifiers import IMAGENET, PRESETS, Input, Preset, classifier, downloaded, pixels, preset
from epiluma.models.classifiers import with_pyramid as _encoder
from epiluma.models.errors import UnknownModel, UnsuitableModel, WeightsError
from epiluma.models.light import multitask
from epiluma.models.parts import Draft, stages
from epiluma.models.segmenters import ENCODER, SEGMENTERS, Segmenter

__all__ = [
    "PRESETS",
    "SEGMENTERS",
    "Built",
    "Input",
    "Preset",
    "Segmenter",
    "Task",
    "UnknownModel",
    "UnsuitableModel",
    "WeightsError",
    "build",
    "check",
    "input_of",
    "task_of",
]

Task = Literal["classification", "segmentation", "multitask"]


class Built(NamedTuple):
    """A network that is ready to train."""

    network: nn.Module
    """(n, 3, S, S) float32 -> by its task: (n, outputs) logits; (n, mask_classes, S, S) mask logits; or both."""
    input: Input
    head: tuple[str, ...]
    """Prefixes of the parameters that are new for the task, trained alone in the first phase."""
    stages: tuple[tuple[str, ...], ...]
    """Prefixes of the other parameters, from the input towards the output; each parameter is in exactly one stage."""


def task_of(architecture: str, mask_classes: int) -> Task:
    """What a network of that name learns: masks, a diagnosis, or both."""
    if architecture in SEGMENTERS:
        return "segmentation"
    return "multitask" if mask_classes else "classification"


def check(architecture: str, encoder: str = "") -> None:
    """Whether the names go together. Raises UnknownModel that names the nearest known ones, or UnsuitableModel."""
    if architecture not in SEGMENTERS:
        preset(architecture, also=SEGMENTERS)
        if encoder:
            raise UnsuitableModel(f"{architecture} is a classifier and has no other encoder; leave out {encoder!r}")
    elif SEGMENTERS[architecture].takes_encoder:
        _encoder(encoder or ENCODER)
    elif encoder:
        raise UnsuitableModel(f"{architecture} has an encoder of its own; leave out {encoder!r}")


def input_of(architecture: str, encoder: str = "") -> Input:
    """What the network expects of pixels. Raises UnknownModel."""
    name = _classifier_in(architecture, encoder)
    return pixels(name) if name else IMAGENET


def build(
    architecture: str,
    *,
    outputs: int = 0,
    mask_classes: int = 0,
    encoder: str = "",
    weights: Path | str | None = None,
    dropout: float = 0.0,
    drop_path: float = 0.0,
) -> Built:
    """A network for `outputs` diagnoses, `mask_classes` kinds of area, or both.

    `weights`: a safetensors file with timm's names or of a whole network, `"imagenet"` or `"pretrained"` to download
    timm's, or None for random ones. They fill all but the head, and of the head the layers that fit. `dropout`: share
    of features that the last layer does without in training. `drop_path`: share of residual blocks that are skipped,
    rising with depth to this. Raises UnknownModel, UnsuitableModel or WeightsError.
    """
    check(architecture, encoder)
    task = task_of(architecture, mask_classes)
    if (outputs > 0) == (task == "segmentation") or (mask_classes > 0) == (task == "classification"):
        raise UnsuitableModel(
            f"{architecture} is for {task}, not for {outputs} outputs and {mask_classes} mask classes"
        )
    if task == "segmentation":
        draft = _segmenter(architecture, mask_classes, encoder=encoder, dropout=dropout, drop_path=drop_path)
    elif task == "multitask":
        draft = multitask(architecture, outputs, mask_classes, dropout=dropout, drop_path=drop_path)
    else:
        draft = classifier(architecture, outputs, dropout=dropout, drop_path=drop_path)
    if weights:
        _start_from(weights, draft, architecture, _classifier_in(architecture, encoder))
    return Built(draft.network, input_of(architecture, encoder), draft.head, stages(draft))


def _classifier_in(architecture: str, encoder: str) -> str:
    """Name of the classifier that the network is, or has for an encoder; empty where there is none."""
    if architecture not in SEGMENTERS:
        return architecture
    return (encoder or ENCODER) if SEGMENTERS[architecture].takes_encoder else ""


def _segmenter(architecture: str, classes: int, *, encoder: str, dropout: float, drop_path: float) -> Draft:
    entry = SEGMENTERS[architecture]
    if entry.takes_encoder:
        return entry.draft(classes, encoder=encoder or ENCODER, dropout=dropout, drop_path=drop_path)
    if drop_path:
        raise UnsuitableModel(f"{architecture} has no residual blocks that drop_path could skip; leave it 0")
    return entry.draft(classes, dropout=dropout)


def _start_from(weights: Path | str, draft: Draft, architecture: str, timm_name: str) -> None:
    """Fill in the weights; a last layer that they do not fit starts from zero.

    A large random one would shake the good features under it.
    """
    if weights not in starting.DOWNLOAD:
        tensors = starting.read(Path(weights))
    elif timm_name:
        tensors = downloaded(timm_name)
    else:
        raise WeightsError(f"{architecture}: there are no weights to download; give a safetensors file, or none")
    for layer in draft.head:
        module = draft.network.get_submodule(layer)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    starting.fill(draft, tensors, source=str(weights), name=architecture)
