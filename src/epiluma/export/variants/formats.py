"""One table of the formats: how each is made from an fp32 graph, and how it is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from epiluma.bundle import FP32
from epiluma.export.variants.half import to_half
from epiluma.export.variants.int8 import to_int8
from epiluma.export.variants.intermediate import load_openvino, to_openvino
from epiluma.export.variants.network import Batch, Network, Outputs, Payload, VariantError, load_onnx, read_graph
from epiluma.inference.session import over_views


class Format(NamedTuple):
    """One way to ship a network."""

    make: Callable[[bytes, Batch | None], Payload]
    load: Callable[[Payload, int], Network]
    files: tuple[str, ...]
    """Names under which the payload is written."""
    learns: bool = False
    """Whether it needs calibration images."""


def _as_it_is(graph: bytes, images: Batch | None) -> bytes:
    read_graph(graph)
    return graph


FORMATS: dict[str, Format] = {
    FP32: Format(_as_it_is, load_onnx, ("model.onnx",)),
    "onnx-fp16": Format(to_half, load_onnx, ("model.onnx",)),
    "onnx-int8": Format(to_int8, load_onnx, ("model.onnx",), learns=True),
    "openvino": Format(to_openvino, load_openvino, ("model.xml", "model.bin")),
}


def convert(name: str, graph: bytes, images: Batch | None = None, *, reduce_range: bool = False) -> Payload:
    """The fp32 `graph` in the format of that name.

    `images` (n, 3, S, S) normalised float32 are what int8 takes its ranges from: of a training or calibration part,
    never of a test part. `reduce_range` keeps int8 weights to 7 bits, for processors whose 8-bit sums overflow (x86
    without VNNI). Raises VariantError: an unknown format, a graph of other inputs or outputs, too few images.
    """
    chosen = _format(name)
    if reduce_range:
        if not chosen.learns:
            raise VariantError(f"`reduce_range` belongs to onnx-int8; {name} has no 8-bit weights")
        return to_int8(graph, images, reduce_range=True)
    return chosen.make(graph, images)


def load(name: str, payload: Payload, *, threads: int = 0) -> Network:
    """Open a payload to run it many times; 0 threads means all cores. Raises VariantError."""
    return _format(name).load(payload, threads)


def run(name: str, payload: Payload, batch: Batch, views: int = 1, *, block: int = 16, threads: int = 0) -> Outputs:
    """What the payload gives for (n, 3, S, S) normalised float32, n >= 1; `block` images at once. Raises VariantError.

    The logits are the mean over the views (1, or 4 of a graph that gives logits), the masks those of the images as
    they are.
    """
    network = load(name, payload, threads=threads)
    step = max(1, block // views)
    return joined([ask(network, batch[start : start + step], views) for start in range(0, len(batch), step)])


def ask(network: Network, batch: Batch, views: int = 1) -> Outputs:
    """What an open network gives for one block."""
    seen: dict[str, Batch] = {}

    def logits(images: Batch) -> Batch:
        seen.update(network(images))
        return seen.get("logits", np.empty((len(images), 0), np.float32))

    if views == 1:
        return Outputs(logits(batch), seen.get("masks"))
    mean = over_views(logits, batch, views)
    masks = seen.get("masks")
    return Outputs(mean, None if masks is None else masks[: len(batch)])  # the first view is the photo as it is


def joined(blocks: list[Outputs]) -> Outputs:
    """Blocks put together again."""
    masks = [block.masks for block in blocks if block.masks is not None]
    return Outputs(np.concatenate([block.logits for block in blocks]), np.concatenate(masks) if masks else None)


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise VariantError(f"unknown format {name!r}; known are {', '.join(FORMATS)}")
    return FORMATS[name]
