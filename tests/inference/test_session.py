"""The network gives what the manifest promises, or nothing."""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from epiluma import bundle as bundles
from epiluma.bundle import Bundle
from epiluma.inference.session import (
    KnownAnswerMismatch,
    Session,
    SessionError,
    UnusableOutput,
    known_input,
    open_session,
    over_views,
)


def with_graph(bundle: Bundle, graph: bytes) -> Bundle:
    return bundles.build(bundle.manifest, {bundle.manifest.graph: graph})


def small_graph(output: str = "logits", side: int = 32, leaves: int = 8, *, divide: bool = False) -> bytes:
    """A graph of the right kind but for one thing; with `divide`, it computes 0 / 0."""
    zero = helper.make_tensor("zero", TensorProto.FLOAT, [3, leaves], [0.0] * 3 * leaves)
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("MatMul", ["features", "zero"], ["product"]),
        helper.make_node("Div" if divide else "Add", ["product", "product"], [output]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, side, side])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", leaves])],
        [zero],
    )
    opset = helper.make_opsetid("", 17)
    return bytes(helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString())


EVEN = bundles.KnownAnswer(seed=1, probabilities=(0.125,) * 8)
SMALL = 1e-4
"""So small that logits of this size leave all probabilities even."""


def corner_graph() -> bytes:
    """The first logit is SMALL times the red value of the top left pixel: no mirror image gives the same."""
    graph = helper.make_graph(
        [
            helper.make_node("Slice", ["image", "start", "end", "axes"], ["corner"]),
            helper.make_node("Flatten", ["corner"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        ],
        "corner",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 8])],
        [
            helper.make_tensor("start", TensorProto.INT64, [3], [0, 0, 0]),
            helper.make_tensor("end", TensorProto.INT64, [3], [1, 1, 1]),
            helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]),
            helper.make_tensor("weights", TensorProto.FLOAT, [1, 8], [SMALL] + [0.0] * 7),
        ],
    )
    opset = helper.make_opsetid("", 17)
    return bytes(helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString())


def mapping_graph() -> bytes:
    """Each of 4 x 4 cells adds SMALL times its mean red value to the first logit."""
    graph = helper.make_graph(
        [
            helper.make_node("AveragePool", ["image"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
            helper.make_node("Conv", ["cells", "weights"], ["activations"]),
            helper.make_node("GlobalAveragePool", ["activations"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["logits"]),
        ],
        "mapping",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 32, 32])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 8]),
            helper.make_tensor_value_info("activations", TensorProto.FLOAT, ["n", 8, 4, 4]),
        ],
        [helper.make_tensor("weights", TensorProto.FLOAT, [8, 3, 1, 1], [SMALL] + [0.0] * 23)],
    )
    opset = helper.make_opsetid("", 17)
    return bytes(helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString())


def test_known_input_never_changes() -> None:
    """Bundles carry answers for these very bits."""
    digests = {seed: hashlib.sha256(known_input(seed, 224).tobytes()).hexdigest()[:16] for seed in (1, 2)}
    assert digests == {1: "82f91c72e45491ce", 2: "54dcc97a93a76757"}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(32, 300))
def test_known_input_is_smooth_and_bounded(seed: int, size: int) -> None:
    drawn = known_input(seed, size)
    assert drawn.shape == (1, 3, size, size)
    assert drawn.dtype == np.float32
    assert np.abs(drawn).max() <= 2
    assert np.abs(np.diff(drawn, axis=3)).max() <= 4 * 7 / (size - 1) + 1e-5


def test_logits_equal_the_linear_layer(tiny_bundle: Bundle) -> None:
    random = np.random.RandomState(0)
    weights, bias = random.normal(0, 2, (3, 8)), random.normal(0, 0.5, 8)
    batch = np.concatenate([known_input(seed, 32) for seed in range(3)])
    found = Session(tiny_bundle).logits(batch)
    assert found.shape == (3, 8)
    np.testing.assert_allclose(found, batch.mean((2, 3)) @ weights + bias, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 4), seed=st.integers(0, 99))
def test_four_views_average_each_photo_over_its_own_mirror_images(n: int, seed: int) -> None:
    batch = np.random.default_rng(seed).normal(size=(n, 3, 5, 5)).astype(np.float32)
    found = over_views(lambda images: images[:, :, 0, 0], batch, 4)  # the top left corner
    corners = batch[:, :, [0, 0, 4, 4], [0, 4, 0, 4]]
    np.testing.assert_allclose(found, corners.mean(axis=2), atol=1e-6)
    np.testing.assert_array_equal(over_views(lambda images: images[:, :, 0, 0], batch, 1), batch[:, :, 0, 0])


@pytest.mark.parametrize("views", [1, 4])
def test_one_run_gives_all_that_the_graph_has(tiny_bundle: Bundle, views: int) -> None:
    bundle = bundles.build(tiny_bundle.manifest, tiny_bundle.files, views=views)
    session, batch = Session(bundle), np.concatenate([known_input(seed, 32) for seed in range(3)])
    answer = session.look(batch)
    np.testing.assert_allclose(answer.logits, session.logits(batch), atol=1e-5)
    np.testing.assert_allclose(answer.own, Session(tiny_bundle).logits(batch), atol=1e-5)
    assert answer.features is not None
    np.testing.assert_allclose(answer.features, session.features(batch), atol=1e-6)
    assert answer.activations is None


