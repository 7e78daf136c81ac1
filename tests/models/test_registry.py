"""What holds for every architecture; a new line in the registry is tested by being there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from epiluma.models import registry

NAMES = sorted(registry.REGISTRY)


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("size", "batch"), [(64, 1), (96, 3)])
def test_one_finite_logit_per_leaf_for_any_size_and_batch(name: str, size: int, batch: int) -> None:
    network = registry.build(name, 5, weights=None).eval()
    with torch.inference_mode():
        logits = network(torch.randn(batch, 3, size, size))
    assert logits.shape == (batch, 5)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_learns(name: str) -> None:
    network = registry.build(name, 4, weights=None, dropout=0.1).train()
    loss = torch.nn.functional.cross_entropy(network(torch.randn(4, 3, 64, 64)), torch.arange(4))
    loss.backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert without == []


@pytest.mark.parametrize("name", NAMES)
def test_the_head_is_what_depends_on_the_leaves(name: str) -> None:
    shapes = [
        {key: p.shape for key, p in registry.build(name, leaves, weights=None).named_parameters()} for leaves in (3, 8)
    ]
    entry = registry.architecture(name)
    differ = {key for key in shapes[0] if shapes[0][key] != shapes[1][key]}
    assert differ
    assert {key for key in shapes[0] if key.startswith(entry.head)} >= differ
    for prefix in entry.head:
        assert any(key.startswith(f"{prefix}.") for key in shapes[0]), prefix
        assert registry.build(name, 3, weights=None).get_submodule(prefix) is not None


@pytest.mark.parametrize("name", NAMES)
def test_dropout_acts_in_training_alone(name: str) -> None:
    network = registry.build(name, 8, weights=None, dropout=0.5).eval()
    batch = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(network(batch), network(batch))
        network.train()
        for module in network.modules():
            module.training = not isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
        assert not torch.equal(network(batch), network(batch))


@pytest.mark.parametrize("name", NAMES)
def test_the_input_scale_is_stated(name: str) -> None:
    entry = registry.architecture(name)
    assert len(entry.mean) == len(entry.std) == 3
    assert all(0 <= mean <= 1 for mean in entry.mean)
    assert all(0 < std <= 1 for std in entry.std)


def test_an_unknown_architecture_lists_the_known_ones() -> None:
    with pytest.raises(registry.UnknownModel, match=r"unknown architecture 'mobilenet'; known are .*mobilenetv2"):
        registry.build("mobilenet", 8, weights=None)
