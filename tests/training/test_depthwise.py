"""Eased depthwise convolutions against the plain ones, outputs and gradients."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from epiluma.training import depthwise


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
    stride=st.sampled_from([(1, 1), (2, 2), (2, 1), (3, 3)]),
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
    if kernel <= 3 and stride == (1, 1):
        return  # quick as it is
    plain = kind(4, 4 * multiplier, kernel, stride, padding=padding, dilation=dilation, groups=4, bias=bias)
    eased = depthwise.ease(copy.deepcopy(plain))
    assert type(eased) is not type(plain)
    pixels = torch.randn(2, 4, *side).to(memory_format=torch.channels_last)
    for mine, theirs in zip(learned(eased, pixels), learned(plain, pixels), strict=True):
        assert mine.shape == theirs.shape
        torch.testing.assert_close(mine, theirs, rtol=0.02, atol=0.02 * float(theirs.abs().max()))


@pytest.mark.parametrize(
    ("name", "dense", "single"), [("mobilenetv2_100", 4, 0), ("efficientnet_b0", 2, 9), ("tf_efficientnet_b0", 2, 9)]
)
def test_a_network_keeps_its_parameters_and_computes_otherwise_only_to_learn(
    name: str, dense: int, single: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=3).eval()
    pixels = torch.randn(2, 3, 64, 64)
    before, names = network(pixels), list(network.state_dict())
    eased = depthwise.ease(network)
    assert sum(isinstance(layer, depthwise._Dense) for layer in eased.modules()) == dense
    assert sum(isinstance(layer, depthwise._Single) for layer in eased.modules()) == single
    assert list(eased.state_dict()) == names
    strides = []
    plain = torch.nn.functional.conv2d
    monkeypatch.setattr(torch.nn.functional, "conv2d", lambda *args: strides.append(args[3]) or plain(*args))
    torch.testing.assert_close(eased(pixels), before, rtol=0, atol=0)
    assert 1 not in strides
    with torch.autocast("cpu", torch.bfloat16):
        eased(pixels)
    assert strides.count(1) == dense


@pytest.mark.parametrize("kind", [nn.Conv2d, Conv2dSame])
def test_a_large_kernel_learns_in_fp32_and_answers_in_bf16(kind: type[nn.Conv2d]) -> None:
    torch.manual_seed(0)
    plain = kind(4, 4, 5, 1, padding=2, groups=4)
    eased = depthwise.ease(copy.deepcopy(plain))
    pixels = torch.randn(2, 4, 12, 12)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, found = plain(pixels), eased(pixels.requires_grad_())
    assert found.dtype == torch.bfloat16
    exact = plain(pixels).bfloat16()
    torch.testing.assert_close(found, exact, rtol=0, atol=0)
    assert not torch.equal(rounded, exact)


def test_others_stay_as_they_are() -> None:
    for layer in (
        nn.Conv2d(4, 4, 3, 2, padding=1),
        nn.Conv2d(4, 4, 3, 1, padding=1, groups=4),
        nn.Conv2d(4, 4, 2, 2, groups=4),
        nn.Conv2d(4, 4, 5, 2, padding=2),
        nn.Conv2d(4, 4, 3, 2, padding="valid", groups=4),
        nn.Conv2d(4, 4, 3, 2, padding=1, padding_mode="reflect", groups=4),
        nn.Conv2d(1, 4, 3, 2, groups=1),
    ):
        kind = type(layer)
        assert type(depthwise.ease(layer)) is kind
