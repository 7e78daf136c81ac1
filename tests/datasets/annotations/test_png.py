"""Masks as publishers give them, class lists, and files that are no masks."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from epiluma.datasets.annotations import png
from epiluma.datasets.annotations.region import Annotation
from epiluma.datasets.record import DataError, Omitted


def save(folder: Path, values: object, name: str = "a.png", *, kind: str = "") -> Path:
    picture = Image.fromarray(np.array(values, np.uint8))
    (picture.convert(kind) if kind else picture).save(folder / name)
    return folder


def read(folder: Path, labels: tuple[str, ...] = ()) -> Annotation | Omitted:
    (item,) = png.read(folder, labels).items
    return item


@pytest.mark.parametrize(
    ("values", "kind"),
    [([[0, 255]], "L"), ([[0, 1]], "L"), ([[0, 255]], "1"), ([[0, 255]], "RGB"), ([[0, 1]], "I;16")],
)
def test_a_binary_mask_is_a_lesion_in_whatever_way_it_is_stored(
    tmp_path: Path, values: list[list[int]], kind: str
) -> None:
    found = read(save(tmp_path, values, "ISIC_0000001_Segmentation.png", kind=kind))
    assert isinstance(found, Annotation), found
    assert (found.image, found.width, found.height) == ("ISIC_0000001", 2, 1)
    assert [(r.label, r.left, r.top, r.mask.tolist()) for r in found.regions] == [("lesion", 1, 0, [[True]])]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.json", '["lesion", "hair"]'),
        ("classes.json", '{"classes": ["background", "lesion", "hair"]}'),
        ("classes.json", '["background", "lesion", "hair"]'),
        ("classes.json", '{"0": "background", "1": "lesion", "2": "hair"}'),
        ("classes.json", '{"classes": ["lesion", "hair"], "images": {"a.png": "a.jpg"}}'),
        ("classes.txt", "lesion\nhair\n"),
        ("classes.txt", "__ignore__\n_background_\nlesion\nhair\n"),
    ],
)
def test_class_lists_name_the_values(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    found = read(save(tmp_path, [[0, 2, 1]]))
    assert isinstance(found, Annotation), found
    assert [(r.label, r.left) for r in found.regions] == [("lesion", 2), ("hair", 1)]
    assert found.image == ("a.jpg" if "images" in text else "a")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[", "neither a list of names nor"),
        ('{"1": "a", "2": "a"}', "a class named twice"),
        ('["a", "a"]', "a class is named twice among a, a"),
        ("[3]", "neither a list of names nor"),
    ],
)
def test_a_broken_class_list_is_an_error(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "classes.json").write_text(text)
    with pytest.raises(DataError, match=reason):
        png.read(save(tmp_path, [[0, 1]]))


def test_what_is_no_mask_is_explained(tmp_path: Path) -> None:
    def reason(values: object, labels: tuple[str, ...] = ()) -> str:
        found = read(save(tmp_path, values), labels)
        assert isinstance(found, Omitted)
        assert (found.where, found.image_id, found.kind) == (str(tmp_path / "a.png"), "a.png", "broken")
        return found.reason

    assert reason([[0, 7]]) == "the value 7 has no class (known are 1 to 1)"
    assert reason([[0, 255]], ("lesion", "hair")) == "the value 255 has no class (known are 1 to 2)"
    assert reason([[[1, 2, 3]]]).startswith("a colour picture; a mask has one number per pixel")
    assert reason([[[1, 1, 1, 255]]]) == "a PNG of kind RGBA; a mask is grey, palette or plain colour"


@pytest.mark.parametrize(("cut", "reason"), [(0, "not a photo"), (30, "cut off or damaged"), (60, "damaged")])
def test_a_damaged_file_is_explained(tmp_path: Path, cut: int, reason: str) -> None:
    path = save(tmp_path, np.eye(40)) / "a.png"
    path.write_bytes(path.read_bytes()[:cut])
    found = read(tmp_path)
    assert isinstance(found, Omitted)
    assert re.search(reason, found.reason), found.reason


def test_a_photo_that_is_called_png_is_explained(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png", "JPEG")
    found = read(tmp_path)
    assert isinstance(found, Omitted)
    assert found.reason.startswith("a JPEG file; masks must be PNG")


def test_a_claimed_size_past_the_bound_is_refused_before_decoding(tmp_path: Path) -> None:
    path = save(tmp_path, [[0, 1]]) / "a.png"
    data = bytearray(path.read_bytes())
    data[16:24] = (30_000).to_bytes(4, "big") * 2
    path.write_bytes(data)
    found = read(tmp_path)
    assert isinstance(found, Omitted)
    assert found.reason.startswith("an image of 30000 x 30000 pixels")
