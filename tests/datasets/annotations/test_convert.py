"""Every format to every other and back: the same pixels; and nothing is lost without a word."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from epiluma.datasets.annotations.convert import Converted, convert
from epiluma.datasets.annotations.region import Annotation, region_of
from epiluma.datasets.annotations.registry import FORMATS, detect
from epiluma.datasets.record import DataError
from tests.datasets.annotations.drawn import Mask, annotations, apart, by_label, painted

LABELS = ("lesion", "hair & <ruler>")
FLAT = {"png", "voc"}
"""Formats in which a pixel has one class."""


def write(out: Path, name: str, *images: Annotation) -> Path:
    writer = FORMATS[name].writer(out, LABELS)
    for annotation in images:
        writer.add(annotation)
    writer.close()
    return out


def read(source: Path, name: str) -> list[Annotation]:
    items = list(FORMATS[name].read(source, ()).items)
    assert all(isinstance(item, Annotation) for item in items), items
    return [item for item in items if isinstance(item, Annotation)]


def assert_complete(result: Converted) -> None:
    assert result.images_in == result.images_out + len(result.omitted)
    assert result.regions_in == result.regions_out + len(result.regions_omitted)


@pytest.mark.parametrize(("first", "second"), list(itertools.product(FORMATS, FORMATS)))
@settings(max_examples=5, deadline=None)
@given(drawn=annotations(labels=LABELS))
def test_a_mask_comes_back_from_every_pair_of_formats(
    first: str, second: str, drawn: Annotation, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("pair")
    write(folder / "a", first, drawn)
    there = convert(folder / "a", None, folder / "b", second)
    back = convert(folder / "b", None, folder / "c", first)
    assert (there.source_format, there.out_format, there.images_out, back.images_out) == (first, second, 1, 1)
    assert_complete(there)
    assert_complete(back)
    flat = bool(FLAT & {first, second})
    expected = painted(drawn) if flat else by_label(drawn)
    for place, name in ((folder / "b", second), (folder / "c", first)):
        (found,) = read(place, name)
        assert (found.image, found.width, found.height) == (drawn.image, drawn.width, drawn.height)
        masks = by_label(found)
        assert masks.keys() == expected.keys()
        assert all(apart(masks[label], mask) <= 1 for label, mask in expected.items()), "promised: within a pixel"
        assert all((masks[label] == mask).all() for label, mask in expected.items()), "in fact: every pixel"
        if not flat:  # each of them, also where they overlap
            assert [region.label for region in found.regions] == [region.label for region in drawn.regions]
            for one, other in zip(found.regions, drawn.regions, strict=True):
                assert (one.box, one.mask.tolist()) == (other.box, other.mask.tolist())


def image(name: str, *regions: tuple[str, Mask]) -> Annotation:
    height, width = regions[0][1].shape
    found = [region_of(label, mask) for label, mask in regions]
    return Annotation(name, name, width, height, tuple(region for region in found if region))


def box(left: int, top: int, right: int, bottom: int, *, width: int = 12, height: int = 10) -> Mask:
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize("name", sorted(FLAT))
def test_what_lies_under_another_region_is_told(name: str, tmp_path: Path) -> None:
    drawn = image(
        "a.jpg",
        ("lesion", box(1, 1, 3, 3)),
        ("lesion", box(5, 5, 9, 7)),
        ("hair & <ruler>", box(0, 0, 6, 6)),
    )
    result = convert(write(tmp_path / "a", "coco", drawn), "coco", tmp_path / "b", name)
    assert_complete(result)
    assert [omitted.reason for omitted in result.regions_omitted] == [
        "region 1 (lesion) is hidden by those on top of it"
    ]
    (note,) = result.notes
    assert note.endswith("annotations.json: images[0]: region 2 (lesion) lost 1 pixels to those on top of it")
    assert result.regions_out == 2


def test_objects_of_one_class_stay_apart_where_the_format_can_say_it(tmp_path: Path) -> None:
    drawn = image("a.jpg", ("lesion", box(1, 1, 3, 3)), ("lesion", box(3, 1, 5, 3)))
    for name, count in {"png": 1, "voc": 2, "coco": 2, "cvat": 2, "labelme": 2}.items():
        (found,) = read(write(tmp_path / name, name, drawn), name)
        assert len(found.regions) == count, name


@pytest.mark.parametrize("name", FORMATS)
def test_an_image_without_a_region_stays_an_image(name: str, tmp_path: Path) -> None:
    source = write(tmp_path / "a", "coco", Annotation("", "empty.jpg", 7, 5, ()))
    result = convert(source, "coco", tmp_path / "b", name)
    assert (result.images_in, result.images_out, result.regions_in) == (1, 1, 0)
    (found,) = read(tmp_path / "b", name)
    assert (found.image, found.width, found.height, found.regions) == ("empty.jpg", 7, 5, ())


def photo(path: Path, width: int, height: int, *, orientation: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.new("RGB", (width, height), "tan").save(path, exif=exif)


def test_images_are_looked_at_when_their_folder_is_given(tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    folder.mkdir()
    for stem in ("right_segmentation", "turned", "small", "missing"):
        Image.fromarray(box(1, 1, 3, 3).astype(np.uint8) * 255).save(folder / f"{stem}.png")
    photo(tmp_path / "images" / "right.jpg", 12, 10)
    photo(tmp_path / "images" / "turned.jpg", 10, 12, orientation=6)
    photo(tmp_path / "images" / "small.png", 6, 5)
    result = convert(folder, "png", tmp_path / "out.json", "coco", images=tmp_path / "images", labels=["lesion"])
    assert_complete(result)
    assert [found.image for found in read(tmp_path / "out.json", "coco")] == ["right.jpg", "turned.jpg"]
    assert {omitted.image_id: omitted.kind for omitted in result.omitted} == {"missing": "missing", "small": "broken"}
    (wrong_size,) = (omitted for omitted in result.omitted if omitted.kind == "broken")
    assert wrong_size.where.endswith("small.png")
    assert "annotated at 12 x 10 pixels, but" in wrong_size.reason
    assert wrong_size.reason.endswith("small.png has 6 x 5")


def test_a_second_annotation_of_an_image_is_told(tmp_path: Path) -> None:
    one, two = image("a.jpg", ("lesion", box(1, 1, 3, 3))), image("a.jpg", ("lesion", box(4, 4, 6, 6)))
    result = convert(write(tmp_path / "a.xml", "cvat", one, two), None, tmp_path / "b.json", "coco")
    assert_complete(result)
    assert [omitted.reason for omitted in result.omitted] == ["image a.jpg is named twice"]


@pytest.mark.parametrize("name", ["png", "labelme", "voc"])
def test_images_that_would_share_a_file_are_told(name: str, tmp_path: Path) -> None:
    one, two = image("a.jpg", ("lesion", box(1, 1, 3, 3))), image("a.png", ("lesion", box(4, 4, 6, 6)))
    result = convert(write(tmp_path / "a", "coco", one, two), None, tmp_path / "b", name)
    assert_complete(result)
    assert "another image's file is already" in result.omitted[0].reason
    (found,) = read(tmp_path / "b", name)
    assert found.image == "a.jpg"


def test_given_labels_set_the_numbers_and_refuse_any_other(tmp_path: Path) -> None:
    one, two = image("a.jpg", ("lesion", box(1, 1, 3, 3))), image("b.jpg", ("hair & <ruler>", box(4, 4, 6, 6)))
    source = write(tmp_path / "a", "coco", one, two)
    result = convert(source, None, tmp_path / "b", "png", labels=["globule", "lesion"])
    assert_complete(result)
    assert result.classes == ("globule", "lesion")
    assert np.unique(np.asarray(Image.open(tmp_path / "b" / "a.png"))).tolist() == [0, 2]
    assert [(omitted.image_id, omitted.kind) for omitted in result.omitted] == [("b.jpg", "broken")]
    assert "unknown label 'hair & <ruler>'; known are globule, lesion" in result.omitted[0].reason


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_written_over(name: str, tmp_path: Path) -> None:
    source = write(tmp_path / "a", "coco", image("a.jpg", ("lesion", box(1, 1, 3, 3))))
    kept = tmp_path / "full" / "annotations.json"
    kept.parent.mkdir()
    kept.write_text("mine")
    with pytest.raises(DataError, match="is not an empty folder"):
        convert(source, "coco", tmp_path / "full", name)
    assert kept.read_text() == "mine"


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_recognised_by_itself_alone(name: str, tmp_path: Path) -> None:
    source = write(tmp_path / "a", name, image("a.jpg", ("lesion", box(1, 1, 3, 3))))
    assert detect(source) == name


def test_a_folder_of_two_formats_is_refused_with_both_names(tmp_path: Path) -> None:
    source = write(tmp_path / "a", "labelme", image("a.png", ("lesion", box(1, 1, 3, 3))))
    photo(source / "a.png", 12, 10)
    with pytest.raises(DataError, match="could be png or labelme; say which format it has"):
        detect(source)
    assert convert(source, "labelme", tmp_path / "b", "png").images_out == 1


def test_a_folder_of_no_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text('{"a": 1}')
    with pytest.raises(DataError, match="is none of png, labelme, coco, cvat, voc"):
        detect(tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        detect(tmp_path / "nothing")
    with pytest.raises(DataError, match="unknown annotation format 'yolo'; known are png, "):
        convert(tmp_path, "coco", tmp_path / "b", "yolo")
    with pytest.raises(DataError, match="holds no annotation in the format png"):
        convert(tmp_path, "png", tmp_path / "b", "coco")


@pytest.mark.slow
@pytest.mark.real_data
def test_published_lesion_masks_pass_through_all_formats_unchanged(published: Path, tmp_path: Path) -> None:
    """Fifty masks of HAM10000: png -> labelme -> coco -> cvat -> voc -> png."""
    masks = sorted((published / "HAM10000" / "HAM10000_segmentations_lesion_tschandl").glob("*.png"))[::200][:50]
    place = tmp_path / "png"
    place.mkdir()
    for path in masks:
        (place / path.name).write_bytes(path.read_bytes())
    known = {"png": place}
    for name in ("labelme", "coco", "cvat", "voc", "last"):
        out = tmp_path / name
        result = convert(place, None, out, "png" if name == "last" else name, images=published / "HAM10000" / "images")
        assert (result.images_in, result.images_out, result.notes) == (50, 50, [])
        known[name] = place = out
    for path in masks:
        original = np.asarray(Image.open(path)) > 0
        last = np.asarray(Image.open(tmp_path / "last" / f"{path.stem.removesuffix('_segmentation')}.png")) > 0
        assert apart(original, last) == 0
        assert (original == last).all()
    pixels = sum(int((np.asarray(Image.open(path)) > 0).sum()) for path in masks)
    for name in ("labelme", "coco", "cvat", "voc"):
        assert sum(int(region.mask.sum()) for found in read(known[name], name) for region in found.regions) == pixels
