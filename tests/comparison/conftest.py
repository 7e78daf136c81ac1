"""Run folders written by hand: every figure can be worked out from what stands here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from epiluma import predictions
from epiluma.predictions import Predictions
from epiluma.training.usage import COLUMNS

SECONDS = (60.0, 200.0, 300.0)
USAGE = [
    "10.0,head,50.0,1000,4000,,,36000,",
    "40.0,all,80.0,3000,4100,,,72000,",
    "100.0,evaluation,10.0,9000,4100,,,90000,",
]
"""Training: 10 s at 50% and 30 s at 80%, 3,000 MB, 72,000 J; evaluation: 60 s."""


def write_run(folder: Path, *, name: str = "drawn", images: int | None = 640) -> Path:
    """The least that a run leaves: recipe, environment and log."""
    folder.mkdir(parents=True)
    recipe = {
        "name": name, "seed": 3, "data": {"set": "ham10000"}, "newer": {"key": 1},
        "model": {"architecture": "mobilenetv2", "weights": "weights/imagenet.safetensors"},
        "phases": [{"name": "head", "epochs": 1, "size": 48}, {"name": "all", "epochs": 2, "size": 64}],
    }  # fmt: skip
    (folder / "recipe.json").write_text(json.dumps(recipe))
    (folder / "environment.json").write_text(json.dumps({"machine": "x86_64", "threads": 2, "torch": "2.15.0"}))
    lines = [{"epoch": i, "seconds": end, "score": 0.7 + i / 10} for i, end in enumerate(SECONDS)]
    extra = {} if images is None else {"images": images}
    (folder / "log.jsonl").write_text("".join(json.dumps(line | extra) + "\n" for line in lines))
    return folder


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A run of which only recipe, environment and log were kept."""
    return write_run(tmp_path / "bare", images=None)


@pytest.fixture
def full(tmp_path: Path, draw_predictions: Callable[..., Predictions]) -> Path:
    """A run with everything but masks."""
    folder = write_run(tmp_path / "full")
    (folder / "usage.csv").write_text("\n".join([",".join(COLUMNS), *USAGE]) + "\n")
    predictions.write(draw_predictions(), folder / "predictions.csv")
    return folder


@pytest.fixture(scope="session")
def draw_predictions() -> Callable[..., Predictions]:
    """Predictions of 400 drawn images, half of them for calibration, by a model of that id."""

    def draw(model: str = "drawn", audit: str = "clean: none") -> Predictions:
        random = np.random.default_rng(0)
        n, codes = 400, ("MEL", "NV", "BCC")
        truth = random.integers(0, 3, n)
        logits = random.normal(0, 1, (n, 3))
        logits[np.arange(n), truth] += 1.5
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return Predictions(
            header=predictions.Header(
                codes=codes, groups=codes, malignant=(True, False, True), runner="onnx-fp32", model=model,
                manifest_sha256="0" * 64, audit=audit, prevalence=(0.3, 0.4, 0.3), threshold=0.3,
            ),
            image_id=np.array([f"i{i}" for i in range(n)]),
            group=np.array([f"l{i // 2}" for i in range(n)]),
            part=np.where(np.arange(n) < 200, "calibration", "test"),
            truth=truth,
            probabilities=probabilities,
            diagnosis=probabilities.argmax(axis=1),
            referred=probabilities[:, 0] + probabilities[:, 2] > 0.3,
        )  # fmt: skip

    return draw
