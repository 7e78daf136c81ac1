"""Runs of every task on drawn lesions, and what goes beside them: trackers, patience, watching, several processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from epiluma.taxonomy import ISIC_2019
from epiluma.training import data, recipe, run, scoring
from epiluma.training.learner import Learner, Truth
from tests.tiny_project import make_project


@pytest.fixture(scope="module")
def toml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"), count=80, epochs=1)


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / run.LOG).read_text(encoding="utf-8").splitlines()]


SHORT = ("phases.0.size=32", "phases.1.size=32", "optimiser.average=0.0")
TASKS = {
    "masks": ("model.architecture=light", "model.masks=lesion"),
    "diagnoses": ("model.architecture=light", "model.masks=diagnosis"),
    "both": ("model.masks=lesion",),
}


@pytest.mark.parametrize("task", TASKS)
def test_each_task_trains_and_logs_its_figures(toml: Path, tmp_path: Path, task: str) -> None:
    settings = recipe.load(toml, (*SHORT, *TASKS[task]))
    run.train(settings, tmp_path / task)
    expected = {"miou", "dice", "score"} | ({"balanced_accuracy_grouped", "malignant_auc"} if task == "both" else set())
    for line in log_of(tmp_path / task):
        assert expected <= set(line)
        assert all(0 <= line[name] <= 1 for name in expected)
    assert json.loads((tmp_path / task / run.FINISHED).read_text()) == {"epochs": 2, "reason": "last epoch"}


def test_masks_are_scored_at_the_size_of_the_cache(toml: Path) -> None:
    """Against counts made here from the network's own outputs."""
    settings = recipe.load(toml, (*SHORT, *TASKS["masks"]))
    corpus = data.load(settings)
    torch.manual_seed(0)
    learner = Learner(settings, Truth.unknown(), 1)
    indices = corpus.parts["validation"]
    found = scoring.score(learner.network, corpus, indices, learner.input, 32).overlap
    assert found is not None
    assert corpus.masks is not None
    maps = list(scoring.label_maps(learner.network, corpus, indices, learner.input, 32))
    for row, (predicted, truth) in enumerate(maps):
        assert predicted.shape == truth.shape == (settings.data.cache_size,) * 2
        for k in (0, 1):
            assert found.intersection[row, k] == ((predicted == k) & (truth == k)).sum()
            assert found.predicted[row, k] == (predicted == k).sum()
            assert found.truth[row, k] == (truth == k).sum()
    both = [(np.stack(part)) for part in zip(*maps, strict=True)]
    iou = [((both[0] == k) & (both[1] == k)).sum() / ((both[0] == k) | (both[1] == k)).sum() for k in (0, 1)]
    assert found.miou == pytest.approx(np.mean(iou))
    np.testing.assert_array_equal(np.stack([truth for _, truth in maps]), corpus.masks[indices])


def test_masks_by_diagnosis_have_the_class_of_their_group(toml: Path) -> None:
    settings = recipe.load(toml, (*SHORT, *TASKS["diagnoses"]))
    corpus = data.load(settings)
    learner = Learner(settings, Truth.unknown(), 1)
    indices = corpus.parts["validation"]
    maps = scoring.label_maps(learner.network, corpus, indices, learner.input, 32)
    for i, (_, truth) in zip(indices, maps, strict=True):
        assert set(np.unique(truth)) == {0, 1 + ISIC_2019.group_of_leaf[corpus.labels[i]]}


def test_a_run_without_a_better_score_ends_early_and_stays_ended(toml: Path, tmp_path: Path) -> None:
    still = ("phases.1.epochs=6", "phases.0.learning_rate=1e-30", "phases.1.learning_rate=1e-30", "patience=2")
    settings = recipe.load(toml, (*SHORT, *still, "phases.1.frozen=['conv_stem','bn1','blocks','conv_head','bn2']"))
    run.train(settings, tmp_path)
    assert len(log_of(tmp_path)) == 3, "the first epoch, and two that are no better"
    end = json.loads((tmp_path / run.FINISHED).read_text())
    assert end == {"epochs": 3, "reason": "no better score in 2 epochs"}
    run.train(settings, tmp_path)
    assert len(log_of(tmp_path)) == 3


def test_whoever_watches_is_told_each_epoch_and_can_end_the_run(toml: Path, tmp_path: Path) -> None:
    told: list[tuple[int, float]] = []

    def watch(epoch: int, figures: dict[str, float]) -> bool:
        told.append((epoch, figures["score"]))
        return epoch == 1

    run.train(recipe.load(toml, (*SHORT, "phases.1.epochs=4")), tmp_path, watch=watch)
    assert told == [(line["epoch"], pytest.approx(line["score"], abs=1e-5)) for line in log_of(tmp_path)]
    assert [epoch for epoch, _ in told] == [0, 1]


