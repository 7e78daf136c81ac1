"""What three epochs do to each layer, against the rules written out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning
import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import Tensor

from epiluma.taxonomy import ISIC_2019
from epiluma.training import batches as drawing
from epiluma.training import run
from epiluma.training.batches import Batch, TrainingBatches
from epiluma.training.data import Corpus
from epiluma.training.learner import Learner, Truth, phase_rate
from epiluma.training.mixing import mix
from epiluma.training.recipe import Loss, Phase, Recipe, RecipeError
from tests.training.conftest import make_recipe

State = dict[str, Tensor]
STEPS = 5


class Recorder(Callback):
    """Keeps the network's state after every step, the batches, and the learning rates that were in force."""

    def __init__(self) -> None:
        self.states: list[State] = []
        self.batches: list[tuple[int, Tensor, Tensor]] = []
        self.rates: list[list[float]] = []

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.states.append(copied(pl_module.network))

    def on_train_batch_start(self, trainer: lightning.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.batches.append((trainer.current_epoch, batch.pixels.clone(), batch.truth.clone()))
        self.rates.append([group["lr"] for group in trainer.optimizers[0].param_groups])

    def on_train_batch_end(self, trainer: lightning.Trainer, pl_module: Any, *_: Any) -> None:
        self.states.append(copied(pl_module.network))


def copied(network: torch.nn.Module) -> State:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.fixture(scope="module")
def fitted(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> tuple[Learner, Recorder]:
    """Three epochs of five steps: the head alone, then all layers but the first."""
    recipe, folder = make_recipe(), tmp_path_factory.mktemp("run")
    lightning.seed_everything(recipe.seed, verbose=False)
    batches, recorder = TrainingBatches(corpus, recipe), Recorder()
    prior = drawing.drawn_prior(corpus, recipe.optimiser.balance)
    module = Learner(recipe, Truth(ISIC_2019, prior, corpus.counts("train")), len(batches))
    with run.quiet():
        trainer = run._trainer(recipe, [run.EpochOrder(batches), recorder, ModelCheckpoint(folder)], logger=False)
        run.fit(trainer, module, batches, folder / "none")
    assert len(recorder.states) == 3 * STEPS + 1
    return module, recorder


def changed(before: State, after: State) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_the_first_phase_changes_the_head_alone(fitted: tuple[Learner, Recorder]) -> None:
    """Batch statistics of the frozen layers included: they are part of the state."""
    states = fitted[1].states
    assert changed(states[0], states[STEPS]) == {"classifier.weight", "classifier.bias"}


def test_later_phases_change_all_but_the_frozen_layers(fitted: tuple[Learner, Recorder]) -> None:
    states = fitted[1].states
    frozen = {name for name in states[0] if name.startswith(("conv_stem", "bn1", "blocks.0"))}
    assert len(frozen) > 10
    assert changed(states[STEPS], states[-1]) == set(states[0]) - frozen


def test_each_epoch_trains_on_its_own_batches(fitted: tuple[Learner, Recorder], corpus: Corpus) -> None:
    batches = TrainingBatches(corpus, make_recipe())
    for batches.epoch in range(3):
        seen = [(pixels, labels) for epoch, pixels, labels in fitted[1].batches if epoch == batches.epoch]
        for (pixels, labels), batch in zip(seen, batches, strict=True):
            assert torch.equal(pixels, batch.pixels)
            assert torch.equal(labels, batch.truth)


def test_the_average_is_the_one_worked_out_by_hand(fitted: tuple[Learner, Recorder]) -> None:
    module, recorder = fitted
    expected = {name: t.double() for name, t in recorder.states[1].items()}
    for state in recorder.states[2:]:
        expected = {name: 0.8 * expected[name] + 0.2 * state[name].double() for name in expected}
    for name, tensor in module.best_network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(tensor.double(), expected[name], atol=1e-6, rtol=1e-5, msg=name)


def test_without_an_average_the_network_itself_is_the_best(corpus: Corpus) -> None:
    module = Learner(make_recipe(average=0.0), Truth.unknown(), STEPS)
    assert module.best_network is module.network


def by_hand(step: int, *, backbone: bool) -> float:
    """Phase 0: 5 steps to 1e-3, warm-up 5%, to zero. Phase 1: 10 steps to 2e-3, warm-up 25%, down to a tenth."""
    if step < 5:
        done = step / 5
        rate = 1e-3 * (done / 0.05 if done < 0.05 else (1 + math.cos(math.pi * (done - 0.05) / 0.95)) / 2)
    else:
        done = (step - 5) / 10
        fall = (1 + math.cos(math.pi * (done - 0.25) / 0.75)) / 2
        rate = 2e-3 * (done / 0.25 if done < 0.25 else 0.1 + 0.9 * fall)
    return rate * (0.5 if backbone and step >= 5 else 1)


def test_the_learning_rates_are_those_worked_out_by_hand(fitted: tuple[Learner, Recorder]) -> None:
    rates = fitted[1].rates
    assert len(rates) == 15
    for step, (head, backbone, plain) in enumerate(rates):
        assert head == pytest.approx(by_hand(step, backbone=False))
        assert backbone == plain == pytest.approx(by_hand(step, backbone=True))
    module = fitted[0]
    assert module.rate(15, backbone=False) == pytest.approx(2e-4), "the scheduler looks one step past the end"


@given(
    rate=st.floats(1e-6, 1), warmup=st.floats(0, 0.9), final=st.floats(0, 0.9), at=st.lists(st.floats(0, 1), min_size=2)
)
def test_a_phase_rises_once_then_falls_to_its_end(rate: float, warmup: float, final: float, at: list[float]) -> None:
    phase = Phase(name="p", train="all", epochs=1, size=32, learning_rate=rate, warmup=warmup, final=final)
    assert phase_rate(phase, warmup) == pytest.approx(rate)
    assert phase_rate(phase, 1.0) == pytest.approx(rate * final, abs=1e-12)
    rising = [phase_rate(phase, done) for done in sorted(at) if done < warmup]
    falling = [phase_rate(phase, done) for done in sorted(at) if done >= warmup]
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)


def smoothed(recipe: Recipe, smoothing: float) -> Recipe:
    return msgspec.structs.replace(recipe, loss=Loss(label_smoothing=smoothing))


def cross_entropy(logits: np.ndarray, prior: np.ndarray, truth: np.ndarray, smoothing: float) -> float:
    """Menon et al. 2021, eq. 10, with label smoothing, in float64."""
    adjusted = logits.astype(float) + np.log(np.maximum(prior, 1e-8))
    log_p = adjusted - np.log(np.exp(adjusted - adjusted.max(1, keepdims=True)).sum(1, keepdims=True))
    log_p -= adjusted.max(1, keepdims=True)
    own = log_p[np.arange(len(truth)), truth]
    return float(-((1 - smoothing) * own + smoothing * log_p.mean(axis=1)).mean())


PRIOR = np.array([0.2, 0.4, 0.1, 0.05, 0.1, 0.05, 0.05, 0.05])
TRUTH = Truth(ISIC_2019, PRIOR, np.arange(8) * 10)


@pytest.mark.parametrize(("smoothing", "mixup"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.4), (0.1, 0.4)])
def test_the_loss_is_logit_adjusted_cross_entropy(smoothing: float, mixup: float) -> None:
    torch.manual_seed(0)
    module = Learner(smoothed(make_recipe(mixup=mixup, average=0.0), smoothing), TRUTH, STEPS)
    module.network.eval()  # batch statistics would tie the images of a batch to each other
    pixels, truth = torch.rand(8, 3, 32, 32), torch.arange(8)
    with pytest.warns(UserWarning, match="trainer"):  # there is none here to log to
        found = float(module.training_step(Batch(pixels, truth, torch.ones(8)), 0).detach())
    mixed = mix(pixels, None, module.recipe.optimiser, np.random.default_rng([module.recipe.seed, 0]))
    share, order = mixed.share, mixed.order
    assert (share == 1.0) == (mixup == 0)
    with torch.inference_mode():
        blended = share * pixels + (1 - share) * pixels[order]
        logits = module.network((blended - 0.5) / 0.5).numpy()
    own, other = (cross_entropy(logits, PRIOR, labels.numpy(), smoothing) for labels in (truth, truth[order]))
    assert found == pytest.approx(share * own + (1 - share) * other, rel=1e-5)
    assert found != pytest.approx(cross_entropy(logits, np.full(8, 1 / 8), truth.numpy(), smoothing), rel=1e-3)


