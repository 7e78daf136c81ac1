"""From bytes to a screening: what it says, and that it says the same as its parts."""

from __future__ import annotations

import io
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image, ImageFilter

from epiluma.bundle import Abstention, Bundle, Crop
from epiluma.imaging.measure import given_scale
from epiluma.imaging.preprocess import to_square
from epiluma.imaging.synthetic import draw_lesion
from epiluma.inference.decide import probabilities_from_logits
from epiluma.inference.recommend import TEXTS, UNCERTAIN
from epiluma.inference.result import Screening, ScreeningError, json_schema, to_json
from epiluma.inference.screen import Screener, judged
from tests.conftest import with_outline
from tests.export.test_examples import with_examples
from tests.imaging.measure.test_ruler import with_ruler
from tests.imaging.measure.test_scale import CAMERA

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "screening.schema.json"


@pytest.fixture(scope="module")
def screener(tiny_bundle: Bundle) -> Screener:
    return Screener(tiny_bundle)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def lesion() -> Image.Image:
    return Image.fromarray(draw_lesion(1, size=(300, 225)).image)


def test_probabilities_come_from_the_network_on_the_square(
    screener: Screener, tiny_bundle: Bundle, lesion: Image.Image
) -> None:
    found = screener.screen(png(lesion), file="lesion.png")
    square = to_square(lesion, 32).astype(float) / 255
    weights = np.random.RandomState(0)
    layer, bias = weights.normal(0, 2, (3, 8)), weights.normal(0, 0.5, 8)
    logits = ((square - 0.5) / 0.5).mean((0, 1)) @ layer + bias
    expected = np.exp(logits / 1.5) / np.exp(logits / 1.5).sum()
    np.testing.assert_allclose(list(found.probabilities.values()), expected, atol=1e-5)
    assert list(found.probabilities) == list(tiny_bundle.manifest.taxonomy.codes)
    assert found.malignancy_risk == pytest.approx(expected[[0, 2, 3, 7]].sum(), abs=1e-5)
    assert (found.file, found.width, found.height) == ("lesion.png", 300, 225)
    assert found.bundle.id == tiny_bundle.id
    assert found.timings.total >= found.timings.decode + found.timings.network


def logits_of(tiny_bundle: Bundle, **probabilities: float) -> np.ndarray:
    """What the network would have to say for these probabilities."""
    manifest = tiny_bundle.manifest
    values = np.array([probabilities.get(code, 1e-9) for code in manifest.taxonomy.codes])
    return (np.log(values / values.sum()) * manifest.calibration.temperature)[None].astype(np.float32)


@pytest.mark.parametrize(
    ("probabilities", "level", "weeks", "reason"),
    [
        ({"MEL": 0.6, "NV": 0.4}, "urgent", 2, "risk is 0.60; from 0.20 on"),
        ({"BCC": 0.5, "NV": 0.5}, "refer", 4, "risk is 0.50"),
        ({"AK": 0.45, "MEL": 0.05, "NV": 0.5}, "refer", 4, "risk is 0.50"),
        ({"AK": 0.3, "MEL": 0.2, "NV": 0.5}, "urgent", 2, "risk is 0.50"),
        (
            {"AK": 0.1, "NV": 0.9},
            "refer",
            4,
            "below the threshold of 0.20, but .* Actinic keratosis, counts as malignant",
        ),
        ({"NV": 0.94, "MEL": 0.06}, "refer", 4, "below the threshold of 0.20, but what it may be is dangerous"),
        ({"NV": 0.97, "MEL": 0.03}, "recheck", 12, "below the threshold of 0.20, but not small enough"),
        ({"NV": 0.99, "MEL": 0.01}, "no_sign", None, "risk is 0.01, below the threshold of 0.20"),
    ],
)
def test_recommendation(
    tiny_bundle: Bundle, probabilities: dict[str, float], level: str, weeks: int | None, reason: str
) -> None:
    found = judged(logits_of(tiny_bundle, **probabilities), tiny_bundle.manifest)
    values = [probabilities.get(code, 0.0) for code in tiny_bundle.manifest.taxonomy.codes]
    assert list(found.probabilities.values()) == pytest.approx(values, abs=1e-5)
    assert found.risk == pytest.approx(sum(p for code, p in probabilities.items() if code != "NV"), abs=1e-5)
    assert (found.recommendation.level, found.recommendation.within_weeks) == (level, weeks)
    assert found.recommendation.threshold == 0.2
    assert re.search(reason, found.recommendation.reason)


