"""A file as COCO 2017 has it, agreement with pycocotools' own reader, and files that are broken."""

from __future__ import annotations

import contextlib
import io
import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from epiluma.datasets.annotations import coco
from epiluma.datasets.annotations.convert import convert
from epiluma.datasets.annotations.files import Stray
from epiluma.datasets.annotations.region import Annotation, full_mask
from epiluma.datasets.record import DataError, Omitted
from tests.datasets.annotations.drawn import annotations, by_label


def thing(**others: Any) -> dict[str, Any]:
    return {
        "segmentation": [[2.0, 1.0, 5.0, 1.0, 5.0, 3.0, 2.0, 3.0]],
        "area": 6.0,
        "iscrowd": 0,
        "image_id": 397133,
        "bbox": [2.0, 1.0, 3.0, 2.0],
        "category_id": 44,
        "id": 82445,
        **others,
    }


def sample(*objects: dict[str, Any], **image: Any) -> dict[str, Any]:
    """The keys and their order are those of instances_val2017.json."""
    return {
        "info": {"description": "COCO 2017 Dataset", "url": "http://cocodataset.org", "version": "1.0", "year": 2017},
        "licenses": [{"url": "http://creativecommons.org/licenses/by/2.0/", "id": 4, "name": "Attribution License"}],
        "images": [
            {
                "license": 4,
                "file_name": "000000397133.jpg",
                "coco_url": "http://images.cocodataset.org/val2017/000000397133.jpg",
                "height": 4,
                "width": 7,
                "date_captured": "2013-11-14 17:02:52",
                "id": 397133,
                **image,
            }
        ],
        "annotations": list(objects),
        "categories": [
            {"supercategory": "skin", "id": 44, "name": "lesion"},
            {"supercategory": "skin", "id": 90, "name": "hair"},
        ],
    }


def save(folder: Path, content: object) -> Path:
    path = folder / "instances_val2017.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def read(folder: Path, content: object) -> list[Annotation | Omitted]:
    return [item for item in coco.read(save(folder, content)).items if not isinstance(item, Stray)]


SQUARE = np.zeros((4, 7), bool)
SQUARE[1:3, 2:5] = True


@pytest.mark.parametrize(
    "segmentation",
    [
        [[2.0, 1.0, 5.0, 1.0, 5.0, 3.0, 2.0, 3.0]],
        [[2.0, 1.0, 3.0, 1.0, 3.0, 3.0, 2.0, 3.0], [3.0, 1.0, 5.0, 1.0, 5.0, 3.0, 3.0, 3.0]],
        {"size": [4, 7], "counts": [9, 2, 2, 2, 2, 2, 9]},
        {"size": [4, 7], "counts": "9220007"},
        [],
    ],
    ids=["polygon", "two polygons", "counts", "packed", "box"],
)
def test_every_way_to_say_a_rectangle_is_read(tmp_path: Path, segmentation: object) -> None:
    (found,) = read(tmp_path, sample(thing(segmentation=segmentation)))
    assert isinstance(found, Annotation), found
    assert (found.image, found.width, found.height) == ("000000397133.jpg", 7, 4)
    assert (by_label(found)["lesion"] == SQUARE).all()


@settings(max_examples=15, deadline=None)
@given(drawn=annotations())
def test_pycocotools_reads_the_very_masks_from_what_is_written(
    drawn: Annotation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from pycocotools.coco import COCO

    path = tmp_path_factory.mktemp("coco") / "out.json"
    writer = coco.Writer(path, ("lesion", "hair & <ruler>"))
    writer.add(drawn)
    writer.close()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read_back = COCO(str(path))
        things = read_back.loadAnns(read_back.getAnnIds())
        masks = [read_back.annToMask(one) for one in things]
    assert len(masks) == len(drawn.regions)
    for region, mask, one in zip(drawn.regions, masks, things, strict=True):
        assert (full_mask(region, drawn.width, drawn.height) == mask).all()
        assert one["area"] == mask.sum()
        assert read_back.cats[one["category_id"]]["name"] == region.label


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (sample(thing(category_id=3)), r"annotations\[0\]: the category 3 is not in the file"),
        (sample(thing(segmentation=[[1.0, 2.0]])), r"annotations\[0\]: a polygon of 1 points"),
        (sample(thing(segmentation=[["a"]])), r"annotations\[0\]: Expected `float`, got `str`"),
        (sample(thing(segmentation={"size": [7, 4], "counts": [28]})), "a mask of 4 x 7 pixels for an image of 7 x 4"),
        (sample(thing(segmentation={"size": [4, 7], "counts": [27]})), "a run-length code of 27 pixels for 7 x 4"),
        (sample(thing(segmentation={"size": [4, 7], "counts": "P"})), "cut off"),
        (sample(thing(segmentation=None, bbox=[])), "neither a segmentation nor a box"),
        (sample(thing(), file_name="../../etc/passwd"), "leads out of"),
        (sample(thing(), file_name="/etc/passwd"), "leads out of"),
        (sample(thing(), width=30_000, height=30_000), "30000 x 30000 pixels"),
        (sample(thing(), width=7.5), r"Expected `int`, got `float` - at `\$.width`"),
    ],
)
def test_a_broken_image_is_explained(tmp_path: Path, content: object, reason: str) -> None:
    found = read(tmp_path, content)
    assert isinstance(found[0], Omitted)
    assert "instances_val2017.json: images[0]" in found[0].where
    assert re.search(reason, found[0].reason), found[0].reason


def test_objects_of_an_image_that_is_not_there_are_told(tmp_path: Path) -> None:
    path = save(tmp_path, sample(thing(), thing(image_id=5), thing(image_id=5)))
    _, *strays = coco.read(path).items
    assert all(isinstance(stray, Stray) for stray in strays)
    lost = [stray.omitted for stray in strays if isinstance(stray, Stray)]
    assert [one.where for one in lost] == [f"{path}: annotations[{k}]" for k in (1, 2)]
    assert {(one.image_id, one.kind) for one in lost} == {("5", "missing")}
    done = convert(path, "coco", tmp_path / "out", "png")
    assert (done.images_in, done.images_out, len(done.omitted)) == (1, 1, 0)
    assert (done.regions_in, done.regions_out, len(done.regions_omitted)) == (3, 1, 2)


def test_an_object_outside_the_image_is_told(tmp_path: Path) -> None:
    (found,) = read(tmp_path, sample(thing(segmentation=[[20.0, 20.0, 25.0, 20.0, 25.0, 23.0]])))
    assert isinstance(found, Annotation)
    assert [omitted.reason for omitted in found.omitted] == ["annotations[0] covers no pixel"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([], "Expected `object`, got `array`"),
        ({"images": [], "annotations": []}, "missing required field `categories`"),
        ({**sample(), "annotations": [{"id": 1}]}, r"annotations\[0\]: .*nobody can tell whose it is"),
        ({**sample(), "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}, "two categories have one id"),
    ],
)
def test_a_broken_file_is_an_error_with_its_name(tmp_path: Path, content: object, reason: str) -> None:
    with pytest.raises(DataError, match=rf"instances_val2017\.json: .*{reason}"):
        read(tmp_path, content)


def test_a_folder_with_two_files_is_refused(tmp_path: Path) -> None:
    save(tmp_path, sample()).rename(tmp_path / "train.json")
    save(tmp_path, sample())
    with pytest.raises(DataError, match=r"found several \(instances_val2017.json, train.json\); name the file itself"):
        coco.read(tmp_path)
