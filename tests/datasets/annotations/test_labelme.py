"""A file as LabelMe 5 writes it, and files that are broken."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from epiluma.datasets.annotations import labelme
from epiluma.datasets.annotations.region import Annotation
from epiluma.datasets.record import Omitted
from tests.datasets.annotations.drawn import by_label


def png(mask: list[list[int]]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.array(mask, np.uint8) * 255).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def shape(label: str, kind: str, points: list[list[float]], **others: Any) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
        "mask": None,
        **others,
    }


def sample(*shapes: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {
        "version": "5.5.0",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": "..\\images\\photo.jpg",
        "imageData": "bm90IGEgcGljdHVyZQ==",
        "imageHeight": 8,
        "imageWidth": 10,
        **others,
    }


def read(folder: Path, content: dict[str, Any] | str) -> Annotation | Omitted:
    text = content if isinstance(content, str) else json.dumps(content, indent=2)
    (folder / "photo.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    (item,) = labelme.read(folder).items
    return item


def test_all_shapes_that_cover_pixels_are_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        sample(
            shape("lesion", "polygon", [[1.2, 1.7], [3.9, 1.1], [3.4, 3.8], [1.6, 3.3]], group_id=4),
            shape("lesion", "rectangle", [[7.9, 7.5], [6.3, 6.2]], group_id=4),
            shape("hair", "circle", [[5.5, 2.5], [6.5, 2.5]]),
            shape("pen", "mask", [[8, 0], [9, 1]], mask=png([[1, 0], [1, 1]])),
            shape("ruler", "linestrip", [[0, 0], [9, 7]]),
        ),
    )
    assert isinstance(found, Annotation)
    assert (found.image, found.width, found.height) == ("photo.jpg", 10, 8)
    assert [region.label for region in found.regions] == ["lesion", "hair", "pen"], "one group is one region"
    masks = by_label(found)
    lesion = np.zeros((8, 10), bool)
    lesion[1:4, 1:4] = lesion[6:8, 6:8] = True
    assert (masks["lesion"] == lesion).all()
    assert np.argwhere(masks["pen"]).tolist() == [[0, 8], [1, 8], [1, 9]]
    assert masks["hair"][2, 5]
    assert masks["hair"].sum() in {5, 9}, "within one pixel of (5, 2)"
    (left_out,) = found.omitted
    assert left_out.reason == "shape 5: a linestrip that covers no pixel"


def test_the_written_file_has_the_tools_own_fields(tmp_path: Path) -> None:
    found = read(tmp_path, sample(shape("lesion", "polygon", [[1, 1], [1, 1], [1, 1]])))
    assert isinstance(found, Annotation)
    writer = labelme.Writer(tmp_path / "out", ("lesion",))
    writer.add(found)
    written = json.loads((tmp_path / "out" / "photo.json").read_text())
    assert written.keys() == sample().keys()
    assert (written["imageData"], written["imagePath"]) == (None, "photo.jpg")
    assert written["shapes"] == [shape("lesion", "polygon", [[1, 1], [1, 1], [1, 1]])]


SQUARE = [[1, 1], [3, 1], [3, 3]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "Input data was truncated"),
        ('{"shapes": [', "Input data was truncated"),
        ('{"shapes": [], "imagePath": "\udcff"}', "can't decode byte"),
        ("[]", "Expected `object`, got `array`"),
        (sample(shape("a", "polygon", SQUARE), imageHeight="8"), r"Expected `int`, got `str` - at `\$.imageHeight`"),
        (sample(imageWidth=40_000), "40000 x 8 pixels"),
        (sample(imageHeight=0), "10 x 0 pixels"),
        (sample(shape("", "polygon", SQUARE)), "shape 1: label '' is empty"),
        (sample(shape("a", "polygon", SQUARE), shape("a", "polygon", SQUARE[:2])), "shape 2: a polygon of 2 points"),
        (sample(shape("a", "circle", SQUARE)), "shape 1: a circle of 3 points; it needs 2"),
        (sample(shape("a", "polygon", [*SQUARE, [1e300, 1]])), "shape 1: a coordinate"),
        (sample(shape("a", "mask", [[9, 7], [10, 8]], mask=png([[1, 1], [1, 1]]))), "shape 1: a mask of 2 x 2"),
        (sample(shape("a", "mask", [[0, 0], [1, 1]], mask="?")), "shape 1: its mask is no PNG"),
        (sample(shape("a", "polygon", [[1, 2, 3]] * 3)), r"array` of length 2 - at `\$.shapes\[0\].points\[0\]`"),
        (sample(imagePath=".."), "not a plain path|leads out"),
        (sample(imagePath="a\u0000.jpg"), "control characters"),
        (sample(imagePath="a" * 201), "longer than 200 bytes"),
    ],
)
def test_a_broken_file_is_explained(tmp_path: Path, content: dict[str, Any] | str, reason: str) -> None:
    found = read(tmp_path, content)
    assert isinstance(found, Omitted)
    assert (found.where, found.kind) == (str(tmp_path / "photo.json"), "broken")
    assert re.search(reason, found.reason), found.reason