def test_a_photo_in_the_abstention_band_is_not_judged(tiny_bundle: Bundle) -> None:
    band = Abstention(lower=0.01, upper=0.3, max_share=0.1, share=0.05, error=0.1, error_outside=0.05, lesions=100)
    manifest = msgspec.structs.replace(tiny_bundle.manifest, abstention=band)
    found = judged(logits_of(tiny_bundle, NV=0.98, MEL=0.02), manifest)
    assert (found.diagnosis, found.risk, found.probabilities) == (None, None, {})
    assert (found.recommendation.level, found.recommendation.reason) == ("cannot_judge", UNCERTAIN)


def test_no_sign_never_says_that_all_is_well() -> None:
    assert TEXTS["no_sign"].startswith("No sign of skin cancer was found in this photo. Come back if")
    for text in TEXTS.values():
        assert not {"fine", "healthy", "safe", "benign"} & set(text.lower().split())


def test_an_unusable_photo_is_not_scored(screener: Screener, lesion: Image.Image) -> None:
    found = screener.screen(png(lesion.filter(ImageFilter.GaussianBlur(9))), file="blurred.png")
    assert found.recommendation.level == "cannot_judge"
    assert "blurred" in found.recommendation.reason
    assert (found.diagnosis, found.malignancy_risk, found.probabilities) == (None, None, {})
    assert found.timings.network < 1
    reported = screener.screen(png(lesion.filter(ImageFilter.GaussianBlur(9))), file="blurred.png", symptoms=["grew"])
    assert (reported.recommendation.level, reported.symptoms) == ("refer", ("grew",))
    assert (reported.diagnosis, reported.malignancy_risk, reported.probabilities) == (None, None, {})


def test_the_scores_match_the_batch_functions(screener: Screener, tiny_bundle: Bundle) -> None:
    """The same photo alone and within a batch gives the same probabilities."""
    batch = np.random.RandomState(5).normal(size=(4, 3, 32, 32)).astype(np.float32)
    together = probabilities_from_logits(screener.session.logits(batch), tiny_bundle.manifest.calibration)
    for row, one in zip(together, batch, strict=True):
        found = judged(screener.session.logits(one[None]), tiny_bundle.manifest)
        np.testing.assert_allclose(list(found.probabilities.values()), row, atol=1e-6)


def test_paths_stream_and_bad_files_do_not_stop_the_rest(
    screener: Screener, lesion: Image.Image, tmp_path: Path
) -> None:
    good, text, empty = tmp_path / "good.png", tmp_path / "text.jpg", tmp_path / "empty.jpg"
    lesion.save(good)
    text.write_text("not a photo")
    empty.touch()
    asked: list[Path] = []

    def paths() -> Iterator[Path]:
        for path in (text, good, tmp_path / "missing.jpg", tmp_path, empty, good):
            asked.append(path)
            yield path

    results = screener.screen_paths(paths())
    first = next(results)
    assert asked == [text]
    assert isinstance(first, ScreeningError)
    kinds = [type(result) for result in results]
    assert kinds == [Screening, ScreeningError, ScreeningError, ScreeningError, Screening]
    assert screener.screen_path(tmp_path / "missing.jpg") == ScreeningError(
        file=str(tmp_path / "missing.jpg"), error="The file cannot be opened (No such file or directory)."
    )


def test_json_keeps_every_field(screener: Screener, lesion: Image.Image) -> None:
    found = screener.screen(png(lesion), file='"quoted" \n name.png')
    line = to_json(found)
    assert "\n" not in line
    assert msgspec.json.decode(line, type=Screening) == found


def test_the_committed_schema_is_the_code_s() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == json_schema()


def test_order_of_photos_does_not_matter(screener: Screener) -> None:
    photos = [png(Image.fromarray(draw_lesion(seed, size=(160, 120)).image)) for seed in range(4)]
    before = [screener.screen(data, file="a").probabilities for data in photos]
    order = random.Random(1).sample(range(4), 4)
    assert [screener.screen(photos[i], file="a").probabilities for i in order] == [before[i] for i in order]


def test_the_outline_is_measured_and_the_network_is_shown_the_square_around_it(tiny_bundle: Bundle) -> None:
    skin, brown = (224, 180, 150), (70, 40, 30)
    photo = Image.new("RGB", (300, 225), skin)
    photo.paste(brown, (40, 40, 100, 100))
    noise = np.random.default_rng(0).integers(-6, 7, (225, 300, 1))  # an even photo would count as blurred
    photo = Image.fromarray(np.clip(np.asarray(photo) + noise, 0, 255).astype(np.uint8))
    screener = Screener(with_outline(tiny_bundle, Crop(margin=0.25, least=0.1)))
    found = screener.look(png(photo), file="x")
    assert found.mask is not None
    assert found.mask[45:95, 45:95].all()
    assert found.box.side == pytest.approx(90, abs=8)
    assert found.box.left == pytest.approx(25, abs=5)
    size = found.screening.measurements
    assert size is not None
    assert size.size.pixels.area == pytest.approx(3600, rel=0.1)
    assert found.screening.timings.outline > 0
    whole = Screener(with_outline(tiny_bundle)).look(png(photo), file="x")
    assert whole.box == (37.5, 0, 225)
    assert whole.screening.probabilities != found.screening.probabilities
    mean = to_square(photo, 32, box=found.box).astype(float).mean((0, 1)) / 255
    random = np.random.RandomState(0)
    logits = (mean - 0.5) / 0.5 @ random.normal(0, 2, (3, 8)) + random.normal(0, 0.5, 8)
    expected = probabilities_from_logits(logits[None].astype(np.float32), tiny_bundle.manifest.calibration)[0]
    np.testing.assert_allclose(list(found.screening.probabilities.values()), expected, atol=1e-5)


