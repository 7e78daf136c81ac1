"""What is shown of an image is that image, its mask where it fits, and what two copies have and have not in common."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from epiluma.datasets.manifest import Entry, Manifest
from epiluma.datasets.validation import pictures
from tests.datasets.manifests import Pair, sample

CYAN = np.array([0, 229, 255])


def decode(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,")))))


def is_cyan(uri: str) -> np.ndarray:
    """(height, width) pixels of the outline's colour."""
    return np.asarray(np.abs(decode(uri).astype(int) - CYAN).sum(axis=2) < 150)


def masked(entry: Entry, mask: np.ndarray | bytes, path: Path) -> Entry:
    """The entry with another mask."""
    if isinstance(mask, bytes):
        path.write_bytes(mask)
    else:
        Image.fromarray(mask).save(path)
    return replace(entry, sample=replace(entry.sample, mask=path))


@pytest.mark.parametrize("inside", [255, 1])
def test_the_mask_s_outline_is_drawn_where_it_is(found: Manifest, tmp_path: Path, inside: int) -> None:
    mask = np.zeros((120, 160), np.uint8)
    mask[30:90, 40:120] = inside
    shown = pictures.picture(masked(found.entries[0], mask, tmp_path / "m.png"))
    assert decode(shown.uri).shape == (120, 160, 3)
    rows, columns = np.nonzero(is_cyan(shown.uri))
    assert len(rows) > 100
    assert (abs(rows.min() - 30) <= 2, abs(rows.max() - 89) <= 2) == (True, True)
    assert (abs(columns.min() - 40) <= 2, abs(columns.max() - 119) <= 2) == (True, True)
    assert "mask" not in shown.detail


def test_a_photo_without_a_mask_has_no_outline(found: Manifest) -> None:
    shown = pictures.picture(found.entries[2])
    assert not is_cyan(shown.uri).any()
    assert "mask" not in shown.detail


@pytest.mark.parametrize("mask", [b"not a mask", b"", np.full((60, 80), 255, np.uint8)])
def test_a_mask_that_cannot_be_used_hides_no_photo(found: Manifest, tmp_path: Path, mask: np.ndarray | bytes) -> None:
    shown = pictures.picture(masked(found.entries[0], mask, tmp_path / "m.png"))
    assert decode(shown.uri).shape == (120, 160, 3)
    assert not is_cyan(shown.uri).any()
    assert shown.detail.endswith("; mask cannot be used")


def test_a_mask_that_is_gone_hides_no_photo(found: Manifest, tmp_path: Path) -> None:
    entry = found.entries[0]
    shown = pictures.picture(replace(entry, sample=replace(entry.sample, mask=tmp_path / "gone.png")))
    assert decode(shown.uri).shape == (120, 160, 3)
    assert shown.detail.endswith("; mask cannot be used")


def test_a_photo_that_is_gone_says_so_without_a_path(tmp_path: Path) -> None:
    shown = pictures.picture(Entry(sample=sample("7", root=tmp_path)))
    assert (shown.uri, shown.detail) == ("", "one; cannot be read: No such file or directory")


def test_samples_are_of_different_lesions_first(found: Manifest) -> None:
    shown = pictures.samples_per_class(found.entries, count=2, seed=1)
    assert {name: len(them) for name, them in shown.items()} == {"MEL": 2, "NV": 2}
    lesions = {e.sample.image_id: e.sample.lesion for e in found.entries}
    assert len({lesions[picture.title] for picture in shown["NV"]}) == 2


def test_lesions_are_told_apart_before_anything_is_grouped(found: Manifest) -> None:
    ungrouped = [replace(entry, group="") for entry in found.entries if entry.sample.diagnosis == "NV"]
    lesions = {e.sample.image_id: e.sample.lesion for e in found.entries}
    for seed in range(4):
        shown = pictures.samples_per_class(ungrouped, count=2, seed=seed)["NV"]
        assert len({lesions[picture.title] for picture in shown}) == 2


