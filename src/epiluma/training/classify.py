"""The Lightning module of a classifier: phases, a prior-aware loss, and a running average of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import lightning
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from epiluma.models import registry
from epiluma.training.recipe import Phase, Recipe, RecipeError


class Classifier(lightning.LightningModule):
    """Trains a network whose logits are free of the class shares of the training data.

    The loss adds the log prior of the drawn images to the logits (logit adjustment, Menon et al. 2021,
    arXiv:2007.07314, eq. 10), so the network learns log p(image | class) up to a constant; adding the log of any
    prevalence gives probabilities at that prevalence.
    """

    log_prior: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, recipe: Recipe, drawn_prior: npt.NDArray[np.float64], steps_per_epoch: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.steps_per_epoch = steps_per_epoch
        entry = registry.architecture(recipe.model.architecture)
        self.head = entry.head
        weights = recipe.model.weights or None
        self.network = registry.build(
            recipe.model.architecture, len(drawn_prior), weights=weights, dropout=recipe.model.dropout
        ).to(memory_format=torch.channels_last)
        self._check_frozen()
        self.average: AveragedModel | None = None
        if recipe.optimiser.average:
            average_fn = get_ema_multi_avg_fn(recipe.optimiser.average)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.network, multi_avg_fn=average_fn, use_buffers=True)
        self.register_buffer("log_prior", torch.tensor(np.log(np.maximum(drawn_prior, 1e-8)), dtype=torch.float32))
        self.register_buffer("mean", torch.tensor(entry.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(entry.std).view(1, 3, 1, 1))

    def _check_frozen(self) -> None:
        names = [name for name, _ in self.network.named_parameters()]
        for i, phase in enumerate(self.recipe.phases):
            for layer in phase.frozen:
                if not any(_within(name, (layer,)) for name in names):
                    raise RecipeError(f"phases.{i}.frozen: {self.recipe.model.architecture} has no layer {layer!r}")

    @property
    def best_network(self) -> nn.Module:
        """The network that is validated and exported."""
        return self.network if self.average is None else self.average.module

    def forward(self, pixels: Tensor) -> Tensor:
        """(n, 3, S, S) in [0, 1] -> (n, leaves) prior-free logits of the network that is exported."""
        logits: Tensor = self.best_network((pixels - self.mean) / self.std)
        return logits.float()

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
        if not name or _within(name, self.head):
            return True
        return phase.train == "all" and not _within(name, phase.frozen)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], _: int) -> Tensor:
        """Cross-entropy on prior-adjusted logits, each image with its share."""
        pixels, truth, weight = batch
        share, order = self._mix(len(truth))
        if share < 1:
            pixels = share * pixels + (1 - share) * pixels[order]
        logits = self.network((pixels - self.mean) / self.std).float() + self.log_prior
        loss = self._loss(logits, truth, weight)
        if share < 1:
            loss = share * loss + (1 - share) * self._loss(logits, truth[order], weight[order])
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(truth))
        return loss

    def _loss(self, logits: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
        """Mean over the batch of weight times cross-entropy; the weights' mean over the training part is 1."""
        smoothing = self.recipe.optimiser.label_smoothing
        losses = functional.cross_entropy(logits, truth, label_smoothing=smoothing, reduction="none")
        return (weight * losses).mean()

    def _mix(self, n: int) -> tuple[float, Tensor]:
        """Share of each image that stays, and whom it is blended with (Zhang et al. 2018, arXiv:1710.09412).

        Drawn from seed and step alone, so that a resumed run goes on as it would have.
        """
        random = np.random.default_rng([self.recipe.seed, self.global_step])
        mixup = self.recipe.optimiser.mixup
        share = float(random.beta(mixup, mixup)) if mixup else 1.0
        return share, torch.from_numpy(random.permutation(n))

    def on_train_batch_end(self, *_: Any) -> None:
        """Fold the new weights into the running average."""
        if self.average is not None:
            self.average.update_parameters(self.network)

    def configure_optimizers(self) -> Any:
        """AdamW over all layers (a frozen one has no gradient), with one learning-rate curve per phase."""
        head: list[nn.Parameter] = []
        backbone: list[nn.Parameter] = []
        plain: list[nn.Parameter] = []
        for name, parameter in self.network.named_parameters():
            is_head = _within(name, self.head)
            (plain if parameter.ndim < 2 and not is_head else head if is_head else backbone).append(parameter)
        decay = self.recipe.optimiser.weight_decay
        groups = [
            {"params": head, "weight_decay": decay},
            {"params": backbone, "weight_decay": decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(groups, lr=1.0)
        rates: list[Callable[[int], float]] = [partial(self.rate, backbone=below) for below in (False, True, True)]
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rates)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def rate(self, step: int, *, backbone: bool) -> float:
        """Learning rate at an optimiser step: linear warm-up, then half a cosine, anew in each phase."""
        epoch = min(step // self.steps_per_epoch, self.recipe.epochs - 1)
        phase, first = self.recipe.phase_at(epoch)
        done = (step - first * self.steps_per_epoch) / (phase.epochs * self.steps_per_epoch)
        return phase_rate(phase, done) * (phase.backbone_factor if backbone else 1.0)


def _within(name: str, layers: tuple[str, ...]) -> bool:
    """Whether a parameter or layer is part of `layers`: `blocks.1` holds `blocks.1.0.conv`, and not `blocks.10`."""
    return f"{name}.".startswith(tuple(f"{layer}." for layer in layers))


def phase_rate(phase: Phase, done: float) -> float:
    """Learning rate of the head when the share `done` of a phase is over."""
    if done < phase.warmup:
        return phase.learning_rate * (done / phase.warmup)
    fall = min(1.0, (done - phase.warmup) / (1 - phase.warmup))
    return phase.learning_rate * (phase.final + (1 - phase.final) * 0.5 * (1 + math.cos(math.pi * fall)))
