"""MobileNetV2: weights from a file are taken exactly, other files are refused, padding is TensorFlow's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from epiluma.imaging.preprocess import normalise
from epiluma.imaging.synthetic import DrawnLesion, draw_lesion
from epiluma.models import mobilenet
from epiluma.models.mobilenet import MEAN, STD, WeightsError, mobilenetv2

REAL = Path(__file__).parents[3] / "shared" / "weights" / "mobilenet_v2_imagenet.safetensors"


@pytest.fixture(scope="module")
def donor() -> nn.Module:
    """A network of timm's own with 1,001 classes, random also where a fresh one has zeros and ones."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network: nn.Module = timm.create_model("mobilenetv2_100", num_classes=1001, pad_type="same")
        for name, buffer in network.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.uniform_(0.5, 1.5)
    return network.eval()


def tensors(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in network.state_dict().items()}


@pytest.fixture(scope="module")
def file(donor: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "donor.safetensors"
    save_file(tensors(donor), path)
    return path


def test_the_features_are_those_of_the_file(donor: nn.Module, file: Path) -> None:
    network = mobilenetv2(8, weights=file).eval()
    batch = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(network.forward_features(batch), donor.forward_features(batch))
        assert network(batch).abs().max() == 0, "the new head starts from zero"


def test_a_file_without_batch_counters_is_taken(donor: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({name: t for name, t in tensors(donor).items() if not name.endswith("num_batches_tracked")}, path)
    network = mobilenetv2(8, weights=path)
    assert torch.equal(network.state_dict()["conv_stem.weight"], donor.state_dict()["conv_stem.weight"])


def test_without_a_file_the_head_is_random() -> None:
    head = mobilenetv2(8, weights=None).get_submodule("classifier")
    assert head.weight.any()


def test_padding_is_tensorflow_s() -> None:
    """At an even size and stride 2, TensorFlow pads right and below only."""
    network = mobilenetv2(8, weights=None)
    batch = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = functional.conv2d(functional.pad(batch, (0, 1, 0, 1)), network.conv_stem.weight, stride=2)
    torch.testing.assert_close(network.conv_stem(batch), expected)


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.replace("conv_stem", "stem"): tensor for name, tensor in weights.items()}


def reshaped(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**weights, "conv_stem.weight": torch.zeros(16, 3, 3, 3)}


def cut(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in weights.items() if not name.startswith("blocks.3")}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (renamed, r"does not fit MobileNetV2: missing \['conv_stem.weight'\], unexpected \['stem.weight'\]"),
        (reshaped, r"does not fit MobileNetV2: missing \[\], unexpected \['conv_stem.weight'\]"),
        (cut, r"does not fit MobileNetV2: missing \['blocks\.3.*unexpected \[\]"),
    ],
)
def test_weights_of_another_network_are_refused(
    donor: nn.Module, tmp_path: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], reason: str
) -> None:
    path = tmp_path / "w.safetensors"
    save_file(change(tensors(donor)), path)
    with pytest.raises(WeightsError, match=rf"w\.safetensors: {reason}"):
        mobilenetv2(8, weights=path)


def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(WeightsError, match=r"w\.safetensors: no such weights file"):
        mobilenetv2(8, weights=path)
    path.write_bytes(b"\x08\0\0\0\0\0\0\0notjson!")
    with pytest.raises(WeightsError, match=r"w\.safetensors: is not a safetensors file"):
        mobilenetv2(8, weights=path)


def separability(network: nn.Module, drawn: list[DrawnLesion]) -> float:
    """Share of the last third of the lesions that a ridge on the features of the others names rightly."""
    from sklearn.linear_model import RidgeClassifier
    from sklearn.preprocessing import StandardScaler

    batch = torch.from_numpy(normalise(np.stack([d.image for d in drawn]), mean=MEAN, std=STD))
    with torch.inference_mode():
        features = network.eval().forward_features(batch).mean(dim=(2, 3)).numpy()
    assert np.isfinite(features).all()
    truth, known = np.array([d.diagnosis for d in drawn]), len(drawn) * 2 // 3
    scaled = StandardScaler().fit(features[:known]).transform(features)
    return float(RidgeClassifier(alpha=100).fit(scaled[:known], truth[:known]).score(scaled[known:], truth[known:]))


@pytest.mark.real_data
def test_imagenet_s_features_tell_drawn_lesions_apart_better_than_random_ones() -> None:
    if not REAL.is_file():
        pytest.skip(f"{REAL} is not there")
    drawn = [draw_lesion(seed, size=(96, 96)) for seed in range(150)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        random = separability(mobilenetv2(8, weights=None), drawn)
    found = separability(mobilenetv2(8, weights=REAL), drawn)
    assert found > random + 0.1, (found, random)


def test_timms_own_weights_see_what_they_were_trained_on() -> None:
    """After folding, inputs in [-1, 1] give the features that ImageNet-normalised inputs gave before."""
    before = timm.create_model("mobilenetv2_100", num_classes=0, pad_type="same").eval()
    after = timm.create_model("mobilenetv2_100", num_classes=0, pad_type="same").eval()
    after.load_state_dict(before.state_dict())
    mobilenet._fold_input_scale(after)
    pixels = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.inference_mode():
        stem_before = before.bn1(before.conv_stem((pixels - mean) / std))
        stem_after = after.bn1(after.conv_stem(pixels * 2 - 1))
    torch.testing.assert_close(stem_after[..., :-1, :-1], stem_before[..., :-1, :-1], atol=1e-4, rtol=1e-4)
