"""How long one exported graph takes, and `timing.json`: what was measured when a run was exported."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import msgspec
import numpy as np
import onnxruntime as ort

from epiluma.errors import EpilumaError
from epiluma.inference.session import known_input

TIMING = "timing.json"
"""Name of the record in a run folder."""
IMAGES = 200
"""Timed runs of a graph: enough for a 99th percentile."""
LONGEST = 20.0
"""Seconds after which a slow graph has been timed enough, once there are `FEWEST` runs."""
FEWEST = 20
_WARM_UP = 5
_INPUTS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}

NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class TimingError(EpilumaError):
    """A graph that cannot be timed, or a record of timings that cannot be read."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of one image on one thread: the network alone, on a ready tensor, with all its views."""

    p50_ms: NotNegative
    p99_ms: NotNegative
    images: Count
    size: Count
    """Side of the input, pixels."""
    views: Count = 1
    runtime: str
    """Such as `onnxruntime 1.23.0`."""


class Timing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an export measured on its own machine; None where it did not."""

    evaluation_seconds: NotNegative | None = None
    """From the images of the test part to their Predictions."""
    evaluation_images: Count | None = None
    latency: Latency | None = None
    graph_bytes: Count | None = None
    parameters: Count | None = None
    """Of the network as it was trained."""


def write(timing: Timing, folder: Path) -> None:
    """Write the record into a run folder."""
    (folder / TIMING).write_bytes(msgspec.json.format(msgspec.json.encode(timing), indent=2) + b"\n")


def read(path: Path) -> Timing:
    """Read a record. Raises TimingError with the file and the reason."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Timing)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise TimingError(f"{path}: cannot be read ({error})") from error


def time_graph(graph: bytes, *, size: int, views: int = 1, images: int = IMAGES) -> Latency:
    """Time an ONNX graph here and now, one image at a time, on one thread of the processor.

    `size` counts only for a graph whose input has no fixed side. Raises TimingError when it does not take
    (n, 3, S, S) images.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        image = session.get_inputs()[0]
        side = image.shape[-1] if isinstance(image.shape[-1], int) else size
        tensor = np.repeat(known_input(0, side), views, axis=0).astype(_INPUTS[image.type])
        taken = _milliseconds(session, {image.name: tensor}, images)
    except Exception as error:  # onnxruntime's own exception classes have no common base but Exception
        raise TimingError(f"the graph cannot be timed ({error})") from error
    p50, p99 = np.percentile(taken, (50, 99)).round(3).tolist()
    runtime = f"onnxruntime {ort.__version__}"
    return Latency(p50_ms=p50, p99_ms=p99, images=len(taken), size=side, views=views, runtime=runtime)


def _milliseconds(session: ort.InferenceSession, inputs: dict[str, Any], images: int) -> list[float]:
    for _ in range(_WARM_UP):
        session.run(None, inputs)
    taken: list[float] = []
    end = perf_counter() + LONGEST
    while len(taken) < images and (len(taken) < FEWEST or perf_counter() < end):
        begun = perf_counter()
        session.run(None, inputs)
        taken.append(1000 * (perf_counter() - begun))
    return taken


def count_weights(graph: bytes) -> int:
    """Numbers that an ONNX graph has learned: its tensors of floats, or of integers where it is quantised.

    Scales and zero points of a quantised graph do not count, nor do shapes and indices. Batch norm is usually folded
    into the weights before it, so a graph has fewer than its network.
    """
    import onnx  # comes with the training extra

    model = onnx.load_from_string(graph).graph
    learned = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
    quantised = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8, onnx.TensorProto.INT32)
    scales = {
        name for node in model.node if node.op_type in ("QuantizeLinear", "DequantizeLinear") for name in node.input[1:]
    }
    sources = {node.input[0] for node in model.node if node.op_type == "DequantizeLinear"}
    return sum(
        int(np.prod(tensor.dims))
        for tensor in model.initializer
        if tensor.name not in scales
        and (tensor.data_type in learned or (tensor.data_type in quantised and tensor.name in sources))
    )
