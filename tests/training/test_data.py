"""Which images an epoch draws, and that pixels, labels and order follow from seed and epoch alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma.datasets import split
from epiluma.datasets.record import DataError
from epiluma.taxonomy import ISIC_2019
from epiluma.training import data, recipe
from epiluma.training.data import Corpus, TrainingBatches, draw, sampling_weights
from tests.tiny_project import make_project
from tests.training.conftest import make_recipe


@settings(max_examples=200, deadline=None)
@given(raw=st.lists(st.floats(1e-3, 1), min_size=1, max_size=60), n=st.integers(1, 300), seed=st.integers(0, 2**32 - 1))
def test_every_image_is_drawn_as_evenly_as_its_weight_allows(raw: list[float], n: int, seed: int) -> None:
    weights = np.array(raw) / sum(raw)
    counts = np.bincount(draw(weights, n, np.random.default_rng(seed)), minlength=len(weights))
    assert counts.sum() == n
    assert (counts >= np.floor(n * weights - 1e-6)).all()
    assert (counts <= np.ceil(n * weights + 1e-6)).all()


def test_equal_weights_draw_every_image_once_in_random_order() -> None:
    found = draw(np.full(50, 1 / 50), 50, np.random.default_rng(0))
    assert sorted(found) == list(range(50))
    assert found.tolist() != list(range(50))


def test_a_fraction_is_drawn_as_often_as_it_should_be() -> None:
    """0.3 draws a round: 0 or 1 each time, 0.3 of the time."""
    weights = np.array([0.03, 0.47, 0.5])
    counts = [int((draw(weights, 10, np.random.default_rng(seed)) == 0).sum()) for seed in range(2000)]
    assert set(counts) == {0, 1}
    assert np.mean(counts) == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize(
    ("balance", "share_of_rare"), [(0.0, 10 / 100), (0.5, 10**0.5 / (10**0.5 + 90**0.5)), (1.0, 1 / 2)]
)
def test_weights_lift_the_rare_class(balance: float, share_of_rare: float) -> None:
    labels = np.array([2] * 90 + [5] * 10)
    weights = sampling_weights(labels, balance)
    assert weights.sum() == pytest.approx(1)
    assert weights[90:].sum() == pytest.approx(share_of_rare)
    assert np.ptp(weights[:90]) == np.ptp(weights[90:]) == 0


def batches(corpus: Corpus, epoch: int, **optimiser: float) -> list[tuple[torch.Tensor, torch.Tensor]]:
    source = TrainingBatches(corpus, make_recipe(**optimiser))
    source.epoch = epoch
    return list(source)


def test_labels_belong_to_the_pixels(corpus: Corpus) -> None:
    """Each square's grey value is its index, which flips do not change."""
    for pixels, labels in batches(corpus, epoch=0):
        index = ((pixels.mean(dim=(1, 2, 3)) * 255 - 60) / 2).round().long()
        assert pixels.shape == (8, 3, 32, 32)
        assert labels.tolist() == corpus.labels[index].tolist()
        assert set(index.tolist()) <= set(corpus.parts["train"].tolist()), "training images only"


def test_an_epoch_sees_every_training_image_when_nothing_is_balanced(corpus: Corpus) -> None:
    seen = [
        round((float(pixel) * 255 - 60) / 2)
        for pixels, _ in batches(corpus, epoch=0, balance=0.0)
        for pixel in pixels.mean(dim=(1, 2, 3))
    ]
    assert sorted(seen) == corpus.parts["train"].tolist()


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_an_epoch_can_be_repeated_exactly_whatever_came_before(corpus: Corpus, epoch: int) -> None:
    source = TrainingBatches(corpus, make_recipe())
    for source.epoch in range(epoch + 1):
        torch.rand(3)  # the global generator plays no part
        passed = list(source)
    for (pixels, labels), (again, labels_again) in zip(passed, batches(corpus, epoch), strict=True):
        assert torch.equal(pixels, again)
        assert torch.equal(labels, labels_again)


def test_epochs_and_seeds_differ(corpus: Corpus) -> None:
    first, second = (torch.cat([labels for _, labels in batches(corpus, epoch)]) for epoch in (1, 2))
    assert not torch.equal(first, second)
    other = TrainingBatches(corpus, msgspec.structs.replace(make_recipe(), seed=5))
    other.epoch = 1
    assert not torch.equal(first, torch.cat([labels for _, labels in other]))


def test_the_length_is_the_number_of_batches(corpus: Corpus) -> None:
    for size, expected in [(8, 5), (7, 5), (16, 2), (1, 40), (64, 1)]:
        found = batches(corpus, 0, batch_size=size)
        assert len(found) == expected == len(TrainingBatches(corpus, make_recipe(batch_size=size)))
        assert {len(labels) for _, labels in found} == {min(size, 40)}


def test_shares_are_those_of_the_part(corpus: Corpus) -> None:
    counts = corpus.counts("train")
    assert counts.sum() == 40
    assert counts[ISIC_2019.index("NV")] == 24
    assert corpus.shares("train").tolist() == (counts / 40).tolist()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"), count=40)


def test_a_recipe_s_data_are_read_split_and_decoded(project: Path) -> None:
    tiny = recipe.load(project)
    loaded = data.load(tiny)
    assert len(loaded.samples) == len(loaded.labels) == len(loaded.squares) == 40
    assert loaded.squares.shape[1:] == (tiny.data.cache_size, tiny.data.cache_size, 3)
    assert sorted(np.concatenate(list(loaded.parts.values()))) == list(range(40))
    for sample, label in zip(loaded.samples, loaded.labels, strict=True):
        assert ISIC_2019.codes[label] == sample.diagnosis


def test_a_split_without_a_part_is_refused(project: Path, tmp_path: Path) -> None:
    assignments = split.read(project.parent / "split.csv").of
    split.write({name: at._replace(part="train") for name, at in assignments.items()}, tmp_path / "all.csv")
    loaded = recipe.load(project, (f"data.split={tmp_path / 'all.csv'}",))
    with pytest.raises(DataError, match=r"all\.csv: no image of ham10000 is in validation, calibration, test"):
        data.load(loaded)
