"""Tables of a run that is not shipped, against what its network says when it is asked here."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from scipy.special import softmax

from epiluma import cli_lab, predictions, segmentations
from epiluma.evaluation.mask_scorecard import score_masks
from epiluma.export import config, network
from epiluma.export.predict import MASKS, PREDICTIONS, predict
from epiluma.inference import timing
from epiluma.training import data, recipe, run, scoring
from tests.tiny_project import make_project

SHORT = ("phases.0.size=32", "phases.1.size=32", "optimiser.average=0.0")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[recipe.Recipe, Path]:
    """A finished run of a network that learns diagnosis and lesion."""
    folder = tmp_path_factory.mktemp("project")
    toml = make_project(folder, count=140, epochs=1)
    settings = recipe.load(toml, (*SHORT, "model.masks=lesion"))
    run.train(settings, folder / "run")
    shipping = msgspec.structs.replace(config.unshipped(settings), calibration="temperature")
    predict(settings, shipping, folder / "run")
    return settings, folder / "run"


def test_probabilities_are_the_network_s(both: tuple[recipe.Recipe, Path]) -> None:
    """Order of classes is kept by any calibration that is one temperature; it is asked for here."""
    settings, folder = both
    table = predictions.read(folder / PREDICTIONS).only("test")
    corpus = data.load(settings)
    trained = network.trained(settings, corpus, folder, "best")
    indices = corpus.parts["test"]
    found = scoring.score(trained.network, corpus, indices, trained.input, 32)
    assert found.logits is not None
    at_prevalence = found.logits + np.log(np.maximum(corpus.shares("train"), 1e-6))
    assert table.header.runner == "checkpoint"
    assert table.header.threshold is None, "too few melanomas to promise anything"
    assert table.image_id.tolist() == [corpus.samples[i].image_id for i in indices]
    np.testing.assert_array_equal(table.truth, corpus.labels[indices])
    logs = np.log(np.maximum(table.probabilities, 1e-12))
    slopes = np.polyfit(at_prevalence[0], logs[0], 1)
    np.testing.assert_allclose(np.polyval(slopes, at_prevalence[0]), logs[0], atol=0.05)


def test_outlines_are_scored_as_in_the_log(both: tuple[recipe.Recipe, Path]) -> None:
    settings, folder = both
    table = segmentations.read(folder / MASKS)
    assert table.header.classes == ("background", "lesion")
    assert table.header.network_size == (32, 32)
    assert table.header.scored_size == (settings.data.cache_size,) * 2
    assert set(table.part.tolist()) == {"validation", "calibration", "test"}
    corpus = data.load(settings)
    trained = network.trained(settings, corpus, folder, "best")
    overlap = scoring.score(trained.network, corpus, corpus.parts["validation"], trained.input, 32).overlap
    assert overlap is not None
    figures = score_masks(table, part="validation").subsets["all"].figures
    assert figures["miou"].metric is not None
    assert figures["miou"].metric.value == pytest.approx(overlap.miou, abs=1e-4)
    assert figures["mean_dice"].metric is not None
    assert figures["mean_dice"].metric.value == pytest.approx(overlap.dice, abs=1e-4)


def test_what_use_takes_is_measured(both: tuple[recipe.Recipe, Path]) -> None:
    found = timing.read(both[1] / timing.TIMING)
    assert found.latency is not None
    assert found.latency.size == 32
    assert found.latency.p50_ms > 0
    assert found.evaluation_images == len(data.load(both[0]).parts["test"])
    assert found.parameters is not None
    assert 2e6 < found.parameters < 3e6


def test_without_calibration_the_network_s_own_softmax_is_written(
    both: tuple[recipe.Recipe, Path], tmp_path: Path
) -> None:
    settings, folder = both
    copy = shutil.copytree(folder, tmp_path / "run")
    command = [str(folder.parent / "tiny.toml"), "--run", str(copy), "--uncalibrated"]
    overrides = [word for change in (*SHORT, "model.masks=lesion") for word in ("--set", change)]
    result = CliRunner().invoke(cli_lab.predict, [*command, *overrides])
    assert result.exit_code == 0, result.output
    table = predictions.read(copy / PREDICTIONS).only("test")
    corpus = data.load(settings)
    trained = network.trained(settings, corpus, folder, "best")
    found = scoring.score(trained.network, corpus, corpus.parts["test"], trained.input, 32)
    assert found.logits is not None
    at_prevalence = found.logits - trained.offset + np.log(np.maximum(corpus.shares("train"), 1e-6))
    np.testing.assert_allclose(table.probabilities, softmax(at_prevalence, axis=1), atol=1e-5)


def test_a_bundle_is_not_shipped_uncalibrated(tmp_path: Path) -> None:
    toml = tmp_path / "recipe.toml"
    shipping = msgspec.structs.replace(config.load(make_project(tmp_path, count=10, epochs=1)), calibration="none")
    toml.write_bytes(msgspec.toml.encode({"bundle": shipping}))
    with pytest.raises(recipe.RecipeError, match=r"calibration: a bundle ships calibrated"):
        config.load(toml)


def test_an_unfinished_run_is_refused(both: tuple[recipe.Recipe, Path], tmp_path: Path) -> None:
    with pytest.raises(recipe.RecipeError, match="no checkpoint; `epiluma train` makes one"):
        predict(both[0], config.unshipped(both[0]), tmp_path)
