"""Shared fixtures: a tiny real bundle, so that everything downstream of training is tested with a real graph."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from epiluma import bundle as bundles
from epiluma.inference.decide import probabilities_from_logits
from epiluma.inference.session import known_input
from epiluma.taxonomy import ISIC_2019

DATA_ROOT = Path(os.environ.get("EPILUMA_DATA_ROOT") or Path(__file__).parents[2] / "shared" / "data")
"""Published images in their publishers' layouts; tests marked `real_data` are skipped without it."""
SIZE = 32
LEAVES = len(ISIC_2019.leaves)


def tiny_graph(weights: np.ndarray, bias: np.ndarray) -> bytes:
    """An ONNX graph that averages each colour channel and applies a linear layer: image -> logits."""
    from onnx import TensorProto, checker, helper, numpy_helper

    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["features"]),
            helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", LEAVES]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 3]),
        ],
        [
            numpy_helper.from_array(weights.astype(np.float32), "weights"),
            numpy_helper.from_array(bias.astype(np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def make_tiny_bundle(*, non_commercial: bool = False, views: Literal[1, 4] = 1) -> bundles.Bundle:
    """Eight leaves, 32 px, weights from a fixed seed: red photos lean to melanoma, grey ones to nevus."""
    random = np.random.RandomState(0)
    weights, bias = random.normal(0, 2, (3, LEAVES)), random.normal(0, 0.5, LEAVES)
    calibration = bundles.Calibration(
        method="temperature",
        temperature=1.5,
        prevalence=(0.11, 0.67, 0.05, 0.01, 0.11, 0.01, 0.02, 0.02),
        prevalence_source="made up for tests",
        n=100,
    )
    answer = np.asarray(known_input(1, SIZE)).mean(axis=(2, 3)) @ weights.astype(np.float32) + bias
    manifest = bundles.Manifest(
        format=1,
        name="tiny",
        created="2026-01-01",
        modality="dermoscopy",
        taxonomy=ISIC_2019,
        graph="model.onnx",
        preprocessing=bundles.Preprocessing(size=SIZE, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        views=views,
        calibration=calibration,
        decision=bundles.DecisionRule(prior_power=1.0, cost=(1.0,) * LEAVES),
        operating_point=bundles.OperatingPoint(
            name="referral",
            threshold=0.2,
            target="made up for tests",
            sensitivity=0.97,
            sensitivity_lower_bound=0.92,
            lesions=60,
            specificity=0.5,
        ),
        known_answers=(
            bundles.KnownAnswer(
                seed=1, probabilities=tuple(probabilities_from_logits(answer, calibration)[0].tolist())
            ),
        ),
        scorecard=None,
        provenance=bundles.Provenance(
            recipe="tiny",
            recipe_sha256="0" * 64,
            data_manifest_sha256="0" * 64,
            architecture="linear on mean colour",
            starting_weights="none",
            epiluma_version="0",
            training_data="none",
        ),
        licence="CC0-1.0",
        licence_note="Made for tests.",
        non_commercial=non_commercial,
        files={"model.onnx": bundles.FileEntry(sha256="", bytes=0)},
    )
    return bundles.build(manifest, {"model.onnx": tiny_graph(weights, bias)})


def dark_is_lesion(size: int = SIZE) -> bytes:
    """An ONNX graph that takes what is darker than the middle grey for lesion: image -> masks."""
    from onnx import TensorProto, checker, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weights"], ["masks"])],
        "dark",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, size, size])],
        [helper.make_tensor_value_info("masks", TensorProto.FLOAT, ["n", 1, size, size])],
        [numpy_helper.from_array(np.full((1, 3, 1, 1), -10, np.float32), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def with_outline(bundle: bundles.Bundle, crop: bundles.Crop | None = None) -> bundles.Bundle:
    """The same bundle, with a network that takes the dark for lesion."""
    logits = -10 * known_input(1, SIZE).astype(np.float64).sum(axis=1)
    facts = bundles.Outline(
        graph="outline.onnx",
        size=SIZE,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        known_answers=(bundles.OutlineAnswer(seed=1, share=float((1 / (1 + np.exp(-logits))).mean())),),
        scorecard=bundles.Scorecard(part="test", metrics={"all": {}}, command="none"),
        provenance=bundle.manifest.provenance,
    )
    return bundles.build(bundle.manifest, {**bundle.files, "outline.onnx": dark_is_lesion()}, outline=facts, crop=crop)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs real images where there are none."""
    if not DATA_ROOT.is_dir():
        for item in items:
            if item.get_closest_marker("real_data"):
                item.add_marker(pytest.mark.skip(reason=f"no published images at {DATA_ROOT} (EPILUMA_DATA_ROOT)"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under EPILUMA_REQUIRE=all a skip is a failure, except for want of real images."""
    report = yield
    if report.skipped and os.environ.get("EPILUMA_REQUIRE") == "all" and not item.get_closest_marker("real_data"):
        report.outcome = "failed"
        report.longrepr = f"skipped although EPILUMA_REQUIRE=all: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the published data sets; only for tests marked `real_data`."""
    return DATA_ROOT


@pytest.fixture(scope="session")
def tiny_bundle() -> bundles.Bundle:
    """A verified bundle in memory."""
    return make_tiny_bundle()


@pytest.fixture(scope="session")
def tiny_bundle_path(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: bundles.Bundle) -> Path:
    """The same bundle as a folder on disk."""
    return bundles.write(tiny_bundle, tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recipe on drawn lesions and the folder of its finished training."""
    from epiluma.training import recipe, run
    from tests.tiny_project import make_project

    folder = tmp_path_factory.mktemp("project")
    toml = make_project(folder)
    run.train(recipe.load(toml), folder / "run")
    return toml, folder / "run"
