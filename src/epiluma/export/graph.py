"""From a trained network to an ONNX graph that gives logits at the training prevalence."""

from __future__ import annotations

import copy
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax
from torch import Tensor, nn
from torch.nn import functional

from epiluma.inference.session import over_views

OPSET = 18
_TEXTURED = (8, 16)
"""How much smaller than the input the maps are whose textures a graph gives."""
_PROBE = 96
"""Side of the image on which a network shows how it pools; no registered one needs a larger."""


class Shipped(nn.Module):
    """A network whose prior-free logits are moved to a prevalence: softmax gives probabilities there.

    Beside them it gives what its last layer reads: the pooled features, by which photos are compared. Where these are
    the mean of the last feature map, it gives the map of class activations (Zhou et al. 2016, arXiv:1512.04150): how
    much each place adds to each logit, exactly, as mean and linear layer can be swapped; and the textures: mean and
    standard deviation of each channel of the maps at 1/8 and 1/16 of the input's side, which a training on lesions
    leaves broader than the pooled features, so that they tell what is no photo of skin. And the masks of a network that
    segments as well.
    """

    log_prior: Tensor

    def __init__(self, network: nn.Module, log_prior: Tensor, head: str, masks: bool = False) -> None:
        super().__init__()
        self.backbone: Any = copy.deepcopy(network)  # timm's own methods are not those of a plain module
        self.classifier = self.backbone.get_submodule(head)
        self.backbone.set_submodule(head, nn.Identity())
        self.register_buffer("log_prior", log_prior.float())
        self.explains = not masks and isinstance(self.classifier, nn.Linear) and _pools_by_mean(self.backbone)
        self.stages = _stages(self.backbone) if self.explains else []
        extra = {"textures": bool(self.stages), "activations": self.explains, "masks": masks}
        self.outputs = ["logits", "features", *(name for name, given in extra.items() if given)]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(n, 3, S, S) normalised -> (n, leaves) logits, (n, d) features and, where the network has them,
        (n, t) textures, (n, leaves, h, w) activations or (n, K, S, S) masks. A logit is the mean of its activations
        plus a constant.
        """
        if self.explains:
            assert isinstance(self.classifier, nn.Linear)
            maps, textures = self._maps(image)
            features = maps.mean((2, 3))
            activations = functional.conv2d(maps, self.classifier.weight[:, :, None, None])
            return self.classifier(features) + self.log_prior, features, *textures, activations
        features, *masks = found if isinstance(found := self.backbone(image), tuple) else (found,)
        return (self.classifier(features) + self.log_prior, features, *masks)[: len(self.outputs)]

    def _maps(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The last feature maps, and the textures where the network has stages for them."""
        if not self.stages:
            return self.backbone.forward_features(image), []
        maps, stages = self.backbone.forward_intermediates(image, indices=self.stages)
        means = [stage.mean((2, 3), keepdim=True) for stage in stages]
        spreads = [(stage - mean).square().mean((2, 3)).sqrt() for stage, mean in zip(stages, means, strict=True)]
        return maps, [torch.cat([*(mean.flatten(1) for mean in means), *spreads], dim=1)]


def _stages(backbone: Any) -> list[int]:
    """Which of a timm network's stages end at 1/8 and 1/16 of its input's side; none where it has not just one each."""
    if not hasattr(backbone, "forward_intermediates"):
        return []
    sides = [stage["reduction"] for stage in backbone.feature_info]
    return [sides.index(side) for side in _TEXTURED] if all(sides.count(side) == 1 for side in _TEXTURED) else []


def _pools_by_mean(backbone: Any) -> bool:
    """Whether a network without its last layer gives the mean over the places of its last feature map."""
    if not hasattr(backbone, "forward_features"):
        return False
    image = torch.linspace(-1, 1, 3 * _PROBE**2).view(1, 3, _PROBE, _PROBE).sin()
    was_training = backbone.training
    with torch.no_grad():
        maps, features = backbone.eval().forward_features(image), backbone(image)
    backbone.train(was_training)
    return (
        maps.ndim == 4 and maps.shape[:2] == features.shape and torch.allclose(maps.mean((2, 3)), features, atol=1e-4)
    )


class Outliner(nn.Module):
    """A network that gives masks alone: (n, 3, S, S) normalised -> (n, K, S, S) logits."""

    outputs = ("masks",)

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """K = 1 for lesion against background, more for background and classes."""
        return (self.network(image),)


def shipped(
    network: nn.Module,
    prevalence: npt.NDArray[np.float64],
    head: str = "classifier",
    offset: npt.NDArray[np.float64] | float = 0.0,
    *,
    masks: bool = False,
) -> Shipped:
    """The network that is exported, in evaluation mode; a class that was never seen keeps a prior of 1e-6.

    `head` is the name of its last, linear layer; `offset` (leaves,) is what its logits know of class shares already;
    `masks` says that it segments as well.
    """
    log_prior = torch.tensor(np.log(np.maximum(prevalence, 1e-6)) - offset)
    return Shipped(network.to(memory_format=torch.contiguous_format), log_prior, head, masks).eval()


def outliner(network: nn.Module) -> Outliner:
    """A segmentation network as it is exported, in evaluation mode."""
    return Outliner(network.to(memory_format=torch.contiguous_format)).eval()


def to_onnx(network: Shipped | Outliner, size: int) -> bytes:
    """One self-contained ONNX graph for any n.

    `image` (n, 3, size, size) float32 -> the network's `outputs`: `logits` (n, leaves), `features` (n, d),
    `textures` (n, t), `activations` (n, leaves, h, w), `masks` (n, K, size, size).
    """
    image = torch.zeros(2, 3, size, size)
    batch = torch.export.Dim("n", min=1, max=4096)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own notes on its internals
        program = torch.onnx.export(
            network,
            (image,),
            input_names=["image"],
            output_names=list(network.outputs),
            dynamic_shapes=({0: batch},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("the exporter returned no graph")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        program.save(path, external_data=False)
        return _without_notes(path.read_bytes())


def _without_notes(graph: bytes) -> bytes:
    """Drop the exporter's traces of source files and machines: smaller, and the same bytes wherever it is made."""
    import onnx

    model = onnx.load_from_string(graph)
    model.ClearField("metadata_props")
    model.graph.ClearField("metadata_props")
    for item in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        item.ClearField("metadata_props")
        item.ClearField("doc_string")
    for tensor in model.graph.initializer:
        tensor.ClearField("metadata_props")
    model.graph.ClearField("value_info")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def largest_difference(
    network: Shipped,
    found: npt.NDArray[np.float32],
    batch: npt.NDArray[np.float32],
    *,
    views: int = 1,
    block: int = 16,
) -> float:
    """Largest difference of any probability between PyTorch, run here on a normalised batch, and a graph's logits."""

    def logits(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            expected: npt.NDArray[np.float32] = network(torch.from_numpy(images))[0].numpy()
        return expected

    starts = range(0, len(batch), block)
    expected = np.concatenate([over_views(logits, batch[start : start + block], views) for start in starts])
    difference = softmax(expected.astype(np.float64), axis=1) - softmax(found.astype(np.float64), axis=1)
    return float(np.abs(difference).max())
