"""A corpus whose pixels tell which image they are, and a recipe that trains on it in a second or two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from epiluma.datasets.record import Sample
from epiluma.datasets.split import SHARES, Assignment, Split
from epiluma.taxonomy import ISIC_2019
from epiluma.training.data import Corpus
from epiluma.training.recipe import Data, Model, Optimiser, Phase, Recipe

CODES = ["NV"] * 36 + ["MEL"] * 18 + ["DF"] * 6


def make_recipe(**optimiser: Any) -> Recipe:
    """Two phases of one and two epochs on 32 pixels; optimiser settings can be changed."""
    settings = Optimiser(batch_size=8, average=0.8, balance=0.5, precision="fp32")
    return Recipe(
        name="small",
        seed=4,
        data=Data(set="none", root=Path(), split=Path()),
        model=Model(architecture="mobilenetv2"),
        phases=(
            Phase(name="head", train="head", epochs=1, size=32, learning_rate=1e-3, augmentation="flips"),
            Phase(
                name="all", train="all", epochs=2, size=32, learning_rate=2e-3, backbone_factor=0.5, warmup=0.25,
                final=0.1, augmentation="dermoscopy", frozen=("conv_stem", "bn1", "blocks.0"),
            ),
        ),
        optimiser=msgspec.structs.replace(settings, **optimiser),
    )  # fmt: skip


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """Sixty plain squares, square i of grey value 2 * i + 60, forty of them for training."""
    samples = [
        Sample(
            image_id=f"{i:03}", path=Path(f"{i}.jpg"), diagnosis=code, lesion=str(i), source="", licence="",
            modality="dermoscopy",
        )
        for i, code in enumerate(CODES)
    ]  # fmt: skip
    names = (["train"] * 4 + ["validation", "test"]) * 10
    names[5::12] = ["calibration"] * 5
    squares = np.broadcast_to(np.arange(60, 180, 2, dtype=np.uint8)[:, None, None, None], (60, 40, 40, 3)).copy()
    of = {s.image_id: Assignment(s.lesion, part) for s, part in zip(samples, names, strict=True)}
    labels = np.array([ISIC_2019.index(code) for code in CODES])
    parts = {part: np.flatnonzero(np.array(names) == part) for part in SHARES}
    return Corpus(samples, squares, labels, Split(of, "0" * 64), parts)
