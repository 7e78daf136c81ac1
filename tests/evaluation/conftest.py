"""Tables of predictions to score: one drawn at random, and the pieces to write one by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from epiluma.predictions import Header, Predictions
from epiluma.taxonomy import ISIC_2019

PREVALENCE = (0.111, 0.67, 0.051, 0.013, 0.11, 0.0115, 0.0142, 0.0193)
THRESHOLD = 0.1


def draw_table(lesions: int = 600, seed: int = 0, *, skill: float = 2.6, audit: str = "clean: none") -> Predictions:
    """One to three photos a lesion, logits that lean to the truth by `skill`; every other nevus lacks histology."""
    random = np.random.default_rng(seed)
    prevalence = np.array(PREVALENCE) / sum(PREVALENCE)
    lesion = np.repeat(np.arange(lesions), random.integers(1, 4, lesions))
    truth = random.choice(8, p=prevalence, size=lesions)[lesion]
    logits = random.normal(0, 1, (len(lesion), 8)) + np.log(prevalence)
    logits[np.arange(len(lesion)), truth] += skill
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Predictions(
        header=Header(
            codes=ISIC_2019.codes,
            groups=tuple(leaf.group for leaf in ISIC_2019.leaves),
            malignant=ISIC_2019.malignant,
            runner="onnx-fp32",
            model="drawn",
            manifest_sha256="0" * 64,
            audit=audit,
            prevalence=PREVALENCE,
            threshold=THRESHOLD,
        ),
        image_id=np.array([f"image{i}" for i in range(len(lesion))]),
        group=np.array([f"lesion{i}" for i in lesion]),
        part=np.full(len(lesion), "test"),
        truth=truth,
        probabilities=probabilities,
        diagnosis=(probabilities / prevalence).argmax(axis=1),
        referred=probabilities[:, np.array(ISIC_2019.malignant)].sum(axis=1) >= THRESHOLD,
        subgroups={"confirmation": np.where((truth != 1) | (lesion % 2 == 0), "histo", "follow_up")},
    )


@pytest.fixture(scope="session")
def table() -> Predictions:
    """Some 1,200 images of 600 lesions."""
    return draw_table()


@pytest.fixture(scope="session")
def make_table() -> Callable[..., Predictions]:
    """`draw_table`, for tests that want another one."""
    return draw_table
