"""Archives that try to leave their folder, to fill the disk or to break off: all is unpacked, or nothing."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from epiluma.datasets import archive, catalog
from epiluma.datasets.record import DataError
from tests.datasets.published_others import write_padufes20

NAME = st.text("abcdefgh0123456789 _-é.", min_size=1, max_size=8).filter(lambda name: set(name) - set(". "))


def write(path: Path, members: Iterable[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def link(name: str, target: str, kind: int = stat.S_IFLNK) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o777) << 16
    return info, target.encode()


def encrypted(path: Path) -> Path:
    """The flag of encryption, set by hand in both headers of the only member: zipfile cannot write it."""
    write(path, [("a.jpg", b"x")])
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    return path


@settings(max_examples=25, deadline=None)
@example(files={"é.": b"", "é/0": b""})  # paths sort by their parts, names by their letters
@given(files=st.dictionaries(st.lists(NAME, min_size=1, max_size=3).map("/".join), st.binary(max_size=50), max_size=6))
def test_what_zipfile_packs_is_unpacked(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    folders = {"/".join(name.split("/")[:i]) for name in files for i in range(1, len(name.split("/")))}
    if folders & set(files):  # no disk could hold it either
        return
    tmp_path = tmp_path_factory.mktemp("zip")
    found = archive.unpack(write(tmp_path / "a.zip", files.items()), tmp_path / "out")
    assert {str(path.relative_to(tmp_path / "out")): path.read_bytes() for path in found} == files
    assert found == sorted(found)
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "out"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../evil.jpg", "leads out of the folder"),
        ("a/../../evil.jpg", "leads out of the folder"),
        ("/etc/evil.jpg", "leads out of the folder"),
        ("C:/evil.jpg", "leads out of the folder"),
        ("..\\evil.jpg", "leads out of the folder"),
        ("evil\n.jpg", "has a name that no file can have"),
        ("./", "has a name that no file can have"),
        ("GOOD.jpg", "is named twice"),
        ("good.jpg/evil.jpg", "is both a file and a folder"),
        (f"{'x' * 300}.jpg", "cannot be written .File name too long."),
    ],
)
def test_a_bad_name_stops_everything(tmp_path: Path, name: str, reason: str) -> None:
    path = write(tmp_path / "a.zip", [("good.jpg", b"x"), (name, b"y")])
    with pytest.raises(DataError, match=rf"^{path}: '.*' {reason}; nothing was unpacked$"):
        archive.unpack(path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [path]
    assert not (tmp_path.parent / "evil.jpg").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    path = write(tmp_path / "a.zip", [("good.jpg", b"x"), link("pass.jpg", "/etc/passwd", kind)])
    with pytest.raises(DataError, match=r"a\.zip: 'pass\.jpg' is a link or a device, not a file"):
        archive.unpack(path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [path]


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'a\.jpg' is encrypted; nothing was unpacked"):
        archive.unpack(encrypted(tmp_path / "a.zip"), tmp_path / "out")


def test_an_archive_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [("a.jpg", bytes(600)), ("b.jpg", bytes(600))])
    with pytest.raises(DataError, match=rf"^{path}: b\.jpg: unpacked, the files exceed 1,000 bytes"):
        archive.unpack(path, tmp_path / "out", max_bytes=1000)
    with pytest.raises(DataError, match=r"a\.zip: holds 2 files, more than 1"):
        archive.unpack(path, tmp_path / "out", max_members=1)
    assert len(archive.unpack(path, tmp_path / "out", max_bytes=1200, max_members=2)) == 2


def test_a_disk_that_is_too_full_is_noticed_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.zip", [("a.jpg", bytes(600))])
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _: SimpleNamespace(free=5))
    with pytest.raises(DataError, match=r"needs 600 bytes unpacked; 5 are free"):
        archive.unpack(path, tmp_path / "out")


def test_a_member_that_holds_more_than_it_claims_is_damaged(tmp_path: Path) -> None:
    """A bomb whose headers say ten bytes."""
    path = write(tmp_path / "a.zip", [("a.jpg", bytes(1_000_000))])
    data = path.read_bytes().replace(struct.pack("<I", 1_000_000), struct.pack("<I", 10))
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"^{path}: 'a\.jpg' is damaged"):
        archive.unpack(path, tmp_path / "out", max_bytes=1000)
    assert list(tmp_path.iterdir()) == [path]


def test_damage_in_the_last_member_leaves_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [("a.jpg", b"first"), ("b.jpg", os.urandom(2000))])
    data = bytearray(path.read_bytes())
    data[data.index(b"b.jpg") + 500] ^= 255
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"^{path}: 'b\.jpg' is damaged"):
        archive.unpack(path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_in_no_encoding_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [("é.jpg", b"x")])
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(DataError, match=r"a\.zip: is not an intact ZIP file .*codec"):
        archive.unpack(path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"PK\3\4 and no more", b"x" * 100])
def test_a_file_that_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip: is not an intact ZIP file"):
        archive.unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", [("a.jpg", b"x")])
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="out: is there already"):
        archive.unpack(path, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_an_archive_is_unpacked_once_and_a_changed_one_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "set.zip", [("a.jpg", b"x"), ("b.jpg", b"y")])
    out = archive.folder_of(path)
    assert out == tmp_path / "set.unpacked"
    (out / "a.jpg").write_bytes(b"kept")
    assert archive.folder_of(path) == out
    assert (out / "a.jpg").read_bytes() == b"kept"
    write(path, [("a.jpg", b"other"), ("b.jpg", b"y")])
    with pytest.raises(DataError, match=r"set\.unpacked: was not unpacked from set\.zip as it is now; move it away"):
        archive.folder_of(path)


def test_an_archive_of_one_folder_is_that_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "set.zip", [("PH2Dataset/a.txt", b"x"), ("__MACOSX/PH2Dataset/._a.txt", b"y")])
    assert archive.folder_of(path) == tmp_path / "set.unpacked" / "PH2Dataset"


def test_a_set_is_read_straight_from_its_archive(tmp_path: Path) -> None:
    root = write_padufes20(tmp_path / "PAD-UFES-20", 3)
    files = [(str(f.relative_to(tmp_path)), f.read_bytes()) for f in sorted(root.rglob("*")) if f.is_file()]
    path = write(tmp_path / "pad.zip", files)
    expected = [(s.image_id, s.diagnosis, s.path.read_bytes()) for s in catalog.read("padufes20", root)]
    for _ in range(2):
        found = catalog.read("padufes20", path)
        assert [(s.image_id, s.diagnosis, s.path.read_bytes()) for s in found] == expected
    with pytest.raises(DataError, match=r"a\.zip: no such folder"):
        catalog.read("padufes20", tmp_path / "a.zip")
