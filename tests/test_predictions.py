"""The table that every runner writes: what is written is read, and a bad row is named by its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma.predictions import Header, Predictions, PredictionsError, read, write
from epiluma.taxonomy import ISIC_2019

CODES = ISIC_2019.codes
HEADER = Header(
    codes=CODES,
    groups=tuple(leaf.group for leaf in ISIC_2019.leaves),
    malignant=ISIC_2019.malignant,
    runner="onnx-fp32",
    model="tiny",
    manifest_sha256="0" * 64,
    audit="not audited",
    prevalence=(),
    threshold=0.2,
)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8)


def table(n: int, seed: int = 0, names: list[str] | None = None) -> Predictions:
    random = np.random.RandomState(seed)
    names = names or [f"image {i}" for i in range(n)]
    return Predictions(
        header=HEADER,
        image_id=np.array(names, np.str_),
        group=np.array([f"lesion {i // 2}" for i in range(n)], np.str_),
        part=np.array(["test" if i % 3 else "calibration" for i in range(n)], np.str_),
        truth=random.randint(0, 8, n),
        probabilities=random.dirichlet(np.ones(8), n),
        diagnosis=random.randint(-1, 8, n),
        referred=random.rand(n) < 0.5,
        subgroups={"sex": np.array(["female", ""] * n, np.str_)[:n], "age": np.array(["50"] * n, np.str_)},
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=12), st.integers(0, 1000))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, names: list[str], seed: int) -> None:
    path = tmp_path_factory.mktemp("table") / "predictions.csv"
    original = table(len(names), seed, names)
    write(original, path)
    found = read(path)
    assert found.header == HEADER
    for column in ("image_id", "group", "part", "truth", "diagnosis", "referred"):
        assert getattr(found, column).tolist() == getattr(original, column).tolist()
    np.testing.assert_allclose(found.probabilities, original.probabilities, atol=5.1e-7)
    assert {name: column.tolist() for name, column in found.subgroups.items()} == {
        name: column.tolist() for name, column in original.subgroups.items()
    }


def test_parts_and_risk() -> None:
    predictions = table(9)
    only = predictions.only("test")
    assert set(only.part) == {"test"}
    assert len(only) == 6
    assert len(only.subgroups["sex"]) == 6
    np.testing.assert_allclose(predictions.risk, predictions.probabilities[:, [0, 2, 3, 7]].sum(1))


@pytest.mark.parametrize(
    ("line", "change", "reason"),
    [
        (1, lambda _: "no header", "line 1: expected"),
        (1, lambda line: line.replace('"format":1', '"format":"x"'), "line 1: .*format"),
        (1, lambda line: line.replace('"audit"', '"odit"'), "line 1: .*odit"),
        (2, lambda line: line.replace("p_MEL", "p_XXX"), "line 2: expected columns .*p_MEL"),
        (4, lambda line: line + ",extra", r"line 4: 17 cells for 16 columns"),
        (4, lambda line: line.replace("image 1", 'image "1').replace(",0.", ",x.", 1), "line 4: cannot be read"),
        (5, lambda line: ",".join([*line.split(",")[:3], "QQQ", *line.split(",")[4:]]), "line 5: .*QQQ"),
        (5, lambda line: ",".join([*line.split(",")[:6], "0.9", "0.9", *line.split(",")[8:]]), "line 5: .*sum to 1"),
        (6, lambda line: ",".join([*line.split(",")[:6], "nan", *line.split(",")[7:]]), "line 6: .*finite"),
    ],
)
def test_bad_rows_are_named_by_line(tmp_path: Path, line: int, change, reason: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "predictions.csv"
    write(table(6), path)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[line - 1] = change(lines[line - 1])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(PredictionsError, match=f"{path.name}: {reason}"):
        read(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.touch()
    with pytest.raises(PredictionsError, match=r"empty\.csv: line 1"):
        read(path)


def test_a_table_without_rows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    write(table(0), path)
    found = read(path)
    assert len(found) == 0
    assert found.probabilities.shape == (0, 8)
