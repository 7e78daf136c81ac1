"""A whole run on drawn lesions: what it leaves, and that a kill costs nothing but time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from epiluma.imaging.preprocess import normalise, resize_squares
from epiluma.models import registry
from epiluma.taxonomy import ISIC_2019
from epiluma.training import batches as drawing
from epiluma.training import data, recipe, run, scoring, usage
from epiluma.training.batches import TrainingBatches
from epiluma.training.data import Corpus
from epiluma.training.learner import Learner, Truth
from tests.training.conftest import make_recipe

Run = tuple[Path, Path]


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / run.LOG).read_text(encoding="utf-8").splitlines()]


def checkpoint(folder: Path, name: str = run.CHECKPOINT) -> dict[str, Any]:
    saved: dict[str, Any] = torch.load(folder / name, map_location="cpu", weights_only=True)
    return saved


def test_the_log_has_one_line_an_epoch(tiny_run: Run) -> None:
    lines = log_of(tiny_run[1])
    assert [line["epoch"] for line in lines] == [0, 1, 2]
    assert [line["phase"] for line in lines] == ["head", "all", "all"]
    for line in lines:
        assert 0 < line["loss"] < 20
        assert all(0 <= line[name] <= 1 for name in ("balanced_accuracy_grouped", "malignant_auc", "score"))
    assert [line["seconds"] for line in lines] == sorted(line["seconds"] for line in lines)


def test_readings_of_the_machine_name_their_phase(tiny_run: Run) -> None:
    readings = usage.read(tiny_run[1] / usage.USAGE)
    assert readings[-1].phase == "all"
    assert {reading.phase for reading in readings} <= {"", "head", "all"}


def test_a_run_says_what_made_it(tiny_run: Run) -> None:
    toml, folder = tiny_run
    assert (folder / run.RECIPE).read_bytes() == recipe.load(toml).resolved()
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["torch"] == torch.__version__
    assert set(environment) == {"epiluma", "python", "torch", "lightning", "machine", "threads"}


def test_the_best_epoch_is_kept_beside_the_last(tiny_run: Run) -> None:
    folder = tiny_run[1]
    scores = [line["score"] for line in log_of(folder)]
    assert checkpoint(folder)["epoch"] == 2
    assert checkpoint(folder, run.BEST)["epoch"] == int(np.argmax(scores))
    made = {run.BEST, run.CHECKPOINT, run.LOG, run.RECIPE, run.ENVIRONMENT, run.USAGE, run.FINISHED}
    found = {path.name for path in folder.iterdir()}  # and perhaps what other tests export into the same folder
    assert made <= found
    assert {name for name in found if name.endswith(".ckpt")} == {run.BEST, run.CHECKPOINT}


def test_a_finished_run_is_left_as_it_is(tiny_run: Run) -> None:
    toml, folder = tiny_run
    before = {name: (folder / name).read_bytes() for name in (run.CHECKPOINT, run.BEST, run.LOG)}
    assert run.train(recipe.load(toml), folder) == folder / run.CHECKPOINT
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_a_folder_keeps_to_its_recipe(tiny_run: Run) -> None:
    toml, folder = tiny_run
    with pytest.raises(recipe.RecipeError, match=f"{folder}: holds a run of another recipe; give another --out"):
        run.train(recipe.load(toml, ("seed=4",)), folder)
    assert (folder / run.RECIPE).read_bytes() == recipe.load(toml).resolved()


KILLED = """
import os, signal, sys
from pathlib import Path
from epiluma.training import batches, recipe, run

class Killed(batches.TrainingBatches):
    def __iter__(self):
        for i, batch in enumerate(super().__iter__()):
            if self.epoch == 1 and i == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch

