"""Graphs are timed as they are, and their weights counted as they were built."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from epiluma.bundle import Bundle
from epiluma.inference import timing
from epiluma.inference.timing import Latency, Timing, TimingError


def graph(side: object = "s", kind: int = TensorProto.FLOAT) -> bytes:
    """A graph that averages colours, at any side."""
    made = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["photo"], ["out"])],
        "any",
        [helper.make_tensor_value_info("photo", kind, ["n", 3, side, side])],
        [helper.make_tensor_value_info("out", kind, ["n", 3, 1, 1])],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def test_a_graph_is_timed_at_its_own_size(tiny_bundle: Bundle) -> None:
    found = timing.time_graph(tiny_bundle.graph, size=99, images=30)
    assert (found.size, found.views, found.images) == (32, 1, 30)
    assert 0 < found.p50_ms <= found.p99_ms


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_a_graph_of_any_size_is_timed_at_the_one_given(kind: int) -> None:
    found = timing.time_graph(graph(kind=kind), size=40, views=4, images=5)
    assert (found.size, found.views, found.images) == (40, 4, 5)


def test_a_slow_graph_is_timed_fewer_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "LONGEST", 0.0)
    assert timing.time_graph(graph(), size=32, images=500).images == timing.FEWEST


@pytest.mark.parametrize("broken", [b"", graph(kind=TensorProto.INT32)])
def test_what_cannot_be_timed_is_an_error(broken: bytes) -> None:
    with pytest.raises(TimingError, match="cannot be timed"):
        timing.time_graph(broken, size=32)


def test_weights_of_a_float_graph(tiny_bundle: Bundle) -> None:
    assert timing.count_weights(tiny_bundle.graph) == 3 * 8 + 8


def test_weights_of_a_quantised_graph_are_its_integers() -> None:
    """5 x 7 bytes with a scale and a zero point each row, and a shape that nobody learned."""
    tensors = [
        numpy_helper.from_array(np.ones((5, 7), np.int8), "weights"),
        numpy_helper.from_array(np.ones(5, np.float32), "scale"),
        numpy_helper.from_array(np.zeros(5, np.int8), "zero"),
        numpy_helper.from_array(np.array([35], np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["weights", "scale", "zero"], ["table"], axis=0),
        helper.make_node("Reshape", ["table", "shape"], ["out"]),
    ]
    made = helper.make_graph(nodes, "q", [], [helper.make_tensor_value_info("out", TensorProto.FLOAT, [35])], tensors)
    assert timing.count_weights(helper.make_model(made).SerializeToString()) == 35


def test_a_record_survives_the_file(tmp_path: Path) -> None:
    latency = Latency(p50_ms=1.5, p99_ms=2.5, images=200, size=256, runtime="onnxruntime 1.23.0")
    record = Timing(evaluation_seconds=12.5, evaluation_images=1500, latency=latency)
    timing.write(record, tmp_path)
    assert timing.read(tmp_path / timing.TIMING) == record


@pytest.mark.parametrize("content", [None, "{", '{"evaluation_seconds": -1}', '{"minutes": 1}'])
def test_a_broken_record_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "timing.json").write_text(content)
    with pytest.raises(TimingError, match=r"timing\.json: cannot be read"):
        timing.read(tmp_path / "timing.json")
