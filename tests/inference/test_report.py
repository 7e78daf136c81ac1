"""The HTML report: whole, self-contained, and without anything about the photo's owner."""

from __future__ import annotations

import base64
import io
import re
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from epiluma.bundle import Bundle
from epiluma.imaging.synthetic import draw_lesion
from epiluma.inference.report import HtmlReport, ReportError, make_thumbnail
from epiluma.inference.result import Screening, ScreeningError
from epiluma.inference.screen import Screener
from epiluma.taxonomy import BINARY_NOTE


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn lesion whose file names its owner in EXIF, in a comment and in XMP."""
    path = tmp_path_factory.mktemp("photos") / "lesion <b>.jpg"
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = 6, "Jane Example"
    Image.fromarray(draw_lesion(2, size=(640, 480)).image).save(
        path, exif=exif, comment=b"Jane Example", xmp=b"Jane Example", quality=90
    )
    return path


@pytest.fixture(scope="module")
def screening(tiny_bundle: Bundle, photo: Path) -> Screening:
    result = Screener(tiny_bundle).screen_path(photo)
    assert isinstance(result, Screening)
    return result


class _Tags(HTMLParser):
    """Checks that every element is closed, and keeps attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attributes]
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attributes]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_report_says_everything_and_needs_nothing(
    tiny_bundle: Bundle, screening: Screening, photo: Path, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    with HtmlReport(path, tiny_bundle) as report:
        report.add(screening, make_thumbnail(photo))
        report.add(ScreeningError(file="<i>.jpg", error="The file is empty."))
        assert not path.exists()
    text = path.read_text(encoding="utf-8")
    tags = _Tags(text)
    assert tags.open == []
    head = text[: text.index("<main>")]
    for said in ("2 photos", "1 not read", BINARY_NOTE, "This is not a diagnosis", tiny_bundle.id, "Made for tests."):
        assert said in head
    assert screening.recommendation.text in text
    assert screening.recommendation.reason in text
    assert text.count("<svg") == 2
    assert "&lt;i&gt;.jpg" in text
    assert "lesion &lt;b&gt;.jpg" in text
    links = [value for name, value in tags.attributes if name in {"src", "href", "srcset"}]
    assert all(value.startswith("data:image/jpeg;base64,") for value in links)
    assert not re.search(r"<script|@import|url\(", text)
    assert list(tmp_path.iterdir()) == [path]


def test_thumbnail_is_small_upright_and_anonymous(photo: Path) -> None:
    thumbnail = make_thumbnail(photo)
    assert thumbnail is not None
    assert b"Jane" in photo.read_bytes()
    assert b"Jane" not in thumbnail
    assert b"Exif" not in thumbnail
    with Image.open(io.BytesIO(thumbnail)) as picture:
        assert picture.size == (180, 240)
        assert not picture.getexif()
    assert len(base64.b64encode(thumbnail)) < 30_000
    assert make_thumbnail(photo.with_name("missing.jpg")) is None


def test_an_error_leaves_the_old_report_alone(tiny_bundle: Bundle, screening: Screening, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def interrupted() -> None:
        with HtmlReport(path, tiny_bundle) as report:
            report.add(screening)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tiny_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"report\.html: the report cannot be written"):
        HtmlReport(tmp_path / "missing" / "report.html", tiny_bundle).__enter__()


def test_thousands_stream_to_disk(tiny_bundle: Bundle, screening: Screening, photo: Path, tmp_path: Path) -> None:
    thumbnail = make_thumbnail(photo)
    tracemalloc.start()
    with HtmlReport(tmp_path / "report.html", tiny_bundle) as report:
        for _ in range(300):
            report.add(screening, thumbnail)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "report.html").stat().st_size > 3_000_000
    assert peak < 1_000_000
