"""Starting weights: taken exactly, from a file of timm's names or of a whole network; other files are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from epiluma.models import registry, weights
from epiluma.models.classifiers import anatomy
from epiluma.models.registry import WeightsError
from tests.models.conftest import images, outputs_of, save, shaken

MASKED = [name for name in registry.SEGMENTERS if name != "pp_liteseg_t"]


def pyramid(network: nn.Module, batch: Tensor) -> list[Tensor]:
    """The encoder's maps, as timm gives them."""
    with torch.inference_mode():
        return network.eval().forward_intermediates(
            batch, indices=list(anatomy("mobilenetv2").levels), intermediates_only=True
        )


def tensors(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in network.state_dict().items()}


def test_a_classifier_s_features_are_those_of_the_file(donor: nn.Module, donor_file: Path) -> None:
    network = registry.build("mobilenetv2", outputs=8, weights=donor_file).network.eval()
    batch = images(2, 96)
    with torch.inference_mode():
        assert torch.equal(network.forward_features(batch), donor.forward_features(batch))
        assert network(batch).abs().max() == 0, "a new head starts from zero"


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "mobilenetv2"])
def test_a_new_head_on_given_features_starts_from_zero(name: str, tmp_path: Path) -> None:
    file = save(registry.build(name, outputs=7).network, tmp_path / "w.safetensors")
    for masks in (0, 1):
        network = registry.build(name, outputs=3, mask_classes=masks, weights=file).network
        assert outputs_of(network, images(2, 64))[0].abs().max() == 0
    assert outputs_of(registry.build(name, outputs=3).network, images(2, 64))[0].abs().max() > 0


def test_a_multi_task_network_s_features_are_those_of_the_file(donor: nn.Module, donor_file: Path) -> None:
    network = registry.build("mobilenetv2", outputs=8, mask_classes=1, weights=donor_file).network
    batch = images(2, 64)
    for found, expected in zip(pyramid(network, batch), pyramid(donor, batch), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("architecture", MASKED)
def test_a_segmenter_s_encoder_is_that_of_the_file(architecture: str, donor: nn.Module, donor_file: Path) -> None:
    network = registry.build(architecture, mask_classes=1, weights=donor_file).network.eval()
    batch = images(2, 64)
    with torch.inference_mode():
        found = pyramid(network, batch) if architecture == "light" else network.encoder(batch)[-4:]
    expected = pyramid(donor, batch)
    kept = 3 if architecture == "deeplabv3plus" else 4  # which runs its last stage dilated, at 1/16
    for level in range(kept):
        torch.testing.assert_close(found[level], expected[level])


@pytest.mark.parametrize("encoder", ["convnext_atto", "resnet18"])
def test_encoders_whose_names_the_library_changes_are_filled_too(encoder: str, tmp_path: Path) -> None:
    classifier = shaken(registry.build(encoder, outputs=2).network)
    file = save(classifier, tmp_path / "w.safetensors")
    network = registry.build("unet", mask_classes=1, encoder=encoder, weights=file).network.eval()
    batch = images(1, 64)
    with torch.inference_mode():
        expected = classifier.forward_intermediates(batch, intermediates_only=True)[-4:]
        for one, other in zip(network.encoder(batch)[-4:], expected, strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("mobilenetv2", {"outputs": 4}),
        ("mobilenetv2", {"outputs": 4, "mask_classes": 2}),
        *((name, {"mask_classes": 2}) for name in registry.SEGMENTERS),
    ],
)
def test_a_whole_network_comes_back_from_its_file(architecture: str, task: dict[str, int], tmp_path: Path) -> None:
    network = shaken(registry.build(architecture, **task).network)
    file = save(network, tmp_path / "w.safetensors")
    again = registry.build(architecture, weights=file, **task).network
    batch = images(1, 64)
    for one, other in zip(outputs_of(again, batch), outputs_of(network, batch), strict=True):
        assert torch.equal(one, other)