def test_an_image_counts_in_the_loss_by_its_share() -> None:
    torch.manual_seed(0)
    module = Learner(make_recipe(mixup=0.0, average=0.0), TRUTH, STEPS)
    module.network.eval()
    pixels, truth, weight = torch.rand(8, 3, 32, 32), torch.arange(8), torch.tensor([2.0, 0.5] * 4)
    with pytest.warns(UserWarning, match="trainer"):
        found = float(module.training_step(Batch(pixels, truth, weight), 0).detach())
    with torch.inference_mode():
        logits = module.network((pixels - 0.5) / 0.5).numpy()
    each = [cross_entropy(logits[i : i + 1], PRIOR, truth[i : i + 1].numpy(), 0.0) for i in range(8)]
    assert found == pytest.approx(np.mean(weight.numpy() * each), rel=1e-5)


def test_what_is_exported_knows_no_prior() -> None:
    torch.manual_seed(0)
    module = Learner(make_recipe(average=0.0), TRUTH, STEPS).eval()
    pixels = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(module(pixels).logits, module.network((pixels - 0.5) / 0.5))


def test_every_parameter_is_optimised_once_and_biases_of_the_backbone_do_not_decay() -> None:
    module = Learner(make_recipe(weight_decay=0.3), TRUTH, STEPS)
    name_of = {id(parameter): name for name, parameter in module.network.named_parameters()}
    groups = module.configure_optimizers()["optimizer"].param_groups
    names = [[name_of[id(parameter)] for parameter in group["params"]] for group in groups]
    assert sorted(name for group in names for name in group) == sorted(name_of.values())
    head, backbone, plain = names
    assert set(head) == {"classifier.weight", "classifier.bias"}
    assert all(name.endswith(".weight") for name in backbone)
    assert any(name.endswith("bn1.bias") for name in plain)
    assert [group["weight_decay"] for group in groups] == [0.3, 0.3, 0.0]


@pytest.mark.parametrize("layer", ["block.0", "blocks.", "blocks.00", "classifie", ""])
def test_a_layer_that_the_network_has_not_cannot_be_frozen(layer: str) -> None:
    recipe = make_recipe()
    head, rest = recipe.phases
    phases = (head, msgspec.structs.replace(rest, frozen=("conv_stem", layer)))
    with pytest.raises(RecipeError, match=f"phases.1.frozen: mobilenetv2 has no layer '{layer}'"):
        Learner(msgspec.structs.replace(recipe, phases=phases), TRUTH, STEPS)


def test_starting_weights_come_from_the_recipe(tmp_path: Path) -> None:
    recipe = make_recipe()
    missing = msgspec.structs.replace(
        recipe, model=msgspec.structs.replace(recipe.model, weights=str(tmp_path / "w.safetensors"))
    )
    with pytest.raises(ValueError, match=r"w\.safetensors: no such weights file"):
        Learner(missing, TRUTH, STEPS)
