"""The exported graph computes what the network computes, and holds nothing but that."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from scipy.special import softmax
from torch import nn

from epiluma.bundle import FP32
from epiluma.export import graph as graphs
from epiluma.export import variants
from epiluma.export.ship import MAX_DIFFERENCE
from epiluma.models import registry

SIZE = 64
LEAVES = 5
PREVALENCE = np.array([0.5, 0.3, 0.15, 0.05, 0.0])


def batch(n: int, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 1, (n, 3, SIZE, SIZE)).astype(np.float32)


def run(graph: bytes, images: npt.NDArray[np.float32], *, views: int = 1, block: int = 16) -> npt.NDArray[np.float32]:
    """The logits of a graph."""
    return variants.run(FP32, graph, images, views, block=block).logits


def make_network(name: str) -> graphs.Shipped:
    """A registered network with random weights and batch statistics, and logits of about 1."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = registry.build(name, outputs=LEAVES, dropout=0.3)
        network = built.network
        for key, buffer in network.named_buffers():
            if key.endswith("running_mean"):
                buffer.normal_(0, 0.1)
            if key.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
        with torch.no_grad():  # far logits would give probabilities of 0 and 1, which agree whatever is wrong
            spread = network.eval()(torch.from_numpy(batch(8))).std()
            for parameter in network.get_submodule(built.head[0]).parameters():
                parameter.div_(spread)
    return graphs.shipped(network, PREVALENCE, built.head[0])


@pytest.fixture(scope="module", params=["mobilenetv2"])
def exported(request: pytest.FixtureRequest) -> tuple[graphs.Shipped, bytes]:
    network = make_network(request.param)
    return network, graphs.to_onnx(network, SIZE)


@pytest.mark.parametrize("n", [1, 3, 64])
def test_onnx_and_pytorch_agree_on_batches_of_any_size(exported: tuple[graphs.Shipped, bytes], n: int) -> None:
    network, graph = exported
    found = run(graph, batch(n, seed=n))
    with torch.inference_mode():
        expected = network(torch.from_numpy(batch(n, seed=n)))[0].numpy()
    assert found.shape == (n, LEAVES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-3)
    by_scipy = np.abs(softmax(found.astype(float), axis=1) - softmax(expected.astype(float), axis=1)).max()
    assert graphs.largest_difference(network, found, batch(n, seed=n)) == pytest.approx(by_scipy, abs=1e-6)
    assert by_scipy < MAX_DIFFERENCE


def test_a_graph_of_other_weights_is_told_apart(exported: tuple[graphs.Shipped, bytes]) -> None:
    """The proof can fail: one changed weight shows."""
    network, graph = exported
    model = onnx.load_from_string(graph)
    bias = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [LEAVES])
    other = onnx.numpy_helper.to_array(bias) + np.eye(LEAVES, dtype=np.float32)[0]
    bias.CopyFrom(onnx.numpy_helper.from_array(other, bias.name))
    found = run(model.SerializeToString(), batch(4))
    assert graphs.largest_difference(network, found, batch(4)) > 1e-2


def test_blocks_do_not_change_the_result(exported: tuple[graphs.Shipped, bytes]) -> None:
    network, graph = exported
    whole = run(graph, batch(7))
    np.testing.assert_allclose(run(graph, batch(7), block=3), whole, atol=1e-4)
    assert graphs.largest_difference(network, whole, batch(7), block=3) < MAX_DIFFERENCE


def test_four_views_are_the_mean_over_the_mirror_images(exported: tuple[graphs.Shipped, bytes]) -> None:
    network, graph = exported
    one = batch(3)
    views = [one, one[..., ::-1], one[:, :, ::-1], one[:, :, ::-1, ::-1]]
    expected = np.mean([run(graph, np.ascontiguousarray(view)) for view in views], axis=0)
    found = run(graph, one, views=4)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(found - run(graph, one)).max() > 1e-2, "the network tells a photo from its mirror image"
    assert graphs.largest_difference(network, found, one, views=4) < MAX_DIFFERENCE
    assert graphs.largest_difference(network, found, one, views=1) > MAX_DIFFERENCE


def test_the_features_are_what_the_last_layer_reads(exported: tuple[graphs.Shipped, bytes]) -> None:
    network, graph = exported
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    logits, features = session.run(["logits", "features"], {"image": batch(3)})
    with torch.inference_mode():
        again = network.classifier(torch.from_numpy(features)).numpy() + network.log_prior.numpy()
    np.testing.assert_allclose(logits, again, atol=1e-3)
    assert len({tuple(row) for row in features}) == 3


