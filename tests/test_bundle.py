"""A bundle is trusted whole or not at all."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma import bundle as bundles
from epiluma.bundle import BUNDLE_ID, MANIFEST, Bundle, BundleError

KINDS = ["tiny", "tiny.epiluma"]


@pytest.fixture(scope="session")
def archive(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return bundles.write(tiny_bundle, tmp_path_factory.mktemp("archive") / "tiny.epiluma").read_bytes()


def with_manifest(folder: Path, raw: bytes) -> None:
    """Replace the manifest and its hash, as somebody would who wants the change to pass."""
    (folder / MANIFEST).write_bytes(raw)
    (folder / BUNDLE_ID).write_text(hashlib.sha256(raw).hexdigest() + "\n")


@pytest.mark.parametrize("name", KINDS)
def test_what_is_written_is_loaded(tiny_bundle: Bundle, tmp_path: Path, name: str) -> None:
    path = bundles.write(tiny_bundle, tmp_path / name)
    found = bundles.load(path)
    assert (found.id, found.manifest, dict(found.files)) == (tiny_bundle.id, tiny_bundle.manifest, tiny_bundle.files)
    assert found.graph == tiny_bundle.files["model.onnx"]
    before = {file.name: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    bundles.write(found, path)
    assert {file.name: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_the_id_is_the_hash_of_the_manifest_file(tiny_bundle: Bundle, tiny_bundle_path: Path) -> None:
    raw = (tiny_bundle_path / MANIFEST).read_bytes()
    assert hashlib.sha256(raw).hexdigest() == tiny_bundle.id
    canonical = json.dumps(json.loads(raw), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert raw == canonical.encode() + b"\n"
    assert (tiny_bundle_path / BUNDLE_ID).read_text() == tiny_bundle.id + "\n"


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_changed_byte_of_a_folder_is_named(
    tiny_bundle_path: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    contents = {file.name: file.read_bytes() for file in tiny_bundle_path.iterdir()}
    victim = data.draw(st.sampled_from(sorted(contents)))
    changed = bytearray(contents[victim])
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    for name, content in {**contents, victim: bytes(changed)}.items():
        (folder / name).write_bytes(content)
    with pytest.raises(BundleError) as caught:
        bundles.load(folder)
    # manifest and id vouch for each other, so a change of either is seen as a mismatch of the pair
    assert caught.value.file == (MANIFEST if victim == BUNDLE_ID else victim)
    assert str(caught.value).startswith(caught.value.file)


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_any_changed_byte_of_an_archive_is_refused(
    archive: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    changed = bytearray(archive)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("archive") / "tiny.epiluma"
    path.write_bytes(changed)
    with pytest.raises(BundleError) as caught:
        bundles.load(path)
    assert caught.value.file


@pytest.mark.parametrize("length", [0, 1, 100, -1, -30])
def test_a_cut_archive_is_refused(archive: bytes, tmp_path: Path, length: int) -> None:
    path = tmp_path / "tiny.epiluma"
    path.write_bytes(archive[:length])
    with pytest.raises(BundleError):
        bundles.load(path)


@pytest.mark.parametrize("extra", [b"x", b"PK\5\6" + bytes(18)])
def test_bytes_around_an_archive_are_refused(archive: bytes, tmp_path: Path, extra: bytes) -> None:
    for content in (archive + extra, extra + archive):
        path = tmp_path / "tiny.epiluma"
        path.write_bytes(content)
        with pytest.raises(BundleError):
            bundles.load(path)


@pytest.fixture
def folder(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    return bundles.write(tiny_bundle, tmp_path / "tiny")


@pytest.mark.parametrize("name", [MANIFEST, BUNDLE_ID, "model.onnx"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: missing"):
        bundles.load(folder)


def test_extra_files_links_and_folders_are_named(folder: Path, tmp_path: Path) -> None:
    (folder / "weights.bin").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"weights\.bin: is not listed"):
        bundles.load(folder)
    (folder / "weights.bin").unlink()
    (folder / "inner").mkdir()
    with pytest.raises(BundleError, match="inner: not a plain file"):
        bundles.load(folder)
    (folder / "inner").rmdir()
    graph = folder / "model.onnx"
    graph.rename(tmp_path / "elsewhere.onnx")
    graph.symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(BundleError, match=r"model\.onnx: not a plain file"):
        bundles.load(folder)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"format":1', b'"format":2', "cannot be understood"),
        (b'"format":1', b'"format":1,"extra":1', "cannot be understood .*extra"),
        (b'"modality":"dermoscopy"', b'"modality":"x-ray"', "cannot be understood"),
        (b'"temperature":1.5', b'"temperature":0.0', "cannot be understood"),
        (b'"temperature":1.5', b'"temperature":1.50', "canonical"),
        (b'"prior_power":1.0', b'"prior_power":1.0 ', "canonical"),
        (b'"graph":"model.onnx"', b'"graph":"other.onnx"', "cannot be understood .*other.onnx"),
        (b'"cost":[1.0,', b'"cost":[', "cannot be understood .*7 values for 8"),
        (b"{", b"[", "cannot be understood"),
    ],
)
def test_a_manifest_that_was_changed_with_its_hash(folder: Path, old: bytes, new: bytes, reason: str) -> None:
    raw = (folder / MANIFEST).read_bytes()
    assert old in raw
    with_manifest(folder, raw.replace(old, new, 1))
    with pytest.raises(BundleError, match=f"manifest.json: .*{reason}"):
        bundles.load(folder)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/b", "..", ".hidden", "a\\b", "nul\x00", MANIFEST])
def test_unsafe_names_are_refused(tiny_bundle: Bundle, tmp_path: Path, name: str) -> None:
    manifest = msgspec.structs.replace(
        tiny_bundle.manifest, files={**tiny_bundle.manifest.files, name: bundles.FileEntry(sha256="0" * 64, bytes=1)}
    )
    raw = manifest.canonical()
    contents = {
        MANIFEST: raw,
        BUNDLE_ID: (hashlib.sha256(raw).hexdigest() + "\n").encode(),
        "model.onnx": tiny_bundle.graph,
    }
    path = tmp_path / "evil.epiluma"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member, content in contents.items():
            archive.writestr(member, content)
        if name != MANIFEST:
            archive.writestr(name, b"x")
    path.write_bytes(buffer.getvalue())
    with pytest.raises(BundleError):
        bundles.load(path)
    folder = tmp_path / "evil"
    folder.mkdir()
    for member, content in contents.items():
        (folder / member).write_bytes(content)
    with pytest.raises(BundleError, match="unusable file name"):
        bundles.load(folder)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["evil", "evil.epiluma"]


def test_a_zip_bomb_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.epiluma"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.onnx", bytes(50_000_000))
    assert path.stat().st_size < 100_000
    with pytest.raises(BundleError, match=r"bomb\.epiluma: compressed or overlapping"):
        bundles.load(path)


def test_a_bundle_that_is_too_large_is_refused_unread(folder: Path, tmp_path: Path) -> None:
    for path in (folder / "aaa.bin", tmp_path / "large.epiluma"):
        with path.open("wb") as file:
            file.truncate(bundles.MAX_BYTES + 1)  # sparse: takes no room
    with pytest.raises(BundleError, match=r"aaa\.bin: .*larger than 512 MB"):
        bundles.load(folder)
    with pytest.raises(BundleError, match=r"large\.epiluma: larger than 512 MB"):
        bundles.load(tmp_path / "large.epiluma")


def test_writing_replaces_what_was_there(tiny_bundle: Bundle, folder: Path) -> None:
    (folder / "stale.onnx").write_bytes(b"old")
    bundles.write(tiny_bundle, folder)
    assert bundles.load(folder).id == tiny_bundle.id


def test_writing_over_a_folder_that_is_no_bundle_deletes_nothing(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="no bundle"):
        bundles.write(tiny_bundle, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_writing_over_an_older_bundle_replaces_all_of_it(tiny_bundle: Bundle, tmp_path: Path) -> None:
    bundles.write(tiny_bundle, tmp_path)
    (tmp_path / "old.onnx").write_bytes(b"of an older bundle")
    bundles.write(tiny_bundle, tmp_path)
    assert bundles.load(tmp_path).id == tiny_bundle.id
