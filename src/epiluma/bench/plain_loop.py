"""The peer of `epiluma bench train`: the loop of a script of forty lines, with nothing of ours but the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from epiluma.models import registry
from epiluma.taxonomy import ISIC_2019

ARCHITECTURE = "mobilenetv2"
WORKERS = 2
_AHEAD = 2 * WORKERS
"""Batches that the workers make before they are asked for."""


class Step(NamedTuple):
    """Seconds of one step, and of those the seconds before its batch was there."""

    whole: float
    loading: float


class Plain:
    """Trains all layers in float32 from random weights, on classes that no figure hangs on."""

    def __init__(self, photos: Photos, device: torch.device, *, batch: int, learning_rate: float) -> None:
        self.photos, self.device, self.batch = photos, device, batch
        self.network = registry.build(ARCHITECTURE, outputs=len(ISIC_2019.leaves)).network.to(device).train()
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=learning_rate)
        self.loss = nn.CrossEntropyLoss()

    def block(self, warm_up: int, steps: int) -> list[Step]:
        """One turn: workers of its own, steps that are not counted, timed steps."""
        loader = DataLoader(self.photos, self.batch, shuffle=True, num_workers=WORKERS, drop_last=True)
        found, batches = [], iter(loader)
        for number in range(warm_up + steps):
            begun = perf_counter()
            pixels, truth = next(batches)
            ready = perf_counter()
            self._step(pixels.to(self.device), truth.to(self.device))
            wait(self.device)
            if number >= warm_up:
                found.append(Step(perf_counter() - begun, ready - begun))
        return found

    def _step(self, pixels: Tensor, truth: Tensor) -> None:
        self.optimiser.zero_grad()
        self.loss(self.network(pixels), truth).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()


class Photos(Dataset[tuple[Tensor, int]]):
    """JPEG files, decoded and augmented one by one: `count` of them for the steps, and what is made ahead."""

    def __init__(self, paths: Sequence[Path], labels: Sequence[int], *, size: int, count: int) -> None:
        self.paths, self.labels, self.count = paths, labels, count
        self.transform = augmentation(size)

    def __len__(self) -> int:
        return self.count * (1 + _AHEAD)  # the workers are busy to the end of the block, as in a long epoch

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """(3, S, S) normalised float32 and its class."""
        index %= len(self.paths)
        with Image.open(self.paths[index]) as photo:
            return self.transform(photo.convert("RGB")), self.labels[index]


def augmentation(size: int) -> v2.Compose:
    """The kinds and ranges of change of the recipe `dermoscopy`, as torchvision has them; it has no colour cast."""
    bilinear = v2.InterpolationMode.BILINEAR
    entry = registry.input_of(ARCHITECTURE)
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.36, 1.0), ratio=(0.887, 1.127), interpolation=bilinear),
            v2.RandomRotation(180, interpolation=bilinear),
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.ColorJitter(brightness=0.15, contrast=0.2, saturation=0.2),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.RandomErasing(0.25, scale=(0.03, 0.15), ratio=(0.5, 2.0)),
            v2.Normalize(list(entry.mean), list(entry.std)),
        ]
    )


def wait(device: torch.device) -> None:
    """Until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
