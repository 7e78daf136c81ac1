"""MobileNetV2: TensorFlow's padding, inputs in [-1, 1], and the free weights that were trained so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import nn
from torch.nn import functional

from epiluma.imaging.preprocess import normalise
from epiluma.imaging.synthetic import DrawnLesion, draw_lesion
from epiluma.models import registry
from epiluma.models.mobilenet import fold_input_scale
from tests.models.conftest import images

REAL = Path(__file__).parents[3] / "shared" / "weights" / "mobilenet_v2_imagenet.safetensors"

USES = (
    ("mobilenetv2", {"outputs": 8}, ""),
    ("mobilenetv2", {"outputs": 8, "mask_classes": 1}, ""),
    ("light", {"mask_classes": 1}, ""),
    ("unet", {"mask_classes": 1}, "encoder.model."),
    ("deeplabv3plus", {"mask_classes": 1}, "encoder.model."),
    ("segformer", {"mask_classes": 1}, "encoder.model."),
)


@pytest.mark.parametrize(("architecture", "task", "prefix"), USES)
def test_padding_is_tensorflow_s(architecture: str, task: dict[str, int], prefix: str) -> None:
    """At an even size and stride 2, TensorFlow pads right and below only."""
    stem = registry.build(architecture, **task).network.get_submodule(f"{prefix}conv_stem")
    batch = images(1, 64)
    expected = functional.conv2d(functional.pad(batch, (0, 1, 0, 1)), stem.weight, stride=2)
    torch.testing.assert_close(stem(batch), expected)


def test_timms_own_weights_see_what_they_were_trained_on() -> None:
    """After folding, inputs in [-1, 1] give the features that ImageNet-normalised inputs gave before."""
    before = timm.create_model("mobilenetv2_100", num_classes=0, pad_type="same").eval()
    after = timm.create_model("mobilenetv2_100", num_classes=0, pad_type="same").eval()
    after.load_state_dict(before.state_dict())
    fold_input_scale(after)
    pixels = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.inference_mode():
        stem_before = before.bn1(before.conv_stem((pixels - mean) / std))
        stem_after = after.bn1(after.conv_stem(pixels * 2 - 1))
    torch.testing.assert_close(stem_after[..., :-1, :-1], stem_before[..., :-1, :-1], atol=1e-4, rtol=1e-4)


def separability(built: registry.Built, drawn: list[DrawnLesion]) -> float:
    """Share of the last third of the lesions that a ridge on the features of the others names rightly."""
    from sklearn.linear_model import RidgeClassifier
    from sklearn.preprocessing import StandardScaler

    batch = torch.from_numpy(normalise(np.stack([d.image for d in drawn]), mean=built.input.mean, std=built.input.std))
    with torch.inference_mode():
        features = built.network.eval().forward_features(batch).mean(dim=(2, 3)).numpy()
    assert np.isfinite(features).all()
    truth, known = np.array([d.diagnosis for d in drawn]), len(drawn) * 2 // 3
    scaled = StandardScaler().fit(features[:known]).transform(features)
    return float(RidgeClassifier(alpha=100).fit(scaled[:known], truth[:known]).score(scaled[known:], truth[known:]))


def real() -> Path:
    if not REAL.is_file():
        pytest.skip(f"{REAL} is not there")
    return REAL


@pytest.mark.real_data
def test_imagenet_s_features_tell_drawn_lesions_apart_better_than_random_ones() -> None:
    weights = real()
    drawn = [draw_lesion(seed, size=(96, 96)) for seed in range(150)]
    random = separability(registry.build("mobilenetv2", outputs=8), drawn)
    found = separability(registry.build("mobilenetv2", outputs=8, weights=weights), drawn)
    assert found > random + 0.1, (found, random)


@pytest.mark.real_data
@pytest.mark.parametrize(("architecture", "task", "prefix"), USES)
def test_the_free_weights_start_every_network_on_this_encoder(
    architecture: str, task: dict[str, int], prefix: str
) -> None:
    from safetensors.torch import load_file

    tensors = load_file(real())
    network: nn.Module = registry.build(architecture, weights=REAL, **task).network
    encoder = [name for name in network.state_dict() if name.startswith((f"{prefix}blocks.", f"{prefix}conv_stem"))]
    assert len(encoder) > 200
    for name in encoder:
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(network.state_dict()[name], tensors[name.removeprefix(prefix)]), name