def test_excluded_images_are_used_for_nothing(toml: Path) -> None:
    whole = data.load(recipe.load(toml))
    gone = [whole.samples[whole.parts[part][0]].image_id for part in ("train", "test")]
    corpus = data.load(recipe.load(toml, (f"data.exclude={gone}",)))
    assert {s.image_id for s in whole.samples} - {s.image_id for s in corpus.samples} == set(gone)
    assert sum(len(part) for part in corpus.parts.values()) == len(whole.samples) - 2
    with pytest.raises(data.DataError, match=r"data\.exclude: no image 'nobody' in ham10000"):
        data.load(recipe.load(toml, ("data.exclude=['nobody']",)))


def test_gradients_of_several_batches_make_one_step(toml: Path, tmp_path: Path) -> None:
    """Half the batch, twice: the same weights, where nothing ties the images of a batch to each other."""
    frozen = "phases.1.frozen=['conv_stem','bn1','blocks','conv_head','bn2']"
    plain = ("model.dropout=0.0", "phases.0.augmentation=none", "phases.1.augmentation=none", "optimiser.balance=0.0")
    common = (*SHORT, *plain, frozen, "phases.0.train=head")
    whole = recipe.load(toml, (*common, "optimiser.batch_size=10"))
    halves = recipe.load(toml, (*common, "optimiser.batch_size=5", "optimiser.accumulate=2"))
    assert len(data.load(whole).parts["train"]) % 10 == 0, "else the last step would differ"
    found = []
    for settings, name in ((whole, "whole"), (halves, "halves")):
        run.train(settings, tmp_path / name)
        saved = torch.load(tmp_path / name / run.CHECKPOINT, map_location="cpu", weights_only=True)
        found.append(saved["state_dict"]["network.classifier.weight"])
    torch.testing.assert_close(*found, atol=1e-6, rtol=1e-4)


def test_trackers_get_scalars_pictures_and_the_recipe(toml: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run.train(recipe.load(toml, (*SHORT, *TASKS["both"])), tmp_path, track=("tensorboard",))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    scalars = set(events.Tags()["scalars"])
    assert {"loss", "validation/score", "validation/miou", "training/gradient_norm"} <= scalars
    assert set(events.Tags()["images"]) == {"validation/confusion", "validation/masks"}
    assert [e.step for e in events.Scalars("validation/score")] == [0, 1]
    logged = [e.value for e in events.Scalars("validation/miou")]
    assert logged == pytest.approx([line["miou"] for line in log_of(tmp_path)], abs=1e-4)
    picture = events.Images("validation/masks")[0]
    assert picture.width >= 2 * picture.height


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")  # MLflow's use of a newer SQLAlchemy
def test_mlflow_gets_the_same_when_asked(toml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    where = f"sqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", where)
    monkeypatch.chdir(tmp_path)  # pictures go into ./mlruns
    run.train(recipe.load(toml, (*SHORT, *TASKS["both"])), tmp_path / "run", track=("mlflow",))
    client = MlflowClient(where)
    (kept,) = client.search_runs([client.get_experiment_by_name("epiluma").experiment_id])
    assert kept.info.run_name == "tiny"
    assert kept.data.params["model.architecture"] == "mobilenetv2"
    history = client.get_metric_history(kept.info.run_id, "validation/score")
    assert [entry.value for entry in history] == pytest.approx([e["score"] for e in log_of(tmp_path / "run")], abs=1e-4)


def test_an_unknown_tracker_is_refused(toml: Path, tmp_path: Path) -> None:
    with pytest.raises(recipe.RecipeError, match="unknown tracker 'wandb'; known are tensorboard, mlflow"):
        run.train(recipe.load(toml, SHORT), tmp_path, track=("wandb",))


PROCESSES = """
import sys
from pathlib import Path
from epiluma.training import recipe, run
if __name__ == "__main__":
    folder, devices = Path(sys.argv[2]), int(sys.argv[3])
    run.train(recipe.load(Path(sys.argv[1]), tuple(sys.argv[4:])), folder, accelerator="cpu", devices=devices)
"""


def test_two_processes_learn_what_one_does(toml: Path, tmp_path: Path) -> None:
    """Real processes over gloo, batch statistics frozen: the same losses and the same weights."""
    script = tmp_path / "train.py"
    script.write_text(PROCESSES)
    plain = ("model.dropout=0.0", "phases.0.augmentation=none", "phases.1.augmentation=none", "phases.1.train=head")
    logs, weights = [], []
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        command = [sys.executable, str(script), str(toml), str(folder), str(devices), *SHORT, *plain]
        done = subprocess.run(command, capture_output=True, check=False, timeout=240)
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        logs.append(log_of(folder))
        saved = torch.load(folder / run.CHECKPOINT, map_location="cpu", weights_only=True)
        weights.append(saved["state_dict"]["network.classifier.weight"])
    for one, two in zip(*logs, strict=True):
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-4)
        assert two["score"] == pytest.approx(one["score"], abs=0.02)
    torch.testing.assert_close(*weights, atol=1e-5, rtol=1e-3)
    assert len(logs[1]) == 2, "one process writes the log"


def test_a_batch_that_cannot_be_shared_is_refused(toml: Path, tmp_path: Path) -> None:
    with pytest.raises(recipe.RecipeError, match="16 images cannot be shared by 3"):
        run.train(recipe.load(toml), tmp_path, devices=3)
