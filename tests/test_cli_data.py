"""`epiluma data` as people run it, on drawn sets: from folders to a report, and exit codes that scripts rely on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from epiluma.cli import main
from epiluma.datasets import manifest as manifests
from epiluma.imaging.synthetic import draw_lesion, write_folder


def epiluma(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("cli") / "ham", count=60, seed=8, size=(160, 120))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def merged(root: Path, tmp_path: Path) -> Path:
    out = tmp_path / "merged.parquet"
    done = epiluma("data", "merge", f"ham10000={root}", "--out", out)
    assert done.exit_code == 0, done.output
    assert "60 rows read = 60 images used" in done.output
    return out


def test_one_command_goes_from_a_folder_to_a_report(root: Path, cache: Path, tmp_path: Path) -> None:
    done = epiluma("data", "prepare", f"ham10000={root}", "--out", tmp_path / "set", "--cache", cache)
    assert done.exit_code == 0, done.output
    assert "clean: " in done.output
    manifest = manifests.read(tmp_path / "set" / "manifest.parquet")
    assert {entry.part for entry in manifest.entries if entry.used} == {"train", "validation", "calibration", "test"}
    assert manifest.header.audit in (tmp_path / "set" / "report.html").read_text()


def test_the_steps_one_by_one_end_in_the_same_manifest(root: Path, cache: Path, tmp_path: Path, merged: Path) -> None:
    parted, curated = tmp_path / "parted.parquet", tmp_path / "curated.parquet"
    for command in (
        ("split", merged, "--out", parted, "--cache", cache),
        ("curate", parted, "--out", curated, "--cache", cache),
        ("audit", curated, "--cache", cache),
        ("report", curated, "--out", tmp_path / "report.html", "--cache", cache),
    ):
        done = epiluma("data", *command)
        assert done.exit_code == 0, done.output
    epiluma("data", "prepare", f"ham10000={root}", "--out", tmp_path / "set", "--cache", cache)
    found, expected = manifests.read(curated), manifests.read(tmp_path / "set" / "manifest.parquet")
    assert manifests.sha256(found) == manifests.sha256(expected)
    assert found.header.audit == expected.header.audit


def test_a_leak_ends_with_1_and_is_written_into_the_manifest(cache: Path, tmp_path: Path, merged: Path) -> None:
    parted = tmp_path / "parted.parquet"
    epiluma("data", "split", merged, "--out", parted, "--cache", cache)
    from msgspec.structs import replace

    found = manifests.read(parted)
    lesion = next(
        e.sample.lesion
        for e in found.entries
        if e.part == "train" and sum(o.sample.lesion == e.sample.lesion for o in found.entries) > 1
    )
    torn = next(i for i, e in enumerate(found.entries) if e.sample.lesion == lesion)
    entries = tuple(replace(e, part="test") if i == torn else e for i, e in enumerate(found.entries))
    manifests.write(replace(found, entries=entries), parted)
    done = epiluma("data", "audit", parted, "--json", "--cache", cache)
    assert done.exit_code == 1
    assert json.loads(done.output)["verdict"].startswith("leak: ")
    assert manifests.read(parted).header.audit.startswith("leak: ")


def test_a_set_can_still_be_split_into_a_table_of_ids(root: Path, cache: Path, tmp_path: Path) -> None:
    done = epiluma("data", "split", "ham10000", root, "--out", tmp_path / "ids.csv", "--cache", cache)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "ids.csv").read_text().startswith("image_id,group,part\n")


def test_rows_that_gave_no_image_are_printed(root: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "ham")
    next((copy / "images").iterdir()).unlink()
    done = epiluma("data", "merge", f"ham10000={copy}", "--out", tmp_path / "m.parquet")
    assert done.exit_code == 0
    assert "60 rows read = 59 images used + 1 missing rows" in done.output


def test_annotations_are_converted(root: Path, tmp_path: Path) -> None:
    masks = root / "HAM10000_segmentations_lesion_tschandl"
    done = epiluma("data", "convert", masks, tmp_path / "coco.json", "--from", "png", "--to", "coco")
    assert done.exit_code == 0, done.output
    assert "60 images read, 60 written as coco" in done.output


def test_augmentation_is_shown(tmp_path: Path) -> None:
    done = epiluma("data", "preview-augmentation", "--recipe", "dermoscopy", "--out", tmp_path / "sheet.png")
    assert done.exit_code == 0, done.output
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert min(sheet.size) > 200


def test_sets_are_listed_with_licence() -> None:
    done = epiluma("data", "sets")
    assert done.exit_code == 0
    assert "ham10000" in done.output
    assert "CC BY-NC 4.0" in done.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("merge", "ham=x", "--out", "m.parquet"), "unknown data set 'ham'"),
        (("audit", "nothing.parquet"), "nothing.parquet: no such manifest; `epiluma data merge` makes one"),
        (("curate", "m.parquet", "--rules", "no.toml", "--out", "x"), "no such manifest"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: tuple[str, ...], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = epiluma("data", *arguments)
    assert done.exit_code == 2
    assert reason in done.output
    assert "Traceback" not in done.output


def test_every_broken_row_is_told_with_its_place(tmp_path: Path) -> None:
    draw_lesion_file(tmp_path / "a.png")
    rows = ["a.png,NV,clinical,CC0", *(f"gone{i}.png,NV,clinical,CC0" for i in range(7)), "a.png,MELL,clinical,CC0"]
    (tmp_path / "dataset.csv").write_text("\n".join(["image,diagnosis,modality,licence", *rows]) + "\n")
    done = epiluma("data", "merge", f"csv={tmp_path}", "--out", tmp_path / "m.parquet")
    assert done.exit_code == 0
    assert "+ 7 missing rows + 1 broken rows" in done.output
    assert f"broken: {tmp_path / 'dataset.csv'}: line 10: " in done.output


def draw_lesion_file(path: Path) -> None:
    Image.fromarray(draw_lesion(1, size=(64, 64)).image).save(path)


def test_places_that_cannot_be_written_are_named_before_the_work(root: Path, tmp_path: Path) -> None:
    (tmp_path / "afile").write_text("")
    prepared = epiluma("data", "prepare", f"ham10000={root}", "--out", tmp_path / "afile")
    assert (prepared.exit_code, "afile: is a file; name a folder" in prepared.output) == (2, True)
    drawn = epiluma("data", "synthesize", tmp_path / "afile" / "x", "--count", 2)
    assert (drawn.exit_code, "afile" in drawn.output, "Traceback" in drawn.output) == (1, True, False)
