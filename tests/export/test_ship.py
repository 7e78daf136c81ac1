"""End to end on drawn lesions: train, export, and the bundle, Predictions and scorecard agree with each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from epiluma import bundle as bundles
from epiluma import predictions
from epiluma.datasets.split import SHARES
from epiluma.evaluation.scorecard import score
from epiluma.export import config, ship
from epiluma.imaging.decode import decode_photo
from epiluma.imaging.preprocess import normalise, resize_squares, to_square
from epiluma.inference.decide import probabilities_from_logits
from epiluma.inference.session import Session
from epiluma.training import data, recipe, run


@pytest.fixture(scope="module")
def shipped(tiny_run: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    toml, folder = tiny_run
    out = tmp_path_factory.mktemp("out") / "tiny"
    ship.ship(recipe.load(toml), config.load(toml), folder, out)
    return toml, folder, out


def test_bundle_reproduces_the_predictions_from_the_files(shipped: tuple[Path, Path, Path]) -> None:
    toml, folder, out = shipped
    bundle = bundles.load(out)
    table = predictions.read(folder / ship.PREDICTIONS)
    corpus = data.load(recipe.load(toml))
    by_id = {sample.image_id: sample for sample in corpus.samples}
    session, spec = Session(bundle), bundle.manifest.preprocessing
    for i in range(0, len(table), 7):
        photo = decode_photo(by_id[str(table.image_id[i])].path.read_bytes()).image
        square = to_square(photo, recipe.load(toml).data.cache_size)[None]
        batch = normalise(resize_squares(square, spec.size), mean=spec.mean, std=spec.std)
        found = probabilities_from_logits(session.logits(batch), bundle.manifest.calibration)[0]
        assert np.abs(found - table.probabilities[i]).max() < 1e-5


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
