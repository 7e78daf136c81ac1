"""What every format has in common: an fp32 graph to start from, a payload, and a network that runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx

from epiluma.errors import EpilumaError

Batch = npt.NDArray[np.float32]
Payload = bytes | dict[str, bytes]
"""One ONNX graph, or for OpenVINO the two files of its representation by name."""
Network = Callable[[Batch], dict[str, Batch]]
"""(n, 3, S, S) normalised float32 -> what the graph gives, by output name."""

INPUT = "image"
OUTPUTS = ("logits", "features", "textures", "activations", "masks")
"""What a graph may give; `logits` or `masks` it must give."""
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operations that hold nearly all weights and nearly all work."""
FLOAT_SHARE = 0.3
"""Share of the weighted layers, counted from the input, that stay fp32 in every format that rounds: a rounding error
there passes through all that follows, and it is few bytes (figures in docs/decisions/0017-formats.md)."""
_RANK = {INPUT: 4, "logits": 2, "features": 2, "textures": 2, "activations": 4, "masks": 4}


class VariantError(EpilumaError):
    """A graph that cannot be brought into a format, or a format that cannot be run here."""


class Outputs(NamedTuple):
    """What a network says of n images."""

    logits: Batch
    """(n, leaves), the mean over the views; (n, 0) from a graph that gives masks alone."""
    masks: Batch | None
    """(n, c, h, w) scores, photos as they are. c = 1: lesion above 0; c > 1: the largest wins, 0 is background."""


def read_graph(graph: bytes) -> Any:
    """The ONNX model, its input and outputs checked by name, type and rank. Raises VariantError."""
    try:
        model = onnx.load_from_string(graph)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and onnx have no common error but Exception
        raise VariantError(f"the graph to convert is no valid ONNX graph ({error})") from error
    inputs, outputs = ([value.name for value in values] for values in (model.graph.input, model.graph.output))
    if inputs != [INPUT] or not {"logits", "masks"} & set(outputs) or set(outputs) - set(OUTPUTS):
        raise VariantError(
            f"the graph to convert must take `{INPUT}` and give `logits` or `masks` or both, perhaps `features`, "
            f"`textures` and `activations`; this one takes {_listed(inputs)} and gives {_listed(outputs)}"
        )
    for value in (*model.graph.input, *model.graph.output):
        kind, rank = value.type.tensor_type.elem_type, len(value.type.tensor_type.shape.dim)
        if kind != onnx.TensorProto.FLOAT or rank != _RANK[value.name]:
            raise VariantError(
                f"`{value.name}` of the graph to convert must be float32 of {_RANK[value.name]} dimensions; "
                f"it is {onnx.TensorProto.DataType.Name(kind)} of {rank}"
            )
    return model


def first_layers(model: Any) -> list[str]:
    """Names of the nodes before the first weighted layer that may be rounded; none when there is only one layer."""
    nodes = list(model.graph.node)
    weighted = [i for i, node in enumerate(nodes) if node.op_type in WEIGHTED]
    kept = max(1, round(FLOAT_SHARE * len(weighted)))
    return [node.name for node in nodes[: weighted[kept]]] if kept < len(weighted) else []


def write_graph(model: Any) -> bytes:
    """The bytes of a model, the same for the same model."""
    return bytes(model.SerializeToString(deterministic=True))


def load_onnx(payload: Payload, threads: int) -> Network:
    """Open an ONNX graph in onnxruntime on the processor; 0 threads means all cores. Raises VariantError."""
    import onnxruntime as ort

    if not isinstance(payload, bytes):
        raise VariantError(f"an ONNX format is one graph in bytes, not the files {_listed(payload)}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(payload, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exception classes have no common base but Exception
        raise VariantError(f"onnxruntime {ort.__version__} cannot load the graph ({error})") from error
    names = [value.name for value in session.get_outputs()]

    def run(batch: Batch) -> dict[str, Batch]:
        found = session.run(names, {INPUT: np.ascontiguousarray(batch)})
        return {name: np.array(value) for name, value in zip(names, found, strict=True)}  # to let go of its memory

    return run


def _listed(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"
