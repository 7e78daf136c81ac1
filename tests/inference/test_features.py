"""Features are the named output where there is one, of unit length, and the input is the bundle's own."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from epiluma import bundle as bundles
from epiluma.bundle import Bundle
from epiluma.imaging.preprocess import normalise, to_square
from epiluma.inference.features import REDUCED, FeatureSession
from epiluma.inference.session import SessionError, UnusableOutput, known_input
from tests.conftest import SIZE


def bundle_with(bundle: Bundle, *outputs: str, side: int | None = SIZE, divide: bool = False) -> Bundle:
    """The bundle with a graph whose outputs are all the three mean colours, whatever their names."""
    shape = ["n", 3, side or "h", side or "w"]
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
    ]
    for name in outputs:
        nodes.append(helper.make_node("Div", ["flat", "zero"], [name]) if divide else _copy(name))
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in outputs],
        [helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bundles.build(bundle.manifest, {bundle.manifest.graph: bytes(model.SerializeToString())})


def _copy(name: str) -> object:
    return helper.make_node("Identity", ["flat"], [name])


def batch(n: int = 4) -> np.ndarray:
    return np.concatenate([known_input(seed, SIZE) for seed in range(n)])


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))


def test_the_features_output_is_preferred_and_scaled_to_unit_length(tiny_bundle: Bundle) -> None:
    session = FeatureSession(bundle_with(tiny_bundle, "logits", "features"))
    assert session.output == "features"
    np.testing.assert_allclose(session.of_batch(batch()), unit(batch().mean((2, 3))), atol=1e-5)


def test_logits_stand_in_centred(tiny_bundle: Bundle) -> None:
    logits = batch().mean((2, 3))
    session = FeatureSession(bundle_with(tiny_bundle, "logits"))
    assert session.output == "logits"
    expected = unit(logits - logits.mean(axis=1, keepdims=True))
    np.testing.assert_allclose(session.of_batch(batch()), expected, atol=1e-5)


def test_a_photo_is_prepared_as_the_bundle_says(tiny_bundle: Bundle) -> None:
    random = np.random.default_rng(0)
    photo = Image.fromarray(random.integers(0, 256, (60, 90, 3), np.uint8))
    session = FeatureSession(tiny_bundle)
    square = to_square(photo, SIZE)
    expected = session.of_batch(normalise(square[None], mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)))[0]
    np.testing.assert_array_equal(session.of_photo(photo), expected)
    assert np.linalg.norm(expected) == pytest.approx(1)


def test_a_graph_for_any_size_runs_small(tiny_bundle: Bundle) -> None:
    preprocessing = msgspec.structs.replace(tiny_bundle.manifest.preprocessing, size=256)
    manifest = msgspec.structs.replace(tiny_bundle.manifest, preprocessing=preprocessing)
    free = bundle_with(bundles.build(manifest, tiny_bundle.files), "features", side=None)
    fixed = bundle_with(bundles.build(manifest, tiny_bundle.files), "features", side=256)
    assert FeatureSession(free).size == REDUCED
    assert FeatureSession(fixed).size == 256
    assert FeatureSession(bundle_with(tiny_bundle, "features", side=None)).size == SIZE
    photo = Image.new("RGB", (300, 280), (200, 120, 90))
    np.testing.assert_allclose(FeatureSession(free).of_photo(photo), FeatureSession(fixed).of_photo(photo), atol=1e-4)


def test_a_row_of_zeros_stays(tiny_bundle: Bundle) -> None:
    found = FeatureSession(bundle_with(tiny_bundle, "features")).of_batch(np.zeros((1, 3, SIZE, SIZE), np.float32))
    np.testing.assert_array_equal(found, np.zeros((1, 3)))


def test_a_graph_without_a_known_output_is_refused(tiny_bundle: Bundle) -> None:
    with pytest.raises(SessionError, match=r"model\.onnx: has neither an output `features` nor `logits`"):
        FeatureSession(bundle_with(tiny_bundle, "scores"))


def test_nan_is_refused(tiny_bundle: Bundle) -> None:
    with pytest.raises(UnusableOutput, match="not a finite number"):
        FeatureSession(bundle_with(tiny_bundle, "features", divide=True)).of_batch(batch(1))


def test_a_batch_of_the_wrong_shape_is_a_domain_error(tiny_bundle: Bundle) -> None:
    with pytest.raises(SessionError, match="could not be run"):
        FeatureSession(tiny_bundle).of_batch(np.zeros((1, 3, 16, 16), np.float32))
