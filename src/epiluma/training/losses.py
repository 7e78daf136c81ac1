"""What is minimised, image by image: losses of classes and of masks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from epiluma.augmentation import UNKNOWN
from epiluma.training.recipe import Loss

_LEAST = 1e-8
"""Share of a class that was never drawn, so that its logarithm is finite."""


class ClassLoss:
    """Loss of the diagnosis, and what has to be taken off the logits so that they know no class shares.

    `prior` (leaves,) is the share of each class among the drawn images, `counts` (leaves,) the training images.

    - `logit_adjusted`: cross-entropy with log prior added to the logits (Menon et al. 2021, arXiv:2007.07314, eq. 10),
      so the network learns log p(image | class) up to a constant: there is nothing to take off.
    - `cross_entropy`, and `focal` (Lin et al. 2017, arXiv:1708.02002, eq. 4): the logits learn the prior as well.
    - `class_balanced`: cross-entropy weighed by (1 - beta) / (1 - beta^n) (Cui et al. 2019, arXiv:1901.05555, eq. 6).
    """

    def __init__(self, loss: Loss, prior: Tensor, counts: Tensor) -> None:
        self.loss = loss
        self.log_prior = prior.clamp_min(_LEAST).log().float()
        weight = torch.ones_like(self.log_prior)
        if loss.classes == "class_balanced":
            weight = (1 - loss.beta) / (1 - torch.tensor(loss.beta, dtype=torch.float64) ** counts.clamp_min(1))
            weight = (weight / (weight * prior).sum()).float()
        self.weight = weight

    @property
    def offset(self) -> Tensor:
        """(leaves,) to subtract from a network's logits for logits that are free of class shares."""
        if self.loss.classes == "logit_adjusted":
            return torch.zeros_like(self.log_prior)
        return self.log_prior + self.weight.log()

    def at_prior(self, logits: Tensor) -> Tensor:
        """(b, leaves) logits whose softmax gives probabilities among the drawn images."""
        return logits.float() + self.log_prior.to(logits.device) - self.offset.to(logits.device)

    def __call__(self, logits: Tensor, truth: Tensor) -> Tensor:
        """(b, leaves) and (b,) -> (b,)."""
        logits = logits.float()
        if self.loss.classes == "logit_adjusted":
            logits = logits + self.log_prior.to(logits.device)
        smoothing = self.loss.label_smoothing
        losses = functional.cross_entropy(logits, truth, label_smoothing=smoothing, reduction="none")
        if self.loss.classes == "focal":
            right = logits.softmax(1).gather(1, truth[:, None])[:, 0]
            losses = losses * (1 - right) ** self.loss.gamma
        return losses * self.weight.to(logits.device)[truth]


def mask_losses(loss: Loss, logits: Tensor, masks: Tensor) -> Tensor:
    """(b, K, S, S) logits and (b, S, S) classes -> (b,); 0 for an image whose mask is UNKNOWN.

    K = 1 is the lesion against background, more are the classes themselves. Dice is 1 - 2 |A B| / (|A| + |B|) over
    soft masks (Milletari et al. 2016, arXiv:1606.04797, without the squares), the mean over the classes present.
    """
    logits, known = logits.float(), masks[:, 0, 0] != UNKNOWN
    classes = torch.where(known[:, None, None], masks, torch.zeros_like(masks)).long()
    several = logits.shape[1] > 1
    if several:
        pixelwise = functional.cross_entropy(logits, classes, reduction="none").mean(dim=(1, 2))
        shares, truth = logits.softmax(1), functional.one_hot(classes, logits.shape[1]).permute(0, 3, 1, 2)
    else:
        truth = classes[:, None]
        pixelwise = functional.binary_cross_entropy_with_logits(logits, truth.float(), reduction="none").mean((1, 2, 3))
        shares = logits.sigmoid()
    found = torch.zeros_like(pixelwise)
    if loss.masks != "dice":
        found = found + pixelwise
    if loss.masks != "bce":
        found = found + _dice_losses(shares, truth.float(), several)
    return torch.where(known, found, torch.zeros_like(found))


def _dice_losses(shares: Tensor, truth: Tensor, several: bool) -> Tensor:
    smooth = 1.0  # pixels: an empty mask that is found empty costs nothing
    overlap, area = (shares * truth).sum((2, 3)), shares.sum((2, 3)) + truth.sum((2, 3))
    losses = 1 - (2 * overlap + smooth) / (area + smooth)
    if not several:
        return losses[:, 0]
    present = truth.sum((2, 3)) > 0
    return (losses * present).sum(1) / present.sum(1)


def distillation_losses(at_prior: Tensor, taught: Tensor) -> Tensor:
    """(b,) Kullback-Leibler divergence of the network from the teacher, both (b, leaves) logits at one prior.

    Hinton et al. 2015, arXiv:1503.02531, at temperature 1; on images that teacher and network see alike
    (Beyer et al. 2021, arXiv:2106.05237).
    """
    ours, theirs = at_prior.float().log_softmax(1), taught.float().log_softmax(1)
    return functional.kl_div(ours, theirs, log_target=True, reduction="none").sum(1)
