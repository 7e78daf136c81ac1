"""Statistics are fitted alike from the same numbers, refuse as few as they should, and travel in a bundle."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from epiluma import bundle as bundles
from epiluma.bundle import Bundle, BundleError
from epiluma.datasets import split
from epiluma.datasets.record import Sample
from epiluma.export import scope as scopes
from epiluma.export.scope import MAX_BYTES, Seen, Shape, fit_scope, look, threshold_of, weighted, with_scope
from epiluma.export.scored import Scored
from epiluma.inference.scope import ScopeScorer, open_scope
from epiluma.models.registry import Input
from epiluma.training.data import Corpus


def seen(n: int, width: int, seed: int) -> Seen:
    random = np.random.default_rng(seed)
    return Seen(random.normal(0, 1, (n, width)).astype(np.float32), random.normal(0, 1, (n, 8)).astype(np.float32))


LEAF = np.arange(120) % 3
LESION = np.arange(90) // 2


def test_the_same_numbers_give_the_same_bytes() -> None:
    first, second = (fit_scope(seen(120, 10, 0), LEAF, seen(90, 10, 1), LESION) for _ in range(2))
    assert first == second


def test_more_components_than_images_or_features_allow_are_not_asked_for() -> None:
    assert fit_scope(seen(120, 10, 0), LEAF, seen(90, 10, 1), LESION)[0].components == 10
    assert fit_scope(seen(6, 10, 0), np.zeros(6, int), seen(90, 10, 1), LESION)[0].components == 5


def test_the_file_of_wide_features_stays_small() -> None:
    scope, data = fit_scope(seen(200, 2500, 0), np.zeros(200, int), seen(40, 2500, 1), np.arange(40))
    assert len(data) <= MAX_BYTES
    assert 50 < scope.components < 128


def test_features_that_never_vary_do_no_harm() -> None:
    training, calibration = seen(120, 10, 0), seen(90, 10, 1)
    training.features[:, 4:] = 0
    calibration.features[:, 4:] = 0
    scope, data = fit_scope(training, LEAF, calibration, LESION)
    assert np.isfinite(ScopeScorer(scope, data)(*calibration)).all()


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_at_most_the_share_of_lesions_is_refused_and_one_more_would_be_too_many(share: float) -> None:
    score = np.random.default_rng(0).normal(0, 1, 90)
    threshold, found, lesions = threshold_of(score, LESION, share)
    refused = {LESION[i] for i in np.flatnonzero(score > threshold)}
    assert (found, lesions) == (len(refused) / 45, 45)
    assert found <= share
    lower = {LESION[i] for i in np.flatnonzero(score > threshold - 2e-6)}
    assert len(lower) / 45 > share or len(lower) == len(refused) + 1


def test_a_threshold_needs_finite_scores() -> None:
    with pytest.raises(ValueError, match="finite"):
        threshold_of(np.array([0.0, np.nan]), np.array([0, 1]), 0.02)
    with pytest.raises(ValueError, match="finite"):
        threshold_of(np.zeros(0), np.zeros(0), 0.02)


def test_too_few_images_are_an_error() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit_scope(seen(1, 10, 0), np.zeros(1, int), seen(90, 10, 1), LESION)
    with pytest.raises(ValueError, match="no diagnosis has 5"):
        fit_scope(seen(4, 10, 0), np.arange(4), seen(90, 10, 1), LESION)


def test_other_weights_change_scores_and_threshold_and_leave_the_statistics() -> None:
    calibration = seen(90, 10, 1)
    scope, data = fit_scope(seen(120, 10, 0), LEAF, calibration, LESION, shape=Shape(4, 0.0, 0.0))
    heavier = weighted(scope, data, Shape(4, 1.0, 0.1), calibration, LESION)
    assert heavier == fit_scope(seen(120, 10, 0), LEAF, calibration, LESION, shape=Shape(4, 1.0, 0.1))[0]
    assert heavier.threshold != scope.threshold


def test_it_travels_in_a_bundle_and_is_checked_there(tiny_bundle: Bundle, tmp_path: Path) -> None:
    scope, data = fit_scope(seen(120, 3, 0), LEAF, seen(90, 3, 1), LESION)
    scoped = with_scope(tiny_bundle, scope, data)
    again = bundles.load(bundles.write(scoped, tmp_path / "scoped.epiluma"))
    assert again.id == scoped.id != tiny_bundle.id
    scorer = open_scope(again)
    assert scorer is not None
    assert scorer.facts == scope
    np.testing.assert_array_equal(scorer(*seen(5, 3, 2)), ScopeScorer(scope, data)(*seen(5, 3, 2)))
    folder = bundles.write(scoped, tmp_path / "scoped")
    (folder / scope.file).write_bytes(data[:-1] + b"\x00")
    with pytest.raises(BundleError, match="SHA-256 differs"):
        bundles.load(folder)


def test_a_bundle_without_it_keeps_its_id(tiny_bundle: Bundle, tmp_path: Path) -> None:
    assert b"scope" not in tiny_bundle.manifest.canonical()
    assert open_scope(bundles.load(bundles.write(tiny_bundle, tmp_path / "old"))) is None


def test_statistics_replace_earlier_ones(tiny_bundle: Bundle) -> None:
    first = with_scope(tiny_bundle, *fit_scope(seen(120, 3, 0), LEAF, seen(90, 3, 1), LESION, file="old.f32"))
    second = with_scope(first, *fit_scope(seen(120, 3, 5), LEAF, seen(90, 3, 1), LESION))
    assert set(second.files) == {"model.onnx", scopes.FILE}


def test_a_record_whose_file_is_missing_is_refused(tiny_bundle: Bundle) -> None:
    scope, _ = fit_scope(seen(120, 3, 0), LEAF, seen(90, 3, 1), LESION)
    with pytest.raises(ValueError, match="not among the files"):
        msgspec.structs.replace(tiny_bundle.manifest, scope=scope)


def test_a_graph_is_looked_at_batch_by_batch() -> None:
    def run(batch: np.ndarray) -> dict[str, np.ndarray]:
        return {"features": batch.mean(axis=(2, 3)), "logits": batch[:, :, 0, 0]}

    batches = [np.random.default_rng(i).normal(size=(2, 3, 4, 4)).astype(np.float32) for i in range(3)]
    found = look(run, iter(batches))
    np.testing.assert_array_equal(found.features, np.concatenate(batches).mean(axis=(2, 3)))
    assert found.logits.shape == (6, 3)
    with pytest.raises(ValueError, match="no output `features`"):
        look(lambda batch: {"logits": batch}, batches)


def test_a_corpus_is_looked_at_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    squares = random.integers(0, 255, (60, 8, 8, 3), dtype=np.uint8)
    samples = [
        Sample(image_id=f"i{i}", path=Path(f"i{i}.jpg"), diagnosis="NV", lesion=f"l{i // 2}", source="ham10000",
               modality="dermoscopy", licence="none") for i in range(60)
    ]  # fmt: skip
    parts = {"train": np.arange(40), "calibration": np.arange(40, 60)}
    of = {s.image_id: split.Assignment(s.lesion, "train" if i < 40 else "calibration") for i, s in enumerate(samples)}
    corpus = Corpus(samples, squares, np.arange(60) % 2, split.Split(of, ""), parts)
    scored = Scored(corpus, Input(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)), 8)

    def network(batch: np.ndarray) -> dict[str, np.ndarray]:
        return {"features": batch.mean(axis=2).reshape(len(batch), -1), "logits": batch[:, :, 0, 0]}

    monkeypatch.setattr(scopes, "TRAINING", 30)
    scope, data, within = scopes.fit_on(network, scored, ["calibration"], file="here.f32")
    assert (scope.file, scope.n, scope.lesions, scope.features) == ("here.f32", 30, 10, 24)
    picked = np.linspace(0, 39, 30).astype(int)
    expected = [look(network, [scored.normalised(indices)]) for indices in (picked, parts["calibration"])]
    again, same = fit_scope(expected[0], picked % 2, expected[1], np.arange(20) // 2, file="here.f32")
    assert scope == again
    assert data == same
    score = ScopeScorer(scope, data)(expected[1].features, expected[1].logits)
    assert (within["calibration"] == (score <= scope.threshold)).all()


def test_a_rare_diagnosis_that_spreads_its_own_way_is_within_the_scope() -> None:
    """By images the common diagnosis alone would say what is far."""
    random = np.random.default_rng(0)

    def draw(common: int, rare: int) -> tuple[Seen, np.ndarray]:
        usual = random.normal(0, 1, (common, 4)) * (1, 1, 0.05, 0.05)
        other = random.normal(0, 1, (rare, 4)) * (0.05, 0.05, 1, 1) + 20
        rows = np.concatenate([usual, other]).astype(np.float32)
        return Seen(rows, np.zeros((len(rows), 2), np.float32)), np.repeat([0, 1], [common, rare])

    training, diagnosis = draw(970, 30)
    calibration, held_out = draw(388, 12)
    scope, data = fit_scope(training, diagnosis, calibration, np.arange(400), shape=Shape(4, 0.0, 0.0), max_share=0.025)
    refused = ScopeScorer(scope, data)(*calibration) > scope.threshold
    assert refused.sum() == 10
    assert refused[held_out == 1].mean() <= 0.25


def test_statistics_are_of_the_textures_where_a_graph_gives_them() -> None:
    given = {"logits": np.zeros((2, 3)), "features": np.ones((2, 4)), "textures": np.full((2, 5), 2.0)}
    seen_ = look(lambda batch: given, [np.zeros((2, 3, 8, 8), np.float32)])
    assert seen_.features.shape == (2, 5)
    assert scopes.output_of(["logits", "features"]) == "features"
    with pytest.raises(ValueError, match="no output `features`"):
        scopes.output_of(["logits"])