def test_a_head_of_another_shape_is_new_and_the_rest_is_kept(tmp_path: Path) -> None:
    network = shaken(registry.build("mobilenetv2", outputs=4, mask_classes=2).network)
    file = save(network, tmp_path / "w.safetensors")
    again = registry.build("mobilenetv2", outputs=6, mask_classes=2, weights=file).network
    logits, masks = outputs_of(again, images(1, 64))
    assert logits.abs().max() == 0
    assert torch.equal(masks, outputs_of(network, images(1, 64))[1])
    fewer = registry.build("mobilenetv2", outputs=4, mask_classes=1, weights=file).network
    assert torch.equal(outputs_of(fewer, images(1, 64))[0], outputs_of(network, images(1, 64))[0])
    kept = fewer.state_dict()["mask_decoder.smooth.0.0.0.weight"]
    assert torch.equal(kept, network.state_dict()["mask_decoder.smooth.0.0.0.weight"]), "what fits of the decoder"


def test_a_multi_task_run_starts_a_classifier_and_a_segmenter(tmp_path: Path) -> None:
    network = shaken(registry.build("mobilenetv2", outputs=4, mask_classes=2).network)
    file = save(network, tmp_path / "w.safetensors")
    logits, masks = outputs_of(network, images(1, 64))
    classifier = registry.build("mobilenetv2", outputs=4, weights=file).network
    assert torch.equal(outputs_of(classifier, images(1, 64))[0], logits)
    segmenter = registry.build("light", mask_classes=2, weights=file).network
    assert torch.equal(outputs_of(segmenter, images(1, 64))[0], masks)
    unet = registry.build("unet", mask_classes=2, weights=file).network
    assert torch.equal(unet.state_dict()["encoder.model.conv_stem.weight"], network.state_dict()["conv_stem.weight"])


def test_a_file_without_batch_counters_is_taken(donor: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({name: t for name, t in tensors(donor).items() if not name.endswith("num_batches_tracked")}, path)
    network = registry.build("mobilenetv2", outputs=8, weights=str(path)).network
    assert torch.equal(network.state_dict()["conv_stem.weight"], donor.state_dict()["conv_stem.weight"])


def renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.replace("conv_stem", "stem"): tensor for name, tensor in weights.items()}


def reshaped(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {**weights, "conv_stem.weight": torch.zeros(16, 3, 3, 3)}


def cut(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in weights.items() if not name.startswith("blocks.3")}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (renamed, r"missing \['(encoder.model.)?conv_stem.weight'\], unexpected \['stem.weight'\]"),
        (reshaped, r"missing \[\], unexpected \['(encoder.model.)?conv_stem.weight'\]"),
        (cut, r"missing \['(encoder.model.)?blocks\.3.*unexpected \[\]"),
    ],
)
@pytest.mark.parametrize("architecture", ["mobilenetv2", "unet"])
def test_weights_of_another_network_are_refused(
    donor: nn.Module,
    tmp_path: Path,
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    reason: str,
    architecture: str,
) -> None:
    path = tmp_path / "w.safetensors"
    save_file(change(tensors(donor)), path)
    task = {"mask_classes": 1} if architecture == "unet" else {"outputs": 8}
    with pytest.raises(WeightsError, match=rf"w\.safetensors: does not fit {architecture}: {reason}"):
        registry.build(architecture, weights=path, **task)


def test_weights_that_are_not_there_are_told(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(WeightsError, match=r"w\.safetensors: no such weights file"):
        weights.read(path)
    path.write_bytes(b"\x08\0\0\0\0\0\0\0notjson!")
    with pytest.raises(WeightsError, match=r"w\.safetensors: is not a safetensors file"):
        weights.read(path)
    with pytest.raises(WeightsError, match="pp_liteseg_t: there are no weights to download"):
        registry.build("pp_liteseg_t", mask_classes=1, weights="imagenet")
    with pytest.raises(WeightsError, match="timm has no weights for it"):
        registry.build(untrained(), outputs=2, weights="pretrained")


def untrained() -> str:
    """A small network of timm's that nobody has published weights of."""
    import timm

    return next(name for name in timm.list_models("mobilenetv2_*") if not timm.is_model_pretrained(name))
