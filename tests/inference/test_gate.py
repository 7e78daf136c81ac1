"""The gate refuses what it should, notes what it should, and never passes what it could not check."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import pytest
from PIL import Image

from epiluma.bundle import Bundle
from epiluma.export.scope import Seen, Shape, fit_scope, with_scope
from epiluma.imaging.framing import Cover, Framing
from epiluma.imaging.quality import TOO_SMALL, grade_quality
from epiluma.imaging.synthetic import draw_lesion
from epiluma.imaging.synthetic.outside import draw_outside
from epiluma.inference import gate as gates
from epiluma.inference.gate import Finding, Gate, GateResult, check_photo, cover_findings, framing_findings

WHOLE = Framing(area=0.3, outside=0.0, contact=0.0, lesions=1)
CLEAN = Cover(skin=1.0, ink=0.0, hair=0.0)
LOGITS = np.zeros((1, 8), np.float32)


@pytest.fixture(scope="module")
def scoped(tiny_bundle: Bundle) -> Bundle:
    """The tiny bundle with statistics of three features around 0."""
    random = np.random.default_rng(0)
    training = Seen(random.normal(0, 1, (300, 3)).astype(np.float32), random.normal(0, 1, (300, 8)).astype(np.float32))
    leaf = random.integers(0, 2, 300)
    return with_scope(tiny_bundle, *fit_scope(training, leaf, training, np.arange(300), shape=Shape(2, 0.3, 0.05)))


@pytest.fixture(scope="module")
def lesion() -> tuple[Image.Image, np.ndarray]:
    drawn = draw_lesion(3, size=(300, 225))
    return Image.fromarray(drawn.image), drawn.mask


def check(
    bundle: Bundle,
    photo: Image.Image,
    mask: np.ndarray | None,
    features: np.ndarray | None,
    logits: np.ndarray = LOGITS,
) -> GateResult:
    return Gate(bundle).check(photo, mask, features=features, logits=logits, quality=grade_quality(photo))


def codes(findings: list[Finding] | tuple[Finding, ...]) -> list[str]:
    return [f"{finding.severity} {finding.code}" for finding in findings]


def test_a_lesion_in_scope_passes(scoped: Bundle, lesion: tuple[Image.Image, np.ndarray]) -> None:
    result = check(scoped, *lesion, np.zeros((1, 3), np.float32))
    assert result.passes
    assert result.reasons == ()
    assert result.score is not None
    assert scoped.manifest.scope is not None
    assert result.score < scoped.manifest.scope.threshold


def test_far_features_are_refused_with_score_and_threshold(
    scoped: Bundle, lesion: tuple[Image.Image, np.ndarray]
) -> None:
    result = check(scoped, *lesion, np.full((1, 3), 40, np.float32))
    assert codes(result.findings)[0] == "refuse out_of_scope"
    assert scoped.manifest.scope is not None
    assert result.findings[0].value == result.score
    assert result.findings[0].threshold == scoped.manifest.scope.threshold
    assert not result.passes
    assert all(text.endswith(".") for text in result.reasons)


def test_a_bundle_without_statistics_checks_the_photo_alone(
    tiny_bundle: Bundle, lesion: tuple[Image.Image, np.ndarray]
) -> None:
    result = check(tiny_bundle, *lesion, None)
    assert result.passes
    assert result.score is None


@pytest.mark.parametrize(
    ("features", "logits"),
    [
        (None, LOGITS),
        (np.full((1, 3), np.nan), LOGITS),
        (np.array([[0, np.inf, 0]]), LOGITS),
        (np.zeros((1, 3)), np.full((1, 8), np.nan)),
        (np.zeros((1, 4)), LOGITS),
        (np.zeros((2, 3)), np.zeros((2, 8))),
        (np.zeros(3), LOGITS),
        (np.zeros((1, 3)), np.zeros((1, 0))),
    ],
    ids=["none", "nan", "inf", "nan logits", "too long", "two photos", "flat", "no logits"],
)
def test_what_cannot_be_scored_is_refused(
    scoped: Bundle, lesion: tuple[Image.Image, np.ndarray], features: np.ndarray | None, logits: np.ndarray
) -> None:
    result = check(scoped, *lesion, features, logits)
    assert "refuse cannot_judge" in codes(result.findings)
    assert result.score is None


@pytest.mark.parametrize("mask", [np.zeros((10, 10), bool), np.zeros((225, 300)), np.zeros(5, bool)])
def test_a_mask_that_does_not_fit_is_refused(lesion: tuple[Image.Image, np.ndarray], mask: np.ndarray) -> None:
    assert "refuse cannot_judge" in codes(list(check_photo(lesion[0], mask, quality=grade_quality(lesion[0]))))


@pytest.mark.parametrize("measure", ["measure_framing", "measure_cover"])
def test_a_check_that_breaks_refuses(
    measure: str, lesion: tuple[Image.Image, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(gates, measure, broken)
    assert "refuse cannot_judge" in codes(list(check_photo(*lesion, quality=grade_quality(lesion[0]))))


@pytest.mark.parametrize("field", ["area", "outside", "contact"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_framing_that_is_not_finite_refuses(field: str, bad: float) -> None:
    assert codes(framing_findings(dataclasses.replace(WHOLE, **{field: bad}))) == ["refuse cannot_judge"]


@pytest.mark.parametrize("field", ["skin", "ink", "hair"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_cover_that_is_not_finite_refuses(field: str, bad: float) -> None:
    assert codes(cover_findings(dataclasses.replace(CLEAN, **{field: bad}))) == ["refuse cannot_judge"]


@pytest.mark.parametrize("field", ["sharpness", "brightness", "contrast"])
def test_quality_that_is_not_finite_refuses(field: str, lesion: tuple[Image.Image, np.ndarray]) -> None:
    quality = msgspec.structs.replace(grade_quality(lesion[0]), **{field: float("nan")})
    assert "refuse cannot_judge" in codes(list(check_photo(*lesion, quality=quality)))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"area": 0.0}, ["refuse no_lesion"]),
        ({"lesions": 2}, ["note several_lesions"]),
        ({"area": 0.004}, ["note lesion_small"]),
        ({"area": 0.95}, ["note lesion_large"]),
        ({"contact": 0.1}, ["note lesion_cut"]),
        ({"outside": 0.1}, ["note lesion_cut"]),
        ({"contact": 0.1, "outside": 0.1}, ["note lesion_cut"]),
    ],
)
def test_framing_is_said_in_findings(changes: dict[str, float], expected: list[str]) -> None:
    assert codes(framing_findings(dataclasses.replace(WHOLE, **changes))) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, []), ({"skin": 0.3}, ["refuse not_skin"]), ({"ink": 0.1}, ["note ink"]), ({"hair": 0.5}, ["note hair"])],
)
def test_cover_is_said_in_findings(changes: dict[str, float], expected: list[str]) -> None:
    assert codes(cover_findings(dataclasses.replace(CLEAN, **changes))) == expected


def test_a_ruler_is_noted_and_a_broken_ruler_refuses(lesion: tuple[Image.Image, np.ndarray]) -> None:
    quality = grade_quality(lesion[0])
    assert "note ruler" in codes(list(check_photo(*lesion, quality=quality, ruler=0.8)))
    assert "note ruler" not in codes(list(check_photo(*lesion, quality=quality, ruler=0.3)))
    assert "refuse cannot_judge" in codes(list(check_photo(*lesion, quality=quality, ruler=float("nan"))))


def test_a_green_field_is_no_skin() -> None:
    photo = Image.fromarray(draw_outside("textures", 2).image)
    green = Image.merge("RGB", [photo.getchannel("R").point(lambda v: v // 3), photo.getchannel("G"), photo.getchannel("B").point(lambda v: v // 3)])  # fmt: skip # noqa: E501
    assert "refuse not_skin" in codes(list(check_photo(green, None, quality=grade_quality(photo))))


def test_a_photo_of_224_pixels_is_not_too_small_and_one_of_90_is() -> None:
    large, small = (Image.fromarray(draw_lesion(3, size=(side, side)).image) for side in (224, 90))
    assert list(check_photo(large, None, quality=grade_quality(large))) == []
    (found,) = check_photo(small, None, quality=grade_quality(small))
    assert (found.code, found.reason) == ("quality", TOO_SMALL)


def test_every_finding_says_what_and_what_to_do() -> None:
    for code, (severity, reason, action) in gates.WORDS.items():
        if code != "quality":  # which brings its own words
            assert severity in {"refuse", "note"}
            assert reason.endswith(".")
            assert action.endswith(".")


def test_a_measure_of_numpys_own_kind_can_be_written_as_json() -> None:
    found = gates.finding("hair", np.float64(0.5), 0.25)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Finding).value == 0.5
