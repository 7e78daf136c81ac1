"""PP-LiteSeg-T against the papers' figures, and its modules against their formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from epiluma.models.liteseg import AttentionFusion, PPLiteSeg, ShortTermDense, SimplePyramidPooling, Stdc1
from tests.models.conftest import images, shaken


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_encoder_has_the_published_size() -> None:
    """Fan et al. 2021: STDC1 has 8.44 M parameters and 813 M multiply-adds at 224 x 224.

    That is the classifier: a 1x1 convolution of 1024, a fully connected 1024 x 1024, each with batch norm, and
    1024 x 1000 without bias stand on the encoder. The multiply-adds, ours of the convolutions alone, agree to 1%.
    """
    head = 1024 * 1024 + 2 * 1024 + 1024 * 1024 + 2 * 1024 + 1024 * 1000
    encoder = Stdc1().eval()
    assert round((parameters(encoder) + head) / 1e6, 2) == 8.44
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        encoder(images(1, 224))
    multiply_adds = counter.get_total_flops() / 2 + 7 * 7 * 1024 * 1024 + 1024 * 1024 + 1024 * 1000
    assert multiply_adds == pytest.approx(813e6, rel=0.01)


def test_the_decoder_has_the_widths_of_t() -> None:
    """Peng et al. 2022, table 1: 32, 64 and 128 channels; counted by hand, kernel x inputs x outputs + batch norm."""

    def conv(inputs: int, outputs: int, kernel: int) -> int:
        return kernel * kernel * inputs * outputs + 2 * outputs

    pooling = 3 * conv(1024, 128, 1) + conv(128, 128, 3)
    attention = conv(4, 2, 3) + conv(2, 1, 3)
    at_16 = conv(512, 128, 3) + attention + conv(128, 64, 3)
    at_8 = conv(256, 64, 3) + attention + conv(64, 32, 3)
    head = conv(32, 32, 3) + 32 * 19 + 19
    assert parameters(PPLiteSeg(19).decoder) == pooling + at_16 + at_8 + head


def test_the_encoder_s_maps_lie_at_the_stated_strides() -> None:
    with torch.inference_mode():
        maps = Stdc1().eval()(images(1, 96))
    assert [tuple(found.shape) for found in maps] == [(1, 256, 12, 12), (1, 512, 6, 6), (1, 1024, 3, 3)]


@pytest.mark.parametrize("stride", [1, 2])
def test_a_dense_module_sets_the_outputs_of_its_convolutions_side_by_side(stride: int) -> None:
    """Halves, quarters, eighths and eighths of the channels, each from the one before."""
    module = shaken(ShortTermDense(6, 16, stride=stride))
    maps = torch.randn(2, 6, 9, 9, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = module(maps)
        first = module.first(maps)
        step = [module.shrink(first)]
        for layer in module.others:
            step.append(layer(step[-1]))
    side = -(-9 // stride)
    assert found.shape == (2, 16, side, side)
    for start, end, expected in ((8, 12, step[1]), (12, 14, step[2]), (14, 16, step[3])):
        torch.testing.assert_close(found[:, start:end], expected)
    if stride == 1:
        torch.testing.assert_close(found[:, :8], first)
    else:  # mean of 3x3, beyond the border zeros
        torch.testing.assert_close(found[:, :8, 1, 2], first[:, :8, 1:4, 3:6].mean(dim=(2, 3)))


def test_attention_fusion_is_the_paper_s_formula() -> None:
    module = shaken(AttentionFusion(5, 4, 3))
    random = torch.Generator().manual_seed(0)
    low, high = torch.randn(1, 5, 8, 8, generator=random), torch.randn(1, 4, 8, 8, generator=random)
    with torch.inference_mode():
        matched = module.match(low).numpy()
        up = high.numpy()
        said = np.stack([up.mean(1), up.max(1), matched.mean(1), matched.max(1)], axis=1)
        before = module.attend[:-1](torch.from_numpy(said)).numpy()
        share = 1 / (1 + np.exp(-before))
        expected = module.out(torch.from_numpy(up * share + matched * (1 - share)))
        torch.testing.assert_close(module(low, high), expected)
    assert 0 < share.min() < share.max() < 1


def test_pyramid_pooling_adds_means_of_the_whole_its_quarters_and_its_sixteenths() -> None:
    """On a map that is constant within each sixteenth, seen at the corner, where resizing changes nothing."""
    module = SimplePyramidPooling(1, 1).eval()
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.dirac_(layer.weight)
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = 0.0
    cells = np.arange(16, dtype=np.float32).reshape(4, 4)
    with torch.inference_mode():
        found = module(torch.from_numpy(np.kron(cells, np.ones((2, 2), np.float32)))[None, None])
    assert found[0, 0, 0, 0] == pytest.approx(cells.mean() + cells[:2, :2].mean() + cells[0, 0])
    assert found[0, 0, 7, 7] == pytest.approx(cells.mean() + cells[2:, 2:].mean() + cells[3, 3])
