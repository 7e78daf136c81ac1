from __future__ import annotations

from pathlib import Path

import pytest

from epiluma.datasets.record import DataError, Sample
from epiluma.datasets.sources import isic_truth

HEADER = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"
AK, SCC, NV = "0,0,0,1,0,0,0,0,0", "0,0,0,0,0,0,0,1,0", "0,1,0,0,0,0,0,0,0"


def test_each_image_has_one_code(tmp_path: Path) -> None:
    path = tmp_path / isic_truth.FILE
    path.write_text(f"{HEADER}a,{AK}\nb,{SCC}\nc,{NV}\n")
    truth = isic_truth.read(path)
    assert truth == {"a": "AK", "b": "SCC", "c": "NV"}
    assert [isic_truth.ak_or_scc(image_id, truth) for image_id in "abcd"] == ["AK", "SCC", "", ""]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (f"a,{AK}\na,{AK}\n", "line 3: image a is named twice"),
        ("a,0,0,0,0,0,0,0,0,0\n", "line 2: one of MEL, .*, UNK must be 1, not none"),
        ("a,1\n", "line 2: 2 values for 10 columns"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, rows: str, reason: str) -> None:
    path = tmp_path / isic_truth.FILE
    path.write_text(HEADER + rows)
    with pytest.raises(DataError, match=rf"{isic_truth.FILE}: {reason}"):
        isic_truth.read(path)


def test_it_is_looked_for_near_the_set_unless_it_is_given(tmp_path: Path) -> None:
    root = tmp_path / "sets" / "x"
    root.mkdir(parents=True)
    assert isic_truth.find(root) is None
    for place in (root.parent / "isic_labels", root.parent, root):  # the nearest wins
        place.mkdir(exist_ok=True)
        (place / isic_truth.FILE).touch()
        assert isic_truth.find(root) == place / isic_truth.FILE
    assert isic_truth.find(root, tmp_path / "none.csv") is None, "nothing else is taken for a given one"


def test_labels_are_compared_image_by_image() -> None:
    samples = [
        Sample(image_id=i, path=Path("x"), diagnosis="", label=label, source="s", modality="dermoscopy", licence="CC0")
        for i, label in (("a", "akiec"), ("b", "akiec"), ("c", "nv"), ("d", "nv"), ("e", "nv"))
    ]
    truth = {"a": "AK", "b": "SCC", "c": "NV", "d": "NV"}
    assert isic_truth.compare(samples, truth) == {
        ("akiec", "AK"): 1, ("akiec", "SCC"): 1, ("nv", "NV"): 2, ("nv", ""): 1,
    }  # fmt: skip