@pytest.mark.parametrize("name", ["mobilenetv2", "resnet34"])
def test_the_activations_add_up_to_the_logits(name: str) -> None:
    network = make_network(name)
    assert network.outputs == ["logits", "features", "textures", "activations"]
    with torch.inference_mode():
        logits, features, _, activations = network(torch.from_numpy(batch(3)))
        plain = network.backbone(torch.from_numpy(batch(3)))
    torch.testing.assert_close(features, plain, atol=1e-4, rtol=1e-4)
    assert activations.shape == (3, LEAVES, 2, 2)
    constant = network.classifier.bias + network.log_prior
    torch.testing.assert_close(activations.mean((2, 3)) + constant, logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "ends"), [("mobilenetv2", ("blocks.2", "blocks.4")), ("resnet34", ("layer2", "layer3"))]
)
def test_the_textures_are_mean_and_spread_of_the_maps_at_an_eighth_and_a_sixteenth(
    name: str, ends: tuple[str, str]
) -> None:
    network, maps = make_network(name), {}
    for end in ends:
        network.backbone.get_submodule(end).register_forward_hook(
            lambda module, given, found, end=end: maps.update({end: found.double().numpy()})
        )
    with torch.inference_mode():
        textures = network(torch.from_numpy(batch(3)))[2].numpy()
    assert [maps[end].shape[2:] for end in ends] == [(SIZE // 8, SIZE // 8), (SIZE // 16, SIZE // 16)]
    places = [maps[end].reshape(3, maps[end].shape[1], -1) for end in ends]
    expected = np.concatenate([*(one.mean(axis=2) for one in places), *(one.std(axis=2) for one in places)], axis=1)
    np.testing.assert_allclose(textures, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["convnext", "vit"])
def test_a_network_that_pools_otherwise_has_no_activations(name: str) -> None:
    """ConvNeXt normalises behind the mean, a ViT reads its class token."""
    assert make_network(name).outputs == ["logits", "features"]


def test_the_logits_are_moved_to_the_prevalence(exported: tuple[graphs.Shipped, bytes]) -> None:
    network, graph = exported
    with torch.inference_mode():
        free = network.classifier(network.backbone(torch.from_numpy(batch(4)))).numpy()
    moved = run(graph, batch(4)) - free
    np.testing.assert_allclose(moved, np.tile(np.log([0.5, 0.3, 0.15, 0.05, 1e-6]), (4, 1)), atol=1e-3)


def test_the_graph_is_whole_in_itself(exported: tuple[graphs.Shipped, bytes]) -> None:
    model = onnx.load_from_string(exported[1])
    onnx.checker.check_model(model, full_check=True)
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert [imported.domain for imported in model.opset_import] == [""]
    assert model.opset_import[0].version == graphs.OPSET
    (image,), outputs = model.graph.input, model.graph.output
    assert (image.name, *(output.name for output in outputs)) == (
        "image",
        "logits",
        "features",
        "textures",
        "activations",
    )
    assert [d.dim_value for d in image.type.tensor_type.shape.dim] == [0, 3, SIZE, SIZE]
    assert image.type.tensor_type.shape.dim[0].dim_param != ""


def test_the_graph_tells_nothing_of_the_machine_that_made_it(exported: tuple[graphs.Shipped, bytes]) -> None:
    graph = exported[1]
    assert re.findall(rb"[\w./-]*\.py\b", graph) == []
    assert re.findall(rb"/(?:home|root|usr|tmp|work|opt|var|Users)/[\w./-]+", graph) == []
    assert b"site-packages" not in graph


class Plain(nn.Module):
    """A few layers, quick to export."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU6())
        self.classifier = nn.Linear(4, LEAVES)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.stem(image).mean(dim=(2, 3)))
        return logits


def plain_graph() -> bytes:
    return graphs.to_onnx(graphs.shipped(Plain(), PREVALENCE), SIZE)


def test_the_same_network_gives_the_same_bytes() -> None:
    assert plain_graph() == plain_graph()


@pytest.mark.slow
def test_another_process_gives_the_same_bytes() -> None:
    code = (
        "import hashlib; from tests.export.test_graph import plain_graph;"
        "print(hashlib.sha256(plain_graph()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == hashlib.sha256(plain_graph()).hexdigest()