def test_a_photo_without_a_mark_is_not_judged(tiny_bundle: Bundle) -> None:
    noise = np.random.default_rng(0).integers(-25, 26, (225, 300, 3))
    photo = Image.fromarray((np.full((225, 300, 3), (224, 180, 150)) + noise).astype(np.uint8))
    found = Screener(with_outline(tiny_bundle)).screen(png(photo), file="x")
    assert found.findings[0].code == "no_lesion"
    assert found.recommendation.level == "cannot_judge"
    assert found.recommendation.reason.startswith("No mark was found in this photo.")
    assert (found.diagnosis, found.probabilities, found.malignancy_risk, found.measurements) == (None, {}, None, None)


def test_sizes_are_those_of_the_file_whatever_it_was_decoded_to(tiny_bundle: Bundle, lesion: Image.Image) -> None:
    buffer = io.BytesIO()
    lesion.resize((4000, 3000), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=95)
    screener = Screener(with_outline(tiny_bundle))
    small, large = screener.screen(png(lesion), file="x"), screener.look(buffer.getvalue(), file="x")
    assert large.photo.width < 4000  # it was decoded smaller
    assert small.measurements is not None
    assert large.screening.measurements is not None
    ratio = large.screening.measurements.size.pixels.largest_diameter / small.measurements.size.pixels.largest_diameter
    assert ratio == pytest.approx(4000 / 300, rel=0.05)
    given = screener.screen(buffer.getvalue(), file="x", scale=given_scale(0.005)).measurements
    assert given is not None
    assert given.size.millimetres is not None
    assert given.size.millimetres.largest_diameter == pytest.approx(0.005 * given.size.pixels.largest_diameter)


def test_a_judged_photo_names_what_it_looks_most_like_and_a_refused_one_nothing(tiny_bundle: Bundle) -> None:
    screener = Screener(with_examples(tiny_bundle))
    found = screener.screen(png(Image.fromarray(draw_lesion(1).image)), file="x")
    assert found.diagnosis is not None
    assert len(found.examples) == 5
    assert found.examples[0].similarity >= found.examples[-1].similarity
    assert screener.screen(png(Image.new("RGB", (300, 300), (8, 8, 8))), file="dark").examples == ()


def test_the_scale_is_the_given_one_else_the_ruler_s_else_the_camera_s(tiny_bundle: Bundle) -> None:
    screener, camera = Screener(with_outline(tiny_bundle)), Image.Exif()
    camera.get_ifd(0x8769).update(CAMERA)
    buffer = io.BytesIO()
    ruled = Image.fromarray(with_ruler(24, 0)).resize((2400, 1800), Image.Resampling.BICUBIC)  # decoded smaller
    ruled.save(buffer, "JPEG", quality=95, exif=camera)
    photo, found = buffer.getvalue(), {}
    for name, asked in {
        "given": {"scale": given_scale(0.005), "ruler": 1.0},
        "ruler": {"ruler": 1.0},
        "exif": {},
    }.items():
        measured = screener.look(photo, file="x", **asked).screening.measurements  # type: ignore[arg-type]
        assert measured is not None
        assert measured.scale is not None
        assert measured.size.millimetres is not None
        found[name] = measured.scale
        assert measured.scale.source == name
        ratio = measured.size.millimetres.largest_diameter / measured.size.pixels.largest_diameter
        assert ratio == pytest.approx(measured.scale.mm_per_pixel)
    assert screener.view.open(photo, 32).image.width < 2400
    assert found["ruler"].mm_per_pixel == pytest.approx(1 / 96, rel=0.02)  # of the file's pixels
    plain = io.BytesIO()
    Image.fromarray(draw_lesion(1).image).save(plain, "JPEG")
    measured = screener.look(plain.getvalue(), file="x", ruler=1.0).screening.measurements
    assert measured is not None
    assert measured.scale is None
