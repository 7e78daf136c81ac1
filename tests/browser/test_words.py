"""Every word of the page is there in Chinese."""

from __future__ import annotations

import re
from pathlib import Path

from epiluma.browser import words
from epiluma.browser.words import chinese

STATIC = Path(words.__file__).with_name("static")


def words_of_the_page() -> set[str]:
    marked = re.findall(r"data-say>([^<]+)<", (STATIC / "index.html").read_text(encoding="utf-8"))
    code = "\n".join(file.read_text(encoding="utf-8") for file in (STATIC / "js").glob("*.js"))
    said = re.findall(r'\bsay\((?:mask \? )?"([^"]+)"', code) + re.findall(r'\bPhotoError\("([^"]+)"\)', code)
    return {*marked, *said}


def test_every_word_is_there_in_chinese() -> None:
    spoken = words_of_the_page()
    assert len(spoken) > 50
    assert sorted(spoken - chinese().keys()) == []


def test_chinese_of_the_page_and_of_the_service_do_not_contradict() -> None:
    found = chinese()
    assert found["Take a photo"] == "拍照"  # the service's
    assert found["It bleeds"] == "出血"  # the page's
    assert "" not in found
