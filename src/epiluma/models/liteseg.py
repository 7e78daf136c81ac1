"""PP-LiteSeg-T (Peng et al. 2022, arXiv:2204.02681) with the encoder STDC1 (Fan et al. 2021, arXiv:2104.13188).

Where the papers leave a kernel open, it is that of the authors' release. The heads that the release adds in training
only, and its third fusion at 1/32, are not in the paper and not here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from epiluma.models.layers import conv, resize
from epiluma.models.parts import Draft

STAGES = ("encoder.stem", "encoder.stage3", "encoder.stage4", "encoder.stage5")


class ShortTermDense(nn.Module):
    """Short-Term Dense Concatenate module: four convolutions in a row, their outputs side by side (Fan, fig. 3)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        half, quarter, eighth = outputs // 2, outputs // 4, outputs // 8
        self.first = conv(inputs, half, 1)
        self.others = nn.ModuleList([conv(half, quarter, 3), conv(quarter, eighth, 3), conv(eighth, eighth, 3)])
        self.shrink: nn.Module = nn.Identity()
        self.pool: nn.Module = nn.Identity()
        if stride == 2:
            self.shrink = conv(half, half, 3, stride=2, groups=half, relu=False)
            self.pool = nn.AvgPool2d(3, stride=2, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """(n, inputs, H, W) -> (n, outputs, H / stride, W / stride)."""
        first = self.first(maps)
        outputs = [self.pool(first)]
        latest = self.shrink(first)
        for layer in self.others:
            latest = layer(latest)
            outputs.append(latest)
        return torch.cat(outputs, dim=1)


class Stdc1(nn.Module):
    """The encoder: two strided convolutions, then three stages of two modules."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 32, 3, stride=2), conv(32, 64, 3, stride=2))
        self.stage3 = self._stage(64, 256)
        self.stage4 = self._stage(256, 512)
        self.stage5 = self._stage(512, 1024)

    @staticmethod
    def _stage(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(ShortTermDense(inputs, outputs, stride=2), ShortTermDense(outputs, outputs, stride=1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, 3, H, W) -> 256, 512 and 1024 maps at 1/8, 1/16 and 1/32."""
        eighth = self.stage3(self.stem(image))
        sixteenth = self.stage4(eighth)
        return eighth, sixteenth, self.stage5(sixteenth)


class SimplePyramidPooling(nn.Module):
    """Context: means over the whole map, its quarters and its sixteenths, added up (Peng, section 3.3)."""

    BINS = (1, 2, 4)

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(conv(inputs, outputs, 1) for _ in self.BINS)
        self.out = conv(outputs, outputs, 3)

    def forward(self, maps: Tensor) -> Tensor:
        """(n, inputs, H, W) -> (n, outputs, H, W)."""
        size = maps.shape[-2:]
        pooled = [
            resize(reduce(functional.adaptive_avg_pool2d(maps, bins)), size)
            for bins, reduce in zip(self.BINS, self.reduce, strict=True)
        ]
        merged: Tensor = self.out(torch.stack(pooled).sum(dim=0))
        return merged


class AttentionFusion(nn.Module):
    """Unified Attention Fusion Module with spatial attention (Peng, section 3.2).

    F_out = F_up * a + F_low * (1 - a), a = sigmoid(conv(mean and max over the channels of F_up and of F_low)).
    """

    def __init__(self, low: int, high: int, outputs: int) -> None:
        super().__init__()
        self.match = conv(low, high, 3)
        self.attend = nn.Sequential(conv(4, 2, 3), conv(2, 1, 3, relu=False), nn.Sigmoid())
        self.out = conv(high, outputs, 3)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """(n, low, H, W) from the encoder, (n, high, h, w) from deeper -> (n, outputs, H, W)."""
        low = self.match(low)
        high = resize(high, low.shape[-2:])
        said = [over(maps) for maps in (high, low) for over in (_mean, _largest)]
        share = self.attend(torch.cat(said, dim=1))
        fused: Tensor = self.out(high * share + low * (1 - share))
        return fused


def _mean(maps: Tensor) -> Tensor:
    return maps.mean(dim=1, keepdim=True)


def _largest(maps: Tensor) -> Tensor:
    return maps.amax(dim=1, keepdim=True)


class FlexibleDecoder(nn.Module):
    """Flexible and Lightweight Decoder: fewer channels the larger the map; 128, 64, 32 in PP-LiteSeg-T."""

    def __init__(self, classes: int, *, dropout: float) -> None:
        super().__init__()
        self.context = SimplePyramidPooling(1024, 128)
        self.fuse16 = AttentionFusion(512, 128, 64)
        self.fuse8 = AttentionFusion(256, 64, 32)
        self.predict = nn.Sequential(conv(32, 32, 3), nn.Dropout2d(dropout), nn.Conv2d(32, classes, 1))

    def forward(self, eighth: Tensor, sixteenth: Tensor, deepest: Tensor) -> Tensor:
        """The encoder's maps -> (n, classes, H / 8, W / 8) logits."""
        logits: Tensor = self.predict(self.fuse8(eighth, self.fuse16(sixteenth, self.context(deepest))))
        return logits


class PPLiteSeg(nn.Module):
    """(n, 3, S, S) -> (n, classes, S, S) mask logits; training needs two images a batch or more."""

    def __init__(self, classes: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder = Stdc1()
        self.decoder = FlexibleDecoder(classes, dropout=dropout)

    def forward(self, image: Tensor) -> Tensor:
        """Mask logits at the image's size."""
        return resize(self.decoder(*self.encoder(image)), image.shape[-2:])


def pp_liteseg_t(classes: int, *, dropout: float) -> Draft:
    """PP-LiteSeg-T."""
    network = PPLiteSeg(classes, dropout=dropout)
    names = [name for name, _ in network.encoder.named_parameters(prefix="encoder")]
    order = {name: next(n for n, stage in enumerate(STAGES) if name.startswith(f"{stage}.")) for name in names}
    return Draft(network, ("decoder",), order)
