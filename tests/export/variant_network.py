"""A small real network with all three outputs, and its graph, for the tests of the other formats."""

from __future__ import annotations

import functools
import io
import itertools
import warnings

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

SIZE, LEAVES = 48, 8


class Small(nn.Module):
    """Eight convolutions, a classifier and a mask at the size of the photo; weights from a fixed seed."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            widths = (3, 8, 12, 12, 16, 16, 24, 24)
            blocks = [
                (nn.Conv2d(a, b, 3, stride=1 + i % 2, padding=1), nn.BatchNorm2d(b), nn.ReLU6())
                for i, (a, b) in enumerate(itertools.pairwise(widths))
            ]
            self.body = nn.Sequential(*(layer for block in blocks for layer in block))
            self.mask = nn.Conv2d(24, 1, 1)
            self.classifier = nn.Linear(24, LEAVES)
            self.body.train()
            with torch.no_grad():  # batch statistics of real values, and scores that differ between photos
                for _ in range(30):
                    self.body(torch.from_numpy(photos(16, seed=99)))
                self.body.eval()
                self.classifier.weight.mul_(4 / self.classifier(self._pooled(photos(32, 98))).std())
                self.mask.bias.sub_(self.mask(self.body(torch.from_numpy(photos(32, 98)))).median())

    def _pooled(self, batch: npt.NDArray[np.float32]) -> Tensor:
        return self.body(torch.from_numpy(batch)).mean(dim=(2, 3))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        deep = self.body(image)
        features = deep.mean(dim=(2, 3))
        masks = nn.functional.interpolate(self.mask(deep), size=(SIZE, SIZE), mode="bilinear", align_corners=False)
        return self.classifier(features), features, masks


def photos(n: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """(n, 3, SIZE, SIZE) blots of random place, size and colour, within about [-2, 2]."""
    random = np.random.default_rng(seed)
    grid = np.linspace(-1, 1, SIZE)
    x, y, width = (random.uniform(low, high, (n, 1, 1, 1)) for low, high in ((-0.6, 0.6), (-0.6, 0.6), (0.1, 0.6)))
    blot = np.exp(-((grid[None, None, None] - x) ** 2 + (grid[None, None, :, None] - y) ** 2) / width**2)
    colour = random.normal(0, 1.2, (n, 3, 1, 1))
    noise = random.normal(0, 0.1, (n, 3, SIZE, SIZE))
    return (colour * blot + noise).astype(np.float32)


@functools.cache
def small() -> tuple[Small, bytes]:
    """The network and its ONNX graph, for any n; made once for all tests."""
    network, buffer = Small().eval(), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own notes on its internals
        program = torch.onnx.export(
            network,
            (torch.zeros(2, 3, SIZE, SIZE),),
            input_names=["image"],
            output_names=["logits", "features", "masks"],
            dynamic_shapes=({0: torch.export.Dim("n", min=1, max=4096)},),
            opset_version=18,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.save(buffer)
    return network, buffer.getvalue()
