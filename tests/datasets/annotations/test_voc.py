"""A folder as Pascal VOC 2012 has it, and what is broken in one."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from epiluma.datasets.annotations import voc
from epiluma.datasets.annotations.classes import voc_colours
from epiluma.datasets.annotations.region import Annotation
from epiluma.datasets.record import DataError, Omitted

XML = """<annotation>
	<folder>VOC2012</folder>
	<filename>2007_000032.jpg</filename>
	<source><database>The VOC2007 Database</database><annotation>PASCAL VOC2007</annotation></source>
	<size><width>6</width><height>4</height><depth>3</depth></size>
	<segmented>1</segmented>
	<object>
		<name>aeroplane</name>
		<pose>Frontal</pose>
		<truncated>0</truncated>
		<difficult>0</difficult>
		<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>3</ymax></bndbox>
	</object>
	<object>
		<name>person</name>
		<pose>Left</pose>
		<truncated>1</truncated>
		<difficult>0</difficult>
		<bndbox><xmin>4.4</xmin><ymin>2</ymin><xmax>6</xmax><ymax>2</ymax></bndbox>
	</object>
</annotation>
"""
CLASSES = np.array([[1, 1, 255, 0, 0, 0], [1, 1, 255, 15, 15, 1], [255, 255, 255, 0, 0, 1], [0, 0, 0, 0, 0, 0]])
OBJECTS = np.array([[1, 1, 255, 0, 0, 0], [1, 1, 255, 2, 2, 3], [255, 255, 255, 0, 0, 3], [0, 0, 0, 0, 0, 0]])


def palette_png(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    picture = Image.fromarray(values.astype(np.uint8))
    picture.putpalette(voc_colours().tobytes())
    picture.save(path)


def sample(folder: Path, *, xml: str | None = XML, masks: bool = True, objects: bool = True) -> Path:
    (folder / "Annotations").mkdir()
    if xml is not None:
        (folder / "Annotations" / "2007_000032.xml").write_text(xml)
    if masks:
        palette_png(folder / "SegmentationClass" / "2007_000032.png", CLASSES)
    if objects:
        palette_png(folder / "SegmentationObject" / "2007_000032.png", OBJECTS)
    return folder


def read(folder: Path, labels: tuple[str, ...] = ()) -> Annotation | Omitted:
    (item,) = voc.read(folder, labels).items
    return item


def test_the_palette_is_that_of_the_development_kit() -> None:
    assert voc_colours()[[0, 1, 2, 3, 15, 20, 255]].tolist() == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [192, 128, 128], [0, 64, 128], [224, 224, 192],
    ]  # fmt: skip


def test_objects_are_read_from_their_masks_and_the_undecided_border_is_background(tmp_path: Path) -> None:
    found = read(sample(tmp_path))
    assert isinstance(found, Annotation), found
    assert (found.image, found.width, found.height) == ("2007_000032.jpg", 6, 4)
    assert [(r.label, r.left, r.top, r.mask.shape) for r in found.regions] == [
        ("aeroplane", 0, 0, (2, 2)),
        ("person", 3, 1, (1, 2)),
        ("aeroplane", 5, 1, (2, 1)),
    ]


def test_classes_alone_give_one_region_each_and_boxes_alone_rectangles(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    found = read(sample(tmp_path / "a", xml=None, objects=False))
    assert isinstance(found, Annotation), found
    assert [(r.label, int(r.mask.sum())) for r in found.regions] == [("aeroplane", 6), ("person", 2)]
    (tmp_path / "b").mkdir()
    found = read(sample(tmp_path / "b", masks=False, objects=False))
    assert isinstance(found, Annotation), found
    assert [(r.label, r.left, r.top, r.mask.shape) for r in found.regions] == [
        ("aeroplane", 0, 0, (3, 2)),
        ("person", 3, 1, (1, 3)),
    ]


def test_painted_masks_are_read_by_the_colours_of_the_labelmap(tmp_path: Path) -> None:
    """As CVAT and Datumaro export VOC."""
    colours = np.zeros((2, 2, 3), np.uint8)
    colours[0, 1], colours[1, 1] = (250, 50, 83), (128, 0, 0)
    (tmp_path / "SegmentationClass").mkdir()
    Image.fromarray(colours).save(tmp_path / "SegmentationClass" / "a.png")
    listing = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nlesion:250,50,83::\nhair:128,0,0::\n"
    (tmp_path / "labelmap.txt").write_text(listing)
    found = read(tmp_path)
    assert isinstance(found, Annotation), found
    assert [(r.label, r.left, r.top) for r in found.regions] == [("lesion", 1, 0), ("hair", 1, 1)]
    (tmp_path / "labelmap.txt").write_text(listing.replace("hair:128", "hair:129"))
    found = read(tmp_path)
    assert isinstance(found, Omitted)
    assert "the colour #800000 belongs to no class" in found.reason
    (tmp_path / "labelmap.txt").write_text(listing.replace("250,50", "250"))
    with pytest.raises(DataError, match=r"labelmap\.txt: line 3: expected name:r,g,b:parts:actions"):
        voc.read(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("aeroplane", "melanoma", "2007_000032.xml: object 1: unknown label 'melanoma'"),
        ("<width>6", "<width>7", "its mask has 6 x 4 pixels, its XML says 7 x 4"),
        ("<width>6</width>", "", "width is missing"),
        ("<xmax>2", "<xmax>two", "object 1: xmax is missing or no number"),
        ("</annotation>\n", "", "damaged XML"),
        ("<annotation>\n", '<!DOCTYPE a [<!ENTITY b "c">]><annotation>\n', "document type"),
        ("2007_000032.jpg", "../../x.jpg", "leads out of"),
    ],
)
def test_a_broken_image_is_explained(tmp_path: Path, old: str, new: str, reason: str) -> None:
    xml = XML[: XML.rindex(old)] + new if old.startswith("</") else XML.replace(old, new, 1)
    found = read(sample(tmp_path, xml=xml))
    assert isinstance(found, Omitted)
    assert found.where.endswith(": 2007_000032")
    assert re.search(reason, found.reason), found.reason


def test_masks_that_do_not_fit_each_other_are_explained(tmp_path: Path) -> None:
    sample(tmp_path)
    palette_png(tmp_path / "SegmentationObject" / "2007_000032.png", OBJECTS[:2])
    found = read(tmp_path)
    assert isinstance(found, Omitted)
    assert found.reason == "its object mask has 6 x 2 pixels, not 6 x 4"


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither SegmentationClass nor Annotations is there"):
        voc.read(tmp_path)


def test_a_label_that_the_labelmap_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the label 'nevus: blue' cannot stand in"):
        voc.Writer(tmp_path / "out", ("nevus: blue",))
    assert not (tmp_path / "out").exists()
