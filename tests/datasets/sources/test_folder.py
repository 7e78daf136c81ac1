"""Folders per class: what their names mean, what the owner must state, and files that lie elsewhere."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from epiluma.datasets.record import DataError
from epiluma.datasets.sources import folder
from tests.datasets.published_others import write_folders

TERMS = 'modality = "clinical"\nlicence = "CC BY 4.0"\n'


def make(root: Path, *files: str, terms: str = TERMS) -> Path:
    """Empty files: the adapter only looks whether they are there."""
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "labels.toml").write_text(terms, encoding="utf-8")
    return root


def test_codes_names_and_synonyms_are_labels(tmp_path: Path) -> None:
    names = {
        "MEL": "MEL", "nevus": "NV", "basal_cell_carcinoma": "BCC", "Actinic-Keratosis": "AK", "SEK": "BKL",
        "fibrous histiocytoma": "DF", "pyogenic_granuloma": "VASC", "bowen's disease": "SCC",
    }  # fmt: skip
    root = make(tmp_path / "clinic", *(f"{name}/1.jpg" for name in names))
    reading = folder.read(root)
    assert {s.label: s.diagnosis for s in reading.samples} == names
    assert not reading.omitted
    sample = reading.samples[0]
    assert sample.image_id == "Actinic-Keratosis/1.jpg"
    assert sample.path == root / "Actinic-Keratosis" / "1.jpg"
    assert (sample.source, sample.modality, sample.licence) == ("clinic", "clinical", "CC BY 4.0")
    assert {s.part for s in reading.samples} == {""}


def test_parts_are_read(tmp_path: Path) -> None:
    samples = folder.read(write_folders(tmp_path, 12)).samples
    assert Counter(s.part for s in samples) == {"train": 6, "validation": 3, "test": 3}
    assert Counter(s.diagnosis for s in samples)["NV"] == 4
    assert {s.attribution for s in samples} == {"drawn"}


def test_one_name_in_two_classes_is_two_images(tmp_path: Path) -> None:
    samples = folder.read(make(tmp_path, "MEL/1.jpg", "NV/1.jpg", "NV/1.png")).samples
    assert [s.image_id for s in samples] == ["MEL/1.jpg", "NV/1.jpg", "NV/1.png"]


def test_the_owner_s_own_mapping_comes_first(tmp_path: Path) -> None:
    terms = TERMS + '[labels]\n"suspicious mole" = "MEL"\n"Psoriasis" = ""\n"mole" = "BKL"\n'
    reading = folder.read(make(tmp_path, "Suspicious Mole/1.jpg", "psoriasis/2.jpg", "mole/3.jpg", terms=terms))
    assert {s.image_id: s.diagnosis for s in reading.samples} == {"Suspicious Mole/1.jpg": "MEL", "mole/3.jpg": "BKL"}
    assert [(o.kind, o.image_id) for o in reading.omitted] == [("out of scope", "psoriasis/2.jpg")]


def test_every_image_of_an_unknown_folder_is_explained_with_the_nearest_name(tmp_path: Path) -> None:
    reading = folder.read(make(tmp_path, "NV/1.jpg", "melanomas/2.jpg", "melanomas/3.jpg"))
    assert (len(reading.samples), reading.rows) == (1, 3)
    assert {(o.kind, o.where) for o in reading.omitted} == {
        ("broken", str(tmp_path / "melanomas" / "2.jpg")), ("broken", str(tmp_path / "melanomas" / "3.jpg")),
    }  # fmt: skip
    assert reading.omitted[0].reason.startswith("unknown label 'melanomas'; nearest: melanoma")


@pytest.mark.parametrize(
    ("file", "kind", "reason"),
    [
        ("2.jpg", "broken", "lies in no class's folder"),
        ("NV/2.heic", "out of scope", "2.heic is no image file"),
        ("NV/README", "out of scope", "README is no image file"),
        ("NV/more/2.jpg", "broken", "lies in NV/more, below its class's folder; move it up"),
        ("NV/more/still/2.txt", "broken", "lies in NV/more, below"),
    ],
)
def test_a_file_in_a_place_of_its_own_is_explained(tmp_path: Path, file: str, kind: str, reason: str) -> None:
    reading = folder.read(make(tmp_path, "NV/1.jpg", file))
    assert [s.image_id for s in reading.samples] == ["NV/1.jpg"]
    assert [(o.kind, o.image_id, o.where) for o in reading.omitted] == [(kind, file, str(tmp_path / file))]
    assert reason in reading.omitted[0].reason


def test_an_image_in_a_part_and_in_no_class_is_explained(tmp_path: Path) -> None:
    reading = folder.read(make(tmp_path, "train/NV/1.jpg", "test/2.jpg"))
    assert [(o.image_id, o.reason) for o in reading.omitted] == [("test/2.jpg", "lies in no class's folder")]


def test_litter_and_ignored_folders_are_passed_over(tmp_path: Path) -> None:
    files = ("NV/1.jpg", "NV/.DS_Store", "NV/Thumbs.db", ".git/x.jpg", "__MACOSX/NV/1.jpg", "notes/plan.jpg")
    reading = folder.read(make(tmp_path, *files, terms=TERMS + 'ignore = ["notes"]\n'))
    assert reading.rows == len(reading.samples) == 1


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ("", r'labels\.toml: modality is not stated; write modality = "clinical", or what is true, there'),
        ('modality = "clinical"\n', r'labels\.toml: licence is not stated; write licence = "CC BY 4\.0"'),
        ('modality = "camera"\n', r"labels\.toml: modality 'camera' is neither dermoscopy nor clinical"),
        (TERMS + '[labels]\nNVV = "NV"\n', r"labels\.toml: labels: 'NVV' is no folder of"),
    ],
)
def test_what_the_owner_must_state_is_asked_for(tmp_path: Path, terms: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        folder.read(make(tmp_path, "NV/1.jpg", terms=terms))


def test_without_the_file_too(tmp_path: Path) -> None:
    (tmp_path / "NV").mkdir()
    with pytest.raises(DataError, match=r"labels\.toml: modality is not stated"):
        folder.read(tmp_path)


def test_parts_and_classes_side_by_side_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds parts \(train\) and MEL; move it, or name it under ignore"):
        folder.read(make(tmp_path, "train/NV/1.jpg", "MEL/2.jpg"))


def test_a_root_without_folders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{tmp_path}: holds no folder per class"):
        folder.read(make(tmp_path))
