"""Starting weights: read from a file or from timm, and put into a network that they must fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from epiluma.models.errors import WeightsError
from epiluma.models.parts import Draft, within

DOWNLOAD = ("imagenet", "pretrained")
"""In place of a file: the weights that timm knows of, downloaded."""
COUNTER = "num_batches_tracked"
"""Of a batch norm; some files leave it out, and nothing here depends on it."""


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name. Raises WeightsError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file")
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"{path}: is not a safetensors file ({error})") from error
    return tensors


def fill(draft: Draft, tensors: Mapping[str, Tensor], *, source: str, name: str) -> None:
    """Take every parameter and statistic outside the head from `tensors`, and each layer of the head that fits.

    `tensors` have timm's names or the network's own. Raises WeightsError, naming `source` and the network's `name`,
    when one outside the head is missing, of another shape, or unknown.
    """
    given = {draft.own.get(key, key): tensor for key, tensor in tensors.items()}
    shapes = {key: tensor.shape for key, tensor in draft.network.state_dict().items()}
    body = [key for key in shapes if not within(key, draft.head)]
    missing = [key for key in body if key not in given and not key.endswith(COUNTER)]
    spare = (*draft.head, *draft.spare)
    unexpected = [key for key, t in given.items() if shapes.get(key) != t.shape and not within(key, spare)]
    if missing or unexpected:
        raise WeightsError(f"{source}: does not fit {name}: missing {missing[:3]}, unexpected {unexpected[:3]}")
    taken = {key: given[key] for key in body if key in given} | _fitting_layers(draft, given)
    draft.network.load_state_dict(taken, strict=False)


def _fitting_layers(draft: Draft, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the head, layer by layer: all of a layer's, or none where one is missing or of another shape."""
    own = {key: tensor for key, tensor in draft.network.state_dict().items() if within(key, draft.head)}
    layers: dict[str, list[str]] = {}
    for key in own:
        layers.setdefault(key.rpartition(".")[0], []).append(key)
    fitting = (
        keys for keys in layers.values() if all(key in given and given[key].shape == own[key].shape for key in keys)
    )
    return {key: given[key] for keys in fitting for key in keys}
