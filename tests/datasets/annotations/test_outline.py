"""Polygons give back the very mask they were drawn from, by the tools' own fills."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask
from scipy import ndimage

from epiluma.datasets.annotations import outline
from epiluma.datasets.annotations.region import full_mask, region_of, union
from epiluma.datasets.record import DataError
from tests.datasets.annotations.drawn import Mask, decoded_by_pycocotools, masks

SIZE = {"width": 21, "height": 17}


def region(mask: Mask) -> outline.Region:
    found = region_of("lesion", mask)
    assert found is not None
    return found


def mask_of(rows: str) -> Mask:
    return np.array([[c == "#" for c in row] for row in rows.split()])


@settings(max_examples=80, deadline=None)
@given(masks(**SIZE))
def test_edge_polygons_are_filled_by_pycocotools_to_the_same_mask(mask: Mask) -> None:
    polygons = outline.edge_polygons(region(mask))
    count = ndimage.label(np.pad(~mask, 1, constant_values=True), np.ones((3, 3)))[1]
    assert (polygons is None) == (count > 1), "None just when there is a hole"
    if polygons is not None:
        assert len(polygons) == ndimage.label(mask)[1], "one per part"
        codes = coco_mask.frPyObjects([p.ravel().tolist() for p in polygons], *mask.shape)
        assert (decoded_by_pycocotools(coco_mask.merge(codes)) == mask).all()
        back = outline.fill_edges("lesion", polygons, SIZE["width"], SIZE["height"])
        assert back is not None
        assert (full_mask(back, **SIZE) == mask).all()


@settings(max_examples=80, deadline=None)
@given(masks(**SIZE))
def test_centre_polygons_are_filled_to_the_same_mask_by_pillow_and_by_opencv(mask: Mask) -> None:
    by_pillow, by_opencv = np.zeros_like(mask), np.zeros_like(mask)
    polygons = outline.centre_polygons(region(mask))
    assert len(polygons) == ndimage.label(mask, np.ones((3, 3)))[1]
    for polygon in polygons:
        assert len(polygon) >= 3
        canvas = Image.new("L", (SIZE["width"], SIZE["height"]))
        ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for x, y in polygon], outline=1, fill=1)
        by_pillow |= np.asarray(canvas) > 0
        by_opencv |= cv2.fillPoly(np.zeros(mask.shape, np.uint8), [polygon.astype(np.int32)], 1) > 0
    back = [outline.fill_centres("lesion", p.astype(float), SIZE["width"], SIZE["height"]) for p in polygons]
    assert (by_pillow == mask).all()
    assert (by_opencv == mask).all()
    assert (full_mask(union([r for r in back if r]), **SIZE) == mask).all()


def test_the_two_conventions_differ_by_a_pixel_to_the_right_and_below() -> None:
    square = region(np.pad(np.ones((2, 3), bool), ((4, 0), (5, 0))))
    assert sorted(outline.centre_polygons(square)[0].tolist()) == [[5, 4], [5, 5], [7, 4], [7, 5]]
    edges = outline.edge_polygons(square)
    assert edges is not None
    assert sorted(edges[0].tolist()) == [[5, 4], [5, 6], [8, 4], [8, 6]]


def test_a_hole_is_reached_by_a_cut_through_the_region_alone() -> None:
    """The cut runs in row 1 from the left rim; the polygon passes (0, 1) and (1, 1) on its way in and out."""
    ring = mask_of("##### ##.## #####")
    (polygon,) = outline.centre_polygons(region(ring))
    points = [tuple(point) for point in polygon.tolist()]
    assert points.count((0, 1)) == 2
    assert outline.edge_polygons(region(ring)) is None


def test_pixels_that_touch_at_a_corner_are_parts_of_their_own_along_edges_and_one_through_centres() -> None:
    for rows in ("#. .#", ".# #."):
        two = region(mask_of(rows))
        edges = outline.edge_polygons(two)
        assert edges is not None
        assert [len(polygon) for polygon in edges] == [4, 4]
        assert len(outline.centre_polygons(two)) == 1


@pytest.mark.parametrize("shape", ["rectangle", "circle", "polygon"])
@settings(max_examples=50, deadline=None)
@given(corners=st.lists(st.tuples(st.floats(-30, 60), st.floats(-30, 60)), min_size=2, max_size=2))
@example(corners=[(36.0, 0.0), (47.0, -21.0)])
def test_shapes_are_drawn_as_labelme_draws_them_on_the_whole_image(
    shape: str, corners: list[tuple[float, float]]
) -> None:
    canvas = Image.new("L", (40, 30))
    draw = ImageDraw.Draw(canvas)
    (x, y), (u, v) = corners
    points = np.array(corners)
    if shape == "rectangle":
        draw.rectangle([min(x, u), min(y, v), max(x, u), max(y, v)], outline=1, fill=1)
    elif shape == "circle":
        r = float(np.hypot(x - u, y - v))
        draw.ellipse([x - r, y - r, x + r, y + r], outline=1, fill=1)
    else:
        points = np.array([*corners, (20.5, 29.9)])
        draw.polygon([*corners, (20.5, 29.9)], outline=1, fill=1)
    found = outline.fill_centres("lesion", points, 40, 30, shape)
    mask = full_mask(found, 40, 30) if found else np.zeros((30, 40), bool)
    assert (mask == (np.asarray(canvas) > 0)).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-9, 40), st.floats(-9, 40)), min_size=3, max_size=8))
@example([(1.0, 0.0), (1.0, 1.0), (2.3, 4.0)])
def test_edge_polygons_with_fractions_are_filled_as_on_the_whole_image(points: list[tuple[float, float]]) -> None:
    code = coco_mask.merge(coco_mask.frPyObjects([np.array(points).ravel().tolist()], 25, 30))
    found = outline.fill_edges("lesion", [np.array(points)], 30, 25)
    mask = full_mask(found, 30, 25) if found else np.zeros((25, 30), bool)
    assert (mask == decoded_by_pycocotools(code)).all()


@pytest.mark.parametrize(
    ("flat", "reason"),
    [
        ([1.0, 2.0, 3.0], "no pairs of x and y"),
        ([1.0, 2.0, 3.0, 4.0], "a polygon of 2 points; it needs 3"),
        ([1.0, 2.0, 3.0, 4.0, float("nan"), 1.0], "no number or further out"),
        ([1.0, 2.0, 3.0, 4.0, 1e9, 1.0], "no number or further out"),
    ],
)
def test_what_is_no_polygon_is_refused(flat: list[float], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        outline.points_of(flat, least=3)


def test_an_outline_that_would_fill_the_memory_is_refused() -> None:
    there_and_back = np.array([[0.0, 0.0], [90_000.0, 90_000.0]] * 20)
    with pytest.raises(DataError, match="longer than 2,000,000 pixels"):
        outline.fill_edges("lesion", [there_and_back], 10, 10)
