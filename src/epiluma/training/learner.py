"""The Lightning module: phases, losses, blending, a teacher, and a running average of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from epiluma.models import registry
from epiluma.models.parts import within
from epiluma.taxonomy import ISIC_2019, Taxonomy
from epiluma.training import depthwise
from epiluma.training.batches import Batch
from epiluma.training.losses import ClassLoss, distillation_losses, mask_losses
from epiluma.training.mixing import Mixed, mix
from epiluma.training.recipe import Phase, Recipe, RecipeError
from epiluma.training.teacher import Teacher


class Truth(NamedTuple):
    """What a network is to learn, as far as it decides the network's form and its loss."""

    taxonomy: Taxonomy
    prior: npt.NDArray[np.float64]
    """(leaves,) share of each class among the images as they are drawn."""
    counts: npt.NDArray[np.intp]
    """(leaves,) training images."""

    @classmethod
    def unknown(cls, taxonomy: Taxonomy = ISIC_2019) -> Truth:
        """Enough to hold trained weights."""
        leaves = len(taxonomy.leaves)
        return cls(taxonomy, np.full(leaves, 1 / leaves), np.ones(leaves, np.intp))


class Outputs(NamedTuple):
    """What a network says of a batch; None for what it does not learn."""

    logits: Tensor | None
    """(b, leaves)"""
    masks: Tensor | None
    """(b, K, S, S) logits: K = 1 for the lesion, 1 + groups for background and diagnoses."""


def build(recipe: Recipe, taxonomy: Taxonomy, weights: Path | str | None) -> registry.Built:
    """The recipe's network for a taxonomy, starting from `weights`."""
    model = recipe.model
    mask_classes = {"none": 0, "lesion": 1, "diagnosis": 1 + len(taxonomy.groups)}[model.masks]
    task = registry.task_of(model.architecture, mask_classes)
    return registry.build(
        model.architecture,
        outputs=0 if task == "segmentation" else len(taxonomy.leaves),
        mask_classes=mask_classes,
        encoder=model.encoder,
        weights=weights,
        dropout=model.dropout,
        drop_path=model.drop_path,
    )


