"""The manifest: what is optional leaves no trace, and several graphs live in one bundle."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from epiluma import bundle as bundles
from epiluma.bundle import (
    FP32,
    Abstention,
    AccuracyPoint,
    Bundle,
    BundleError,
    CalibrationChoice,
    Conformal,
    Graph,
    Manifest,
    Variant,
)
from epiluma.inference.session import KnownAnswerMismatch, Session, known_input
from tests.conftest import LEAVES, SIZE, make_tiny_bundle, tiny_graph

OPTIONAL = {"accuracy_point", "conformal", "abstention", "variants"}


def with_everything() -> Bundle:
    """The tiny bundle with a second graph, the mirror of the first, and every optional fact."""
    tiny = make_tiny_bundle()
    manifest = tiny.manifest
    calibration = msgspec.structs.replace(
        manifest.calibration,
        method="vector",
        scale=(1.1,) * LEAVES,
        bias=(0.0,) * LEAVES,
        choice=CalibrationChoice(folds=5, temperature=0.5, vector=0.4, standard_error=0.01),
    )
    fitted = {
        "calibration": calibration,
        "accuracy_point": AccuracyPoint(threshold=0.5, accuracy=0.9, sensitivity=0.7, specificity=0.95, images=100),
        "conformal": Conformal(
            coverage=0.9, thresholds=(0.1,) * LEAVES, lesions=(30,) * LEAVES, covered=0.92, mean_size=1.8
        ),
        "abstention": Abstention(
            lower=0.15, upper=0.25, max_share=0.05, share=0.04, error=0.2, error_outside=0.18, lesions=90
        ),
    }
    weights, bias = np.zeros((3, LEAVES)), np.arange(LEAVES) / 4
    answer = np.exp(1.1 * bias / 1.5) / np.exp(1.1 * bias / 1.5).sum()
    known = bundles.KnownAnswer(seed=1, probabilities=tuple(answer.tolist()))
    facts = {field: getattr(manifest, field) for field in Graph.__struct_fields__}
    other = Variant(**{**facts, **fitted, "graph": "onnx-int8.onnx", "known_answers": (known,)}, name="onnx-int8")
    files = {"model.onnx": tiny.graph, "onnx-int8.onnx": tiny_graph(weights, bias)}
    entries = {name: bundles.FileEntry(sha256="", bytes=0) for name in files}
    return bundles.build(msgspec.structs.replace(manifest, variants=(other,), files=entries), files)


def test_what_is_not_there_leaves_no_trace(tiny_bundle: Bundle) -> None:
    written = json.loads(tiny_bundle.manifest.canonical())
    assert not OPTIONAL & written.keys()
    assert set(written["calibration"]) == {"method", "n", "prevalence", "prevalence_source", "temperature"}
    assert {field.name for field in msgspec.structs.fields(Manifest) if not field.required} >= OPTIONAL


@pytest.mark.parametrize("name", ["all", "all.epiluma"])
def test_a_bundle_of_two_graphs_is_loaded_as_it_was_written(tmp_path: Path, name: str) -> None:
    bundle = with_everything()
    found = bundles.load(bundles.write(bundle, tmp_path / name))
    assert (found.id, found.manifest) == (bundle.id, bundle.manifest)
    assert found.graphs == (FP32, "onnx-int8")


def test_each_graph_runs_with_what_was_fitted_on_it() -> None:
    bundle = with_everything()
    assert bundle.using(FP32) is bundle
    other = bundle.using("onnx-int8")
    assert (other.id, other.graph) == (bundle.id, bundle.files["onnx-int8.onnx"])
    assert other.manifest.conformal is not None
    assert bundle.manifest.conformal is None
    plain, second = (Session(b).logits(known_input(2, SIZE)) for b in (bundle, other))
    assert np.abs(plain - second).max() > 0.1
    np.testing.assert_allclose(second[0], np.arange(LEAVES) / 4, atol=1e-6)


def test_the_known_answers_are_those_of_the_graph_that_runs() -> None:
    bundle = with_everything()
    (variant,) = bundle.manifest.variants
    wrong = msgspec.structs.replace(variant, known_answers=bundle.manifest.known_answers)
    changed = bundles.build(msgspec.structs.replace(bundle.manifest, variants=(wrong,)), bundle.files)
    Session(changed)
    with pytest.raises(KnownAnswerMismatch):
        Session(changed.using("onnx-int8"))


def test_a_graph_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(BundleError, match="no graph 'onnx-fp16'; it has onnx-fp32, onnx-int8"):
        with_everything().using("onnx-fp16")


def test_a_view_of_a_bundle_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not its view"):
        bundles.write(with_everything().using("onnx-int8"), tmp_path / "view")
    assert not (tmp_path / "view").exists()


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("calibration", {"bias": (0.0,)}, r"calibration\.bias has 1 values for 8"),
        ("calibration", {"scale": ()}, r"calibration\.scale has 0 values for 8"),
        ("calibration", {"scale": (0.0,) * LEAVES}, "> 0"),
        ("calibration", {"method": "temperature"}, r"calibration\.scale has 8 values for 0"),
        ("conformal", {"thresholds": (0.1,)}, r"conformal\.thresholds has 1 values for 8"),
        ("conformal", {"coverage": 1.0}, "< 1"),
        ("abstention", {"lower": -0.1}, ">= 0"),
        (None, {"graph": "other.onnx"}, r"'other\.onnx' is not among the files"),
        (None, {"name": FP32}, "two graphs have one name"),
        (None, {"known_answers": ()}, "known_answers is empty"),
    ],
)
def test_a_variant_that_contradicts_itself_is_refused(field: str | None, value: dict, reason: str) -> None:
    bundle = with_everything()
    raw = json.loads(bundle.manifest.canonical())
    part = raw["variants"][0] if field is None else raw["variants"][0][field]
    part |= value
    with pytest.raises(msgspec.ValidationError, match=reason):
        msgspec.json.decode(json.dumps(raw), type=Manifest)


def test_a_cost_is_above_zero(tiny_bundle: Bundle) -> None:
    raw = tiny_bundle.manifest.canonical().replace(b'"cost":[1.0', b'"cost":[0.0')
    with pytest.raises(msgspec.ValidationError, match=r"decision\.cost"):
        msgspec.json.decode(raw, type=Manifest)
