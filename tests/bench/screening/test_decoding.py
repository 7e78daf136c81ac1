"""Each photo is really screened at two scales, and every recommendation that differs is counted."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from PIL import Image

from epiluma.bench.screening import decoding as bench
from epiluma.bench.screening.subject import Effort, Subject, enlarged
from epiluma.imaging.decode import PhotoError, decode_photo
from epiluma.imaging.quality import SIDE, grade_quality


def test_photos_are_enlarged_unless_they_are_large(subject: Subject, tmp_path: Path) -> None:
    small = subject.photos[0].path
    (tmp_path / "large.jpg").write_bytes(enlarged(small.read_bytes()))
    pairs = [bench.compare(subject.screener, path) for path in (small, tmp_path / "large.jpg")]
    assert [pair.was_large for pair in pairs] == [False, True]
    assert pairs[0][1:] == pairs[1][1:]
    assert pairs[0].judged
    assert not pairs[0].changed
    assert pairs[0].risk is not None
    assert 0 <= pairs[0].risk < 0.01


def test_the_difference_is_that_of_the_same_pixels_in_another_file(subject: Subject, tmp_path: Path) -> None:
    (tmp_path / "large.jpg").write_bytes(enlarged(subject.photos[0].data))
    with Image.open(tmp_path / "large.jpg") as photo:
        photo.save(tmp_path / "large.png", compress_level=1)
    scaled, full = (
        subject.screener.look((tmp_path / name).read_bytes(), file=name) for name in ("large.jpg", "large.png")
    )
    assert scaled.photo.size != full.photo.size == (4000, 3000)
    assert scaled.screening.malignancy_risk
    assert full.screening.malignancy_risk
    expected = abs(scaled.screening.malignancy_risk - full.screening.malignancy_risk)
    assert expected > 0
    assert bench.compare(subject.screener, tmp_path / "large.jpg").risk == pytest.approx(expected, rel=1e-6)


def test_another_level_and_a_refusal_are_changes(subject: Subject) -> None:
    found = subject.screen(subject.photos[0])
    milder = msgspec.structs.replace(found.recommendation, level="recheck")
    other = msgspec.structs.replace(found, recommendation=milder, malignancy_risk=(found.malignancy_risk or 0) - 0.25)
    pair = bench.pair_of(found, other, was_large=False)
    level = found.recommendation.level
    assert (pair.changed, pair.judged, pair.risk) == (f"{level}, in full recheck", True, pytest.approx(0.25))
    unclear = msgspec.structs.replace(found.recommendation, level="cannot_judge")
    refused = msgspec.structs.replace(found, recommendation=unclear, malignancy_risk=None)
    assert bench.pair_of(refused, found, was_large=False)[1:] == (False, f"cannot_judge, in full {level}", None)
    assert bench.pair_of(refused, refused, was_large=False)[1:] == (False, "", None)


def test_too_few_photos_cannot_tell(
    photos: Path, outlining_path: Path, effort: Effort, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Subject([photos / f"drawn-{i:03}.jpg" for i in range(2)], outlining_path)
    told: list[tuple[int, int]] = []
    changed, worst = bench.decoding(subject, effort, lambda done, total: told.append((done, total)))
    assert (changed.value, changed.reached, changed.figures["n"]) == (0, None, (2,))
    assert "2 enlarged to 12 MP, 0 as they are" in changed.note
    assert "1,000 photos are needed" in changed.note
    assert told == [(1, 2), (2, 2)]
    assert worst.value is not None
    monkeypatch.setattr(bench, "ENOUGH", 2)
    assert bench.decoding(subject, effort, lambda *_: None)[0].reached is True


def test_a_photo_that_only_one_scale_lets_through_is_counted_and_named(
    outlining_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photos: Path
) -> None:
    data = enlarged((photos / "drawn-000.jpg").read_bytes())
    (tmp_path / "large.jpg").write_bytes(data)
    scaled = grade_quality(decode_photo(data, shorter_side=SIDE).image).sharpness
    full = grade_quality(decode_photo(data).image).sharpness
    assert scaled < full
    monkeypatch.setattr("epiluma.imaging.quality.MIN_SHARPNESS", (scaled + full) / 2)
    changed, worst = bench.decoding(Subject([tmp_path], outlining_path), Effort(decoded=1), lambda *_: None)
    assert (changed.value, changed.reached) == (1, False)
    assert "0 enlarged to 12 MP, 1 as they are, 0 judged" in changed.note
    assert "large.jpg (cannot_judge, in full " in changed.note
    assert (worst.value, worst.note) == (None, "no photo is judged in both ways")


def test_what_cannot_be_compared_is_left_out_and_said(outlining_path: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.jpg").write_bytes(b"junk")
    Image.effect_noise((2600, 50), 50).convert("RGB").save(tmp_path / "narrow.jpg")
    subject = Subject([tmp_path], outlining_path)
    (row,) = bench.decoding(subject, Effort(decoded=2), lambda *_: None)
    assert (row.value, row.note) == (None, "none of the photos can be compared")
    assert [Path(one.file).name for one in subject.left_out] == ["junk.jpg", "narrow.jpg"]
    with pytest.raises(PhotoError, match="narrow"):
        bench.compare(subject.screener, tmp_path / "narrow.jpg")
