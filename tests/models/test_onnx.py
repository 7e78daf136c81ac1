"""Every network becomes a graph that computes the same, for any number of images."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnxruntime
import pytest
import torch

from epiluma.models import registry
from epiluma.models.classifiers import anatomy
from tests.models.conftest import images, outputs_of, shaken

SHORT = ("mobilenetv2", {"outputs": 4, "mask_classes": 2})  # an encoder, its head and a decoder
LONG = [
    *((name, {"outputs": 4}) for name in registry.PRESETS),
    *((name, {"outputs": 4, "mask_classes": 2}) for name in registry.PRESETS if anatomy(name).levels),
    *((name, {"mask_classes": 2}) for name in registry.SEGMENTERS),
]


@pytest.mark.parametrize(
    ("architecture", "task"),
    [SHORT, *(pytest.param(*case, marks=pytest.mark.slow) for case in LONG if case != SHORT)],
)
def test_the_exported_graph_computes_the_same(architecture: str, task: dict[str, int], tmp_path: Path) -> None:
    size = 96
    network = shaken(registry.build(architecture, **task).network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own notes on its internals
        program = torch.onnx.export(
            network,
            (images(2, size),),
            input_names=["image"],
            dynamic_shapes=({0: torch.export.Dim("n", min=1, max=64)},),
            opset_version=18,
            dynamo=True,
            verbose=False,
        )
    program.save(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 3):
        batch = images(count, size, seed=count)
        expected = outputs_of(network, batch)
        found = session.run(None, {"image": batch.numpy()})
        for one, other in zip(found, expected, strict=True):
            assert torch.tensor(one).shape == other.shape
            difference = (torch.tensor(one) - other).abs().max() / max(1.0, float(other.abs().max()))
            assert difference < 1e-4
