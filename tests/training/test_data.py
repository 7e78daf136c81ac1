"""Which images an epoch draws, and that pixels, labels and order follow from seed and epoch alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from epiluma.datasets import catalog, manifest, merge, split
from epiluma.datasets.manifest import Manifest, Source
from epiluma.datasets.record import DataError
from epiluma.imaging.synthetic import write_folder
from epiluma.taxonomy import ISIC_2019
from epiluma.training import data, recipe
from epiluma.training.batches import (
    Batch,
    TrainingBatches,
    draw,
    drawing_weights,
    drawn_prior,
    loss_weights,
    sampling_weights,
)
from epiluma.training.data import Corpus
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


def batches(corpus: Corpus, epoch: int, **optimiser: float) -> list[Batch]:
    source = TrainingBatches(corpus, make_recipe(**optimiser))
    source.epoch = epoch
    return list(source)


def test_labels_belong_to_the_pixels(corpus: Corpus) -> None:
    """Each square's grey value is its index, which flips do not change."""
    for pixels, labels, *_ in batches(corpus, epoch=0):
        index = ((pixels.mean(dim=(1, 2, 3)) * 255 - 60) / 2).round().long()
        assert pixels.shape == (8, 3, 32, 32)
        assert labels.tolist() == corpus.labels[index].tolist()
        assert set(index.tolist()) <= set(corpus.parts["train"].tolist()), "training images only"


def test_an_epoch_sees_every_training_image_when_nothing_is_balanced(corpus: Corpus) -> None:
    seen = [
        round((float(pixel) * 255 - 60) / 2)
        for pixels, *_ in batches(corpus, epoch=0, balance=0.0)
        for pixel in pixels.mean(dim=(1, 2, 3))
    ]
    assert sorted(seen) == corpus.parts["train"].tolist()


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_an_epoch_can_be_repeated_exactly_whatever_came_before(corpus: Corpus, epoch: int) -> None:
    source = TrainingBatches(corpus, make_recipe())
    for source.epoch in range(epoch + 1):
        torch.rand(3)  # the global generator plays no part
        passed = list(source)
    for (pixels, labels, *_), (again, labels_again, *_) in zip(passed, batches(corpus, epoch), strict=True):
        assert torch.equal(pixels, again)
        assert torch.equal(labels, labels_again)


def test_epochs_and_seeds_differ(corpus: Corpus) -> None:
    first, second = (torch.cat([labels for _, labels, *_ in batches(corpus, epoch)]) for epoch in (1, 2))
    assert not torch.equal(first, second)
    other = TrainingBatches(corpus, msgspec.structs.replace(make_recipe(), seed=5))
    other.epoch = 1
    assert not torch.equal(first, torch.cat([labels for _, labels, *_ in other]))


def test_the_length_is_the_number_of_batches(corpus: Corpus) -> None:
    for size, expected in [(8, 5), (7, 5), (16, 2), (1, 40), (64, 1)]:
        found = batches(corpus, 0, batch_size=size)
        assert len(found) == expected == len(TrainingBatches(corpus, make_recipe(batch_size=size)))
        assert {len(labels) for _, labels, *_ in found} == {min(size, 40)}


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
        data.load(loaded, needed=split.SHARES)
    with pytest.raises(DataError, match=r"all\.csv: no image of ham10000 is in validation; use more"):
        data.load(loaded)


@pytest.fixture(scope="module")
def curated(project: Path) -> tuple[Manifest, Path]:
    """The project's set as a manifest: three copies of each nevus, double weight for melanoma, two images left out."""
    folder = project.parent
    parts = split.read(folder / "split.csv").of
    reading = catalog.inspect("ham10000", folder / "data")
    source = Source(name="ham10000", root=str(folder / "data"), licence="CC0", citation="drawn", rows=reading.rows)
    merged = merge.merge([(source, reading)])
    left_out = [entry.sample.image_id for entry in merged.entries if parts[entry.sample.image_id].part == "train"][:2]
    entries = tuple(
        msgspec.structs.replace(
            entry,
            group=parts[entry.sample.image_id].group,
            part=parts[entry.sample.image_id].part,
            repeats=3 if entry.sample.diagnosis == "NV" else 1,
            weight=2.0 if entry.sample.diagnosis == "MEL" else 1.0,
            augmentation="none" if entry.sample.diagnosis == "MEL" else "",
            excluded="blurred" if entry.sample.image_id in left_out else "",
        )
        for entry in merged.entries
    )
    found = Manifest(header=msgspec.structs.replace(merged.header, audit="clean: looked at"), entries=entries)
    stamp = msgspec.structs.replace(found.header, audited=manifest.sha256(found))
    found = msgspec.structs.replace(found, header=stamp)
    path = folder / "curated.parquet"
    manifest.write(found, path)
    return found, path


