"""End to end on drawn lesions: train, export, and the bundle, Predictions and scorecard agree with each other."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from epiluma import bundle as bundles
from epiluma import predictions
from epiluma.datasets.split import SHARES
from epiluma.evaluation.scorecard import score
from epiluma.export import config, ship
from epiluma.imaging.preprocess import normalise
from epiluma.inference import decide
from epiluma.inference.session import Session
from epiluma.inference.view import View
from epiluma.training import data, recipe, run

INT8 = "onnx-int8"


@pytest.fixture(scope="module")
def shipped(tiny_run: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    toml, folder = tiny_run
    out = tmp_path_factory.mktemp("out") / "tiny"
    asked = msgspec.structs.replace(
        config.load(toml), variants=(INT8,), coverage=0.8, abstain=0.1, cost={"MEL": 2.0}, calibration="vector"
    )
    ship.ship(recipe.load(toml), asked, folder, out)
    return toml, folder, out


@pytest.mark.parametrize(("name", "file"), [(bundles.FP32, ship.PREDICTIONS), (INT8, f"predictions-{INT8}.csv")])
def test_each_graph_reproduces_its_predictions_from_the_files(
    shipped: tuple[Path, Path, Path], name: str, file: str
) -> None:
    toml, folder, out = shipped
    bundle = bundles.load(out).using(name)
    manifest = bundle.manifest
    table = predictions.read(folder / file)
    assert (table.header.runner, table.header.model) == (name, bundle.id)
    assert table.header.threshold == manifest.operating_point.threshold
    corpus = data.load(recipe.load(toml))
    by_id = {sample.image_id: sample for sample in corpus.samples}
    session, view, spec = Session(bundle), View.of(bundle), manifest.preprocessing
    for i in range(0, len(table), 7):
        photo = view.open(by_id[str(table.image_id[i])].path.read_bytes(), spec.size).image
        square = view.square(photo, view.box(photo, view.mask(photo)), spec.size)
        batch = normalise(square[None], mean=spec.mean, std=spec.std)
        found = decide.probabilities_from_logits(session.logits(batch), manifest.calibration)
        assert np.abs(found[0] - table.probabilities[i]).max() < (1e-5 if name == bundles.FP32 else 1e-3)
        if table.diagnosis[i] >= 0:
            diagnosis = decide.diagnose(found, manifest.decision, manifest.calibration)
            assert diagnosis[0] == table.diagnosis[i]
            referred = decide.refers(found, diagnosis, manifest.operating_point.threshold, manifest.taxonomy)
            assert referred[0] == table.referred[i]


def test_what_the_recipe_asks_for_is_in_the_manifest_of_each_graph(shipped: tuple[Path, Path, Path]) -> None:
    bundle = bundles.load(shipped[2])
    assert bundle.graphs == (bundles.FP32, INT8)
    assert bundle.manifest.decision.cost == (2.0, *(1.0,) * 7)
    fits = [bundle.using(name).manifest for name in bundle.graphs]
    for manifest in fits:
        assert manifest.calibration.method == "vector"
        assert manifest.conformal is not None
        assert manifest.conformal.coverage == 0.8
        assert manifest.conformal.covered >= 0.8
        assert manifest.abstention is not None
        assert manifest.abstention.share <= 0.1
        assert manifest.accuracy_point is not None
    assert fits[0].calibration != fits[1].calibration, "each graph is fitted on its own outputs"
    assert len(bundle.files[f"{INT8}.onnx"]) < len(bundle.graph)


def test_evidence_and_certificate_lie_in_the_run(shipped: tuple[Path, Path, Path]) -> None:
    _, folder, out = shipped
    bundle = bundles.load(out)
    evidence = json.loads((folder / ship.EVIDENCE).read_text())
    assert list(evidence) == [bundles.FP32, INT8]
    for name, found in evidence.items():
        file = ship.PREDICTIONS if name == bundles.FP32 else f"predictions-{name}.csv"
        test = predictions.read(folder / file).only("test")
        conformal = bundle.using(name).manifest.conformal
        assert conformal is not None
        judged = test.diagnosis >= 0
        sizes = decide.prediction_sets(test.probabilities[judged], conformal).sum(axis=1)
        assert found["sets"]["size"]["value"] == pytest.approx(sizes.mean())
        assert 0 < found["abstention"]["judged"]["value"] <= 1
    certificate = json.loads((folder / f"certificate-{INT8}.json").read_text())
    assert certificate["format"] == INT8
    assert certificate["images"] == len(predictions.read(folder / ship.PREDICTIONS))
    assert 0 < certificate["largest_difference"] < 1


def test_predictions_cover_every_image_outside_training(shipped: tuple[Path, Path, Path]) -> None:
    toml, folder, out = shipped
    table = predictions.read(folder / ship.PREDICTIONS)
    corpus = data.load(recipe.load(toml))
    expected = {corpus.samples[i].image_id for part in SHARES if part != "train" for i in corpus.parts[part]}
    assert set(table.image_id) == expected
    assert table.header.model == bundles.load(out).id
    assert table.header.audit.startswith("clean")


def test_parity_is_proved_and_recorded(shipped: tuple[Path, Path, Path]) -> None:
    _, folder, _ = shipped
    proof = json.loads((folder / ship.PARITY).read_text())
    assert 0 < proof["largest_probability_difference"] <= 1e-4


def test_scorecard_in_the_manifest_is_the_one_that_evaluate_prints(shipped: tuple[Path, Path, Path]) -> None:
    _, folder, out = shipped
    manifest = bundles.load(out).manifest
    assert manifest.scorecard is not None
    again = score(predictions.read(folder / ship.PREDICTIONS)).to_scorecard(manifest.scorecard.command)
    for subset, metrics in manifest.scorecard.metrics.items():
        for name, metric in metrics.items():
            assert again.metrics[subset][name].value == pytest.approx(metric.value, abs=2e-4), (subset, name)


def test_an_unfinished_run_is_not_exported(tiny_run: tuple[Path, Path], tmp_path: Path) -> None:
    toml, folder = tiny_run
    longer = recipe.load(toml, ("phases.1.epochs=9",))
    with pytest.raises(recipe.RecipeError, match="another recipe"):
        ship.ship(longer, config.load(toml), folder, tmp_path / "x")
    with pytest.raises(recipe.RecipeError, match="no checkpoint"):
        ship.ship(longer, config.load(toml), tmp_path, tmp_path / "x")
    (tmp_path / run.CHECKPOINT).write_bytes((folder / run.CHECKPOINT).read_bytes())
    (tmp_path / run.RECIPE).write_bytes(longer.resolved())
    with pytest.raises(recipe.RecipeError, match="stopped after epoch"):
        ship.ship(longer, config.load(toml), tmp_path, tmp_path / "x")
