"""Every word of the pages is there in Chinese, and the compiled file is in step with its source."""

from __future__ import annotations

import gettext
import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from epiluma import service
from epiluma.examples import example_photos
from epiluma.imaging import containers, quality
from epiluma.inference import gate

ROOT = Path(service.__file__).parent
CATALOGUE = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
_IN_TEMPLATES = re.compile(r"""\{% translate (?:"([^"]+)"|'([^']+)')""")
_IN_BLOCKS = re.compile(r"\{% blocktranslate[^%]*%\}(.+?)\{% endblocktranslate %\}", re.DOTALL)
_IN_CODE = re.compile(r"""(?:\b_|gettext|gettext_lazy)\(\s*((?:"[^"]*"\s*)+)\)""")


@pytest.fixture(scope="module")
def catalogue() -> Catalog:
    with CATALOGUE.open("rb") as file:
        return read_po(file)


def words_of_the_pages() -> set[str]:
    found: set[str] = set()
    for template in ROOT.rglob("*.html"):
        text = template.read_text(encoding="utf-8")
        found |= {double or single for double, single in _IN_TEMPLATES.findall(text)}
        found |= {re.sub(r"\{\{ (\w+) \}\}", r"%(\1)s", block) for block in _IN_BLOCKS.findall(text)}
    for module in ROOT.rglob("*.py"):
        for literals in _IN_CODE.findall(module.read_text(encoding="utf-8")):
            found.add("".join(re.findall(r'"([^"]*)"', literals)))
    return found


def words_of_the_runtime() -> set[str]:
    """Fixed sentences that the runtime puts on the page."""
    found = {words for _, reason, action in gate.WORDS.values() for words in (reason, action) if words}
    graded = found | {quality.TOO_SMALL, quality.EMPTY, quality.TOO_DARK, quality.TOO_BRIGHT, quality.BLURRED}
    return graded | {containers.DAMAGED, containers.RARE} | {example.title for example in example_photos()}


def test_every_word_has_a_translation(catalogue: Catalog) -> None:
    wanted = words_of_the_pages() | words_of_the_runtime()
    assert len(wanted) > 90
    assert sorted(word for word in wanted if word not in catalogue or not catalogue[word].string) == []


def test_no_translation_is_left_over_from_the_pages(catalogue: Catalog) -> None:
    known = words_of_the_pages() | words_of_the_runtime()
    spoken_elsewhere = {"The file is empty.", "HEIC, AVIF and video files cannot be read. Save the photo as JPEG."}
    assert {message.id for message in catalogue if message.id} - known == spoken_elsewhere


def test_placeholders_agree(catalogue: Catalog) -> None:
    for message in catalogue:
        if message.id:
            ours, theirs = (sorted(re.findall(r"%\(\w+\)[.\d]*\w", text)) for text in (message.id, message.string))
            assert ours == theirs, message.id


def test_the_compiled_file_is_in_step(catalogue: Catalog) -> None:
    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        compiled = read_mo(file)
    assert {m.id: m.string for m in compiled if m.id} == {m.id: m.string for m in catalogue if m.id}
    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        assert gettext.GNUTranslations(file).gettext("Clear") == "清空"
