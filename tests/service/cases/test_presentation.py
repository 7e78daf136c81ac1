"""The words on the page."""

from __future__ import annotations

import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import translation
from PIL import Image, ImageFilter

from epiluma.imaging import quality
from epiluma.imaging.synthetic import draw_lesion
from epiluma.service.cases.models import Screening
from epiluma.service.cases.presentation import Shown, odds, short_odds


@pytest.mark.parametrize(
    ("probability", "words", "short"),
    [
        (0.0, "less than 1 in 100", "<1 in 100"),
        (0.0049, "less than 1 in 100", "<1 in 100"),
        (0.006, "about 1 in 100", "1 in 100"),
        (0.0949, "about 9 in 100", "9 in 100"),
        (0.095, "about 1 in 10", "1 in 10"),
        (0.31, "about 3 in 10", "3 in 10"),
        (0.949, "about 9 in 10", "9 in 10"),
        (0.951, "more than 9 in 10", ">9 in 10"),
        (1.0, "more than 9 in 10", ">9 in 10"),
    ],
)
def test_odds_are_never_none_and_never_certain(probability: float, words: str, short: str) -> None:
    assert odds(probability) == words
    assert short_odds(probability) == short


def page(client: Client, screening: Screening, **headers: str) -> str:
    return client.get(f"/screenings/{screening.pk}/", headers=headers).content.decode()


def test_the_result_says_what_to_do_first(owner_client: Client, kept: Screening) -> None:
    text = page(owner_client, kept)
    said = [
        "to a doctor within" if kept.level in {"refer", "urgent"} else "Keep an eye on this mark.",
        "This is not a diagnosis.",
        "Malignant or benign?",
        "actinic keratosis (premalignant)",
        "What it looks most like",
        "threshold 0.200",
        "Made for tests.",
    ]
    assert [text.index(words) for words in said] == sorted(text.index(words) for words in said)
    assert kept.bundle_id[:12] in text
    assert text.count('class="donut"') == 2
    assert not re.search(r"\sstyle=|<style|<script(?! type=.module. src=)|\son\w+=", text), "the policy forbids inline"


def test_both_languages_come_from_the_same_screening(owner_client: Client, kept: Screening) -> None:
    english, chinese = page(owner_client, kept), page(owner_client, kept, **{"Accept-Language": "zh-CN"})
    leaf = Shown(kept).manifest.taxonomy[max(kept.facts.probabilities, key=kept.facts.probabilities.__getitem__)]
    assert leaf.name in english
    assert leaf.plain in english
    assert leaf.name_zh in chinese
    assert leaf.plain_zh in chinese
    assert "这不是诊断。" in chinese
    assert "恶性" in chinese
    assert "This is not a diagnosis." not in chinese


def test_the_level_follows_the_result(kept: Screening) -> None:
    for level, word, headline in (
        ("no_sign", "No sign found", "Keep an eye on this mark."),
        ("cannot_judge", "Cannot judge", "Take another photo."),
    ):
        kept.level = level
        shown = Shown(kept)
        assert (str(shown.level_word), shown.headline) == (word, headline)
        assert "fine" not in shown.reason


def test_a_photo_that_cannot_be_judged_is_kept_and_says_why(owner_client: Client) -> None:
    blurred = Image.fromarray(draw_lesion(7, size=(300, 220)).image).filter(ImageFilter.GaussianBlur(14))
    buffer = io.BytesIO()
    blurred.save(buffer, "PNG")
    response = owner_client.post("/", {"photo": SimpleUploadedFile("x.png", buffer.getvalue())}, follow=True)
    kept = Screening.objects.get()
    assert (kept.level, kept.risk, kept.diagnosis) == ("cannot_judge", None, "")
    text = response.content.decode()
    assert "Take another photo." in text
    assert quality.BLURRED in text
    assert 'class="donut"' not in text
    with translation.override("zh-hans"):
        assert Shown(kept).quality == ["照片模糊。请拿稳手机，轻触皮损对焦后重新拍摄。"]
    assert "Cannot judge" in owner_client.get("/screenings/").content.decode()


def test_the_list_turns_its_pages(owner_client: Client, kept: Screening) -> None:
    for _ in range(12):
        kept.pk = None
        kept.id = Screening._meta.get_field("id").get_default()
        kept._state.adding = True
        kept.save()
    first, second = (owner_client.get(f"/screenings/?page={number}").content.decode() for number in (1, 2))
    assert (first.count("<li class="), second.count("<li class=")) == (12, 1)
    assert "Page 1 of 2" in first
    assert "Older" in first
    assert "Newer" in second
    assert owner_client.get("/screenings/?page=nonsense").status_code == 200


def test_an_empty_list_says_what_will_be_there(owner_client: Client) -> None:
    text = owner_client.get("/screenings/").content.decode()
    assert "Nothing is kept yet." in text
    assert "Check a photo" in text
