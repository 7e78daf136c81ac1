"""int8: 8-bit weights per output channel, 8-bit activations in ranges that calibration images give."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx

from epiluma.export.variants.network import WEIGHTED, Batch, VariantError, first_layers, read_graph, write_graph

MIN_IMAGES = 32
"""Fewer images do not show the range that a layer's values span."""
_BLOCK = 8


def to_int8(graph: bytes, images: Batch | None, *, reduce_range: bool = False) -> bytes:
    """A graph with quantise-dequantise pairs around all but the first layers and the last layer of each output.

    `images` (n >= 32, 3, S, S) normalised float32; ranges are the smallest and largest value met. Raises VariantError.
    """
    model = read_graph(graph)
    _check(model, images)
    assert images is not None
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, out = (Path(folder, name) for name in ("source.onnx", "prepared.onnx", "int8.onnx"))
        source.write_bytes(graph)
        _prepare(source, prepared)
        _quantise(prepared, out, images, _kept(onnx.load(prepared)), reduce_range)
        model = onnx.load(out)
    model.graph.ClearField("value_info")
    model.ClearField("metadata_props")
    onnx.checker.check_model(model)
    return write_graph(model)


def _check(model: Any, images: Batch | None) -> None:
    wanted = tuple(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:])
    found = 0 if images is None else len(images)
    if images is None or found < MIN_IMAGES:
        raise VariantError(
            f"int8 takes its ranges from at least {MIN_IMAGES} images of a training or calibration part; "
            f"there are {found}"
        )
    if images.shape[1:] != wanted:
        raise VariantError(f"the graph takes images of {wanted}, and the calibration images are {images.shape[1:]}")


def _prepare(source: Path, out: Path) -> None:
    """Fold what can be folded, and infer all shapes: an unknown shape cannot be quantised."""
    from onnxruntime.quantization import quant_pre_process

    quant_pre_process(source, out, skip_symbolic_shape=True)


def _quantise(prepared: Path, out: Path, images: Batch, kept: list[str], reduce_range: bool) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    with contextlib.redirect_stdout(io.StringIO()):
        quantize_static(
            prepared,
            out,
            _Blocks(images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=reduce_range,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=kept,
            calibrate_method=CalibrationMethod.MinMax,
        )


class _Blocks:
    """Calibration images as onnxruntime's quantiser asks for them."""

    def __init__(self, images: Batch) -> None:
        self._left: Iterator[Batch] = (images[i : i + _BLOCK] for i in range(0, len(images), _BLOCK))

    def get_next(self) -> dict[str, Batch] | None:
        block = next(self._left, None)
        return None if block is None else {"image": block}


def _kept(model: Any) -> list[str]:
    """Names of the nodes that stay fp32: the first layers, and the end of each output."""
    nodes = list(model.graph.node)
    kept = {*first_layers(model), *_ends(nodes)}
    weighted = [node.name for node in nodes if node.op_type in WEIGHTED]
    if len(weighted) == 1 or not set(weighted) - kept:
        raise VariantError(f"the graph has {len(weighted)} layers with weights, too few to quantise any")
    return sorted(kept)


def _ends(nodes: list[Any]) -> set[str]:
    """From `logits` and `masks` back to, and with, the first layer with weights.

    8 bits over the range of a score would round away what decides between two near diagnoses.
    """
    maker = {output: node for node in nodes for output in node.output}
    found, todo = set(), ["logits", "masks"]
    while todo:
        node = maker.get(todo.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            todo += [] if node.op_type in WEIGHTED else node.input
    return found
