"""What is pinned, and that nothing else gets in."""

from __future__ import annotations

import hashlib
import re
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from epiluma import cli_edge
from epiluma.edge import wheels
from epiluma.edge.wheels import PLATFORMS, PYTHONS, Pin, WheelError, check, collect, pins

ROOT = Path(__file__).parents[2]


def make_wheel(folder: Path, name: str = "demo", version: str = "1.0") -> Path:
    """A wheel that holds one module."""
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "answer = 42\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def lock_for(path: Path, locks: Path, sha256: str | None = None) -> None:
    """Pin a wheel for every Python."""
    name, version = path.name.split("-")[:2]
    digest = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    locks.mkdir(exist_ok=True)
    for python in PYTHONS:
        lines = f"{name}=={version} \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{digest}\n"
        (locks / f"{python}.lock").write_text(lines)


@pytest.mark.parametrize("python", PYTHONS)
def test_the_pins_are_those_of_the_main_lock_for_the_base_install(python: str) -> None:
    text = (ROOT / "requirements" / "run.lock").read_text()
    found = pins(python)
    for pin in found:
        entries = re.split(rf"^{re.escape(pin.name)}=={re.escape(pin.version)} ", text, flags=re.MULTILINE)[1:]
        assert entries, f"{pin.name} {pin.version} is not in run.lock"
        assert pin.sha256 <= {
            h
            for entry in entries
            for h in re.findall(r"sha256:([0-9a-f]{64})", re.split(r"^\S+==", entry, flags=re.M)[0])
        }
    base = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {pin.name for pin in found}
    assert {re.match(r"[\w-]+", line)[0].lower() for line in base} <= names
    assert not names & {"django", "granian", "httpx", "torch", "epiluma"}
    assert len(found) == (wheels.LOCKS / f"{python}.lock").read_text().count("==")


def test_the_command_offers_what_there_is() -> None:
    choices = {option.name: option.type for option in cli_edge.build.params}
    assert tuple(choices["python"].choices) == PYTHONS == tuple(sorted(path.stem for path in wheels.LOCKS.iterdir()))
    assert tuple(choices["platform"].choices) == PLATFORMS


def test_wheels_are_taken_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path)
    make_wheel(tmp_path, version="2.0")
    lock_for(wheel, tmp_path / "locks")
    monkeypatch.setattr(wheels, "LOCKS", tmp_path / "locks")
    assert collect("3.11", "aarch64", tmp_path) == {wheel.name: wheel.read_bytes()}


def test_a_wheel_that_was_changed_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path)
    lock_for(wheel, tmp_path / "locks", "1" * 64)
    monkeypatch.setattr(wheels, "LOCKS", tmp_path / "locks")
    with pytest.raises(WheelError, match=r"cannot be had from .*demo"):
        collect("3.11", "x86_64", tmp_path)


def test_a_folder_that_lacks_a_wheel(tmp_path: Path) -> None:
    with pytest.raises(WheelError, match=r"wheels for Python 3.11 on aarch64 cannot be had from .*click==8"):
        collect("3.11", "aarch64", tmp_path)


PIN = Pin("two-words", "1.0", frozenset({hashlib.sha256(b"right").hexdigest()}))


def test_check_accepts_exactly_the_pinned_bytes() -> None:
    check({"two_words-1.0-py3-none-any.whl": b"right"}, [PIN])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, "are missing or there are others: two-words 1.0"),
        ({"two_words-1.0-py3-none-any.whl": b"wrong"}, "two_words-1.0.*its SHA-256 is none of those pinned"),
        ({"two_words-1.0-py3-none-any.whl": b"right", "b-1-py3-none-any.whl": b""}, "there are others: .*b-1"),
    ],
)
def test_check_names_what_is_wrong(found: dict[str, bytes], said: str) -> None:
    with pytest.raises(WheelError, match=said):
        check(found, [PIN])


def test_a_python_without_pip_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "find_spec", lambda _: None)
    with pytest.raises(WheelError, match=re.escape(f"{sys.executable} has no pip")):
        collect("3.11", "x86_64", tmp_path)
