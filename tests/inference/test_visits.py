"""Two photos of one mark: what changed is shown to a doctor, and what cannot be seen is not compared."""

from __future__ import annotations

import cmath
import json
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from PIL import Image

from epiluma import bundle as bundles
from epiluma.bundle import Bundle
from epiluma.cli import main
from epiluma.imaging.decode import PhotoError
from epiluma.imaging.measure import given_scale
from epiluma.inference.pictures import PicturesError
from epiluma.inference.recommend import LEVELS
from epiluma.inference.screen import Screener
from epiluma.inference.visits import GREW, compare_photos, json_schema, picture, save_picture
from tests.conftest import with_outline
from tests.imaging.measure.test_scale import CAMERA
from tests.imaging.measure.test_visits import STAY, visit

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "visits.schema.json"


@pytest.fixture(scope="module")
def screener(tiny_bundle: Bundle) -> Screener:
    return Screener(with_outline(tiny_bundle))


def taken(path: Path, radius: float, transform: tuple[complex, complex] = STAY, *, skin: int = 1) -> Path:
    """A photo file of a disc of that radius on skin with marks."""
    Image.fromarray(visit(skin, radius, transform).pixels).save(path)
    return path


def test_the_same_photo_twice_shows_no_change(screener: Screener, tmp_path: Path) -> None:
    photo = taken(tmp_path / "a.png", 45)
    found = compare_photos(screener, photo, photo).visits
    assert found.evolution is not None
    assert found.evolution.size is not None
    assert found.evolution.size.area == pytest.approx(0, abs=1e-6)
    assert (found.changes, found.unknown) == ((), ())
    assert found.recommendation == found.later.recommendation


def test_a_photo_that_was_turned_and_moved_shows_no_growth(screener: Screener, tmp_path: Path) -> None:
    turned = (cmath.rect(1.0, math.radians(12)), 6 - 4j)
    found = compare_photos(screener, taken(tmp_path / "a.png", 45), taken(tmp_path / "b.png", 45, turned)).visits
    assert found.evolution is not None
    assert found.evolution.size is not None
    assert abs(found.evolution.size.area) < 0.15
    assert found.changes == ()


def test_a_mark_that_grew_is_shown_to_a_doctor(screener: Screener, tmp_path: Path) -> None:
    compared = compare_photos(screener, taken(tmp_path / "a.png", 36), taken(tmp_path / "b.png", 54))
    found = compared.visits
    assert found.evolution is not None
    assert found.evolution.size is not None
    assert found.evolution.size.area == pytest.approx((54 / 36) ** 2 - 1, rel=0.25)  # the outline's grid is 9 pixels
    assert found.evolution.size.area > GREW
    assert "more skin than before" in found.changes[0]
    assert found.recommendation.level in {"refer", "urgent"}
    assert found.changes[0] in found.recommendation.reason
    image = picture(compared)
    assert image.size == (608, 225)
    red = np.asarray(image)[:, :300].astype(int)
    ring = visit(1, 50).mask & ~visit(1, 40).mask
    assert (red[ring][:, 0] - red[ring][:, 1]).mean() > 40  # what was gained, in red


def test_the_more_severe_photo_decides(screener: Screener, tmp_path: Path) -> None:
    one, other = taken(tmp_path / "a.png", 45), taken(tmp_path / "b.png", 46)
    found = compare_photos(screener, one, other, symptoms=("bleeds",)).visits
    assert found.recommendation.level in {"refer", "urgent"}
    for visits in (found, compare_photos(screener, other, one).visits):
        least = max(visits.earlier.recommendation.level, visits.later.recommendation.level, key=LEVELS.index)
        assert LEVELS.index(visits.recommendation.level) >= LEVELS.index(least)


def test_a_photo_that_is_refused_is_not_compared(screener: Screener, tmp_path: Path) -> None:
    dark = tmp_path / "dark.png"
    Image.new("RGB", (300, 225), (9, 9, 9)).save(dark)
    for pair in ((dark, taken(tmp_path / "a.png", 45)), (tmp_path / "a.png", dark)):
        found = compare_photos(screener, *pair).visits
        assert found.evolution is None
        assert found.changes == ()
        assert "cannot be judged, so nothing is compared" in found.unknown[0]
        assert LEVELS.index(found.recommendation.level) >= LEVELS.index("cannot_judge")


