"""A recipe that follows the lesion shows the network the squares that the runtime will."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from epiluma import bundle as bundles
from epiluma.bundle import Bundle, Crop
from epiluma.export.config import load as load_shipping
from epiluma.export.outline import check, shown
from epiluma.imaging.preprocess import lesion_box, to_square
from epiluma.inference.view import View
from epiluma.training import data, recipe
from epiluma.training.centring import Followed, crop_of
from epiluma.training.recipe import Centre, RecipeError
from tests.conftest import with_outline
from tests.tiny_project import make_project


@pytest.fixture(scope="module")
def outlining(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> Path:
    return bundles.write(with_outline(tiny_bundle), tmp_path_factory.mktemp("outlining") / "bundle")


def test_the_square_is_that_of_the_runtime_s_mask(outlining: Path) -> None:
    photo = Image.new("RGB", (300, 225), (224, 180, 150))
    photo.paste((70, 40, 30), (40, 40, 100, 100))
    followed = Followed(Centre(bundle=str(outlining), margin=0.5, least=0.2))
    mask = np.zeros((225, 300), bool)
    mask[40:100, 40:100] = True
    expected = to_square(photo, 64, box=lesion_box(mask, margin=0.5, least=0.2))
    assert np.abs(followed(photo, 64).astype(int) - expected).mean() < 6  # the outline's grid is 9 pixels wide
    assert followed.decoded_side(64) == 256
    assert followed.decoded_side(224) == 840
    assert followed.key != Followed(Centre(bundle=str(outlining), margin=0.4, least=0.2)).key


def test_a_corpus_holds_the_squares_and_the_photos(tmp_path: Path, outlining: Path) -> None:
    toml = make_project(tmp_path)
    plain = data.load(recipe.load(toml))
    followed = data.load(recipe.load(toml, (f"data.centre.bundle={outlining}",)))
    assert (followed.photos == plain.squares).all()
    assert followed.squares.shape == plain.squares.shape
    assert (followed.squares != plain.squares).any()
    assert {part: indices.tolist() for part, indices in followed.parts.items()} == {
        part: indices.tolist() for part, indices in plain.parts.items()
    }


@pytest.mark.parametrize("centred", [False, True])
def test_a_corpus_of_some_size_holds_what_the_runtime_shows_its_network(
    tmp_path: Path, outlining: Path, centred: bool
) -> None:
    """Made in one step: squares that are resized twice gave other probabilities, by up to 0.2."""
    toml = make_project(tmp_path)
    corpus = data.load(recipe.load(toml, (f"data.centre.bundle={outlining}",) if centred else ()), size=40)
    bundle = bundles.load(outlining)
    centre = Centre(bundle=str(outlining))
    view = View.of(bundles.build(bundle.manifest, bundle.files, crop=crop_of(centre) if centred else None))
    for i in range(0, len(corpus.samples), 7):
        photo = view.open(corpus.samples[i].path.read_bytes(), 40).image
        np.testing.assert_array_equal(corpus.squares[i], view.square(photo, view.box(photo, view.mask(photo)), 40))


def test_what_does_not_go_together_is_refused(tmp_path: Path, outlining: Path, tiny_bundle: Bundle) -> None:
    toml = make_project(tmp_path)
    following = f"data.centre.bundle={outlining}"
    with pytest.raises(RecipeError, match=r"data.centre: follows a known outline, and lesion masks are to be learned"):
        recipe.load(toml, (following, "model.masks=lesion"))
    shipping = msgspec.structs.replace(load_shipping(toml), outline="runs/masks")
    with pytest.raises(RecipeError, match=r"bundle.outline: leave it out"):
        check(recipe.load(toml, (following,)), shipping)
    with pytest.raises(RecipeError, match=r"bundle.margin: the run was not trained to follow the lesion"):
        check(recipe.load(toml), msgspec.structs.replace(load_shipping(toml), margin=0.1))
    without = bundles.write(tiny_bundle, tmp_path / "without")
    with pytest.raises(RecipeError, match="has no network that outlines the lesion"):
        data.load(recipe.load(toml, (f"data.centre.bundle={without}",)))


def test_a_bundle_may_look_closer_than_training_did(tmp_path: Path, outlining: Path) -> None:
    toml = make_project(tmp_path)
    followed, shipping = recipe.load(toml, (f"data.centre.bundle={outlining}",)), load_shipping(toml)
    assert shown(followed, shipping) == followed
    near = shown(followed, msgspec.structs.replace(shipping, margin=0.1)).data.centre
    assert near == Centre(bundle=str(outlining), margin=0.1)


def test_a_bundle_that_crops_must_outline(tiny_bundle: Bundle) -> None:
    with pytest.raises(ValueError, match="crop follows the lesion, and there is no outline"):
        bundles.build(tiny_bundle.manifest, tiny_bundle.files, crop=Crop(margin=0.25, least=0.5))