class Learner(lightning.LightningModule):
    """Trains the network of a recipe. `steps_per_epoch` counts steps of the optimiser."""

    mean: Tensor
    std: Tensor

    def __init__(self, recipe: Recipe, truth: Truth, steps_per_epoch: int) -> None:
        super().__init__()
        self.recipe, self.steps_per_epoch = recipe, steps_per_epoch
        built = build(recipe, truth.taxonomy, recipe.model.weights or None)
        self.input, self.head, self.stages = built.input, built.head, built.stages
        self.network = depthwise.ease(built.network).to(memory_format=torch.channels_last)
        self._check_phases()
        self.average: AveragedModel | None = None
        if recipe.optimiser.average:
            average_fn = get_ema_multi_avg_fn(recipe.optimiser.average)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.network, multi_avg_fn=average_fn, use_buffers=True)
        self.class_loss = ClassLoss(recipe.loss, torch.from_numpy(truth.prior), torch.from_numpy(truth.counts))
        self.teacher = Teacher(Path(recipe.model.teacher), truth.taxonomy) if recipe.model.teacher else None
        self.register_buffer("mean", torch.tensor(built.input.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(built.input.std).view(1, 3, 1, 1))

    def _check_phases(self) -> None:
        names = [name for name, _ in self.network.named_parameters()]
        for i, phase in enumerate(self.recipe.phases):
            for layer in phase.frozen:
                if not any(within(name, (layer,)) for name in names):
                    raise RecipeError(f"phases.{i}.frozen: {self.recipe.model.architecture} has no layer {layer!r}")
            if isinstance(phase.train, int) and phase.train > len(self.stages):
                stages = f"{self.recipe.model.architecture} has {len(self.stages)} stages"
                raise RecipeError(f"phases.{i}.train: {stages}, not {phase.train}")

    @property
    def best_network(self) -> nn.Module:
        """The network that is validated and exported."""
        return self.network if self.average is None else self.average.module

    def outputs(self, network: nn.Module, pixels: Tensor) -> Outputs:
        """(b, 3, S, S) in [0, 1] -> what a network (the trained one or its average) says, as it says it."""
        found = network((pixels - self.mean) / self.std)
        if isinstance(found, tuple):
            return Outputs(*found)
        return Outputs(None, found) if found.ndim == 4 else Outputs(found, None)

    def forward(self, pixels: Tensor) -> Outputs:
        """(b, 3, S, S) in [0, 1] -> float32 outputs of the exported network; the logits know no class shares."""
        logits, masks = self.outputs(self.best_network, pixels)
        return Outputs(
            None if logits is None else logits.float() - self.class_loss.offset.to(logits.device),
            None if masks is None else masks.float(),
        )

    def on_train_epoch_start(self) -> None:
        """Freeze or thaw layers for the phase that this epoch belongs to; frozen ones keep their batch statistics."""
        phase, _ = self.recipe.phase_at(self.current_epoch)
        self.network.train()
        for name, module in self.network.named_modules():
            if not self._trains(name, phase):
                module.train(False)
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(self._trains(name, phase))

    def _trains(self, name: str, phase: Phase) -> bool:
        """Whether the layer or parameter of that name learns; the network as a whole always does."""
        if not name or within(name, self.head):
            return True
        if phase.train == "head":
            return False
        if phase.train != "all" and not any(within(name, stage) for stage in self.stages[-phase.train :]):
            return False
        return not within(name, phase.frozen)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Mean over the batch of each image's share times its loss."""
        step = self.global_step * self.recipe.optimiser.accumulate + batch_index % self.recipe.optimiser.accumulate
        mixed = mix(batch.pixels, batch.masks, self.recipe.optimiser, np.random.default_rng([self.recipe.seed, step]))
        outputs = self.outputs(self.network, mixed.pixels)
        loss = torch.zeros((), device=mixed.pixels.device)
        if outputs.logits is not None:
            loss = loss + self._class_loss(outputs.logits, batch, mixed)
        if outputs.masks is not None and mixed.masks is not None:
            weight = self.recipe.loss.mask_weight if outputs.logits is not None else 1.0
            loss = loss + weight * self._mask_loss(outputs.masks, batch, mixed)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.truth), sync_dist=True)
        return loss

    def _class_loss(self, logits: Tensor, batch: Batch, mixed: Mixed) -> Tensor:
        losses = mixed.share * batch.weight * self.class_loss(logits, batch.truth)
        if mixed.share < 1:
            other = self.class_loss(logits, batch.truth[mixed.order])
            losses = losses + (1 - mixed.share) * batch.weight[mixed.order] * other
        if self.teacher is None:
            return losses.mean()
        taught = self.teacher.logits(mixed.pixels) + self.class_loss.log_prior.to(logits.device)
        share = self.recipe.loss.distillation
        learned = distillation_losses(self.class_loss.at_prior(logits), taught)
        return ((1 - share) * losses + share * learned).mean()

    def _mask_loss(self, logits: Tensor, batch: Batch, mixed: Mixed) -> Tensor:
        assert mixed.masks is not None
        losses = mixed.mask_share * batch.weight * mask_losses(self.recipe.loss, logits, mixed.masks)
        if mixed.mask_share < 1:
            other = mask_losses(self.recipe.loss, logits, mixed.masks[mixed.order])
            losses = losses + (1 - mixed.mask_share) * batch.weight[mixed.order] * other
        return losses.mean()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_index: int) -> None:
        """Fold the new weights into the running average after each step of the optimiser."""
        last = batch_index + 1 == self.trainer.num_training_batches
        if self.average is not None and (last or (batch_index + 1) % self.recipe.optimiser.accumulate == 0):
            self.average.update_parameters(self.network)

    def configure_optimizers(self) -> Any:
        """The optimiser over all layers (a frozen one has no gradient), with one learning-rate curve per phase."""
        settings = self.recipe.optimiser
        head: list[nn.Parameter] = []
        backbone: list[nn.Parameter] = []
        plain: list[nn.Parameter] = []
        for name, parameter in self.network.named_parameters():
            is_head = within(name, self.head)
            (plain if parameter.ndim < 2 and not is_head else head if is_head else backbone).append(parameter)
        decays = (settings.weight_decay, settings.weight_decay, 0.0)
        layers = ((head, False), (backbone, True), (plain, True))
        filled = [(ps, decay, below) for (ps, below), decay in zip(layers, decays, strict=True) if ps]
        groups = [{"params": parameters, "weight_decay": decay} for parameters, decay, _ in filled]
        optimiser: torch.optim.Optimizer
        if settings.algorithm == "sgd":
            optimiser = torch.optim.SGD(groups, lr=1.0, momentum=settings.momentum, nesterov=settings.momentum > 0)
        else:
            optimiser = torch.optim.AdamW(groups, lr=1.0)
        rates: list[Callable[[int], float]] = [partial(self.rate, backbone=below) for _, _, below in filled]
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rates)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def rate(self, step: int, *, backbone: bool) -> float:
        """Learning rate at an optimiser step: linear warm-up, then the phase's fall, anew in each phase."""
        epoch = min(step // self.steps_per_epoch, self.recipe.epochs - 1)
        phase, first = self.recipe.phase_at(epoch)
        done = (step - first * self.steps_per_epoch) / (phase.epochs * self.steps_per_epoch)
        return phase_rate(phase, done) * (phase.backbone_factor if backbone else 1.0)


def phase_rate(phase: Phase, done: float) -> float:
    """Learning rate of the head when the share `done` of a phase is over."""
    if done < phase.warmup:
        return phase.learning_rate * (done / phase.warmup)
    fall = min(1.0, (done - phase.warmup) / (1 - phase.warmup))
    left = {
        "cosine": 0.5 * (1 + math.cos(math.pi * fall)),
        "linear": 1 - fall,
        "poly": math.pow(1 - fall, 0.9),
        "constant": 1.0,
    }[phase.schedule]
    return phase.learning_rate * (phase.final + (1 - phase.final) * left)