def test_other_skin_leaves_open_whether_it_grew(screener: Screener, tmp_path: Path) -> None:
    found = compare_photos(screener, taken(tmp_path / "a.png", 36), taken(tmp_path / "b.png", 54, skin=7)).visits
    assert found.evolution is not None
    assert found.evolution.size is None
    assert found.changes == ()
    assert found.unknown[0].startswith("Whether the mark grew cannot be told.")


def test_a_scale_for_both_tells_growth_where_the_skin_does_not(screener: Screener, tmp_path: Path) -> None:
    pair = taken(tmp_path / "a.png", 36), taken(tmp_path / "b.png", 54, skin=7)
    found = compare_photos(screener, *pair, scale=given_scale(0.1)).visits
    assert found.evolution is not None
    assert found.evolution.size is not None
    assert found.evolution.size.by == "scales"
    assert found.evolution.size.largest_diameter_mm == pytest.approx(3.6, rel=0.25)
    assert found.changes


def test_a_file_that_cannot_be_read_is_named(screener: Screener, tmp_path: Path) -> None:
    (tmp_path / "no.jpg").write_bytes(b"no photo")
    with pytest.raises(PhotoError, match=r"no\.jpg"):
        compare_photos(screener, taken(tmp_path / "a.png", 45), tmp_path / "no.jpg")
    with pytest.raises(PhotoError, match=r"gone\.jpg: the file cannot be opened"):
        compare_photos(screener, tmp_path / "gone.jpg", tmp_path / "a.png")
    compared = compare_photos(screener, tmp_path / "a.png", tmp_path / "a.png")
    with pytest.raises(PicturesError, match="cannot be written"):
        save_picture(compared, tmp_path / "picture.unknown")


def test_the_command_prints_what_the_schema_says(tiny_bundle: Bundle, tmp_path: Path) -> None:
    bundle = bundles.write(with_outline(tiny_bundle), tmp_path / "bundle")
    pair = [str(taken(tmp_path / "a.png", 36)), str(taken(tmp_path / "b.png", 54))]
    command = ["visits", *pair, "--bundle", str(bundle)]
    done = CliRunner().invoke(main, [*command, "--json", "--overlay", str(tmp_path / "both.png")])
    assert done.exit_code == 0, done.output
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert schema == json_schema(), "docs/reference/visits.schema.json must be written again"
    Draft202012Validator(schema).validate(msgspec.json.decode(done.stdout))
    with Image.open(tmp_path / "both.png") as both:
        assert both.size == (608, 225)
    text = CliRunner().invoke(main, command)
    assert text.exit_code == 0, text.output
    assert text.stdout.startswith("Show this mark to a doctor within")
    assert "by the photos laid over each other" in text.stdout
    assert "not a diagnosis" in text.stdout


def test_what_cameras_wrote_does_not_tell_growth(screener: Screener, tmp_path: Path) -> None:
    """A distance that is wrong by a quarter would hide a mark that doubled."""
    paths = []
    for name, radius, skin in (("a", 36, 1), ("b", 54, 7)):
        exif = Image.Exif()
        exif.get_ifd(0x8769).update(CAMERA)
        paths.append(tmp_path / f"{name}.jpg")
        Image.fromarray(visit(skin, radius).pixels).save(paths[-1], quality=95, exif=exif)
    found = compare_photos(screener, *paths).visits
    assert found.later.measurements is not None
    assert found.later.measurements.scale is not None
    assert found.evolution is not None
    assert found.evolution.size is None
    assert found.unknown[0].startswith("Whether the mark grew cannot be told.")


def test_a_file_beyond_all_bounds_is_not_read_whole(screener: Screener, tmp_path: Path) -> None:
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(PhotoError, match=r"huge\.jpg: .*larger than"):
        compare_photos(screener, tmp_path / "huge.jpg", tmp_path / "huge.jpg")