def from_manifest(project: Path, path: Path) -> recipe.Recipe:
    text = project.read_text()
    start, end = text.index("set ="), text.index("cache =")
    other = project.with_name("manifest.toml")
    other.write_text(f'{text[:start]}manifest = "{path}"\n{text[end:]}')
    return recipe.load(other)


def test_a_manifest_is_trained_as_it_was_curated(project: Path, curated: tuple[Manifest, Path]) -> None:
    found, path = curated
    settings = from_manifest(project, path)
    loaded = data.load(settings)
    assert settings.data.name == "curated"
    assert len(loaded.samples) == 38, "what curation left out is not even decoded"
    assert loaded.audit == "clean: looked at"
    assert loaded.split.sha256 == manifest.sha256(found)

    nevus, melanoma = ISIC_2019.index("NV"), ISIC_2019.index("MEL")
    train = loaded.parts["train"]
    chances = drawing_weights(loaded, 0.0)
    expected = np.where(loaded.labels[train] == nevus, 3.0, 1.0)
    np.testing.assert_allclose(chances, expected / expected.sum())
    shares = loss_weights(loaded)
    assert shares[train].mean() == pytest.approx(1)
    ratio = shares[loaded.labels == melanoma].mean() / shares[loaded.labels != melanoma].mean()
    assert ratio == pytest.approx(2)
    prior = drawn_prior(loaded, 0.0)
    by_hand = expected * np.where(loaded.labels[train] == melanoma, 2.0, 1.0)
    assert prior[melanoma] == pytest.approx(by_hand[loaded.labels[train] == melanoma].sum() / by_hand.sum())


def test_an_image_is_changed_by_the_recipe_that_its_class_names(project: Path, curated: tuple[Manifest, Path]) -> None:
    """Melanomas are left as they are: each is one of the decoded squares, resized; others are turned and lit anew."""
    settings = from_manifest(project, curated[1])
    loaded = data.load(settings)
    source = TrainingBatches(loaded, settings)
    source.epoch = 1
    plain = {tuple(np.round(row, 3)) for row in loaded.squares[loaded.parts["train"]].mean(axis=(1, 2)) / 255}
    for pixels, labels, *_ in source:
        for image, label in zip(pixels, labels.tolist(), strict=True):
            nearest = min(np.abs(np.array(colour) - image.mean(dim=(1, 2)).numpy()).max() for colour in plain)
            if label == ISIC_2019.index("MEL"):
                assert nearest < 0.01
    assert any(label == ISIC_2019.index("MEL") for _, labels, *_ in source for label in labels.tolist())


def test_a_manifest_without_parts_is_refused(project: Path, curated: tuple[Manifest, Path], tmp_path: Path) -> None:
    found, _ = curated
    loose = msgspec.structs.replace(found, entries=tuple(msgspec.structs.replace(e, part="") for e in found.entries))
    manifest.write(loose, tmp_path / "loose.parquet")
    with pytest.raises(DataError, match=r"loose\.parquet: 38 images are in no part \(.*run `epiluma data split`"):
        data.load(from_manifest(project, tmp_path / "loose.parquet"))


