"""The archive as a device gets it: unpacked by tar, checked by sha256sum and by the self-test."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from epiluma.bundle import Bundle, load
from epiluma.edge import archive, self_test, wheels
from epiluma.edge.archive import FOLDER, ArchiveNameError, build
from epiluma.edge.self_test import SUMS, differing_files, sums_of
from tests.edge.test_wheels import lock_for, make_wheel

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
MACHINE = os.uname().machine


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> Path:
    """The archive of a tiny bundle, with one wheel that is pinned in place of the base install."""
    folder = tmp_path_factory.mktemp("small")
    lock_for(make_wheel(folder), folder / "locks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wheels, "LOCKS", folder / "locks")
        for name in ("one", "two"):
            build(folder / f"{name}.tar.gz", tiny_bundle, platform=MACHINE, python=HERE, wheel_folder=folder)
    assert (folder / "one.tar.gz").read_bytes() == (folder / "two.tar.gz").read_bytes()
    return folder / "one.tar.gz"


@pytest.fixture
def unpacked(small: Path, tmp_path: Path) -> Path:
    subprocess.run(["tar", "xzf", small, "-C", tmp_path], check=True)
    return tmp_path / FOLDER


def test_it_holds_what_a_device_needs(small: Path, unpacked: Path, tiny_bundle: Bundle) -> None:
    with tarfile.open(small) as found:
        members = found.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(member.uid, member.gid, member.mtime, member.uname) for member in members} == {(0, 0, 0, "")}
    names = {member.name.removeprefix(f"{FOLDER}/") for member in members}
    assert {"install.sh", "self-test.sh", "epiluma", "LICENSE", "LICENSE-MODEL", "README.txt", SUMS} <= names
    assert {name for name in names if name.startswith("wheels/epiluma-")} != set()
    assert {m.name.split("/")[-1] for m in members if m.mode == 0o755} == {"install.sh", "self-test.sh", "epiluma"}
    assert load(unpacked / "model.epiluma").id == tiny_bundle.id
    assert "CC0-1.0" in (unpacked / "LICENSE-MODEL").read_text()
    assert "Apache License" in (unpacked / "LICENSE").read_text()
    for name in ("install.sh", "self-test.sh", "epiluma", "README.txt"):
        assert "@" not in (unpacked / name).read_text().replace('"$@"', "")
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", SUMS], cwd=unpacked, check=True)


def test_what_was_delivered_passes(unpacked: Path) -> None:
    assert self_test.run(unpacked) == []
    (unpacked / "venv").mkdir()
    (unpacked / "venv" / "anything").touch()
    assert self_test.run(unpacked) == []


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_a_byte_changed_in_any_file_names_the_file(unpacked: Path) -> None:
    chance = random.Random(1)
    for path in sorted(path for path in unpacked.rglob("*") if path.is_file() and path.name != SUMS):
        name, position = path.relative_to(unpacked).as_posix(), chance.randrange(path.stat().st_size)
        flip(path, position)
        assert [problem.split(": ")[0] for problem in self_test.run(unpacked)] == [name]
        flip(path, position)
    assert differing_files(unpacked) == []


def test_a_byte_changed_in_the_checksums_is_named_too(unpacked: Path) -> None:
    sums = unpacked / SUMS
    for position in range(0, sums.stat().st_size, 9):
        flip(sums, position)
        assert any(SUMS in problem for problem in differing_files(unpacked)), position
        flip(sums, position)


def test_missing_and_added_files_are_named(unpacked: Path) -> None:
    (unpacked / "README.txt").unlink()
    (unpacked / "wheels" / "other.whl").touch()
    (unpacked / "photos" / "link.jpg").symlink_to("mole.jpg")
    assert self_test.run(unpacked) == [
        "photos/link.jpg: is not a plain file",
        "README.txt: is in SHA256SUMS and missing",
        "wheels/other.whl: is not in SHA256SUMS",
    ]


def resum(folder: Path) -> None:
    """Make the checksums right again, to get at what comes after them."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = subprocess.run(
        ["sha256sum", *(name for name in names if name != SUMS)],
        cwd=folder, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    (folder / SUMS).write_bytes(sums_of({name: digest for digest, name in (line.split("  ") for line in lines)}))


