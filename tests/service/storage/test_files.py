"""Files are there whole or not at all, and nothing outside the folder can be named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from epiluma.service.storage.files import FileStore, UnsafeKey

FOLDER = "photos/" + "0a" * 16
KEY = f"{FOLDER}/original"


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def files_under(path: Path) -> list[Path]:
    return [found for found in path.rglob("*") if found.is_file()]


def test_what_was_put_is_opened(store: FileStore) -> None:
    store.put(KEY, b"first")
    store.put(KEY, b"second")
    with store.open(KEY) as file:
        assert file.read() == b"second"
    assert files_under(store.root) == [store.root / KEY]
    assert (store.root / KEY).stat().st_mode & 0o077 == 0, "readable by the service only"


def test_deleting_removes_every_file_and_the_folder(store: FileStore) -> None:
    store.put(KEY, b"x")
    store.put(f"{FOLDER}/thumbnail", b"y")
    store.delete_folder(FOLDER)
    assert not (store.root / FOLDER).exists()
    store.delete_folder(FOLDER)  # quiet the second time
    with pytest.raises(FileNotFoundError):
        store.open(KEY)


def test_a_failed_write_leaves_what_was_there(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(KEY, b"whole")

    def disk_full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space"):
        store.put(KEY, b"half")
    assert (store.root / KEY).read_bytes() == b"whole"
    assert len(files_under(store.root)) == 1


def test_folders_lists_what_is_there(store: FileStore) -> None:
    assert list(store.folders("photos")) == []
    store.put(KEY, b"x")
    [(folder, changed)] = store.folders("photos")
    assert folder == FOLDER
    assert changed == pytest.approx((store.root / FOLDER).stat().st_mtime)


@pytest.mark.parametrize(
    "key",
    ["", "photos", "../secret", "/etc/passwd", f"{FOLDER}/../../x", f"{FOLDER}/a/b", "photos/ada.jpg/original",
     f"{FOLDER}/original\n", f"{FOLDER}/Original", f"photos/{'0A' * 16}/original"],
)  # fmt: skip
def test_no_key_reaches_outside(store: FileStore, key: str) -> None:
    with pytest.raises(UnsafeKey):
        store.put(key, b"x")
    with pytest.raises(UnsafeKey):
        store.open(key)
    assert not store.root.exists()
