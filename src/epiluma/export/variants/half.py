"""fp16: weights and arithmetic in half precision but for the first layers; input and outputs still float32."""

from __future__ import annotations

import warnings
from typing import Any

import onnx
from onnx import TensorProto

from epiluma.export.variants.network import Batch, first_layers, read_graph, write_graph


def to_half(graph: bytes, images: Batch | None = None) -> bytes:
    """A graph for any n, about half the bytes; `images` are not needed. Raises VariantError.

    A processor without fp16 arithmetic computes in fp32 from the rounded weights, and is no faster for it.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    model = read_graph(graph)
    model.graph.ClearField("value_info")  # the converter would round the weights that are named there
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # each weight that rounds to 0: the certificate tells what that changes
        model = convert_float_to_float16(model, keep_io_types=True, node_block_list=first_layers(model))
    _replace_nodes(model.graph, _straight(model.graph))
    OnnxModel.graph_topological_sort(model.graph)  # the converter puts its casts last
    model.graph.ClearField("value_info")
    onnx.checker.check_model(model)
    return write_graph(model)


def _straight(graph: Any) -> list[Any]:
    """The nodes without what the converter puts between two fp32 nodes: a cast to fp16 and back, once per reader."""
    nodes, outputs = list(graph.node), {value.name for value in graph.output}
    halved = {node.output[0]: node.input[0] for node in nodes if _casts(node, TensorProto.FLOAT16)}
    back = {
        node.output[0]: halved[node.input[0]]
        for node in nodes
        if _casts(node, TensorProto.FLOAT) and node.input[0] in halved and node.output[0] not in outputs
    }
    nodes = [node for node in nodes if node.output[0] not in back]
    for node in nodes:
        node.input[:] = [back.get(name, name) for name in node.input]
    read = {name for node in nodes for name in node.input} | outputs
    nodes = [node for node in nodes if read.intersection(node.output)]
    return list({node.SerializeToString(deterministic=True): node for node in nodes}.values())


def _casts(node: Any, to: int) -> bool:
    return bool(node.op_type == "Cast" and node.attribute[0].i == to)


def _replace_nodes(graph: Any, nodes: list[Any]) -> None:
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    graph.ClearField("node")
    graph.node.extend(copies)