def test_pairs_across_parts_come_first_and_say_what_disagrees(found: Manifest) -> None:
    shown = pictures.pairs_side_by_side(found.entries, [Pair(4, 5, 0.999), Pair(2, 3, 0.98), Pair(0, 4, 0.97)], count=2)
    assert [(pair.left.title, pair.right.title) for pair in shown] == [("2", "3"), ("0", "4")]
    assert "ACROSS PARTS: train and test" in shown[0].detail
    assert "same lesion by the publisher's table" in shown[0].detail
    assert "LABELS DIFFER: MEL and NV" in shown[1].detail
    assert "LABELS" not in shown[0].detail


def described(a: Entry, b: Entry) -> str:
    (shown,) = pictures.pairs_side_by_side([a, b], [Pair(0, 1)], count=1)
    return shown.detail


TRAIN = Entry(sample=sample("1"), part="train")


@pytest.mark.parametrize(
    ("other", "across", "left_out"),
    [
        (Entry(sample=sample("2"), part="test"), True, False),
        (Entry(sample=sample("2"), part="train"), False, False),
        (Entry(sample=sample("2"), part=""), False, False),
        (Entry(sample=sample("2"), part="", excluded="duplicate of one/1"), False, True),
        (Entry(sample=sample("2"), part="test", excluded="duplicate of one/1"), False, True),
        (Entry(sample=sample("2"), part="test", excluded="blurred (sharpness 1, at least 3)"), False, False),
    ],
)
def test_only_images_that_are_used_can_cross_parts(other: Entry, across: bool, left_out: bool) -> None:
    for words in (described(TRAIN, other), described(other, TRAIN)):
        assert ("ACROSS PARTS" in words, "copy left out" in words) == (across, left_out)


def test_a_copy_that_was_left_out_is_not_shown_before_a_leak() -> None:
    entries = [
        TRAIN,
        Entry(sample=sample("2", source="two"), excluded="duplicate of one/1"),
        Entry(sample=sample("3"), part="test"),
    ]
    first, second = pictures.pairs_side_by_side(entries, [Pair(0, 1, 1.0), Pair(0, 2, 0.9)], count=2)
    assert (first.right.title, second.right.title) == ("3", "2")


@pytest.mark.parametrize(
    ("facts", "other", "words"),
    [
        ({"lesion": "12"}, {"lesion": "12"}, "same lesion"),
        ({"lesion": "12"}, {"lesion": "12", "source": "two"}, ""),
        ({"lesion": "HAM_0000001"}, {"lesion": "HAM_0000001", "source": "two"}, "same lesion"),
        ({"patient": "7"}, {"patient": "7"}, "same patient"),
        ({"patient": "7"}, {"patient": "7", "source": "two"}, ""),
        ({"lesion": "12", "patient": "7"}, {"lesion": "12", "patient": "7"}, "same lesion"),
        ({}, {}, ""),
    ],
)
def test_a_lesion_s_name_means_something_within_its_source(
    facts: dict[str, str], other: dict[str, str], words: str
) -> None:
    said = described(Entry(sample=sample("1", **facts)), Entry(sample=sample("2", **other)))
    assert (f"{words} by the publisher's table" in said) if words else ("same" not in said)


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        ({"diagnosis": "MEL"}, {"diagnosis": "NV"}, True),
        ({"diagnosis": "MEL"}, {"diagnosis": ""}, False),
        ({"diagnosis": "MEL"}, {"diagnosis": "", "malignant": True}, False),
        ({"diagnosis": "MEL"}, {"diagnosis": "", "malignant": False}, True),
    ],
)
def test_labels_differ_when_both_cannot_be_true(one: dict[str, object], other: dict[str, object], differ: bool) -> None:
    said = described(Entry(sample=sample("1", **one)), Entry(sample=sample("2", **other)))  # type: ignore[arg-type]
    assert ("LABELS DIFFER" in said) == differ
