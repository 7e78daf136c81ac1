"""The page holds every figure, needs nothing from elsewhere, and speaks to those who do not see its charts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from epiluma.evaluation import page, plots, report
from epiluma.evaluation.paired import compare
from epiluma.evaluation.scorecard import Evaluation, score
from epiluma.predictions import Predictions

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Outline(HTMLParser):
    """Collects tags with their attributes, and fails on what is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def split(table: Predictions) -> Predictions:
    return replace(table, part=np.where(np.arange(len(table)) < 500, "calibration", "test"))


@pytest.fixture(scope="module")
def evaluation(split: Predictions) -> Evaluation:
    return score(split, replicates=50)


@pytest.fixture(scope="module")
def text(evaluation: Evaluation) -> str:
    return page.render(evaluation)


def test_every_cell_of_the_other_forms_is_on_the_page(evaluation: Evaluation, text: str) -> None:
    shown = report.page(evaluation)
    for sheet in shown.sheets:
        assert f"<h3>{sheet.title.replace(chr(39), '&#39;')}</h3>" in text
        for row in sheet.rows:
            for cell in row[sheet.words :]:
                assert f">{cell}</td>" in text
    cancers = evaluation.subsets["all"].figures["cancers_called_nevus"].metric
    assert cancers is not None
    assert f"{round(cancers.value * cancers.n)} of {cancers.n} malignant images" in text


def test_the_page_needs_nothing_else(text: str) -> None:
    tags = Outline(text).tags
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in tags}
    assert all(not name.startswith("on") for _, attributes in tags for name in attributes)
    for address in re.findall(r'(?:href|src)="([^"]*)"', text):
        assert address.startswith("#")
    assert re.findall(r"url\((?!#)", text) == []
    assert "@import" not in text


def test_ids_within_the_page_lead_to_one_thing(text: str) -> None:
    tags = Outline(text).tags
    defined: dict[str, set[str]] = {}
    for tag, attributes in tags:
        if name := attributes.get("id"):
            defined.setdefault(name, set()).add(f"{tag} {sorted(attributes)}")
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    assert used <= set(defined)
    assert all(len(kinds) == 1 for kinds in defined.values())


def test_every_chart_is_named_and_described(evaluation: Evaluation, text: str) -> None:
    drawn = plots.draw_all(evaluation)
    assert len(drawn) == 6
    for plot in drawn:
        root = ElementTree.fromstring(plot.svg)
        assert root.attrib["role"] == "img"
        assert root.attrib["aria-label"] == f"{plot.title}. {plot.alt}"
        assert "by image" in plot.title
        assert plot.svg in text
    assert "Recommendation: sensitivity" in drawn[0].alt
    assert f"in use: {evaluation.threshold:.3f}" in drawn[-1].svg


def test_the_same_evaluation_gives_the_same_page(evaluation: Evaluation, text: str) -> None:
    assert page.render(evaluation) == text


def test_names_are_escaped_and_a_leak_is_stamped(make_table: Callable[..., Predictions]) -> None:
    table = make_table(lesions=30, audit="leak: <b>3</b> lesions")
    header = msgspec.structs.replace(table.header, model='<script>"x"</script>')
    text = page.render(score(replace(table, header=header), allow_leakage=True, replicates=5))
    assert "<script>" not in text
    assert '<p class="warning">LEAKED: leak: &lt;b&gt;3' in text


def test_without_evidence_the_page_says_so(table: Predictions) -> None:
    few = page.render(score(table.where(np.arange(len(table)) < 5), replicates=5))
    assert "too few lesions for any chart" not in few or "<svg" not in few
    assert "insufficient" in few
    Outline(few)


def test_a_comparison_stands_on_the_page(split: Predictions, evaluation: Evaluation) -> None:
    comparison = compare(split, split, replicates=20)
    text = page.render(evaluation, comparison)
    assert "Compared with another table" in text
    for test in comparison.tests:
        assert test.name in text
    Outline(text)
