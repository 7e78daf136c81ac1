"""Planted leaks, conflicts and broken files are found and counted; a sound manifest is clean."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from epiluma.datasets import audit as audits
from epiluma.datasets import catalog
from epiluma.datasets import manifest as manifests
from epiluma.datasets.audit import Audit, random_split_leak
from epiluma.datasets.leaks import Finding, disagree
from epiluma.datasets.manifest import NOT_AUDITED, Entry
from epiluma.datasets.record import DataError, Omitted, Sample
from tests.datasets.manifests import Pair, inspected, manifest_of, sample

replace = msgspec.structs.replace


def audited(entries: Sequence[Entry], pairs: Sequence[Pair] = (), **facts: object) -> Audit:
    return audits.audit(manifest_of(entries), inspected(len(entries), **facts), pairs)  # type: ignore[arg-type]


def placed(parts: str, **facts: Sequence[object]) -> list[Entry]:
    """One image per letter, `a` in train and `b` in test and so on; facts give a value per image."""
    name = {"a": "train", "b": "test", "c": "validation", "-": ""}
    rows = [{key: values[i] for key, values in facts.items()} for i in range(len(parts))]
    return [Entry(sample=sample(f"{i}", **row), part=name[parts[i]]) for i, row in enumerate(rows)]


def counts(found: Audit, severity: str) -> dict[str, int]:
    return {f.what: f.count for f in found.findings if f.severity == severity}


def test_a_sound_split_is_clean() -> None:
    found = audited(placed("aabbc", lesion="11234", patient="55678"), [Pair(0, 1), Pair(2, 3)])
    assert found.verdict == "clean: no group of 3 and no duplicate pair of 2 is in two parts"
    assert not found.leaking
    assert (found.images, found.groups, found.pairs) == (5, 3, 2)
    assert counts(found, "note")["near-duplicate pairs within a part"] == 2


CHAIN = [Pair(0, 1), Pair(2, 3), Pair(1, 2)]


@pytest.mark.parametrize(
    ("entries", "pairs", "leaks"),
    [
        (placed("ab", lesion="11"), [], {"lesions in two parts": 1, "groups in two parts": 1}),
        (placed("ab", patient="pp", lesion="12"), [], {"patients in two parts": 1, "groups in two parts": 1}),
        (placed("ab"), [Pair(0, 1)], {"near-duplicate pairs across parts": 1, "groups in two parts": 1}),
        (placed("ab"), [Pair(1, 0, 1.0, "exact")], {"exact-duplicate pairs across parts": 1, "groups in two parts": 1}),
        (placed("abbc"), CHAIN, {"near-duplicate pairs across parts": 2, "groups in two parts": 1}),
        (placed("aab-", lesion="1122"), [], {}),
    ],
)  # fmt: skip
def test_planted_leaks_are_found(entries: list[Entry], pairs: list[Pair], leaks: dict[str, int]) -> None:
    found = audited(entries, pairs)
    assert counts(found, "leak") == leaks
    assert found.leaking is bool(leaks)
    assert found.verdict.startswith("leak: " if leaks else "clean: ")


def test_look_alikes_across_parts_are_looked_at_but_leak_nothing() -> None:
    """Two lesions of one sitting: no picture is twice, and no label need agree."""
    entries = placed("ab", diagnosis=["NV", "MEL"])
    found = audited(entries, [Pair(0, 1, 0.99, "alike")])
    assert counts(found, "leak") == {}
    assert found.verdict == "clean: no group of 2 and no duplicate pair of 0 is in two parts"
    assert found.pairs == 0
    assert list(counts(found, "warning").values()).count(1) == 1
    assert counts(audited(placed("aa"), [Pair(0, 1, 0.99, "alike")]), "warning") == {}
    same = audited(entries, [Pair(0, 1, 0.99, "alike")], sha256=["0", "0"])
    assert "exact-duplicate pairs across parts" in counts(same, "leak"), "equal bytes are one picture all the same"


def test_a_look_alike_of_a_dropped_copy_is_one_of_the_copy_that_stays() -> None:
    """The search names the first of equal files; another of them may be the one that is used."""
    entries = placed("aab")
    entries[0] = replace(entries[0], excluded="duplicate of one/2", part="")
    found = audited(entries, [Pair(0, 1, 0.99, "alike")], sha256=["0", "1", "0"])
    assert sum("look-alike" in what for what in counts(found, "warning")) == 1


def test_the_same_bytes_in_two_parts_leak_though_nobody_listed_them() -> None:
    found = audited(placed("aab"), sha256=["0", "1", "0"])
    assert counts(found, "leak") == {"exact-duplicate pairs across parts": 1, "groups in two parts": 1}


def test_a_group_that_the_manifest_states_must_not_be_parted_either() -> None:
    entries = [replace(e, group="g") for e in placed("ab")]
    assert counts(audited(entries), "leak") == {"groups in two parts": 1}


def test_what_is_left_out_leaks_nothing() -> None:
    entries = placed("ab", lesion="11")
    found = audited([entries[0], replace(entries[1], excluded="duplicate of one/0")], [Pair(0, 1)])
    assert found.verdict.startswith("clean: ")
    assert counts(found, "note")["entries excluded"] == 1


def test_the_verdict_names_the_first_offenders() -> None:
    assert audited(placed("ab", lesion="11")).verdict == (
        "leak: 1 lesions in two parts, 1 groups in two parts (lesion one/1: one/1 (test), one/0 (train))"
    )


def test_without_a_split_nothing_is_judged() -> None:
    found = audited(placed("---", lesion="112"))
    assert found.verdict == "not audited: nothing is split yet; 2 groups and 0 duplicate pairs are known"
    assert found.verdict.startswith(NOT_AUDITED)
    assert not found.leaking


def test_what_cannot_be_read_is_not_judged() -> None:
    """Without their pixels nobody knows whether two photos are one picture."""
    found = audited(placed("aab"), error={1: "No such file or directory", 2: "The file is empty."})
    assert found.verdict == "not audited: 2 of 3 used images cannot be read (one/1)"
    assert audited(placed("---"), error={1: "gone"}).verdict.startswith("not audited: 1 of 3 used images")
    assert audited(placed("ab", lesion="11"), error={0: "gone"}).verdict.startswith("leak: "), "that much is known"
    entries = placed("aab")
    entries[1] = replace(entries[1], excluded="cannot be read: gone")
    assert audited(entries, error={1: "gone"}).verdict.startswith("clean: ")


def test_nothing_that_is_used_is_nothing_to_judge() -> None:
    entries = [replace(entry, excluded="blurred") for entry in placed("ab")]
    assert audited(entries).verdict == "not audited: no image is used"


def test_an_image_that_the_split_forgot_is_told() -> None:
    assert counts(audited(placed("ab-")), "warning")["images that the split puts nowhere"] == 1


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (sample("a"), sample("b"), False),
        (sample("a", diagnosis="AK"), sample("b", diagnosis="SCC"), True),
        (sample("a", diagnosis="NV"), sample("b", diagnosis="", malignant=True), True),
        (sample("a", diagnosis="MEL"), sample("b", diagnosis="", malignant=True), False),
        (sample("a", diagnosis="", malignant=False), sample("b", diagnosis="", malignant=True), True),
        (sample("a", diagnosis=""), sample("b"), False),
    ],
)
def test_labels_conflict_when_both_cannot_be_true(a: Sample, b: Sample, expected: bool) -> None:
    assert disagree(a, b) is expected
    assert disagree(b, a) is expected


def test_conflicting_labels_are_counted_and_shown() -> None:
    entries = placed("aaaa", diagnosis=["NV", "MEL", "NV", "BKL"], lesion=["", "", "1", "1"])
    found = audited(entries, [Pair(0, 1), Pair(0, 2)])
    shown = {f.what: (f.count, f.examples) for f in found.findings if f.severity == "warning"}
    assert shown["duplicate pairs with two labels"] == (1, ("one/0 (NV) / one/1 (MEL)",))
    assert shown["lesions with two labels"] == (1, ("one/2 (NV) / one/3 (BKL)",))


def conflicts(entries: Sequence[Entry], pairs: Sequence[Pair] = ()) -> dict[str, tuple[str, ...]]:
    found = audited(entries, pairs).findings
    return {f.what: f.examples for f in found if f.severity == "warning" and "two labels" in f.what}


def test_a_copy_that_was_dropped_hides_no_conflict() -> None:
    entries = placed("aaa", diagnosis=["NV", "MEL", "MEL"], lesion=["", "1", "1"])
    entries[1] = replace(entries[1], excluded="duplicate of one/0")
    shown = {"duplicate pairs with two labels": ("one/0 (NV) / one/1 (MEL)",)}
    assert conflicts(entries, [Pair(0, 1)]) == shown
    entries[1] = replace(entries[1], excluded="blurred (sharpness 1, at least 1.8)")
    assert conflicts(entries, [Pair(0, 1)]) == {}, "what is left out for itself is asked about nothing"


def test_one_isic_number_with_two_labels_is_a_conflict() -> None:
    """In two sets, whether their pixels were found alike or not; and once, however it was found."""
    made = [sample("ISIC_0000001", source=name, diagnosis=of) for name, of in (("a", ""), ("b", "NV"), ("c", "MEL"))]
    shown = {"duplicate pairs with two labels": ("b/ISIC_0000001 (NV) / c/ISIC_0000001 (MEL)",)}
    assert conflicts([Entry(sample=s) for s in made]) == shown
    assert conflicts([Entry(sample=s) for s in made], [Pair(1, 2)]) == shown


def test_a_lesion_s_labels_are_compared_past_one_that_has_none() -> None:
    entries = placed("aaa", diagnosis=["", "NV", "MEL"], lesion="111")
    assert conflicts(entries) == {"lesions with two labels": ("one/1 (NV) / one/2 (MEL)",)}


def test_what_the_licences_allow_together_is_told() -> None:
    def told(*licences: str) -> tuple[str, str, tuple[str, ...]]:
        found = audited(placed("a" * len(licences), licence=licences)).findings
        one = next(f for f in found if f.what.startswith("licences: "))
        return one.severity, one.what, one.examples

    assert told("CC0", "CC BY-NC 4.0") == ("note", "licences: CC BY-NC 4.0", ("CC BY-NC 4.0", "CC0"))
    severity, what, _ = told("CC BY-SA 4.0", "CC BY-NC 4.0")
    assert severity == "warning"
    assert what.startswith("licences: CC BY-NC 4.0; CC BY-SA 4.0 demands that the whole be CC BY-SA 4.0")


def test_missing_and_corrupt_files_are_told_apart(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    entries = placed("aaa", path=[tmp_path / "gone.jpg", broken, broken])
    entries[2] = replace(entries[2], excluded="corrupt")
    found = audited(entries, error={0: "no such file", 1: "is no picture", 2: "is no picture"})
    shown = {f.what: f.examples for f in found.findings if f.severity == "warning"}
    assert shown["missing image files"] == (str(tmp_path / "gone.jpg"),)
    assert shown["corrupt image files"] == (f"{broken}: is no picture",)


def test_masks_are_compared_with_their_images(tmp_path: Path) -> None:
    def mask(name: str, size: tuple[int, int], value: int) -> Path:
        Image.new("L", size, value).save(tmp_path / name)
        return tmp_path / name

    (tmp_path / "text.png").write_text("no mask")
    masks = [
        mask("sound.png", (64, 48), 255),
        mask("turned.png", (48, 64), 255),
        mask("empty.png", (64, 48), 0),
        tmp_path / "text.png",
        tmp_path / "gone.png",
        tmp_path / "pipe.png",
        None,
    ]
    os.mkfifo(tmp_path / "pipe.png")
    shown = {f.what: f.examples for f in audited(placed("aaaaaaa", mask=masks)).findings if "mask" in f.what}
    assert shown["masks of another size than their image"] == (f"{masks[1]}: 48x64, its image 64x48",)
    assert shown["empty masks"] == (str(masks[2]),)
    assert shown["images without a mask, of sources that have masks"] == ("one/6",)
    assert not any("without a mask" in f.what for f in audited(placed("ab")).findings)
    assert [example.split(":")[0] for example in shown["unreadable masks"]] == [str(mask) for mask in masks[3:6]]


def test_rows_that_gave_no_image_stay_on_record() -> None:
    manifest = manifest_of(placed("ab", diagnosis=["NV", ""]))
    gone = [Omitted(where=f"t.csv: line {n}", image_id="y", kind="missing", reason="not there") for n in range(2, 9)]
    row = Omitted(where="t.csv: line 9", image_id="x", kind="broken", reason="no age")
    manifest = replace(manifest, header=replace(manifest.header, omitted=(*gone, row)))
    audit = audits.audit(manifest, inspected(2), [])
    found = {f.what: f.examples for f in audit.findings}
    assert counts(audit, "warning")["broken rows of the publishers' tables"] == 1
    assert found["broken rows of the publishers' tables"] == ("t.csv: line 9: x: no age",), "not hidden by the others"
    assert counts(audit, "note")["missing rows of the publishers' tables"] == 7
    told = [one["where"] for one in json.loads(audits.json(audit))["omitted"]]
    assert told == [f"t.csv: line {n}" for n in range(2, 10)]
    assert found["images without a class"] == ("one/1",)
    assert found["classes with fewer than 10 groups, not asked about"] == ("NV: 1 images",)


def test_inspections_of_another_manifest_are_refused() -> None:
    with pytest.raises(DataError, match="3 images were inspected, but the manifest has 2; inspect it anew"):
        audits.audit(manifest_of(placed("ab")), inspected(3), [])
    with pytest.raises(DataError, match=r"pair \(0, 2\) is not of this manifest"):
        audited(placed("ab"), [Pair(0, 2)])


def test_the_worst_comes_first_in_text_and_json() -> None:
    found = audited(placed("abab", lesion="1123"), [Pair(0, 2)])
    lines = audits.text(found).splitlines()
    assert lines[0] == found.verdict
    assert lines[2:4] == ["leak: lesions in two parts: 1", "    lesion one/1: one/1 (test), one/0 (train)"]
    told = json.loads(audits.json(found))
    assert [f["severity"] for f in told["findings"]] == ["leak", "leak", "note", "note", "note"]
    assert told["verdict"] == found.verdict


def test_only_the_first_examples_are_kept_but_all_are_counted() -> None:
    found = audited(placed("ab" * 10, lesion=[str(i // 2) for i in range(20)]))
    lesions = next(f for f in found.findings if f.what == "lesions in two parts")
    assert (lesions.count, len(lesions.examples)) == (10, 5)


def test_the_verdict_travels_in_the_manifest() -> None:
    manifest = manifest_of(placed("ab", lesion="11"))
    found = audits.audit(manifest, inspected(2), [])
    stamped = audits.stamp(manifest, found)
    assert stamped.header.audit == manifests.verdict(stamped) == found.verdict
    assert stamped.entries == manifest.entries
    assert audits.stamp(stamped, found) == stamped, "another look is no further step"


def entries_of_two_sources(n: int) -> list[Entry]:
    """Melanomas from one set, nevi from the other."""
    made = []
    for i in range(n):
        source, diagnosis = ("clinic", "MEL") if i % 2 else ("archive", "NV")
        made.append(Entry(sample=sample(f"{i:03}", source=source, diagnosis=diagnosis, confirmation=diagnosis, age=50)))
    return made


def test_a_source_that_tells_the_class_and_can_be_seen_is_told() -> None:
    """The frames of one source are redder: its pixels betray it, and it betrays the class."""
    n = 120
    thumbs = np.random.default_rng(0).integers(0, 156, (n, 32, 32, 3), np.uint8)
    thumbs[:60, ..., 0] += 100  # `archive/...` comes first in key order
    found = audits.audit(manifest_of(entries_of_two_sources(n)), inspected(n, thumbs=thumbs), [])
    warnings: dict[str, Finding] = {f.what: f for f in found.findings if f.severity == "warning"}
    confounded = [what for what in warnings if what.startswith("source confounding")]
    assert len(confounded) == 1
    assert (
        "source alone tells the class: balanced accuracy 1.00 [1.00, 1.00], chance 0.50"
        in (warnings[confounded[0]].examples[0])
    )
    assert "the class is given away by source" in warnings
    assert any(what.startswith("the class is given away by confirmation, which is never an input") for what in warnings)
    assert not any("age" in what.split() for what in warnings), "a column that says the same of all tells nothing"


@pytest.mark.parametrize("test_share", [0.2, 0.5])
def test_a_random_split_leaks_as_chance_has_it(test_share: float) -> None:
    """400 lesions of two photos: drawing k of n leaks 2 k (n - k) / (n (n - 1)) of them on average."""
    samples = [sample(f"{i:04}", lesion=str(i // 2)) for i in range(800)]
    found = random_split_leak(samples, range(40), test_share=test_share)
    k = round(800 * test_share)
    expected = 400 * 2 * k * (800 - k) / (800 * 799)
    assert found.lesions.mean == pytest.approx(expected, rel=0.03)
    assert found.lesions == found.images, "one photo of each torn lesion is in the test part"
    assert found.lesions.least < found.lesions.mean < found.lesions.most
    assert (found.tested, found.several) == (k, 400)


def test_photos_of_their_own_leak_nothing() -> None:
    found = random_split_leak([sample(f"{i:02}") for i in range(50)], range(3))
    assert found.lesions == found.images == (0.0, 0, 0)
    with pytest.raises(DataError, match="0 of 2 images are no test part"):
        random_split_leak([sample("a"), sample("b")], range(3))


@pytest.mark.real_data
def test_how_many_lesions_a_random_split_of_ham10000_leaks(published: Path) -> None:
    """1,956 of its 7,470 lesions have several photos, counted from the table alone."""
    with (published / "HAM10000" / "HAM10000_metadata.csv").open(newline="") as file:
        rows = [(row["lesion_id"], row["image_id"]) for row in csv.DictReader(file)]
    by_lesion: dict[str, int] = {}
    for lesion, _ in rows:
        by_lesion[lesion] = by_lesion.get(lesion, 0) + 1
    several = sum(n > 1 for n in by_lesion.values())
    found = random_split_leak(catalog.read("ham10000", published / "HAM10000"), range(20))
    assert (found.several, found.tested) == (several, 2003)
    stays = [1 - 0.8**n - 0.2**n for n in by_lesion.values()]  # a lesion's chance of being torn
    assert found.lesions.mean == pytest.approx(sum(stays), rel=0.02)
    assert found.images.mean / found.tested > 0.3, "a third of the test part has its lesion in training"
