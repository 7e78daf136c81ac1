"""Strided depthwise convolutions against the plain ones, outputs and gradients."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from epiluma.training import strided


def learned(layer: nn.Module, pixels: Tensor) -> tuple[Tensor, ...]:
    """Output, gradient of the input, gradient of the parameters, in bf16."""
    pixels = pixels.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(pixels)
    weights = torch.linspace(-1, 1, found.numel()).view(found.shape)
    (found.float() * weights).sum().backward()  # type: ignore[no-untyped-call]
    assert pixels.grad is not None
    return found.detach().float(), pixels.grad, *(p.grad.float() for p in layer.parameters() if p.grad is not None)


@given(
    kind=st.sampled_from([nn.Conv2d, Conv2dSame]),
    side=st.tuples(st.integers(5, 16), st.integers(5, 16)),
    kernel=st.sampled_from([1, 3, 5]),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    stride=st.sampled_from([(2, 2), (2, 1), (3, 3)]),
    multiplier=st.integers(1, 2),
    bias=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_outputs_and_gradients_are_the_plain_layer_s(
    *,
    kind: type[nn.Conv2d],
    side: tuple[int, int],
    kernel: int,
    padding: int,
    dilation: int,
    stride: tuple[int, int],
    multiplier: int,
    bias: bool,
) -> None:
    torch.manual_seed(0)
    if kind is nn.Conv2d and (kernel - 1) * dilation >= min(side) + 2 * padding:
        return  # no output
    plain = kind(4, 4 * multiplier, kernel, stride, padding=padding, dilation=dilation, groups=4, bias=bias)
    eased = strided.ease(copy.deepcopy(plain))
    assert type(eased) is not type(plain)
    pixels = torch.randn(2, 4, *side).to(memory_format=torch.channels_last)
    for mine, theirs in zip(learned(eased, pixels), learned(plain, pixels), strict=True):
        assert mine.shape == theirs.shape
        torch.testing.assert_close(mine, theirs, rtol=0.02, atol=0.02 * float(theirs.abs().max()))


@pytest.mark.parametrize("name", ["mobilenetv2_100", "efficientnet_b0", "tf_efficientnet_b0"])
def test_a_network_keeps_its_parameters_and_computes_every_second_output_only_to_learn(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=3).eval()
    pixels = torch.randn(2, 3, 64, 64)
    before, names = network(pixels), list(network.state_dict())
    eased = strided.ease(network)
    assert sum(isinstance(layer, strided._Dense) for layer in eased.modules()) == 4
    assert list(eased.state_dict()) == names
    strides = []
    plain = torch.nn.functional.conv2d
    monkeypatch.setattr(torch.nn.functional, "conv2d", lambda *args: strides.append(args[3]) or plain(*args))
    torch.testing.assert_close(eased(pixels), before, rtol=0, atol=0)
    assert 1 not in strides
    with torch.autocast("cpu", torch.bfloat16):
        eased(pixels)
    assert strides.count(1) == 4


def test_others_stay_as_they_are() -> None:
    for layer in (
        nn.Conv2d(4, 4, 3, 2, padding=1),
        nn.Conv2d(4, 4, 3, 1, padding=1, groups=4),
        nn.Conv2d(4, 4, 2, 2, groups=4),
        nn.Conv2d(4, 4, 3, 2, padding="valid", groups=4),
        nn.Conv2d(4, 4, 3, 2, padding=1, padding_mode="reflect", groups=4),
        nn.Conv2d(1, 4, 3, 2, groups=1),
    ):
        kind = type(layer)
        assert type(strided.ease(layer)) is kind