batches.TrainingBatches = Killed
run.train(recipe.load(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_a_killed_run_goes_on_to_the_same_end(tiny_run: Run, tmp_path: Path) -> None:
    """A real process, killed in the middle of its second epoch; then trained on, here, to the last."""
    toml, whole = tiny_run
    done = subprocess.run([sys.executable, "-c", KILLED, str(toml), str(tmp_path)], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert [line["epoch"] for line in log_of(tmp_path)] == [0]
    assert checkpoint(tmp_path)["epoch"] == 0
    with (tmp_path / run.LOG).open("a") as file:  # as when the kill falls between the line and the checkpoint
        file.write('{"epoch": 1, "score": 0.123}\n')

    run.train(recipe.load(toml), tmp_path)
    expected, found = checkpoint(whole)["state_dict"], checkpoint(tmp_path)["state_dict"]
    assert expected.keys() == found.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], atol=1e-5, rtol=1e-4, msg=name)
    uninterrupted, resumed = (
        [{key: value for key, value in line.items() if key != "seconds"} for line in log_of(folder)]
        for folder in (whole, tmp_path)
    )
    assert [line["epoch"] for line in resumed] == [0, 1, 2]
    for one, other in zip(uninterrupted, resumed, strict=True):
        assert one == pytest.approx(other, abs=1e-3)
    assert checkpoint(tmp_path, run.BEST)["epoch"] == checkpoint(whole, run.BEST)["epoch"]


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_the_prior_is_what_the_sampler_draws(corpus: Corpus, balance: float) -> None:
    settings = make_recipe(balance=balance)
    prior = drawing.drawn_prior(corpus, settings.optimiser.balance)
    assert prior.sum() == pytest.approx(1)
    assert np.count_nonzero(prior) == 3
    batches, drawn = TrainingBatches(corpus, settings), Counter[int]()
    for batches.epoch in range(3):
        drawn.update(int(label) for _, labels, *_ in batches for label in labels)
    for leaf, share in enumerate(prior):
        assert drawn[leaf] / 120 == pytest.approx(share, abs=0.05)


def test_validation_sees_the_network_s_logits_in_order(corpus: Corpus) -> None:
    torch.manual_seed(0)
    built = registry.build("mobilenetv2", outputs=8)
    indices = np.arange(59, -1, -1)
    found = scoring.score(built.network, corpus, np.tile(indices, 2), built.input, 32).logits
    batch = normalise(resize_squares(corpus.squares[indices], 32), mean=(0.5,) * 3, std=(0.5,) * 3)
    with torch.inference_mode():
        expected = built.network.eval()(torch.from_numpy(batch)).numpy()
    np.testing.assert_allclose(found, np.tile(expected, (2, 1)), atol=1e-4)


def test_validation_figures_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    truth = random.permutation(np.arange(400) % 8)
    logits = random.normal(0, 1, (400, 8)).astype(np.float32)
    logits[np.arange(400), truth] += 1.5
    prevalence = random.dirichlet(np.ones(8))
    found = scoring.class_figures(logits, truth, prevalence, ISIC_2019)
    group, malignant = np.array(ISIC_2019.group_of_leaf), np.array(ISIC_2019.malignant)
    weighted = np.exp(logits.astype(float)) * prevalence
    risk = weighted[:, malignant].sum(1) / weighted.sum(1)
    grouped = balanced_accuracy_score(group[truth], group[logits.argmax(1)])
    area = roc_auc_score(malignant[truth], risk)
    assert found == pytest.approx(
        {
            "balanced_accuracy_grouped": grouped,
            "balanced_accuracy_leaves": balanced_accuracy_score(truth, logits.argmax(1)),
            "accuracy": (group[truth] == group[weighted.argmax(1)]).mean(),
            "malignant_auc": area,
            "score": (grouped + area) / 2,
        }
    )


def test_the_log_s_figures_are_those_of_the_checkpoint(tiny_run: Run) -> None:
    toml, folder = tiny_run
    settings = recipe.load(toml)
    corpus = data.load(settings)
    module = Learner(settings, Truth.unknown(), 1)
    module.load_state_dict(checkpoint(folder, run.BEST)["state_dict"])
    indices, size = corpus.parts["validation"], settings.phases[-1].size
    found = scoring.score(module.best_network, corpus, indices, module.input, size)
    figures = scoring.figures(found, corpus.labels[indices], corpus.shares("train"), ISIC_2019)
    line = log_of(folder)[checkpoint(folder, run.BEST)["epoch"]]
    assert {name: line[name] for name in figures} == pytest.approx(figures, abs=1e-4)
