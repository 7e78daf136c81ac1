"""A segmentation run in a bundle: what the runtime finds is what the network found."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from PIL import Image

from epiluma import bundle as bundles
from epiluma import segmentations
from epiluma.export import config, network, ship
from epiluma.inference.outline import Outliner
from epiluma.inference.session import KnownAnswerMismatch, SessionError
from epiluma.training import data, recipe, run, scoring
from tests.tiny_project import make_project

SHORT = ("phases.0.size=64", "phases.1.size=64", "optimiser.average=0.0")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, bundles.Bundle]:
    """Recipe, folder of the segmentation run, and the bundle that holds its network."""
    folder = tmp_path_factory.mktemp("project")
    toml = make_project(folder, count=140, epochs=1)
    masks = recipe.load(
        toml, (*SHORT, "name=masks", "model.architecture=light", "model.masks=lesion", "phases.1.epochs=6")
    )
    run.train(masks, folder / "masks")
    run.train(recipe.load(toml), folder / "run")
    shipping = msgspec.structs.replace(config.load(toml), outline=str(folder / "masks"))
    shipped = ship.ship(recipe.load(toml), shipping, folder / "run", folder / "bundle")
    return toml, folder / "masks", shipped.bundle


def test_the_bundle_holds_the_network_and_its_figures(project: tuple[Path, Path, bundles.Bundle]) -> None:
    toml, _, bundle = project
    read = bundles.load(toml.parent / "bundle")
    assert read.id == bundle.id
    facts = read.manifest.outline
    assert facts is not None
    assert facts.graph in read.files
    assert facts.size == 64
    assert facts.provenance.architecture == "light"
    assert "miou" in facts.scorecard.metrics["all"]
    table = segmentations.read(toml.parent / "run" / "masks.csv")
    assert table.header.model == bundle.id
    assert table.header.runner == "onnx-fp32"


def test_a_photo_gets_a_mask_of_its_own_size(project: tuple[Path, Path, bundles.Bundle]) -> None:
    _, folder, bundle = project
    settings = run.recipe_of(folder)
    corpus = data.load(settings)
    trained = network.trained(settings, corpus, folder, "best")
    indices = corpus.parts["test"][:4]
    outliner = Outliner.of(bundle)
    maps = scoring.label_maps(trained.network, corpus, indices, trained.input, 64)
    for i, (expected, _) in zip(indices, maps, strict=True):
        found = outliner.mask(Image.fromarray(corpus.squares[i]))
        assert found.shape == expected.shape
        assert (found != (expected == 1)).mean() < 0.02, "but for the rounding of two ways to enlarge"
    wide = Image.fromarray(corpus.squares[indices[0]]).resize((90, 50))
    assert outliner.mask(wide).shape == (50, 90)


def test_another_network_under_the_same_name_is_noticed(project: tuple[Path, Path, bundles.Bundle]) -> None:
    bundle = project[2]
    outline = bundle.manifest.outline
    assert outline is not None
    other = msgspec.structs.replace(outline.known_answers[0], share=1 - outline.known_answers[0].share + 0.1)
    told = msgspec.structs.replace(outline, known_answers=(other,))
    changed = bundles.build(msgspec.structs.replace(bundle.manifest, outline=told), bundle.files)
    with pytest.raises(KnownAnswerMismatch, match=r"outline\.onnx: of known input 1 it takes 0\.\d+ for lesion"):
        Outliner.of(changed)


def test_a_bundle_without_such_a_network_says_so(tiny_bundle: bundles.Bundle) -> None:
    with pytest.raises(SessionError, match="bundle 'tiny' has no network that outlines the lesion"):
        Outliner.of(tiny_bundle)


def test_a_run_that_learns_something_else_is_refused(project: tuple[Path, Path, bundles.Bundle]) -> None:
    toml = project[0]
    shipping = msgspec.structs.replace(config.load(toml), outline=str(toml.parent / "run"))
    with pytest.raises(recipe.RecipeError, match=r"bundle\.outline needs a run of a segmentation network"):
        ship.ship(recipe.load(toml), shipping, toml.parent / "run", toml.parent / "other")
