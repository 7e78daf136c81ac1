from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from epiluma.models import registry


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def images(count: int, size: int, *, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def shaken(network: nn.Module, *, seed: int = 1) -> nn.Module:
    """The network with statistics and scales that are random also where a fresh one has zeros and ones."""
    random = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if tensor.dtype.is_floating_point and (tensor.ndim == 1 or "running" in name):
            tensor.copy_(torch.rand(tensor.shape, generator=random) * 0.5 + 0.75)
    return network.eval()


def outputs_of(network: nn.Module, batch: Tensor) -> tuple[Tensor, ...]:
    """What the network says of a batch, in one form for all tasks."""
    with torch.inference_mode():
        found = network.eval()(batch)
    return found if isinstance(found, tuple) else (found,)


def save(network: nn.Module, path: Path) -> Path:
    save_file({name: tensor.contiguous().clone() for name, tensor in network.state_dict().items()}, path)
    return path


@pytest.fixture(scope="session")
def donor() -> nn.Module:
    """A MobileNetV2 for other diagnoses, whose weights are somebody's starting point."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return shaken(registry.build("mobilenetv2", outputs=1001).network)


@pytest.fixture(scope="session")
def donor_file(donor: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(donor, tmp_path_factory.mktemp("weights") / "donor.safetensors")
