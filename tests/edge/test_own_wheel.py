"""The wheel that is made of the Epiluma that runs, as pip and the standard library see it."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import epiluma
from epiluma.edge import own_wheel


@pytest.fixture(scope="module")
def wheel() -> tuple[str, bytes]:
    return own_wheel.own_wheel()


def test_the_same_files_give_the_same_bytes(wheel: tuple[str, bytes]) -> None:
    assert own_wheel.own_wheel() == wheel


def test_it_holds_the_package_and_its_record_is_right(wheel: tuple[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(wheel[1])) as archive:
        names = archive.namelist()
        info = f"epiluma-{epiluma.__version__}.dist-info"
        rows = list(csv.reader(io.StringIO(archive.read(f"{info}/RECORD").decode())))
        assert sorted(row[0] for row in rows) == sorted(names)
        for name, digest, size in rows[:-1]:
            data = archive.read(name)
            assert base64.urlsafe_b64decode(digest.removeprefix("sha256=") + "=") == hashlib.sha256(data).digest()
            assert int(size) == len(data)
        facts = message_from_bytes(archive.read(f"{info}/METADATA"))
        assert any(line.startswith("numpy") for line in facts.get_all("Requires-Dist", []))
        package = Path(epiluma.__file__).parent
        assert archive.read("epiluma/cli_edge.py") == (package / "cli_edge.py").read_bytes()
    assert {"epiluma/py.typed", "epiluma/edge/device/install.sh", "epiluma/edge/locks/3.11.lock"} <= set(names)
    assert not [name for name in names if "__pycache__" in name]


def test_pip_installs_it_and_it_runs(wheel: tuple[str, bytes], tmp_path: Path) -> None:
    (tmp_path / wheel[0]).write_bytes(wheel[1])
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile")
    subprocess.run([*pip, "--target", tmp_path / "site", tmp_path / wheel[0]], check=True, timeout=120)
    code = "import epiluma.edge.wheels as w; print(w.__file__, len(w.pins('3.12')))"
    env = {"PYTHONPATH": str(tmp_path / "site"), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(tmp_path / "site"))


def test_an_installation_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epiluma, "__version__", "9.9")
    with pytest.raises(own_wheel.PackingError, match="reinstall"):
        own_wheel.own_wheel()
