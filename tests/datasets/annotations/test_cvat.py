"""A file as CVAT exports it (CVAT for images 1.1), and files that are broken."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from epiluma.datasets.annotations import cvat
from epiluma.datasets.annotations.region import Annotation
from epiluma.datasets.record import DataError, Omitted
from tests.datasets.annotations.drawn import by_label

HEAD = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>7</id>
      <name>lesions</name>
      <size>1</size>
      <mode>annotation</mode>
      <overlap>0</overlap>
      <bugtracker></bugtracker>
      <created>2026-01-05 10:00:00.000000+00:00</created>
      <updated>2026-01-05 10:30:00.000000+00:00</updated>
      <subset>default</subset>
      <labels>
        <label>
          <name>lesion</name>
          <color>#fa3253</color>
          <type>any</type>
          <attributes>
            <attribute><name>certain</name><mutable>False</mutable><input_type>checkbox</input_type></attribute>
          </attributes>
        </label>
        <label>
          <name>hair</name>
          <color>#ddff33</color>
          <type>any</type>
          <attributes>
          </attributes>
        </label>
      </labels>
    </task>
    <dumped>2026-01-05 10:31:00.000000+00:00</dumped>
  </meta>
"""
IMAGE = '  <image id="0" name="set/photo.jpg" width="10" height="8">\n'
TAIL = "  </image>\n</annotations>\n"


def save(folder: Path, text: str) -> Path:
    path = folder / "annotations.xml"
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, shapes: str) -> Annotation | Omitted:
    (item,) = cvat.read(save(folder, HEAD + IMAGE + shapes + TAIL)).items
    return item


def test_all_shapes_that_cover_pixels_are_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
    <mask label="hair" source="semi-auto" rle="1, 3, 1, 1" left="7" top="5" width="3" height="2" z_order="2">
    </mask>
    <polygon label="lesion" source="manual" occluded="0" points="1.00,1.00;4.00,1.00;4.00,3.00;1.00,3.00" z_order="0">
      <attribute name="certain">true</attribute>
    </polygon>
    <box label="lesion" source="manual" occluded="0" xtl="5.00" ytl="0.00" xbr="7.00" ybr="2.00" z_order="1">
    </box>
    <polyline label="hair" source="manual" occluded="0" points="1.00,1.00;4.00,1.00" z_order="0">
    </polyline>
    <tag label="lesion" source="manual">
    </tag>
""",
    )
    assert isinstance(found, Annotation), found
    assert (found.image, found.width, found.height) == ("set/photo.jpg", 10, 8)
    assert [(r.label, r.left, r.top, r.mask.astype(int).tolist()) for r in found.regions] == [
        ("lesion", 1, 1, [[1, 1, 1], [1, 1, 1]]),
        ("lesion", 5, 0, [[1, 1], [1, 1]]),
        ("hair", 7, 5, [[0, 1, 1], [1, 0, 1]]),
    ], "by z_order"
    assert [omitted.reason for omitted in found.omitted] == ["polyline 4 covers no pixel", "tag 5 covers no pixel"]


def test_a_turned_box_and_an_ellipse_are_filled(tmp_path: Path) -> None:
    turned = '<box label="hair" xtl="1.0" ytl="3.0" xbr="7.0" ybr="5.0" rotation="90.0" z_order="0"></box>'
    disc = '<ellipse label="lesion" cx="5.00" cy="4.00" rx="4.00" ry="3.00" z_order="0"></ellipse>'
    found = read(tmp_path, turned + disc)
    assert isinstance(found, Annotation), found
    masks = by_label(found)
    upright = np.zeros((8, 10), bool)
    upright[1:7, 3:5] = True
    assert (masks["hair"] == upright).all()
    y, x = np.mgrid[:8, :10] + 0.5
    level = ((x - 5) / 4) ** 2 + ((y - 4) / 3) ** 2
    assert (masks["lesion"][level < 0.8]).all()
    assert not (masks["lesion"][level > 1.2]).any()


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ('<polygon label="mole" points="1,1;2,2;3,1"/>', None),
        ('<polygon points="1,1;2,2;3,1"/>', "polygon 1: label '' is empty"),
        ('<polygon label="hair" points="1,1;2,2"/>', "polygon 1: a polygon of 2 points"),
        ('<polygon label="hair" points="1,1;2;3,1"/>', "polygon 1: a polygon whose points are no pairs"),
        ('<polygon label="hair" points="1,1,1;2,2,2;3,3,3;4,4,4"/>', "polygon 1: a polygon whose points are no pairs"),
        ('<polygon label="hair" points="1,1;2,nan;3,1"/>', "polygon 1: points that are no numbers"),
        ('<polygon label="hair" points=""/>', "polygon 1: points that are no pairs"),
        ('<box label="hair" xtl="1" ytl="1" xbr="inf" ybr="2"/>', "box 1: the attribute xbr is no number"),
        ('<box label="hair" xtl="1" ytl="1" xbr="3"/>', "box 1: the attribute ybr is missing"),
        ('<mask label="hair" rle="0, 4" left="9" top="0" width="2" height="2"/>', "mask 1: a mask of 2 x 2 pixels at"),
        ('<mask label="hair" rle="0, 5" left="0" top="0" width="2" height="2"/>', "mask 1: a run-length code of 5"),
        ('<mask label="hair" rle="x" left="0" top="0" width="2" height="2"/>', "no list of numbers"),
    ],
)
def test_a_broken_shape_is_explained(tmp_path: Path, shapes: str, reason: str | None) -> None:
    found = read(tmp_path, shapes)
    if reason is None:  # a label that the head of the file forgot
        assert isinstance(found, Annotation)
        return
    assert isinstance(found, Omitted)
    assert found.where.endswith("annotations.xml: image 0")
    assert re.search(reason, found.reason), found.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (HEAD + IMAGE, "damaged XML"),
        ("", "damaged XML"),
        ("<annotation></annotation>", "the root is 'annotation'"),
        (HEAD.replace("1.1", "2.0") + IMAGE + TAIL, "version '2.0'; only 1.1 is known"),
        (HEAD + '<track id="0"></track></annotations>', "made for a video; export the task as CVAT for images 1.1"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "document type or entities is refused"),
    ],
)
def test_a_broken_file_is_an_error_with_its_name(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(DataError, match=rf"annotations\.xml: .*{reason}"):
        cvat.read(save(tmp_path, text))


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ('<image id="0" name="../photo.jpg" width="10" height="8">', "leads out of"),
        ('<image id="0" name="C:\\photo.jpg" width="10" height="8">', "names a drive"),
        ('<image id="0" width="10" height="8">', "is empty"),
        ('<image id="0" name="a.jpg" width="100000" height="8">', "100000 x 8 pixels"),
        ('<image id="0" name="a.jpg" height="8">', "width is missing"),
    ],
)
def test_a_broken_image_is_explained(tmp_path: Path, image: str, reason: str) -> None:
    (found,) = cvat.read(save(tmp_path, HEAD + image + TAIL)).items
    assert isinstance(found, Omitted)
    assert re.search(reason, found.reason), found.reason
