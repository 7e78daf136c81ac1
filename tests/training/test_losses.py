"""Each loss against its formula in float64, and against libraries that have it too."""

from __future__ import annotations

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

from epiluma.training.losses import ClassLoss, distillation_losses, mask_losses
from epiluma.training.recipe import Loss

PRIOR = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
COUNTS = torch.tensor([700, 200, 100])
LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-3.0, 4.0, 1.0]])
TRUTH = torch.tensor([0, 2, 1])


def class_loss(**kind: object) -> ClassLoss:
    return ClassLoss(Loss(**kind), PRIOR, COUNTS)  # type: ignore[arg-type]


def test_cross_entropy_is_torch_s() -> None:
    found = class_loss(classes="cross_entropy", label_smoothing=0.1)(LOGITS, TRUTH)
    expected = functional.cross_entropy(LOGITS, TRUTH, reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(found, expected)


def test_logit_adjustment_adds_the_prior() -> None:
    found = class_loss()(LOGITS, TRUTH)
    torch.testing.assert_close(found, functional.cross_entropy(LOGITS + PRIOR.log().float(), TRUTH, reduction="none"))


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0, 5.0])
def test_focal_loss_of_two_classes_is_torchvision_s(gamma: float) -> None:
    two = LOGITS[:, :2]
    truth = torch.tensor([0, 1, 1])
    found = ClassLoss(Loss(classes="focal", gamma=gamma), PRIOR[:2], COUNTS[:2])(two, truth)
    expected = sigmoid_focal_loss(two[:, 1] - two[:, 0], truth.float(), alpha=-1, gamma=gamma, reduction="none")
    torch.testing.assert_close(found, expected)


def test_class_balanced_weights_are_the_inverse_effective_numbers() -> None:
    """Cui et al. 2019, eq. 2 and 6, scaled so that a drawn image weighs 1 on average."""
    found = class_loss(classes="class_balanced", beta=0.99)
    effective = np.array([(1 - 0.99**n) / (1 - 0.99) for n in (700, 200, 100)])
    weight = (1 / effective) / (PRIOR.numpy() / effective).sum()
    np.testing.assert_allclose(found.weight.numpy(), weight, rtol=1e-5)
    plain = functional.cross_entropy(LOGITS, TRUTH, reduction="none")
    torch.testing.assert_close(found(LOGITS, TRUTH), plain * torch.tensor(weight[TRUTH]).float())


def test_beta_zero_weighs_all_classes_alike() -> None:
    torch.testing.assert_close(class_loss(classes="class_balanced", beta=0.0).weight, torch.ones(3))


@pytest.mark.parametrize("kind", ["logit_adjusted", "cross_entropy", "class_balanced"])
def test_the_offset_takes_the_class_shares_off(kind: str) -> None:
    """What minimises the expected loss where an image tells nothing: the offset itself, up to a constant."""
    loss = class_loss(classes=kind)
    logits = torch.zeros(1, 3, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-9, tolerance_change=1e-12)

    def expected_loss() -> torch.Tensor:
        optimiser.zero_grad()
        total = (PRIOR.float() * loss(logits.expand(3, 3), torch.arange(3))).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(expected_loss)  # type: ignore[no-untyped-call]
    free = (logits.detach()[0] - loss.offset).numpy()
    np.testing.assert_allclose(free - free.mean(), 0, atol=1e-3)
    np.testing.assert_allclose(loss.at_prior(logits.detach()).softmax(1)[0], PRIOR, atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_dice_is_that_of_segmentation_models(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, 1, 12, 12, generator=generator)
    masks = (torch.rand(1, 12, 12, generator=generator) < 0.3).to(torch.uint8)
    found = mask_losses(Loss(masks="dice"), logits, masks)
    expected = smp.losses.DiceLoss("binary", smooth=0.5)(logits, masks[:, None].long())
    # (2 I + 1) / (A + 1) is theirs with a smoothing of 1/2 counted twice: (2 I + 2 s) / (A + 2 s) at s = 1/2.
    overlap, area = float((logits.sigmoid()[:, 0] * masks).sum()), float(logits.sigmoid().sum() + masks.sum())
    assert float(found) == pytest.approx(1 - (2 * overlap + 1) / (area + 1), abs=1e-5)
    if masks.any():
        assert float(found) == pytest.approx(float(expected), abs=0.02)


def test_several_classes_are_scored_where_they_occur() -> None:
    generator = torch.Generator().manual_seed(1)
    logits, masks = torch.randn(2, 4, 8, 8, generator=generator), torch.zeros(2, 8, 8, dtype=torch.uint8)
    masks[0, :4] = 2
    found = mask_losses(Loss(masks="dice"), logits, masks)
    shares = logits.softmax(1).double()

    def dice(image: int, k: int) -> float:
        truth = (masks[image] == k).double()
        return float(1 - (2 * (shares[image, k] * truth).sum() + 1) / (shares[image, k].sum() + truth.sum() + 1))

    assert found.tolist() == pytest.approx([(dice(0, 0) + dice(0, 2)) / 2, dice(1, 0)], abs=1e-5)
    both = mask_losses(Loss(masks="dice_bce"), logits, masks) - found
    torch.testing.assert_close(both, functional.cross_entropy(logits, masks.long(), reduction="none").mean((1, 2)))


@pytest.mark.parametrize("kind", ["dice_bce", "bce", "dice"])
@pytest.mark.parametrize("classes", [1, 3])
def test_an_unknown_mask_costs_nothing_and_teaches_nothing(kind: str, classes: int) -> None:
    logits = torch.randn(2, classes, 6, 6, requires_grad=True)
    masks = torch.ones(2, 6, 6, dtype=torch.uint8)
    masks[1] = 255
    found = mask_losses(Loss(masks=kind), logits, masks)  # type: ignore[arg-type]
    assert found[0] > 0
    assert found[1] == 0
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad[0].abs().sum() > 0
    assert logits.grad[1].abs().sum() == 0


def test_distillation_is_the_divergence_from_the_teacher() -> None:
    taught = torch.tensor([[0.0, 1.0, 2.0]])
    assert float(distillation_losses(taught, taught)) == pytest.approx(0, abs=1e-6)
    ours = torch.tensor([[1.0, 0.0, 0.0]])
    p, q = np.exp(taught[0].numpy()), np.exp(ours[0].numpy())
    p, q = p / p.sum(), q / q.sum()
    assert float(distillation_losses(ours, taught)) == pytest.approx(float((p * np.log(p / q)).sum()), rel=1e-5)
