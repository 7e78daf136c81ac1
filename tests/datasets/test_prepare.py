"""From two published sets to one manifest: counts add up, copies go, parts are apart, the second look is quick."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from epiluma.datasets import duplicates, prepare
from epiluma.datasets import manifest as manifests
from epiluma.datasets.record import DataError
from epiluma.datasets.rules import Rules
from epiluma.imaging.synthetic import write_folder
from tests.datasets.published_others import WRITERS


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A drawn HAM10000 in which one photo is published again, mirrored, as another lesion; and a PAD-UFES-20."""
    folder = tmp_path_factory.mktemp("sets")
    root = write_folder(folder / "ham", count=40, seed=4, size=(160, 120))
    photos = sorted((root / "images").glob("*.jpg"))
    table = root / "HAM10000_metadata.csv"
    lines = table.read_text().splitlines(keepends=True)
    first = next(line for line in lines[1:] if line.split(",")[1] == photos[0].stem)
    cells = first.split(",")
    cells[0], cells[1] = "HAM_9999999", "ISIC_9999999"
    table.write_text("".join([*lines, ",".join(cells)]))
    Image.open(photos[0]).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(root / "images" / "ISIC_9999999.jpg")
    if cells[2] == "akiec":
        truth = root / "ISIC_2019_Training_GroundTruth.csv"
        rows = truth.read_text().splitlines(keepends=True)
        own = next(row for row in rows if row.startswith(photos[0].stem))
        truth.write_text("".join([*rows, own.replace(photos[0].stem, "ISIC_9999999")]))
    pad = WRITERS["padufes20"](folder / "pad", 20)
    return f"ham10000={root}", f"padufes20={pad}"


def test_rows_in_are_entries_and_explanations(sets: tuple[str, str]) -> None:
    found = prepare.gather(sets)
    rows = sum(source.rows for source in found.header.sources)
    assert rows == len(found.entries) + len(found.header.omitted)
    assert {entry.sample.source for entry in found.entries} == {"ham10000", "padufes20"}
    assert found.header.licence == "CC BY-NC 4.0", "the stricter of the two"


def test_a_copy_is_found_left_out_and_kept_in_its_original_s_group(sets: tuple[str, str], tmp_path: Path) -> None:
    examined = prepare.examine(prepare.gather(sets), cache=tmp_path / "cache")
    original = min(e.sample.image_id for e in examined.manifest.entries if e.sample.source == "ham10000")
    keys = [entry.sample.key for entry in examined.manifest.entries]
    assert (f"ham10000/{original}", "ham10000/ISIC_9999999") in {(keys[p.a], keys[p.b]) for p in examined.pairs}
    manifest, audit = prepare.prepared(examined, rules=Rules(), method="holdout", seed=1)
    entries = {entry.sample.image_id: entry for entry in manifest.entries}
    copies = [entries[original], entries["ISIC_9999999"]]
    assert copies[0].group == copies[1].group
    assert sorted(bool(entry.excluded) for entry in copies) == [False, True]
    assert audit.verdict.startswith("clean: ")
    assert manifest.header.audit == audit.verdict
    assert not audit.leaking
    used = [entry for entry in manifest.entries if entry.used]
    assert all(entry.part for entry in used)
    part_of: dict[str, str] = {}
    for entry in used:
        assert part_of.setdefault(entry.group, entry.part) == entry.part


def test_sizes_and_hashes_are_those_of_the_files(sets: tuple[str, str], tmp_path: Path) -> None:
    import hashlib

    examined = prepare.examine(prepare.gather(sets), cache=tmp_path / "cache")
    for entry in examined.manifest.entries[::7]:
        assert entry.sha256 == hashlib.sha256(entry.sample.path.read_bytes()).hexdigest()
        with Image.open(entry.sample.path) as photo:
            assert (entry.width, entry.height) == photo.size
    again = prepare.examine(prepare.gather(sets), cache=tmp_path / "cache")
    np.testing.assert_array_equal(again.inspections.thumbs, examined.inspections.thumbs)
    assert again.pairs == examined.pairs


def test_the_search_is_done_once_for_the_same_files(
    sets: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = prepare.gather(sets)
    first = prepare.examine(manifest, cache=tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(duplicates, "find", lambda *_, **__: pytest.fail("searched again"))
        assert prepare.examine(manifest, cache=tmp_path / "cache").pairs == first.pairs
        fewer = msgspec.structs.replace(manifest, entries=manifest.entries[1:])
        with pytest.raises(pytest.fail.Exception, match="searched again"):
            prepare.examine(fewer, cache=tmp_path / "cache")
    (kept,) = (tmp_path / "cache").glob("pairs-*.json")
    kept.write_bytes(b"[[1,")
    assert prepare.examine(manifest, cache=tmp_path / "cache").pairs == first.pairs, "a damaged file is made anew"


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "ham", count=6, seed=5, size=(96, 96))
    manifest = prepare.examine(prepare.gather([f"ham10000={root}"]), cache=tmp_path / "cache").manifest
    changed = manifest.entries[2].sample.path
    Image.new("RGB", (96, 96), (180, 120, 90)).save(changed)
    with pytest.raises(DataError, match=rf"{changed.name}: has changed since the manifest was made; merge"):
        prepare.examine(manifest, cache=tmp_path / "cache")
    changed.unlink()
    gone = prepare.examine(manifest, cache=tmp_path / "cache").manifest.entries[2]
    assert gone.sha256 == manifest.entries[2].sha256, "a file that is gone keeps what was known of it"


def test_a_zip_file_is_a_set(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "ham", count=6, seed=5, size=(64, 64))
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", root)
    found = prepare.gather([f"ham10000={packed}"])
    assert len(found.entries) == 6
    manifests.write(found, tmp_path / "m.parquet")
    assert manifests.read(tmp_path / "m.parquet") == found


def test_a_set_without_any_image_says_why(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "ham", count=6, seed=5, size=(64, 64))
    shutil.rmtree(root / "images")
    with pytest.raises(DataError, match=r"no image: 6 rows gave none; .*HAM10000_metadata\.csv: line 2: image ISIC_"):
        prepare.gather([f"ham10000={root}"])


def test_official_parts_that_part_a_picture_are_a_leak(tmp_path: Path) -> None:
    root = tmp_path / "classes"
    drawn = write_folder(tmp_path / "drawn", count=12, seed=9, size=(96, 96))
    photos = sorted((drawn / "images").glob("*.jpg"))
    for i, photo in enumerate(photos):
        target = root / ("train" if i < 8 else "test") / ("nevus" if i % 2 else "melanoma")
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, target)
    shutil.copy(photos[0], root / "test" / "melanoma" / "again.jpg")
    (root / "labels.toml").write_text('licence = "CC0 1.0"\nmodality = "dermoscopy"\n')
    examined = prepare.examine(prepare.gather([f"folder={root}"]), cache=tmp_path / "cache")
    from epiluma.datasets import audit, split

    parted = split.split_manifest(examined.manifest, examined.pairs, method="official", seed=0)
    found = audit.audit(parted, examined.inspections, examined.pairs)
    assert found.leaking
    assert found.verdict.startswith("leak: ")
    assert "again" in found.verdict or photos[0].stem in found.verdict


@pytest.mark.parametrize("given", ["ham10000", "ham10000=", "=x"])
def test_a_set_is_given_with_its_folder(given: str) -> None:
    with pytest.raises(DataError, match=r"expected NAME=FOLDER|unknown data set"):
        prepare.gather([given])
