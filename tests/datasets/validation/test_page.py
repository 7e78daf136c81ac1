"""One page that holds everything, escapes what publishers wrote, and can be looked at in a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from epiluma.datasets import manifest as manifests
from epiluma.datasets.leaks import Finding
from epiluma.datasets.manifest import Manifest
from epiluma.datasets.record import DataError
from epiluma.datasets.validation import page
from tests.datasets.manifests import Pair, inspected


@pytest.fixture(scope="module")
def html(found: Manifest) -> str:
    findings = [Finding(severity="leak", what="near <b>copies</b> in two parts", count=1, examples=("2 and 3",))]
    header = replace(found.header, audit="leak: 1 pair", audited=manifests.sha256(found))
    leaking = replace(found, header=header)
    return page.render(leaking, inspected(6, error={1: "cut"}), [Pair(2, 3)], findings, title="A & B")


def test_the_page_needs_nothing_else(html: str) -> None:
    addresses = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?([^\"'\s>)]+)", html)
    assert addresses
    assert all(address.startswith("data:image/jpeg;base64,") for address in addresses)


def test_what_publishers_wrote_is_text(html: str) -> None:
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "near &lt;b&gt;copies&lt;/b&gt;" in html
    assert "<title>A &amp; B: validation report</title>" in html


def test_every_tag_is_closed(html: str) -> None:
    class Balance(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in {"meta", "img", "br", "rect"}:
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if tag != "rect":
                assert self.open.pop() == tag

    balance = Balance()
    balance.feed(html)
    assert balance.open == []


@pytest.mark.parametrize(
    "words",
    [
        "6 images in 3 groups", "Audit: leak: 1 pair.", "▲ leak", "Diagnosis by part", "Fitzpatrick type",
        "individual typology angle", "Found: 1 pair.", "ACROSS PARTS: train and test",
        "same lesion by the publisher&#39;s table", "Data sheet", "Under which licence?", "one et al.",
        "cannot be read",
    ],
)  # fmt: skip
def test_the_page_shows(html: str, words: str) -> None:
    assert words in html


def test_the_sheet_is_in_the_paper_s_order(html: str) -> None:
    sections = ["Motivation", "Composition", "Collection", "Preprocessing", "Uses", "Distribution", "Maintenance"]
    assert [name for name in re.findall(r"<h3>(.*?)</h3>", html) if name in sections] == sections


def test_what_is_left_out_is_in_no_chart(found: Manifest) -> None:
    entries = tuple(
        replace(e, part="", excluded="blurred (sharpness 1)") if i == 4 else e for i, e in enumerate(found.entries)
    )
    left = page.render(replace(found, entries=entries), inspected(6, ita=[50] * 6, ita_error=[5] * 6), [], [])
    charts = left[left.index("<h2>What the set holds") : left.index("<h2>What was left out")]
    assert re.search(r"<span>NV</span>.*?>3 <", charts)
    tones = left[left.index("<h2>Skin tone") : left.index("<h2>Colour and quality")]
    assert re.search(r"<span>light</span>.*?>5 <", tones)
    assert "n 5<" in left[left.index("<h2>Colour and quality") :]
    assert "6 images" in left
    assert re.search(r"<span>blurred</span>.*?>1 <", left)


def test_a_set_of_which_nothing_is_used_has_a_page(found: Manifest) -> None:
    entries = tuple(replace(e, part="", excluded="cannot be read: cut") for e in found.entries)
    nothing = page.render(replace(found, entries=entries), inspected(6), [Pair(2, 3)], [])
    assert "Used: 0 images. Left out with a reason: 6 images." in nothing
    assert re.search(r"<span>cannot be read</span>.*?>6 <", nothing)


def test_a_verdict_on_other_entries_is_not_repeated(found: Manifest) -> None:
    stale = replace(found, header=replace(found.header, audit="clean: nothing crosses", audited="0" * 64))
    html = page.render(stale, inspected(6), [], [])
    assert "Audit: not audited: changed after the audit." in html
    assert "nothing crosses" not in html


def test_a_page_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/report\.html: the report cannot be written"):
        page.write("x", tmp_path / "file" / "report.html")
    page.write("x", tmp_path / "new" / "report.html")
    assert (tmp_path / "new" / "report.html").read_text() == "x"
