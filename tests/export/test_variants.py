"""Each format computes what the network computes, as exactly as its arithmetic can, and refuses what it cannot use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from epiluma import bundle as bundles
from epiluma.export import variants
from epiluma.export.variants import int8, intermediate
from epiluma.export.variants.network import FLOAT_SHARE
from epiluma.imaging.preprocess import normalise
from epiluma.imaging.synthetic import draw_lesion
from tests.export.variant_network import LEAVES, SIZE, Small, photos, small

TOLERANCE = {"onnx-fp32": 1e-4, "onnx-fp16": 3e-2, "onnx-int8": 1.5, "openvino": 1e-4}
"""Of a logit; logits of the small network have a standard deviation of 4."""
LEAST = {"onnx-fp32": 0.0, "onnx-fp16": 1e-6, "onnx-int8": 1e-3, "openvino": 0.0}
"""A format that rounds must show it, or it was not made."""
each_format = pytest.mark.parametrize("name", list(variants.FORMATS))


@pytest.fixture(scope="module")
def network() -> Small:
    return small()[0]


@pytest.fixture(scope="module")
def graph() -> bytes:
    return small()[1]


@pytest.fixture(scope="module")
def payloads(graph: bytes) -> dict[str, variants.Payload]:
    return {name: variants.convert(name, graph, photos(64, seed=1)) for name in variants.FORMATS}


@each_format
@pytest.mark.parametrize("n", [1, 37])
def test_each_format_gives_what_pytorch_gives(
    name: str, n: int, network: Small, payloads: dict[str, variants.Payload]
) -> None:
    batch = photos(n, seed=2)
    with torch.inference_mode():
        logits, _, masks = (output.numpy() for output in network(torch.from_numpy(batch)))
    found = variants.run(name, payloads[name], batch)
    assert found.logits.shape == (n, LEAVES)
    assert found.masks is not None
    assert found.masks.shape == (n, 1, SIZE, SIZE)
    assert found.logits.dtype == found.masks.dtype == np.float32
    assert LEAST[name] <= np.abs(found.logits - logits).max() < TOLERANCE[name]
    assert ((found.masks > 0) == (masks > 0)).mean() > {"onnx-int8": 0.97, "onnx-fp16": 0.995}.get(name, 0.9999)


@each_format
def test_four_views_are_the_mean_over_the_mirror_images(name: str, payloads: dict[str, variants.Payload]) -> None:
    one = photos(3, seed=4)
    views = [one, one[..., ::-1], one[:, :, ::-1], one[:, :, ::-1, ::-1]]
    alone = [variants.run(name, payloads[name], np.ascontiguousarray(view)) for view in views]
    found = variants.run(name, payloads[name], one, views=4)
    np.testing.assert_allclose(found.logits, np.mean([view.logits for view in alone], axis=0), atol=1e-4)
    np.testing.assert_allclose(found.masks, alone[0].masks, atol=1e-4)
    assert np.abs(found.logits - alone[0].logits).max() > 1e-2


@each_format
def test_blocks_do_not_change_the_result(name: str, payloads: dict[str, variants.Payload]) -> None:
    whole, parts = (variants.run(name, payloads[name], photos(7), block=block) for block in (7, 3))
    np.testing.assert_allclose(parts.logits, whole.logits, atol=1e-4)


@pytest.mark.parametrize("name", ["onnx-fp16", "onnx-int8"])
def test_the_same_graph_and_photos_give_the_same_bytes(
    name: str, graph: bytes, payloads: dict[str, variants.Payload]
) -> None:
    assert variants.convert(name, graph, photos(64, seed=1)) == payloads[name]


def test_half_precision_is_inside_and_full_precision_at_the_start_and_outside(
    graph: bytes, payloads: dict[str, variants.Payload]
) -> None:
    model = onnx.load_from_string(payloads["onnx-fp16"])
    onnx.checker.check_model(model, full_check=True)
    assert {value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)} == {
        TensorProto.FLOAT
    }
    weights = {t.name: t for t in model.graph.initializer}
    layers = [weights[node.input[1]] for node in model.graph.node if node.op_type == "Conv"]
    kept = round(FLOAT_SHARE * (len(layers) + 1))  # the classifier is one more
    assert [t.data_type for t in layers] == [TensorProto.FLOAT] * kept + [TensorProto.FLOAT16] * (len(layers) - kept)
    original = {t.name: numpy_helper.to_array(t) for t in onnx.load_from_string(graph).graph.initializer}
    for tensor in layers[kept:]:
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), original[tensor.name].astype(np.float16))


def weights_in_int8(payload: variants.Payload) -> dict[str, npt.NDArray[np.int8]]:
    model = onnx.load_from_string(payload)
    return {
        t.name: numpy_helper.to_array(t)
        for t in model.graph.initializer
        if t.data_type == TensorProto.INT8 and len(t.dims) == 4
    }


def test_int8_keeps_the_first_layers_and_the_ends_and_quantises_each_channel_of_the_rest(
    payloads: dict[str, variants.Payload],
) -> None:
    model = onnx.load_from_string(payloads["onnx-int8"])
    onnx.checker.check_model(model, full_check=True)
    weights = {t.name: t for t in model.graph.initializer}
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    fp32 = [node.input[1] in weights for node in layers]  # else what a DequantizeLinear gives
    kept = round(FLOAT_SHARE * len(layers))
    ends = [i for i, layer in enumerate(layers) if layer.op_type != "Conv" or layer.output[0] == mask_scores(model)]
    assert len(ends) == 2
    assert [i for i, is_fp32 in enumerate(fp32) if is_fp32] == sorted({*range(kept), *ends})
    for name, values in weights_in_int8(payloads["onnx-int8"]).items():
        scale = weights[name.replace("_quantized", "_scale")]
        assert list(scale.dims) == [values.shape[0]], "one scale per output channel"


def mask_scores(model: onnx.ModelProto) -> str:
    """Name of the tensor that is resized to the masks."""
    (resize,) = (node for node in model.graph.node if node.op_type == "Resize")
    return str(resize.input[0])


def test_reduced_range_holds_weights_to_seven_bits(graph: bytes, payloads: dict[str, variants.Payload]) -> None:
    reduced = variants.convert("onnx-int8", graph, photos(64, seed=1), reduce_range=True)
    assert max(np.abs(w.astype(int)).max() for w in weights_in_int8(reduced).values()) <= 64
    assert max(np.abs(w.astype(int)).max() for w in weights_in_int8(payloads["onnx-int8"]).values()) > 120


def test_ranges_come_from_the_calibration_images(graph: bytes, network: Small) -> None:
    """Ranges of faint photos cut off what strong photos need."""
    good, bad = (variants.convert("onnx-int8", graph, photos(64, seed=1) * scale) for scale in (1, 0.05))
    batch = photos(32, seed=5)
    with torch.inference_mode():
        expected = network(torch.from_numpy(batch))[0].numpy()
    errors = [np.abs(variants.run("onnx-int8", payload, batch).logits - expected).mean() for payload in (good, bad)]
    assert errors[1] > 3 * errors[0]


def test_openvino_keeps_fp32_where_the_processor_offers_bf16(
    graph: bytes, payloads: dict[str, variants.Payload]
) -> None:
    by_onnxruntime, by_openvino = (variants.run(n, payloads[n], photos(32)).logits for n in ("onnx-fp32", "openvino"))
    assert np.abs(by_onnxruntime - by_openvino).max() < 1e-4
    assert b"FP16" not in payloads["openvino"][intermediate.GRAPH]  # type: ignore[index]


def test_openvino_files_tell_nothing_of_the_machine(payloads: dict[str, variants.Payload]) -> None:
    payload = payloads["openvino"]
    assert isinstance(payload, dict)
    assert b"/tmp" not in payload[intermediate.GRAPH]


def masks_alone(graph: bytes) -> bytes:
    """The same graph without its other outputs, as a network that only segments gives it."""
    model = onnx.load_from_string(graph)
    masks = [value for value in model.graph.output if value.name == "masks"]
    del model.graph.output[:]
    model.graph.output.extend(masks)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("name", ["onnx-fp16", "onnx-int8", "openvino"])
def test_a_graph_may_give_masks_alone(name: str, graph: bytes, payloads: dict[str, variants.Payload]) -> None:
    payload = variants.convert(name, masks_alone(graph), photos(64, seed=1))
    found, expected = variants.run(name, payload, photos(5)), variants.run(name, payloads[name], photos(5))
    assert found.logits.shape == (5, 0)
    np.testing.assert_allclose(found.masks, expected.masks, atol=2e-2)


def other_graph(inputs: str = "image", output: str = "logits", kind: int = TensorProto.FLOAT) -> bytes:
    """One node that averages the photo."""
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", [inputs], [output], axes=[2, 3], keepdims=0)],
        "other",
        [helper.make_tensor_value_info(inputs, kind, ["n", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(output, kind, ["n", 3])],
    )
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )


@each_format
@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (other_graph(inputs="pixels"), "this one takes `pixels` and gives `logits`"),
        (other_graph(output="scores"), "this one takes `image` and gives `scores`"),
        (other_graph(kind=TensorProto.DOUBLE), "`image` of the graph to convert must be float32 of 4 dimensions"),
        (b"no graph", "no valid ONNX graph"),
    ],
    ids=["input", "output", "type", "bytes"],
)
def test_a_graph_without_the_expected_names_and_types_is_refused(name: str, graph: bytes, reason: str) -> None:
    with pytest.raises(variants.VariantError, match=reason):
        variants.convert(name, graph, photos(32))


@pytest.mark.parametrize("images", [None, photos(1), photos(int8.MIN_IMAGES - 1)], ids=["none", "one", "one too few"])
def test_int8_asks_for_enough_calibration_images(graph: bytes, images: npt.NDArray[np.float32] | None) -> None:
    count = 0 if images is None else len(images)
    with pytest.raises(variants.VariantError, match=f"at least 32 images .* there are {count}"):
        variants.convert("onnx-int8", graph, images)


def test_int8_asks_for_images_of_the_graphs_size(graph: bytes) -> None:
    with pytest.raises(variants.VariantError, match=r"takes images of \(3, 48, 48\), .* are \(3, 32, 32\)"):
        variants.convert("onnx-int8", graph, photos(40)[:, :, :32, :32])


def test_a_graph_with_hardly_a_layer_is_not_quantised(tiny_bundle: bundles.Bundle) -> None:
    with pytest.raises(variants.VariantError, match="1 layers with weights, too few to quantise any"):
        variants.convert("onnx-int8", tiny_bundle.graph, photos(32)[:, :, :32, :32])


def test_other_misuse_is_named(graph: bytes, payloads: dict[str, variants.Payload]) -> None:
    with pytest.raises(variants.VariantError, match="unknown format 'litert'; known are onnx-fp32, onnx-fp16"):
        variants.convert("litert", graph)
    with pytest.raises(variants.VariantError, match="belongs to onnx-int8"):
        variants.convert("onnx-fp16", graph, reduce_range=True)
    with pytest.raises(variants.VariantError, match=r"not the files `model\.xml`, `model\.bin`"):
        variants.run("onnx-fp16", payloads["openvino"], photos(1))
    with pytest.raises(variants.VariantError, match=r"the two files model\.xml and model\.bin"):
        variants.run("openvino", payloads["onnx-fp16"], photos(1))
    with pytest.raises(variants.VariantError, match="cannot load the graph"):
        variants.run("onnx-fp32", b"no graph", photos(1))


REPOSITORY = Path(__file__).parents[2]
LARGEST = {"onnx-fp16": 0.05, "onnx-int8": 0.25, "openvino": 1e-3}
"""Of a probability, on drawn lesions, which the network knows less well than photos."""


@pytest.fixture(scope="module")
def shipped() -> bundles.Bundle:
    return bundles.load(REPOSITORY / "models" / "epiluma-model-ham10000" / "src" / "epiluma_model_ham10000" / "bundle")


@pytest.mark.parametrize("name", ["onnx-fp16", "onnx-int8", pytest.param("openvino", marks=pytest.mark.slow)])
def test_the_network_that_ships_can_be_converted(name: str, shipped: bundles.Bundle) -> None:
    spec = shipped.manifest.preprocessing
    drawn = np.stack([draw_lesion(seed, size=(spec.size, spec.size)).image for seed in range(40)])
    batch = normalise(drawn, mean=spec.mean, std=spec.std)
    payload = variants.convert(name, shipped.graph, batch[:32])
    found, expected = (
        variants.judge(variants.run(n, p, batch[32:]), shipped.manifest).probabilities
        for n, p in ((name, payload), ("onnx-fp32", shipped.graph))
    )
    assert 0 < np.abs(found - expected).max() < LARGEST[name]
    share = {"onnx-fp16": 0.6, "onnx-int8": 0.4, "openvino": 1.1}[name]
    size = sum(map(len, payload.values())) if isinstance(payload, dict) else len(payload)
    assert size < share * len(shipped.graph)
