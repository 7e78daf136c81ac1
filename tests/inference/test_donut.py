"""Charts say what the screening says, to eyes and to screen readers."""

from __future__ import annotations

import itertools
import math
import re
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma.inference.donut import decimal, diagnosis_donut, malignancy_donut, percent
from epiluma.inference.result import BundleRef, QualityGrade, Recommendation, Screening, Timings
from epiluma.taxonomy import BINARY_NOTE, BINARY_NOTE_ZH, ISIC_2019, Diagnosis, Taxonomy

SVG = "{http://www.w3.org/2000/svg}"
CODES = ISIC_2019.codes


def screening(probabilities: dict[str, float]) -> Screening:
    return Screening(
        file="a.jpg",
        diagnosis=next(iter(probabilities), None),
        probabilities=probabilities,
        malignancy_risk=0.5,
        recommendation=Recommendation(level="refer", text="", reason="", threshold=0.2),
        quality=QualityGrade(usable=True, reasons=(), sharpness=5, brightness=120, contrast=30),
        bundle=BundleRef(id="0", name="tiny", modality="dermoscopy", licence="CC0-1.0"),
        timings=Timings(decode=1, network=1, total=2),
        width=600,
        height=450,
    )


SKEWED = screening(dict(zip(CODES, (0.2, 0.55, 0.04, 0.02, 0.12, 0.03, 0.03, 0.01), strict=True)))


def arcs(svg: str) -> list[tuple[str, float, float]]:
    """(class, start, length) of every arc, in percent of the ring."""
    found = []
    for circle in ElementTree.fromstring(svg).iter(f"{SVG}circle"):
        length = float(circle.attrib["stroke-dasharray"].split()[0])
        found.append((circle.attrib["class"], -float(circle.attrib["stroke-dashoffset"]), length))
    return found


def texts(svg: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_malignancy_ring_by_hand() -> None:
    svg = malignancy_donut(SKEWED, ISIC_2019)
    assert [kind for kind, _, _ in arcs(svg)] == ["benign", "malignant"]  # the largest first
    (_, first, benign), (_, second, malignant) = arcs(svg)
    assert (first, second) == (0, 73)
    assert (benign, malignant) == (pytest.approx(73, abs=1), pytest.approx(27, abs=1))
    assert texts(svg)[:2] == ["27%", "Malignant"]


def test_diagnosis_ring_has_the_top_three_and_the_others() -> None:
    svg = diagnosis_donut(SKEWED, ISIC_2019, number=decimal)
    assert [kind for kind, _, _ in arcs(svg)] == ["benign", "malignant", "benign", "others"]
    assert texts(svg)[:2] == ["0.55", "NV"]
    labels = {"".join(text.split()) for text in texts(svg)[2:]}
    assert labels == {"Melanocyticnevus0.55", "Melanoma▲0.20", "Benignkeratosis0.12", "Others0.13"}


@pytest.mark.parametrize(("language", "note"), [("en", BINARY_NOTE), ("zh", BINARY_NOTE_ZH)])
def test_text_alternative(language: str, note: str) -> None:
    root = ElementTree.fromstring(malignancy_donut(SKEWED, ISIC_2019, language=language))
    assert root.attrib["role"] == "img"
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert {"en": "Benign 73%, Malignant 27%", "zh": "良性 73%，恶性 27%"}[language] in root[1].text
    assert note in root[1].text


def test_names_are_escaped() -> None:
    hostile = "<script>alert('&')</script>"
    taxonomy = Taxonomy(
        leaves=(
            Diagnosis(code='X"><g', name=hostile, name_zh=hostile, malignant=True, urgency="soon"),
            Diagnosis(code="Y", name="Y", name_zh="", malignant=False, urgency="none"),
        )
    )
    svg = diagnosis_donut(screening({'X"><g': 0.9, "Y": 0.1}), taxonomy)
    assert "<script" not in svg
    tags = {element.tag.removeprefix(SVG) for element in ElementTree.fromstring(svg).iter()}
    assert tags == {"svg", "title", "desc", "circle", "text", "tspan", "path"}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1e-6, 1), min_size=8, max_size=8))
def test_every_arc_follows_the_last_and_labels_never_overlap(weights: list[float]) -> None:
    values = [weight / math.fsum(weights) for weight in weights]
    found = screening(dict(zip(CODES, values, strict=True)))
    top = sorted(values, reverse=True)
    risk = sum(values[i] for i in (0, 2, 3, 7))
    for svg, parts in (
        (malignancy_donut(found, ISIC_2019), sorted((risk, 1 - risk), reverse=True)),
        (diagnosis_donut(found, ISIC_2019), [*top[:3], sum(top[3:])]),
    ):
        starts = [start for _, start, _ in arcs(svg)]
        assert starts == pytest.approx([100 * math.fsum(parts[:i]) for i in range(len(parts))], abs=0.011)
        blocks: dict[str, list[tuple[float, float]]] = {}
        for text in list(ElementTree.fromstring(svg).iter(f"{SVG}text"))[2:]:
            top = float(text.attrib["y"]) - 12
            assert 0 <= top <= 220
            blocks.setdefault(text.attrib["x"], []).append((top, top + 15 * len(list(text))))
        for column in blocks.values():
            column.sort()
            assert all(above[1] <= below[0] for above, below in itertools.pairwise(column))
            assert column[-1][1] <= 220


@pytest.mark.parametrize(("value", "words"), [(0, "<1%"), (0.004, "<1%"), (0.31, "31%"), (0.996, ">99%"), (1, ">99%")])
def test_percent_is_never_certain(value: float, words: str) -> None:
    assert percent(value) == words


def test_a_photo_that_was_not_judged_has_no_chart() -> None:
    empty = msgspec.structs.replace(SKEWED, probabilities={})
    for donut in (malignancy_donut, diagnosis_donut):
        with pytest.raises(ValueError, match=re.escape("a.jpg: the photo was not judged")):
            donut(empty, ISIC_2019)
