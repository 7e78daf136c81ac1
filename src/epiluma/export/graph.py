"""From a trained network to an ONNX graph that gives logits at the training prevalence."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

OPSET = 18


class Shipped(nn.Module):
    """A network whose prior-free logits are moved to a prevalence: softmax gives probabilities there.

    With four views, the logits are the mean over the photo and its mirror images: a lesion has no up or left.
    """

    log_prior: Tensor

    def __init__(self, network: nn.Module, log_prior: Tensor, views: Literal[1, 4] = 1) -> None:
        super().__init__()
        self.network = network
        self.views = views
        self.register_buffer("log_prior", log_prior.float())

    def forward(self, image: Tensor) -> Tensor:
        """(n, 3, S, S) normalised -> (n, leaves) logits."""
        if self.views == 1:
            logits: Tensor = self.network(image)
        else:
            mirrored = torch.cat([image, image.flip(3), image.flip(2), image.flip(2, 3)])
            logits = self.network(mirrored).view(self.views, -1, len(self.log_prior)).mean(dim=0)
        return logits + self.log_prior


def shipped(network: nn.Module, prevalence: npt.NDArray[np.float64], views: Literal[1, 4] = 1) -> Shipped:
    """The network that is exported, in evaluation mode; a class that was never seen keeps a prior of 1e-6."""
    log_prior = torch.tensor(np.log(np.maximum(prevalence, 1e-6)))
    return Shipped(network.to(memory_format=torch.contiguous_format), log_prior, views).eval()


def to_onnx(network: Shipped, size: int) -> bytes:
    """One self-contained ONNX graph: `image` (n, 3, size, size) float32 -> `logits` (n, leaves), any n."""
    image = torch.zeros(2, 3, size, size)
    batch = torch.export.Dim("n", min=1, max=4096)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own notes on its internals
        program = torch.onnx.export(
            network,
            (image,),
            input_names=["image"],
            output_names=["logits"],
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


def run(graph: bytes, batch: npt.NDArray[np.float32], block: int = 64) -> npt.NDArray[np.float32]:
    """(n, leaves) logits of an exported graph, in blocks on all cores."""
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    starts = range(0, len(batch), block)
    rows = [session.run(["logits"], {"image": batch[start : start + block]})[0] for start in starts]
    return np.concatenate(rows)


def largest_difference(network: Shipped, graph: bytes, batch: npt.NDArray[np.float32], block: int = 64) -> float:
    """Largest difference of any probability between PyTorch and onnxruntime on a normalised batch, both fp32."""
    with torch.inference_mode():
        blocks = [network(torch.from_numpy(batch[start : start + block])) for start in range(0, len(batch), block)]
    expected = torch.softmax(torch.cat(blocks).double(), dim=1)
    found = torch.softmax(torch.from_numpy(run(graph, batch)).double(), dim=1)
    return float((expected - found).abs().max())
