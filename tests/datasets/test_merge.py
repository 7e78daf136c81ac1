"""Every row of every table is an entry or is explained; a picture that is there twice stays once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma.datasets.manifest import NOT_AUDITED, Entry, Manifest
from epiluma.datasets.merge import drop_duplicates, merge
from epiluma.datasets.record import DataError, Omitted, Reading, Sample
from tests.datasets.manifests import Pair, manifest_of, sample, source

replace = msgspec.structs.replace
BROKEN = Omitted(where="t.csv: line 3", image_id="x", kind="broken", reason="no age")


def reading(*samples: Sample, omitted: int = 0) -> Reading:
    return Reading(samples=list(samples), omitted=[BROKEN] * omitted)


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=1, max_size=5))
def test_rows_in_are_entries_and_explained_rows(sizes: list[tuple[int, int]]) -> None:
    readings = []
    for k, (images, omitted) in enumerate(sizes):
        name = f"set {9 - k}"
        found = reading(*(sample(f"image {i}", source=name) for i in range(images)), omitted=omitted)
        readings.append((source(name, found.rows), found))
    manifest = merge(readings)
    assert sum(s.rows for s in manifest.header.sources) == len(manifest.entries) + len(manifest.header.omitted)
    keys = [e.sample.key for e in manifest.entries]
    assert keys == sorted(s.key for _, found in readings for s in found.samples)
    assert all(e.used and not e.part for e in manifest.entries)
    assert manifest.header.audit == NOT_AUDITED


def test_one_picture_in_two_sets_has_two_keys() -> None:
    found = merge(
        [(source(name, 1), reading(sample("ISIC_0024306", source=name))) for name in ("isic2019", "ham10000")]
    )
    assert [e.sample.key for e in found.entries] == ["ham10000/ISIC_0024306", "isic2019/ISIC_0024306"]
    assert found.header.steps == ("merge isic2019 ham10000",)


def test_the_strictest_licence_is_that_of_a_set_or_of_a_single_image() -> None:
    free, bound = source("one", 1, licence="CC0"), source("two", 2, licence="CC BY 4.0")
    images = reading(sample("a", source="two"), sample("b", source="two", licence="CC BY-NC 4.0"))
    assert merge([(free, reading(sample("a")))]).header.licence == "CC0"
    assert merge([(free, reading(sample("a"))), (bound, images)]).header.licence == "CC BY-NC 4.0"


def test_counts_that_disagree_are_refused() -> None:
    with pytest.raises(DataError, match="one: its table has 3 rows, but 2 are accounted for"):
        merge([(source("one", 3), reading(sample("a"), omitted=1))])


def test_a_source_is_given_once() -> None:
    twice = [(source("one", 1), reading(sample("a"))), (source("one", 1), reading(sample("b")))]
    with pytest.raises(DataError, match="source one is given twice"):
        merge(twice)


def test_an_image_belongs_to_its_source() -> None:
    with pytest.raises(DataError, match="one: image a says it is of 'two'"):
        merge([(source("one", 1), reading(sample("a", source="two")))])


def test_an_image_is_there_once() -> None:
    with pytest.raises(DataError, match="one: image a is there twice"):
        merge([(source("one", 2), reading(sample("a"), sample("a")))])


def test_there_must_be_a_set() -> None:
    with pytest.raises(DataError, match="there is no set to merge"):
        merge([])


def excluded(manifest: Manifest) -> dict[str, str]:
    return {e.sample.image_id: e.excluded for e in manifest.entries if e.excluded}


MASK = Path("/sets/one/mask.png")


@pytest.mark.parametrize(
    ("a", "b", "goes"),
    [
        ({}, {}, "b"),
        ({}, {"lesion": "1"}, "a"),
        ({}, {"mask": MASK}, "a"),
        ({}, {"confirmation": "histo"}, "a"),
        ({"confirmation": "follow_up"}, {"confirmation": "histopathology"}, "a"),
        ({"lesion": "1"}, {"mask": MASK, "confirmation": "histo"}, "a"),
        ({"lesion": "1"}, {"mask": MASK}, "b"),
        ({"diagnosis": "", "mask": MASK, "confirmation": "histo"}, {}, "a"),
        ({"diagnosis": "", "malignant": True}, {}, "a"),
        ({"diagnosis": ""}, {"diagnosis": "", "malignant": False}, "a"),
        ({"part": "train", "mask": MASK}, {"part": "test"}, "a"),
        ({"part": "validation"}, {"part": "test"}, "a"),
        ({"part": "train"}, {"part": "validation"}, "a"),
        ({"mask": MASK}, {"part": "train"}, "b"),
        ({"part": "train"}, {"part": "test", "diagnosis": ""}, "b"),
    ],
)
def test_the_copy_that_tells_more_stays(a: dict[str, object], b: dict[str, object], goes: str) -> None:
    found = drop_duplicates(manifest_of([sample("a", **a), sample("b", **b)]), [Pair(0, 1)])
    assert excluded(found) == {goes: f"duplicate of one/{'b' if goes == 'a' else 'a'}"}


def test_two_photos_of_a_lesion_are_no_copies() -> None:
    """Taken one after the other they look alike; only the same bytes, or the same ISIC number, are the same photo."""
    two = manifest_of([sample("a", lesion="1"), sample("b", lesion="1")])
    assert excluded(drop_duplicates(two, [Pair(0, 1)])) == {}
    assert excluded(drop_duplicates(two, [Pair(0, 1, 1.0, "exact")])) == {"b": "duplicate of one/a"}
    assert excluded(drop_duplicates(manifest_of([sample("a"), sample("b")]), [Pair(0, 1, 0.99, "alike")])) == {}
    elsewhere = manifest_of([sample("a", lesion="1"), sample("b", lesion="1", source="two")])
    assert excluded(drop_duplicates(elsewhere, [Pair(0, 1)])) == {"b": "duplicate of one/a"}, "another set's lesion 1"
    both = manifest_of(
        [sample("ISIC_0000019", lesion="HAM_1"), sample("ISIC_0000019_downsampled", source="two", lesion="HAM_1")]
    )
    assert excluded(drop_duplicates(both, [Pair(0, 1)])) == {
        "ISIC_0000019_downsampled": "duplicate of one/ISIC_0000019"
    }


def test_a_copy_of_a_photo_knows_its_lesion() -> None:
    """The search lists only the first of the same files: here one that does not say whose lesion it shows."""
    files = [Entry(sample=sample("a"), sha256="ab"), Entry(sample=sample("b", lesion="1"), sha256="ab")]
    found = drop_duplicates(manifest_of([*files, sample("c", lesion="1")]), [Pair(0, 2)])
    assert excluded(found) == {"a": "duplicate of one/b"}


def test_a_look_alike_of_a_look_alike_is_not_lost() -> None:
    """a like b, b like c, a unlike c: c stays, or a picture would be gone for one it does not resemble."""
    chain = manifest_of([sample(name) for name in "abc"])
    assert excluded(drop_duplicates(chain, [Pair(0, 1), Pair(1, 2)])) == {"b": "duplicate of one/a"}


def test_the_same_bytes_are_the_same_picture_however_they_are_listed() -> None:
    """Of an exact chain one stays; so it does when the search listed nothing but the hashes agree."""
    listed = manifest_of([sample(name) for name in "abc"])
    exact = [Pair(0, 1, 1.0, "exact"), Pair(1, 2, 1.0, "exact")]
    expected = {"b": "duplicate of one/a", "c": "duplicate of one/a"}
    assert excluded(drop_duplicates(listed, exact)) == expected
    hashed = manifest_of([Entry(sample=sample(name), sha256="ab" * 32) for name in "abc"])
    assert excluded(drop_duplicates(hashed, [])) == expected


def test_what_is_excluded_already_displaces_nothing() -> None:
    blurred = Entry(sample=sample("a", confirmation="histo"), excluded="blurred")
    found = drop_duplicates(manifest_of([blurred, sample("b"), sample("c")]), [Pair(0, 1), Pair(1, 2)])
    assert excluded(found) == {"a": "blurred", "c": "duplicate of one/b"}


def test_a_verdict_does_not_outlive_the_change() -> None:
    manifest = manifest_of([sample("a"), sample("b")])
    found = drop_duplicates(replace(manifest, header=replace(manifest.header, audit="clean: yes")), [Pair(0, 1)])
    assert found.header.audit == NOT_AUDITED
    assert found.header.steps == ("drop-duplicates (1 excluded)",)


@pytest.mark.parametrize("pair", [Pair(0, 2), Pair(-1, 0)])
def test_a_pair_of_another_manifest_is_refused(pair: Pair) -> None:
    with pytest.raises(DataError, match="is not of this manifest: it has 2 entries"):
        drop_duplicates(manifest_of([sample("a"), sample("b")]), [pair])


@settings(max_examples=80, deadline=None)
@given(data=st.data(), n=st.integers(1, 12))
def test_of_every_pair_one_is_left_and_every_loss_has_its_twin(data: st.DataObject, n: int) -> None:
    made = [sample(f"{i:02}", lesion=data.draw(st.sampled_from(["", "1"]))) for i in range(n)]
    index = st.integers(0, n - 1)
    drawn = data.draw(st.lists(st.tuples(index, index), max_size=20))
    pairs = [Pair(a, b) for a, b in drawn if a != b and not (made[a].lesion and made[b].lesion)]
    manifest = manifest_of(made)
    found = drop_duplicates(manifest, pairs).entries
    assert [e.sample for e in found] == [e.sample for e in manifest.entries]
    assert not any(found[p.a].used and found[p.b].used for p in pairs)
    at = {e.sample.key: i for i, e in enumerate(found)}
    for i, entry in enumerate(found):
        if not entry.used:
            twin = at[entry.excluded.removeprefix("duplicate of ")]
            assert found[twin].used
            assert {(p.a, p.b) for p in pairs} & {(i, twin), (twin, i)}
    assert drop_duplicates(Manifest(header=manifest.header, entries=found), pairs).entries == found, "once is enough"
