"""What holds for every network; a new line in the registry is tested by being there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import timm
import torch
from torch import nn

from epiluma.models import registry
from epiluma.models.classifiers import anatomy
from epiluma.models.parts import within
from tests.models.conftest import images, outputs_of

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "models.md"
OUTPUTS, MASKS = 5, 3


class Case(NamedTuple):
    architecture: str
    outputs: int
    mask_classes: int

    def build(self, *, dropout: float = 0.0) -> registry.Built:
        return registry.build(self.architecture, outputs=self.outputs, mask_classes=self.mask_classes, dropout=dropout)

    @property
    def size(self) -> int:
        """Small, but no smaller than the network can take."""
        return {"inceptionv3": 96}.get(self.architecture, 64)

    def __str__(self) -> str:
        return f"{self.architecture}-{registry.task_of(self.architecture, self.mask_classes)}"


BIG = ("resnet50", "convnext")
"""Small relatives of these draw masks in the short form."""
CASES = (
    *(Case(name, OUTPUTS, 0) for name in registry.PRESETS),
    *(
        pytest.param(Case(name, OUTPUTS, MASKS), marks=pytest.mark.slow if name in BIG else ())
        for name in registry.PRESETS
        if anatomy(name).levels
    ),
    *(Case(name, 0, MASKS) for name in registry.SEGMENTERS),
)


class Made(NamedTuple):
    case: Case
    built: registry.Built

    @property
    def network(self) -> nn.Module:
        return self.built.network

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.network.named_parameters()]


@pytest.fixture(scope="module", params=CASES, ids=str)
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield Made(request.param, request.param.build(dropout=0.5))


def shapes(case: Case, count: int, size: int) -> tuple[tuple[int, ...], ...]:
    logits = ((count, case.outputs),) if case.outputs else ()
    masks = ((count, case.mask_classes, size, size),) if case.mask_classes else ()
    return logits + masks


@pytest.mark.parametrize(("more", "count"), [(0, 1), (32, 3)])
def test_finite_outputs_of_the_stated_shape_for_any_size_and_batch(made: Made, more: int, count: int) -> None:
    size = made.case.size + more
    found = outputs_of(made.network, images(count, size))
    assert tuple(output.shape for output in found) == shapes(made.case, count, size)
    assert all(output.isfinite().all() for output in found)


def test_an_image_s_outputs_hang_on_nothing_but_the_image(made: Made) -> None:
    batch = images(4, made.case.size)
    order = torch.tensor([2, 0, 3, 1])
    together = outputs_of(made.network, batch)
    assert all(torch.equal(*pair) for pair in zip(together, outputs_of(made.network, batch), strict=True))
    shuffled, alone = outputs_of(made.network, batch[order]), outputs_of(made.network, batch[1:2])
    for all_, moved, one in zip(together, shuffled, alone, strict=True):
        rounding = 1e-4 * all_.abs().max()
        assert (moved - all_[order]).abs().max() < rounding
        assert (one - all_[1:2]).abs().max() < rounding


def test_every_parameter_learns(made: Made) -> None:
    network = made.network.train()
    found = network(images(2, made.case.size))
    loss = sum(output.square().mean() for output in (found if isinstance(found, tuple) else (found,)))
    loss.backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    network.zero_grad()
    assert without == []


def test_dropout_acts_in_training_alone(made: Made) -> None:
    batch = images(2, made.case.size)
    calm = outputs_of(made.network, batch)
    made.network.train()
    for module in made.network.modules():
        module.training = not isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
    with torch.inference_mode():
        found = made.network(batch)
    for one, other in zip(calm, found if isinstance(found, tuple) else (found,), strict=True):
        assert not torch.equal(one, other)


def test_every_parameter_is_in_the_head_or_in_exactly_one_stage(made: Made) -> None:
    groups = (made.built.head, *made.built.stages)
    for name in made.names:
        assert sum(within(name, group) for group in groups) == 1, name
    for prefix in (prefix for group in groups for prefix in group):
        assert any(within(name, (prefix,)) for name in made.names), prefix
    assert len(made.built.stages) > 1


def test_stages_come_in_the_order_of_computation(made: Made) -> None:
    seen: list[int] = []
    hooks = []
    for name, module in made.network.named_modules():
        stage = next((n for n, group in enumerate(made.built.stages) if within(name, group)), None)
        if stage is not None and next(module.parameters(recurse=False), None) is not None:
            hooks.append(module.register_forward_hook(lambda *_, stage=stage: seen.append(stage)))
    outputs_of(made.network, images(1, made.case.size))
    for hook in hooks:
        hook.remove()
    assert seen == sorted(seen)
    assert set(seen) == set(range(len(made.built.stages)))


def test_the_head_is_what_depends_on_the_task(made: Made) -> None:
    case = made.case
    other = Case(case.architecture, case.outputs and case.outputs + 1, case.mask_classes and case.mask_classes + 1)
    before = {name: parameter.shape for name, parameter in made.network.named_parameters()}
    with torch.device("meta"):  # shapes alone
        after = {name: parameter.shape for name, parameter in other.build().network.named_parameters()}
    assert before.keys() == after.keys()
    differ = [name for name in before if before[name] != after[name]]
    assert differ
    assert all(within(name, made.built.head) for name in differ)
    for prefix in made.built.head:
        assert made.network.get_submodule(prefix) is not None


@pytest.mark.parametrize("name", registry.PRESETS)
def test_the_input_is_what_the_weights_expect(name: str) -> None:
    found = registry.input_of(name)
    if name == "mobilenetv2":  # [-1, 1], as the free TensorFlow weights were trained
        assert found == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    else:
        published = timm.get_pretrained_cfg(registry.PRESETS[name].timm)
        assert found == (published.mean, published.std)
    with torch.device("meta"):
        assert registry.build(name, outputs=2).input == found


def test_the_input_of_a_segmenter_is_its_encoder_s() -> None:
    assert registry.input_of("unet") == registry.input_of("mobilenetv2")
    assert registry.input_of("light", "resnet34") == registry.input_of("resnet34")
    assert registry.input_of("pp_liteseg_t").mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize("name", registry.PRESETS)
def test_the_reference_says_what_a_preset_is(name: str) -> None:
    row = next(line for line in REFERENCE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}` |"))
    _, _, timm_name, millions, masks, *_ = (cell.strip() for cell in row.split("|"))
    with torch.device("meta"):
        built = registry.build(name, outputs=8)
    assert timm_name == f"`{registry.PRESETS[name].timm}`"
    assert millions == f"{sum(parameter.numel() for parameter in built.network.parameters()) / 1e6:.1f} M"
    assert (masks == "yes") == bool(anatomy(name).levels)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050", "convnext_atto", "regnety_002.pycls_in1k"])
def test_any_classifier_of_timm_is_taken_by_its_name(name: str) -> None:
    built = registry.build(name, outputs=3, mask_classes=1, drop_path=0.1)
    logits, masks = outputs_of(built.network, images(2, 64))
    assert logits.shape == (2, 3)
    assert masks.shape == (2, 1, 64, 64)
    assert all(sum(within(n, g) for g in (built.head, *built.stages)) == 1 for n, _ in built.network.named_parameters())


@pytest.mark.parametrize("architecture", [name for name, entry in registry.SEGMENTERS.items() if entry.takes_encoder])
@pytest.mark.parametrize("encoder", ["resnet18", "convnext_atto"])
def test_segmenters_take_other_encoders(architecture: str, encoder: str) -> None:
    built = registry.build(architecture, mask_classes=2, encoder=encoder, drop_path=0.1)
    assert outputs_of(built.network, images(1, 64))[0].shape == (1, 2, 64, 64)
    assert all(sum(within(n, g) for g in (built.head, *built.stages)) == 1 for n, _ in built.network.named_parameters())


@pytest.mark.parametrize("case", [Case("vit", 2, 0), Case("light", 0, 2), Case("pp_liteseg_t", 0, 2)], ids=str)
def test_sizes_that_are_no_multiple_of_anything(case: Case) -> None:
    assert tuple(found.shape for found in outputs_of(case.build().network, images(1, 77))) == shapes(case, 1, 77)


@pytest.mark.parametrize(
    ("architecture", "mask_classes", "task"),
    [
        ("mobilenetv2", 0, "classification"),
        ("resnet18", 2, "multitask"),
        ("unet", 0, "segmentation"),
        ("pp_liteseg_t", 8, "segmentation"),
    ],
)
def test_the_task_follows_from_the_name_and_the_masks(architecture: str, mask_classes: int, task: str) -> None:
    assert registry.task_of(architecture, mask_classes) == task


@pytest.mark.parametrize(
    ("architecture", "encoder", "message"),
    [
        ("mobilenet", "", r"unknown architecture 'mobilenet'; the nearest known are .*mobilenetv2"),
        ("pp_liteseg", "", r"unknown architecture 'pp_liteseg'; the nearest known are pp_liteseg_t"),
        ("???", "", r"unknown architecture '\?\?\?'; take one of mobilenetv2, .* or any other of timm's"),
        ("resnet50.nope", "", r"unknown architecture 'resnet50.nope': .*tag \(nope\)"),
        ("unet", "resnet999", r"unknown architecture 'resnet999'; the nearest known are .*resnet"),
        ("light", "vit", r"vit gives no feature maps at 1/4, 1/8, 1/16, 1/32 .*; take for example mobilenetv2, "),
        ("unet", "inceptionv3", r"inceptionv3 gives no feature maps"),
        ("pp_liteseg_t", "resnet34", r"pp_liteseg_t has an encoder of its own; leave out 'resnet34'"),
        ("resnet50", "resnet34", r"resnet50 is a classifier and has no other encoder; leave out 'resnet34'"),
    ],
)
def test_names_that_do_not_go_together_are_told_before_anything_is_built(
    architecture: str, encoder: str, message: str
) -> None:
    with pytest.raises(registry.UnknownModel, match=message):
        registry.check(architecture, encoder)


def test_masks_of_a_classifier_without_a_feature_pyramid_are_refused() -> None:
    with pytest.raises(registry.UnsuitableModel, match="vit gives no feature maps"):
        registry.build("vit", outputs=3, mask_classes=1)


@pytest.mark.parametrize(
    ("architecture", "settings", "message"),
    [
        ("resnet34", {}, "resnet34 is for classification, not for 0 outputs and 0 mask classes"),
        ("unet", {}, "unet is for segmentation, not for 0 outputs and 0 mask classes"),
        ("unet", {"outputs": 3, "mask_classes": 1}, "unet is for segmentation, not for 3 outputs"),
        ("resnet34", {"mask_classes": 1}, "resnet34 is for multitask, not for 0 outputs"),
        ("pp_liteseg_t", {"mask_classes": 1, "drop_path": 0.1}, "pp_liteseg_t has no residual blocks"),
        ("inceptionv3", {"outputs": 3, "drop_path": 0.1}, "inceptionv3 does not take a setting: .*drop_path_rate"),
    ],
)
def test_what_a_network_cannot_do_is_refused(architecture: str, settings: dict[str, float], message: str) -> None:
    with pytest.raises(registry.UnsuitableModel, match=message):
        registry.build(architecture, **settings)