def test_another_result_of_an_example_photo_is_named(unpacked: Path) -> None:
    photos = unpacked / "photos"
    (photos / "mole.jpg").write_bytes((photos / "melanoma.jpg").read_bytes())
    resum(unpacked)
    (problem,) = self_test.run(unpacked)
    assert problem.startswith("photos/mole.jpg: ")


def test_a_folder_that_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(self_test.SelfTestError, match="holds no SHA256SUMS"):
        self_test.run(tmp_path)


@pytest.mark.parametrize("name", ["a.zip", "missing/a.tar.gz"])
def test_a_name_that_cannot_be_written(tmp_path: Path, tiny_bundle: Bundle, name: str) -> None:
    with pytest.raises(ArchiveNameError):
        build(tmp_path / name, tiny_bundle, platform=MACHINE, python=HERE)


def install(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHON": sys.executable, **environment}
    return subprocess.run([folder / "install.sh"], env=env, capture_output=True, text=True, check=False, timeout=300)


def test_the_installer_says_what_does_not_fit(unpacked: Path) -> None:
    script = (unpacked / "install.sh").read_text()
    for old, new, said in (
        (MACHINE, "sparc64", f"this archive is for Linux on sparc64, this is Linux {MACHINE}"),
        (HERE, "3.99", f"this archive is for Python 3.99, {sys.executable} is {HERE}"),
    ):
        (unpacked / "install.sh").write_text(script.replace(old, new))
        resum(unpacked)
        done = install(unpacked)
        assert done.returncode == 1
        assert said in done.stderr
    (unpacked / "install.sh").write_text(script)
    done = install(unpacked)
    assert done.returncode == 1
    assert "a file is not what was delivered" in done.stderr
    assert not (unpacked / "venv").exists()


@pytest.mark.slow
def test_the_real_archive_installs_and_runs_without_a_network(tmp_path: Path, tiny_bundle: Bundle) -> None:
    """Downloads the pinned wheels; then everything happens where no network can be reached, if this user may do so."""
    build(tmp_path / "edge.tar.gz", tiny_bundle, platform=MACHINE, python=HERE)
    home = tmp_path / "an empty folder"
    home.mkdir()
    subprocess.run(["tar", "xzf", tmp_path / "edge.tar.gz", "-C", home], check=True)
    offline = ["unshare", "--net"] if os.geteuid() == 0 and shutil.which("unshare") else []
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHON": sys.executable, "https_proxy": "http://127.0.0.1:1"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        full = [*offline, *command]
        return subprocess.run(
            full, cwd=home / FOLDER, env=env, capture_output=True, text=True, check=False, timeout=300
        )

    installed = run("./install.sh")
    assert (installed.returncode, installed.stdout) == (0, "installed; now run ./self-test.sh\n"), installed.stderr
    tested = run("./self-test.sh")
    assert tested.returncode == 0, tested.stderr
    assert "every file is what was delivered; known answers and example photos hold on cpu" in tested.stdout
    (home / "photos").mkdir()
    shutil.copy(home / FOLDER / "photos" / "mole.jpg", home / "photos")
    ran = run("./epiluma", "edge", "run", "--watch", "../photos", "--queue", "../queue", "--once", "--settle", "0")
    assert (ran.returncode, ran.stderr) == (0, "")
    (module,) = (home / FOLDER / "venv").rglob("site-packages/rich/table.py")
    flip(module, 100)
    broken = run("./self-test.sh")
    assert broken.returncode == 1
    assert f"{module}: is not what rich-" in broken.stderr
    assert archive.FOLDER in broken.stderr
