"""The counts of the report add up, and are those that numpy and a person get."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from epiluma.datasets.manifest import Entry
from epiluma.datasets.record import Omitted
from epiluma.datasets.validation import facts
from tests.datasets.manifests import inspected, manifest_of, sample


@given(values=st.lists(st.sampled_from(["", *"abcdefgh"])), top=st.integers(1, 10))
def test_no_image_is_lost_in_a_chart(values: list[str], top: int) -> None:
    chart = facts.counted("x", values, top=top)
    assert sum(bar.n for bar in chart.bars) == len(values)
    assert sum(bar.share for bar in chart.bars) == pytest.approx(1 if values else 0)
    assert len(chart.bars) <= top + 1
    expected = Counter(value or facts.NOT_GIVEN for value in values)
    named = [bar for bar in chart.bars if not bar.label.endswith(" others")]
    assert all(bar.n == expected[bar.label] for bar in named)
    assert [bar.n for bar in named] == sorted((bar.n for bar in named), reverse=True)


def test_a_table_counts_each_image_once() -> None:
    entries = [
        Entry(sample=sample("1", diagnosis="MEL", source="a")),
        Entry(sample=sample("2", diagnosis="NV", source="a")),
        Entry(sample=sample("3", diagnosis="NV", source="b")),
        Entry(sample=sample("4", diagnosis="", malignant=True, source="b")),
        Entry(sample=sample("5", diagnosis="", source="b")),
    ]
    cross = facts.crossed("x", entries, facts.diagnosis_of, lambda entry: entry.sample.source)
    assert cross.columns == ("b", "a")
    assert dict(cross.rows) == {
        "NV": (1, 1), "MEL": (0, 1), "malignant, not told which": (1, 0), facts.NOT_GIVEN: (1, 0),
    }  # fmt: skip


@pytest.mark.parametrize(("age", "decade"), [(None, ""), (0, "00-09"), (9, "00-09"), (45, "40-49"), (100, "100-109")])
def test_ages_are_counted_by_decade(age: int | None, decade: str) -> None:
    assert facts.decade_of(Entry(sample=sample("1", age=age))) == decade


def test_a_histogram_is_numpy_s_over_the_common_range() -> None:
    random = np.random.default_rng(3)
    values = random.normal(50, 10, 300)
    values[7] = np.nan
    entries = [Entry(sample=sample(f"{i:03}", source="a" if i < 100 else "b")) for i in range(300)]
    (found,) = (m for m in facts.measures(entries, inspected(300, sharpness=list(values))) if m.name == "sharpness")
    low, high = np.percentile(values[np.isfinite(values)], [1, 99])
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-5)
    for histogram, all_of in zip(found.histograms, (values[:100], values[100:]), strict=True):
        part = all_of[np.isfinite(all_of)]
        counts, _ = np.histogram(np.clip(part.astype(np.float32), found.low, found.high), 24, (found.low, found.high))
        np.testing.assert_allclose(histogram.heights, counts / counts.max())
        assert histogram.median == pytest.approx(np.median(part), rel=1e-5)
        assert histogram.n == len(part)


def test_a_measure_that_was_taken_of_no_image_is_left_out() -> None:
    assert facts.measures([Entry(sample=sample("1"))], inspected(1)) == []


@pytest.mark.parametrize("value", [0.0, 50.0, -80.0, 1e7])
def test_a_measure_that_is_the_same_everywhere_has_a_histogram(value: float) -> None:
    entries = [Entry(sample=sample(str(i))) for i in range(3)]
    (found,) = facts.measures(entries, inspected(3, brightness=[value] * 3))
    assert sum(found.histograms[0].heights) == 1
    assert found.histograms[0].median == pytest.approx(value)


def test_skin_tone_says_what_is_labelled_what_is_estimated_and_how_unsure() -> None:
    entries = [Entry(sample=sample(str(i), skin_type=kind)) for i, kind in enumerate([2, 2, 5, None])]
    labelled, estimated = facts.skin_tones(entries, inspected(4, ita=[60, 50, 0, np.nan], ita_error=[5, 7, 9, np.nan]))
    assert [(bar.label, bar.n) for bar in labelled.bars] == [("II", 2), ("V", 1), ("not given", 1)]
    assert {bar.label: bar.n for bar in estimated.bars} == {
        "very light": 1, "light": 1, "brown": 1, "cannot be estimated": 1,
    }  # fmt: skip
    assert "median uncertainty 7 degrees" in estimated.note


def test_five_lines_say_what_matters() -> None:
    entries = [
        *(Entry(sample=sample(f"n{i}"), group=f"g{i // 2}") for i in range(6)),
        Entry(sample=sample("m", diagnosis="MEL"), group="g9"),
        Entry(sample=sample("x", diagnosis="MEL"), excluded="blurred"),
    ]
    lines = facts.summary(manifest_of(entries), inspected(8, error={3: "cut short"}))
    assert len(lines) == 5
    assert lines[0].startswith("8 images in 4 groups from one; licence: CC0")
    assert lines[1] == "Audit: not audited."
    assert lines[2].startswith("Used: 7 images. Left out with a reason: 1 image. Rows of the publishers' tables")
    assert lines[3].startswith("Largest class NV (6), smallest MEL (1): 6 to 1; none of BCC, AK")
    assert lines[4] == "Cannot be read: 1 file. Labelled with a skin type: 0 images."


def test_one_of_a_thing_is_not_many() -> None:
    assert [facts.several(n, "pair") for n in (0, 1, 2, 1500)] == ["0 pairs", "1 pair", "2 pairs", "1,500 pairs"]
    lines = facts.summary(manifest_of([Entry(sample=sample("1"), group="g")]), inspected(1))
    assert lines[0].startswith("1 image in 1 group from one")
    assert lines[3].startswith("The only class is NV (1)")


def test_groups_of_skin_types_are_shown_where_no_type_is_given() -> None:
    told: list[dict[str, object]] = [
        {"skin_tone": "I-II"},
        {"skin_tone": "I-II"},
        {"skin_tone": "V-VI"},
        {"skin_type": 3},
        {},
    ]
    found = manifest_of([sample(str(i), **facts) for i, facts in enumerate(told)])  # type: ignore[arg-type]
    labelled, _ = facts.skin_tones(found.entries, inspected(5))
    assert [bar[:2] for bar in labelled.bars] == [("I-II", 2), ("III", 1), ("V-VI", 1), ("not given", 1)]
    assert facts.summary(found, inspected(5))[4].endswith("Labelled with a skin type: 4 images.")


def test_a_class_is_counted_in_each_group_of_people() -> None:
    entries = [
        Entry(sample=sample("1", diagnosis="MEL", sex="male", age=71, modality="clinical")),
        Entry(sample=sample("2", diagnosis="NV", sex="female", age=9)),
        Entry(sample=sample("3", diagnosis="NV", age=45)),
    ]
    tables = {table.title: table for table in facts.tables(entries)}
    assert list(tables) == ["Diagnosis by modality", "Diagnosis by sex", "Diagnosis by age, years"]
    assert tables["Diagnosis by age, years"].columns == ("00-09", "40-49", "70-79")
    assert dict(tables["Diagnosis by age, years"].rows) == {"NV": (1, 1, 0), "MEL": (0, 0, 1)}
    assert tables["Diagnosis by sex"].columns == ("male", "female", facts.NOT_GIVEN)
    assert dict(tables["Diagnosis by sex"].rows) == {"NV": (0, 1, 1), "MEL": (1, 0, 0)}


@pytest.mark.parametrize(
    ("one", "other", "title"),
    [
        ({"skin_type": 1}, {"skin_type": 4}, "Diagnosis by skin type"),
        ({"skin_type": 1}, {"skin_tone": "V-VI"}, "Diagnosis by skin type"),
        ({"skin_type": 1}, {}, ""),
        ({"sex": "male"}, {"sex": "male"}, ""),
        ({}, {}, ""),
        ({"confirmation": "histo"}, {"confirmation": "follow_up"}, "Diagnosis by confirmation"),
        ({"source": "one"}, {"source": "two"}, "Diagnosis by source"),
    ],
)
def test_a_table_needs_two_values(one: dict[str, object], other: dict[str, object], title: str) -> None:
    entries = [Entry(sample=sample("1", **one)), Entry(sample=sample("2", **other))]  # type: ignore[arg-type]
    assert [table.title for table in facts.tables(entries)] == ([title] if title else [])


def test_what_is_used_keeps_its_own_measures() -> None:
    entries = [Entry(sample=sample(str(i)), excluded="blurred" if i % 3 == 0 else "") for i in range(7)]
    used, measured = facts.in_use(entries, inspected(7, ita=range(7), size=[(10 + i, 5) for i in range(7)]))
    assert [entry.sample.image_id for entry in used] == ["1", "2", "4", "5"]
    assert measured.measures["ita"].tolist() == [1, 2, 4, 5]
    assert measured.width.tolist() == [11, 12, 14, 15]
    assert len(measured) == 4


def test_what_was_left_out_is_counted_by_reason() -> None:
    found = manifest_of([
        Entry(sample=sample("1"), excluded="duplicate of one/2"),
        Entry(sample=sample("2")),
        Entry(sample=sample("3"), excluded="duplicate of one/2"),
        Entry(sample=sample("4"), excluded="blurred (sharpness 1.2, at least 3)"),
        Entry(sample=sample("5"), excluded="blurred (sharpness 2.9, at least 3); too dark (brightness 3, at least 20)"),
        Entry(sample=sample("6"), excluded="cannot be read: cut short"),
    ])  # fmt: skip
    rows = tuple(
        Omitted(where=f"t.csv: line {i}", image_id=str(i), kind=kind, reason=reason)
        for i, (kind, reason) in enumerate([("missing", "gone"), ("missing", "gone"), ("out of scope", "psoriasis")])
    )
    left_out, kinds, why = facts.reasons(replace(found, header=replace(found.header, omitted=rows)))
    assert [(bar.label, bar.n) for bar in left_out.bars] == [
        ("blurred", 2), ("duplicate", 2), ("cannot be read", 1),
    ]  # fmt: skip
    assert [(bar.label, bar.n) for bar in kinds.bars] == [("missing", 2), ("out of scope", 1)]
    assert why.bars[0][:2] == ("missing: gone", 2)
    assert facts.reasons(manifest_of([sample("1")])) == []


def test_a_reason_that_names_its_image_is_the_same_reason_for_the_next_one() -> None:
    rows = [
        Omitted(where="t.csv: line 2", image_id="PAT_1.png", kind="missing", reason="image PAT_1 is not in images"),
        Omitted(where="t.csv: line 3", image_id="PAT_2.png", kind="missing", reason="image PAT_2 is not in images"),
        Omitted(where="t.csv: line 4", image_id="a/3.jpg", kind="missing", reason="a/3.jpg is not in images"),
        Omitted(where="t.csv: line 5", image_id="", kind="broken", reason="3 values for 4 columns"),
    ]
    plain = manifest_of([sample("1")])
    *_, why = facts.reasons(replace(plain, header=replace(plain.header, omitted=tuple(rows))))
    assert [bar[:2] for bar in why.bars] == [
        ("missing: image … is not in images", 2),
        ("broken: 3 values for 4 columns", 1),
        ("missing: … is not in images", 1),
    ]