@pytest.mark.parametrize("views", [1, 4])
def test_maps_of_mirrored_views_are_turned_back(tiny_bundle: Bundle, views: int) -> None:
    manifest = msgspec.structs.replace(tiny_bundle.manifest, views=views, known_answers=(EVEN,))
    session = Session(bundles.build(manifest, {"model.onnx": mapping_graph()}))
    batch = known_input(7, 32)
    answer = session.look(batch)
    assert answer.activations is not None
    expected = batch.reshape(1, 3, 4, 8, 4, 8).mean(axis=(3, 5))[:, 0] * SMALL  # each cell sees itself alone
    np.testing.assert_allclose(answer.activations[:, 0], expected, rtol=1e-4)
    np.testing.assert_allclose(answer.activations.mean(axis=(2, 3)), answer.logits, rtol=1e-4)


def test_the_bundle_says_how_many_views_a_session_takes(tiny_bundle: Bundle) -> None:
    batch = known_input(5, 32)
    corners = batch[0, 0, [0, 0, 31, 31], [0, 31, 0, 31]] * SMALL
    for views, expected in ((1, corners[0]), (4, corners.mean())):
        manifest = msgspec.structs.replace(tiny_bundle.manifest, views=views, known_answers=(EVEN,))
        session = Session(bundles.build(manifest, {"model.onnx": corner_graph()}))
        assert session.logits(batch)[0, 0] == pytest.approx(expected, rel=1e-4)
    assert abs(corners[0] - corners.mean()) > 0.1 * SMALL


def test_features_are_those_of_the_graph_or_asked_for(tiny_bundle: Bundle) -> None:
    batch = np.concatenate([known_input(seed, 32) for seed in range(3)])
    np.testing.assert_allclose(Session(tiny_bundle).features(batch), batch.mean((2, 3)), atol=1e-6)
    without = bundles.build(
        msgspec.structs.replace(tiny_bundle.manifest, known_answers=(EVEN,)), {"model.onnx": small_graph()}
    )
    with pytest.raises(SessionError, match="has no output `features`; export the run again"):
        Session(without).features(batch)


def test_another_answer_than_the_known_one_is_refused(tiny_bundle: Bundle) -> None:
    answer = tiny_bundle.manifest.known_answers[0]
    first, second, *rest = answer.probabilities
    for shift, accepted in ((0.0005, True), (0.002, False)):
        changed = msgspec.structs.replace(answer, probabilities=(first + shift, second - shift, *rest))
        manifest = msgspec.structs.replace(tiny_bundle.manifest, known_answers=(answer, changed))
        bundle = bundles.build(manifest, tiny_bundle.files)
        if accepted:
            Session(bundle)
        else:
            with pytest.raises(KnownAnswerMismatch, match=r"known input 1 .* differ by 0\.0020"):
                Session(bundle)


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (small_graph(output="scores"), "expected image .* found .*scores"),
        (small_graph(side=64), r"expected image \(N, 3, 32, 32\)"),
        (small_graph(leaves=7), r"logits \(N, 8\)"),
        (b"not a graph", "onnxruntime cannot load it"),
    ],
)
def test_a_graph_that_is_not_what_the_manifest_says(tiny_bundle: Bundle, graph: bytes, reason: str) -> None:
    with pytest.raises(SessionError, match=reason):
        Session(with_graph(tiny_bundle, graph))


def test_nan_is_refused(tiny_bundle: Bundle) -> None:
    with pytest.raises(UnusableOutput, match="not a finite number"):
        Session(with_graph(tiny_bundle, small_graph(divide=True)))


def test_a_batch_of_the_wrong_shape_is_a_domain_error(tiny_bundle: Bundle) -> None:
    with pytest.raises(SessionError, match="could not be run"):
        Session(tiny_bundle).logits(np.zeros((1, 3, 16, 16), np.float32))


def with_variant(bundle: Bundle, answer: bundles.KnownAnswer) -> Bundle:
    """The bundle with a preferred int8 graph that gives all diagnoses the same logit."""
    manifest = bundle.manifest
    facts = {field: getattr(manifest, field) for field in bundles.Graph.__struct_fields__}
    changed = facts | {"graph": "onnx-int8.onnx", "known_answers": (answer,)}
    return bundles.build(
        msgspec.structs.replace(manifest, files={**manifest.files, "onnx-int8.onnx": manifest.files["model.onnx"]}),
        {**bundle.files, "onnx-int8.onnx": small_graph()},
        variants=(bundles.Variant(name="onnx-int8", **changed),),
        preferred="onnx-int8",
    )


def test_the_preferred_graph_runs_where_nobody_names_another(tiny_bundle: Bundle) -> None:
    bundle = with_variant(tiny_bundle, EVEN)
    assert open_session(bundle).bundle.running == "onnx-int8"
    assert open_session(bundle, "onnx-fp32").bundle.running == "onnx-fp32"
    assert not open_session(bundle).logits(known_input(2, 32)).any()
    assert open_session(bundle, "onnx-fp32").logits(known_input(2, 32)).any()
    assert open_session(tiny_bundle).bundle.running == "onnx-fp32"


def test_a_processor_that_computes_the_preferred_graph_otherwise_runs_the_fp32_one(tiny_bundle: Bundle) -> None:
    elsewhere = bundles.KnownAnswer(seed=1, probabilities=(0.3, *(0.1,) * 7))
    bundle = with_variant(tiny_bundle, elsewhere)
    assert open_session(bundle).bundle.running == "onnx-fp32"
    with pytest.raises(KnownAnswerMismatch, match="onnx-int8"):
        open_session(bundle, "onnx-int8")


def test_what_is_preferred_must_be_there_and_be_onnx(tiny_bundle: Bundle) -> None:
    for name in ("onnx-fp16", "openvino"):
        with pytest.raises(ValueError, match="is no ONNX graph among"):
            msgspec.structs.replace(with_variant(tiny_bundle, EVEN).manifest, preferred=name)
