"""The table that every segmentation runner writes: what is written is read, and a bad row is named by its line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma import predictions, segmentations
from epiluma.segmentations import Header, Segmentations, SegmentationsError
from tests.evaluation.drawn_masks import draw_segmentations, header
from tests.test_predictions import table as draw_predictions

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8)


def table(n: int, seed: int = 0, *, classes: int = 2, names: list[str] | None = None) -> Segmentations:
    """Sound rows without any picture behind them, each at its own size."""
    random = np.random.default_rng(seed)
    width, height = random.integers(1, 400, (2, n))
    predicted, truth, intersection = np.zeros((3, n, classes), np.intp)
    for i in range(n):
        maps = random.integers(0, classes, (2, min(width[i] * height[i], 50)))
        rest = width[i] * height[i] - maps.shape[1]
        predicted[i], truth[i] = (np.bincount(pixels, minlength=classes) for pixels in maps)
        intersection[i] = np.bincount(maps[0][maps[0] == maps[1]], minlength=classes)
        for count in (predicted, truth, intersection):
            count[i, 0] += rest
    return Segmentations(
        header=header(classes=classes, own_size=True),
        image_id=np.array(names or [f"image {i}" for i in range(n)], np.str_),
        group=np.array([f"lesion {i // 2}" for i in range(n)], np.str_),
        part=np.array(["test" if i % 3 else "calibration" for i in range(n)], np.str_),
        width=width,
        height=height,
        boundary_f1=random.uniform(0, 1, n),
        hd95=random.uniform(0, 1, n) * np.hypot(width, height),
        intersection=intersection,
        predicted=predicted,
        truth=truth,
        subgroups={"sex": np.array(["female", ""] * n, np.str_)[:n], "age": np.array(["50"] * n, np.str_)},
    )


@settings(max_examples=30, deadline=None)
@given(names=st.lists(TEXT, min_size=1, max_size=12), seed=st.integers(0, 1000), classes=st.integers(2, 4))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], seed: int, classes: int
) -> None:
    path = tmp_path_factory.mktemp("table") / "masks.csv"
    original = table(len(names), seed, classes=classes, names=names)
    segmentations.write(original, path)
    found = segmentations.read(path)
    assert found.header == original.header
    for column in fields(Segmentations):
        if column.name not in ("header", "subgroups", "boundary_f1", "hd95"):
            assert getattr(found, column.name).tolist() == getattr(original, column.name).tolist()
    np.testing.assert_allclose(found.boundary_f1, original.boundary_f1, atol=5.1e-5)
    np.testing.assert_allclose(found.hd95, original.hd95, atol=5.1e-3)
    assert {name: column.tolist() for name, column in found.subgroups.items()} == {
        name: column.tolist() for name, column in original.subgroups.items()
    }


def test_the_farthest_distance_survives_its_rounding(tmp_path: Path) -> None:
    original = table(40)
    segmentations.write(replace(original, hd95=original.diagonal), tmp_path / "masks.csv")
    assert len(segmentations.read(tmp_path / "masks.csv")) == 40


def test_rows_are_taken_in_the_order_asked() -> None:
    whole = table(9)
    only = whole.only("test")
    assert set(only.part) == {"test"}
    assert len(only) == len(only.subgroups["sex"]) == len(only.truth) == 6
    back = whole.take(np.arange(9)[::-1])
    assert back.image_id.tolist() == whole.image_id.tolist()[::-1]
    assert back.truth[0].tolist() == whole.truth[8].tolist()
    assert back.diagonal[0] == pytest.approx((whole.width[8] ** 2 + whole.height[8] ** 2) ** 0.5)


def cell(index: int, value: str) -> Callable[[str], str]:
    """Another value in one column of a line."""
    return lambda line: ",".join([*line.split(",")[:index], value, *line.split(",")[index + 1 :]])


@pytest.mark.parametrize(
    ("line", "change", "reason"),
    [
        (1, lambda _: "no header", "line 1: expected"),
        (1, lambda line: line.replace('"segmentations"', '"predictions"'), r"line 1: .*\$\.kind"),
        (1, lambda line: line.replace('"audit"', '"odit"'), "line 1: .*odit"),
        (1, lambda line: line.replace('["background","lesion"]', '["lesion"]'), "line 1: 'classes'"),
        (1, lambda line: line.replace('["background","lesion"]', '["lesion","lesion"]'), "line 1: 'classes'"),
        (1, lambda line: line.replace('ance":0.0075', 'ance":1.5'), "line 1: 'boundary_tolerance'"),
        (1, lambda line: line.replace("[32,32]", "[32,0]"), "line 1: 'network_size'"),
        (1, lambda line: line.replace("null", "[400,500]"), "line [3-8]: the size is not the header's"),
        (2, lambda line: line.replace("truth_lesion", "truth_mole"), "line 2: expected columns .*truth_lesion"),
        (4, lambda line: line + ",extra", "line 4: 16 cells for 15 columns"),
        (5, cell(3, "x"), "line 5: cannot be read .*'x'"),
        (5, cell(3, "9" * 30), "line 5: cannot be read"),
        (5, cell(7, "1.5"), r"line 5: cannot be read .*'1\.5'"),
        (5, cell(3, "0"), "line 5: width and height must be above 0"),
        (5, cell(7, "-1"), "line 5: a count of pixels is below 0"),
        (5, cell(7, "99999999"), "line 5: an intersection is larger than what was predicted"),
        (6, cell(8, "99999999"), "line 6: the predicted pixels are not width x height"),
        (6, cell(9, "99999999"), "line 6: the true pixels are not width x height"),
        (6, cell(9, "0"), "line 6: an intersection is larger than the truth"),
        (7, cell(5, "nan"), "line 7: boundary_f1 must lie in 0 to 1"),
        (7, cell(5, "1.1"), "line 7: boundary_f1 must lie in 0 to 1"),
        (7, cell(6, "inf"), "line 7: hd95 must lie between 0 and the diagonal"),
    ],
)
def test_bad_rows_are_named_by_line(tmp_path: Path, line: int, change: Callable[[str], str], reason: str) -> None:
    path = tmp_path / "masks.csv"
    segmentations.write(table(6), path)
    lines = path.read_text(encoding="utf-8").splitlines()
    changed = change(lines[line - 1])
    assert changed != lines[line - 1]
    lines[line - 1] = changed
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(SegmentationsError, match=rf"masks\.csv: {reason}"):
        segmentations.read(path)


def test_what_is_not_sound_is_not_written(tmp_path: Path) -> None:
    sound = table(4)
    with pytest.raises(SegmentationsError, match=r"masks\.csv: image image 2: boundary_f1"):
        segmentations.write(replace(sound, boundary_f1=np.array([0, 1, np.nan, 1])), tmp_path / "masks.csv")
    assert not (tmp_path / "masks.csv").exists()


def test_a_header_that_contradicts_itself_cannot_be_made() -> None:
    with pytest.raises(SegmentationsError, match="'classes' must name"):
        header(classes=1)
    with pytest.raises(SegmentationsError, match="'scored_size'"):
        header(size=(0, 5))


def test_four_thousand_rows_are_less_than_a_megabyte(tmp_path: Path) -> None:
    rows = draw_segmentations(30, size=(256, 256)).take(np.resize(np.arange(30), 4000))
    n = np.arange(4000)
    rows = replace(
        rows,
        image_id=np.array([f"ISIC_{i:07}" for i in n]),
        group=np.array([f"HAM_{i:07}" for i in n]),
        subgroups={
            "confirmation": np.full(4000, "follow_up"),
            "sex": np.full(4000, "female"),
            "site": np.full(4000, "lower extremity"),
            "source": np.full(4000, "ham10000"),
        },
    )
    segmentations.write(rows, tmp_path / "masks.csv")
    assert (tmp_path / "masks.csv").stat().st_size < 1_000_000
    assert len(segmentations.read(tmp_path / "masks.csv")) == 4000


def test_the_two_kinds_of_tables_are_told_apart(tmp_path: Path) -> None:
    segmentations.write(table(3), tmp_path / "masks.csv")
    predictions.write(draw_predictions(3), tmp_path / "predictions.csv")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    (tmp_path / "number.csv").write_text("# 3\n", encoding="utf-8")
    found = {path.name: segmentations.is_segmentations(path) for path in tmp_path.iterdir()}
    assert found == {"masks.csv": True, "predictions.csv": False, "binary": False, "number.csv": False}
    assert not segmentations.is_segmentations(tmp_path)
    assert not segmentations.is_segmentations(tmp_path / "missing.csv")
    with pytest.raises(SegmentationsError, match=r"predictions\.csv: line 1: "):
        segmentations.read(tmp_path / "predictions.csv")


def test_a_table_without_rows_is_read(tmp_path: Path) -> None:
    segmentations.write(table(0, classes=3), tmp_path / "none.csv")
    assert segmentations.read(tmp_path / "none.csv").truth.shape == (0, 3)


REFERENCE = Path(__file__).parents[1] / "docs" / "reference" / "masks.md"


def test_the_reference_has_each_field_and_column() -> None:
    named = re.findall(r"^\| `([^`]+)` \|", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE)
    columns = ["image_id", "group", "part", "width", "height", "boundary_f1", "hd95"]
    columns += [f"{count}_<class>" for count in ("intersection", "predicted", "truth")]
    assert named == [*(field.name for field in msgspec.structs.fields(Header)), *columns]


def test_the_example_of_the_reference_can_be_read_and_written_again(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```csv\n(.*?)^```$", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "example.csv").write_text(example, encoding="utf-8")
    segmentations.write(segmentations.read(tmp_path / "example.csv"), tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text(encoding="utf-8") == example
