"""Examples are alike by an independent computation, travel in a bundle, and are of the public archive alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import cosine_similarity

from epiluma import bundle as bundles
from epiluma.bundle import Bundle, BundleError
from epiluma.export import examples as alike
from epiluma.export.examples import FILE, NAMES, fit_examples, fit_on
from epiluma.inference.examples import ExampleFinder, open_examples

D = 6
NAMED = [(f"ISIC_{i:07}", "MEL" if i % 3 else "NV") for i in range(40)]


def rows(n: int, seed: int) -> npt.NDArray[np.float32]:
    return (np.random.default_rng(seed).normal(0, 1, (n, D)) * np.linspace(3, 0.5, D)).astype(np.float32)


def finder(features: npt.NDArray[np.float32]) -> ExampleFinder:
    facts, files = fit_examples(features, NAMED, source="a set")
    return ExampleFinder(facts, files[FILE], files[NAMES])


def with_examples(bundle: Bundle) -> Bundle:
    """The tiny bundle, whose graph has three features."""
    facts, files = fit_examples(rows(40, 0)[:, :3], NAMED, source="a set")
    return bundles.build(bundle.manifest, {**bundle.files, **files}, examples=facts)


def test_the_nearest_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "COMPONENTS", 4)
    known, asked = rows(40, 0), rows(10, 1)
    pca = PCA(4, svd_solver="full").fit(known)
    expected = cosine_similarity(pca.transform(asked), pca.transform(known))
    find = finder(known)
    for row, similarity in zip(asked, expected, strict=True):
        found = find(row[None])
        assert [example.similarity for example in found] == pytest.approx(sorted(similarity)[::-1][:5], abs=5e-3)
        for example in found:
            at = int(example.id[-7:])
            assert (example.id, example.diagnosis) == NAMED[at]
            assert similarity[at] == pytest.approx(example.similarity, abs=5e-3)


def test_a_photo_is_most_like_itself_and_its_link_is_the_archives() -> None:
    known = rows(40, 0)
    first = finder(known)(known[7:8])[0]
    assert (first.id, first.similarity) == ("ISIC_0000007", pytest.approx(1, abs=2e-3))
    assert first.url == "https://api.isic-archive.com/images/ISIC_0000007/"


def test_the_same_numbers_give_the_same_bytes() -> None:
    assert fit_examples(rows(40, 0), NAMED, source="a set") == fit_examples(rows(40, 0), NAMED, source="a set")


def test_they_travel_in_a_bundle(tiny_bundle: Bundle, tmp_path: Path) -> None:
    made = with_examples(tiny_bundle)
    again = bundles.load(bundles.write(made, tmp_path / "named.epiluma"))
    find = open_examples(again)
    assert find is not None
    assert find(rows(1, 3)[:, :3])[0].id.startswith("ISIC_")
    assert open_examples(tiny_bundle) is None
    with pytest.raises(ValueError, match="are not among the files"):
        msgspec.structs.replace(tiny_bundle.manifest, examples=made.manifest.examples)
    with pytest.raises(ValueError, match="of 3 features"):
        find(rows(1, 3))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda data, names: (data[:-2], names), "where the manifest's numbers need"),
        (lambda data, names: (data[:-2] + b"\x00\x7e", names), "not a finite number"),
        (lambda data, names: (data, names + b"ISIC_9999999,NV\n"), "names 41 examples where the manifest says 40"),
        (lambda data, names: (data, names.replace(b"id,diagnosis", b"id,truth")), "needs the columns"),
        (lambda data, names: (data, names + b"\xff"), "is no table of examples"),
    ],
)
def test_a_file_that_is_not_what_the_manifest_says_is_refused(change: Any, match: str) -> None:
    facts, files = fit_examples(rows(40, 0), NAMED, source="a set")
    with pytest.raises(BundleError, match=match):
        ExampleFinder(facts, *change(files[FILE], files[NAMES]))


def scored(ids: list[str]) -> Any:
    """Of an export's scored images, what fitting asks for."""
    corpus = SimpleNamespace(
        samples=[SimpleNamespace(image_id=i, source="a set") for i in ids],
        parts={"calibration": np.arange(len(ids))},
        labels=np.zeros(len(ids), int),
        taxonomy=SimpleNamespace(codes=("NV",)),
    )
    return SimpleNamespace(corpus=corpus, normalised=lambda indices: rows(len(ids), 0)[indices])


def test_only_photos_of_the_public_archive_are_named() -> None:
    network = lambda batch: {"features": batch}  # noqa: E731
    mixed = [f"ISIC_{i:07}" if i % 2 else f"patient-{i}" for i in range(60)]
    fitted = fit_on(network, scored(mixed))
    assert fitted is not None
    assert fitted.facts.n == 30
    assert b"patient" not in fitted.files[NAMES]
    assert fit_on(network, scored([f"patient-{i}" for i in range(60)])) is None
    assert fit_on(network, scored([*(f"ISIC_{i:07}" for i in range(19)), "x"])) is None
    assert fit_on(lambda batch: {"logits": batch}, scored(mixed)) is None
