"""OpenVINO's intermediate representation: an XML graph beside a file of fp32 weights."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from epiluma.export.variants.network import INPUT, Batch, Network, Payload, VariantError, read_graph

GRAPH, WEIGHTS = "model.xml", "model.bin"


def to_openvino(graph: bytes, images: Batch | None = None) -> dict[str, bytes]:
    """Graph and weights by file name, nothing compressed; `images` are not needed. Raises VariantError."""
    openvino = _openvino()
    read_graph(graph)
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "model.onnx"), Path(folder, GRAPH)
        source.write_bytes(graph)
        try:
            openvino.save_model(openvino.convert_model(source), out, compress_to_fp16=False)
        except Exception as error:  # one kind for each of OpenVINO's front ends
            raise VariantError(f"OpenVINO {openvino.__version__} cannot convert the graph ({error})") from error
        return {name: (out.parent / name).read_bytes() for name in (GRAPH, WEIGHTS)}


def load_openvino(payload: Payload, threads: int) -> Network:
    """Compile for the processor, in fp32; 0 threads means all cores. Raises VariantError.

    Left to itself, OpenVINO computes in bf16 where the processor can: faster, and logits differ in the second digit.
    """
    openvino = _openvino()
    if not isinstance(payload, dict) or set(payload) != {GRAPH, WEIGHTS}:
        raise VariantError(f"an OpenVINO network is the two files {GRAPH} and {WEIGHTS}")
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    core = openvino.Core()
    try:
        network = core.compile_model(core.read_model(payload[GRAPH], payload[WEIGHTS]), "CPU", settings)
    except Exception as error:  # as above
        raise VariantError(f"OpenVINO {openvino.__version__} cannot load the network ({error})") from error
    names = [output.get_any_name() for output in network.outputs]

    def run(batch: Batch) -> dict[str, Batch]:
        found = network({INPUT: np.ascontiguousarray(batch)})
        return {name: np.array(found[name]) for name in names}  # its own buffers are used again by the next run

    return run


def _openvino() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise VariantError("OpenVINO is not installed; `pip install 'epiluma[openvino]'` brings it") from error
    return openvino