def test_an_extra_set_joins_training_alone_and_without_copies_of_what_is_held_out(
    project: Path, tmp_path: Path
) -> None:
    """The extra set is drawn anew under the same numbers, but for one photo that is a held-out one, mirrored."""
    plain = data.load(recipe.load(project))
    held_out = [plain.samples[i] for part in ("validation", "calibration", "test") for i in plain.parts[part]]
    numbers, lesions = {sample.image_id for sample in held_out}, {sample.lesion for sample in held_out}
    extra = write_folder(tmp_path / "extra", count=12, seed=77, size=(130, 104))
    added = catalog.read("ham10000", extra)
    tied = lesions | {sample.lesion for sample in added if sample.image_id in numbers}
    untied = [sample for sample in added if sample.lesion not in tied]
    assert 2 < len(untied) < 12
    Image.open(held_out[0].path).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(untied[1].path, quality=95)

    text = project.read_text().replace("[model]", f'[[data.also]]\nset = "ham10000"\nroot = "{extra}"\n\n[model]')
    both = project.with_name("both.toml")
    both.write_text(text)
    settings = recipe.load(both)
    loaded = data.load(settings)
    assert len(loaded.samples) == 40 + 12
    for part in ("validation", "calibration", "test"):
        np.testing.assert_array_equal(loaded.parts[part], plain.parts[part])
    joined = {loaded.samples[i].image_id for i in loaded.parts["train"]}
    own = {plain.samples[i].image_id for i in plain.parts["train"]}
    assert own <= joined
    assert joined - own == {sample.key for sample in untied if sample.lesion != untied[1].lesion}
    assert loaded.counts("train").tolist() == plain.counts("train").tolist(), "prevalence is the set's own"
    labels = loaded.labels[loaded.parts["train"]]
    np.testing.assert_allclose(drawn_prior(loaded, 0.0), np.bincount(labels, minlength=8) / len(labels))


def test_one_fold_of_a_manifest_is_validated_on_the_others_are_trained_on(
    project: Path, curated: tuple[Manifest, Path], tmp_path: Path
) -> None:
    plain = [msgspec.structs.replace(e, repeats=1, weight=1.0, excluded="", part="") for e in curated[0].entries]
    parted = split.split_manifest(
        msgspec.structs.replace(curated[0], entries=tuple(plain)), [], method="folds", k=3, seed=1
    )
    manifest.write(parted, tmp_path / "folds.parquet")
    settings = from_manifest(project, tmp_path / "folds.parquet")
    with pytest.raises(DataError, match=r"is split in folds \(fold0, fold1, fold2\); name one, `fold = 0` in \[data\]"):
        data.load(settings)
    of = {entry.sample.image_id: entry.part for entry in parted.entries}
    for fold in range(3):
        chosen = msgspec.structs.replace(settings, data=msgspec.structs.replace(settings.data, fold=fold))
        loaded = data.load(chosen)
        assert {of[loaded.samples[i].image_id] for i in loaded.parts["validation"]} == {f"fold{fold}"}
        assert len(loaded.parts["train"]) + len(loaded.parts["validation"]) == 40


def test_a_leaking_manifest_is_not_trained_on_unless_asked_to(
    project: Path, curated: tuple[Manifest, Path], tmp_path: Path
) -> None:
    found = curated[0]
    leaking = msgspec.structs.replace(found, header=msgspec.structs.replace(found.header, audit="leak: 1 lesion"))
    manifest.write(leaking, tmp_path / "leaking.parquet")
    settings = from_manifest(project, tmp_path / "leaking.parquet")
    with pytest.raises(DataError, match=r"leak: 1 lesion; mend it, or say `allow_leakage = true`"):
        data.load(settings)
    allowed = msgspec.structs.replace(settings, data=msgspec.structs.replace(settings.data, allow_leakage=True))
    assert data.load(allowed).audit == "leak: 1 lesion"


def test_a_group_torn_after_the_audit_is_refused(project: Path, curated: tuple[Manifest, Path], tmp_path: Path) -> None:
    found = curated[0]
    group = next(
        e.group for e in found.entries if e.used and sum(o.group == e.group and o.used for o in found.entries) > 1
    )
    torn = next(i for i, e in enumerate(found.entries) if e.group == group and e.used)
    other = "test" if found.entries[torn].part == "train" else "train"
    entries = tuple(msgspec.structs.replace(e, part=other) if i == torn else e for i, e in enumerate(found.entries))
    manifest.write(msgspec.structs.replace(found, entries=entries), tmp_path / "torn.parquet")
    with pytest.raises(DataError, match=r"torn\.parquet: leak: group .* is in two parts"):
        data.load(from_manifest(project, tmp_path / "torn.parquet"))
    allowed = from_manifest(project, tmp_path / "torn.parquet")
    allowed = msgspec.structs.replace(allowed, data=msgspec.structs.replace(allowed.data, allow_leakage=True))
    assert data.load(allowed).audit == f"leak: group {group} is in two parts", "what is scored with it says so"
