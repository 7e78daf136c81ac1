"""Figures are made of photos that are judged; the others are named with the reason."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from epiluma.bench.errors import BenchError
from epiluma.bench.screening import subject as subjects
from epiluma.bench.screening.subject import Effort, Subject, as_large, enlarged, sizes
from epiluma.imaging.quality import EMPTY
from tests.bench.screening.conftest import BLANK


def test_a_refused_first_photo_is_skipped_and_said(photos: Path, outlining_path: Path) -> None:
    found = Subject([photos], outlining_path)
    assert found.files[0].name == BLANK
    assert [photo.path.name for photo in found.photos] == [f"drawn-{i:03}.jpg" for i in range(2)]
    (blank,) = found.left_out
    assert (blank.file, blank.large) == (str(photos / BLANK), False)
    assert blank.reason.startswith(EMPTY)
    for photo in found.photos:
        assert found.screen(photo).diagnosis is not None


def test_none_that_is_judged_is_an_error_with_the_reason(photos: Path, outlining_path: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.jpg").write_bytes(b"junk")
    found = Subject([photos / BLANK, tmp_path / "junk.jpg"], outlining_path)
    with pytest.raises(BenchError, match=r"none of 2 photos is judged .*one colour") as raised:
        _ = found.photos
    assert "1: " in str(raised.value)
    assert len(found.left_out) == 2


@pytest.mark.parametrize(("name", "words"), [("empty", "holds no photos"), ("missing.jpg", "no such file")])
def test_nothing_to_measure_is_an_error(tmp_path: Path, outlining_path: Path, name: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchError, match=words):
        _ = Subject([tmp_path / name], outlining_path).files


def test_large_photos_have_twelve_megapixels_in_their_own_proportions(subject: Subject) -> None:
    assert {photo.size for photo in subject.large} == {(4000, 3000)}
    file = io.BytesIO()
    Image.effect_noise((30, 120), 50).convert("RGB").save(file, "PNG")
    with Image.open(io.BytesIO(enlarged(file.getvalue()))) as upright:
        assert (upright.format, upright.size) == ("JPEG", (1732, 6928))
    large = subject.large[0].data
    assert as_large(large) is large


def test_a_file_that_cannot_be_opened_is_left_out(tmp_path: Path, photos: Path, outlining_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes((photos / "drawn-000.jpg").read_bytes())
    found = Subject([tmp_path / "photo.jpg", photos / "drawn-001.jpg"], outlining_path)
    assert len(found.files) == 2
    (tmp_path / "photo.jpg").unlink()
    assert [photo.path.name for photo in found.photos] == ["drawn-001.jpg"]
    assert found.left_out[0].reason == "The file cannot be opened (No such file or directory)."


def test_photos_beyond_the_most_are_picked_evenly(
    photos: Path, outlining_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects, "MOST", 2)
    found = Subject([photos], outlining_path)
    assert [path.name for path in found.picked(2)] == [BLANK, "drawn-001.jpg"]
    assert [photo.path.name for photo in found.photos] == ["drawn-001.jpg"]


def test_sizes_in_words(subject: Subject) -> None:
    assert sizes(subject.photos) == "600 x 450"
    assert sizes([*subject.photos, *subject.large]) == "600 x 450 to 4000 x 3000"


@pytest.mark.parametrize(("part", "times"), [(1, 30), (10, 3), (100, 1)])
def test_a_part_is_measured_at_least_once(part: int, times: int) -> None:
    assert Effort(screenings=30).share(part) == times
