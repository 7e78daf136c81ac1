"""The light decoder: cheap, at the image's size, and no harm to the classifier whose features it reads."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from epiluma.models import registry
from epiluma.models.light import LightDecoder
from tests.models.conftest import images, outputs_of, save, shaken


def operations(network: nn.Module, image: Tensor) -> int:
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network.eval()(image)
    return counter.get_total_flops()


@pytest.mark.parametrize(
    "name",
    [
        *("mobilenetv2", "resnet18", "efficientnet", "convnext_atto"),
        pytest.param("swin_tiny_patch4_window7_224", marks=pytest.mark.slow),
    ],
)
def test_the_logits_are_those_of_the_classifier_alone(name: str, tmp_path: Path) -> None:
    size = 224 if "swin" in name else 64
    both = shaken(registry.build(name, outputs=4, mask_classes=2).network)
    file = save(both, tmp_path / "w.safetensors")
    alone = registry.build(name, outputs=4, weights=file).network
    assert torch.equal(outputs_of(both, images(2, size))[0], outputs_of(alone, images(2, size))[0])
    new = {key for key, _ in both.named_parameters()} - {key for key, _ in alone.named_parameters()}
    assert new
    assert all(key.startswith("mask_decoder.") for key in new), "the rest keeps timm's names"


def test_masks_cost_a_mobilenet_little() -> None:
    image = images(1, 160)
    alone = operations(registry.build("mobilenetv2", outputs=7).network, image)
    both = operations(registry.build("mobilenetv2", outputs=7, mask_classes=1).network, image)
    assert both / alone == pytest.approx(1.06, abs=0.005), "as the reference says"
    decoder = registry.build("light", mask_classes=1).network.mask_decoder
    assert sum(parameter.numel() for parameter in decoder.parameters()) < 35_000


def test_the_decoder_adds_the_maps_of_all_depths() -> None:
    """With convolutions that pass one channel through, the sum of the enlarged maps comes out."""
    decoder = LightDecoder((1, 1, 1, 1), 1, width=1).eval()
    for module in decoder.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.dirac_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0
    maps = [torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(side)) for side in (16, 8, 4, 2)]
    expected = maps[-1]
    for finer in maps[-2::-1]:
        expected = finer + functional.interpolate(expected, scale_factor=2, mode="bilinear")
    expected = functional.interpolate(expected, scale_factor=4, mode="bilinear")
    torch.testing.assert_close(decoder(maps, torch.Size((64, 64))), expected)


@pytest.mark.parametrize("task", [{"architecture": "light"}, {"architecture": "mobilenetv2", "outputs": 3}])
def test_networks_are_copied_and_pickled_whole(task: dict[str, str | int]) -> None:
    network = registry.build(mask_classes=2, **task).network
    expected = outputs_of(network, images(1, 64))
    for again in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert type(again) is type(network)
        assert list(again.state_dict()) == list(network.state_dict())
        assert all(torch.equal(*pair) for pair in zip(outputs_of(again, images(1, 64)), expected, strict=True))
        assert next(again.parameters()) is not next(network.parameters())


def test_it_learns_to_find_a_disc() -> None:
    network = registry.build("light", mask_classes=1, dropout=0.0).network.train()
    random = torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    grid = torch.arange(64).float()

    def discs(count: int) -> tuple[Tensor, Tensor]:
        x, y = (20 + 24 * torch.rand(count, 1, 1, generator=random) for _ in range(2))
        radius = 8 + 12 * torch.rand(count, 1, 1, generator=random)
        inside = ((grid[None, None, :] - x) ** 2 + (grid[None, :, None] - y) ** 2 < radius**2)[:, None].float()
        return 0.3 * torch.randn(count, 3, 64, 64, generator=random) + inside, inside

    for _ in range(20):
        batch, truth = discs(8)
        optimiser.zero_grad()
        functional.binary_cross_entropy_with_logits(network(batch), truth).backward()
        optimiser.step()
    batch, truth = discs(16)
    for module in network.modules():  # so few steps leave the running statistics behind
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
    with torch.inference_mode():
        network(batch)
    found = outputs_of(network, batch)[0] > 0
    overlap = (found & truth.bool()).sum() / (found | truth.bool()).sum()
    assert overlap > 0.7, overlap
