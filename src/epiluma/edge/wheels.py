"""The wheels that a device needs: which, by the locks beside this file, and from where, each checked by its SHA-256."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from epiluma.errors import EpilumaError

LOCKS = Path(__file__).parent / "locks"
"""One lock of the base install for each Python, made by `make lock` with the versions of requirements/run.lock."""
PLATFORMS = ("x86_64", "aarch64")
PYTHONS = ("3.11", "3.12", "3.13")
GLIBC = 28
"""Wheels may need glibc 2.28 or older: Debian 10, Ubuntu 20.04, RHEL 8 and all that is newer."""
_TIMEOUT_S = 1800


class WheelError(EpilumaError):
    """A wheel that is missing, or is not the one that is pinned."""


class Pin(NamedTuple):
    """One package of the base install."""

    name: str
    version: str
    sha256: frozenset[str]
    """Of the files of this version on PyPI, for every platform."""


def pins(python: str) -> list[Pin]:
    """The packages of the base install for a Python, such as "3.11"."""
    text = (LOCKS / f"{python}.lock").read_text(encoding="utf-8")
    entries = re.findall(r"^(\S+)==(\S+) \\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE)
    return [Pin(name, version, frozenset(re.findall(r"[0-9a-f]{64}", hashes))) for name, version, hashes in entries]


def collect(python: str, platform: str, folder: Path | None) -> dict[str, bytes]:
    """File name -> wheel of each package, from `folder`, or from the package index when it is None.

    Raises WheelError, naming the package.
    """
    with TemporaryDirectory() as place:
        _download(python, platform, folder, Path(place))
        found = {path.name: path.read_bytes() for path in sorted(Path(place).iterdir())}
    check(found, pins(python))
    return found


def check(wheels: dict[str, bytes], wanted: list[Pin]) -> None:
    """Raise WheelError unless there is exactly one wheel of each package, with a pinned SHA-256."""
    by_name = {file.split("-")[0].lower().replace("_", "-"): file for file in wheels}
    missing = [f"{pin.name} {pin.version}" for pin in wanted if pin.name not in by_name]
    if missing or len(wheels) != len(wanted):
        raise WheelError(f"wheels are missing or there are others: {', '.join(missing) or ', '.join(wheels)}")
    for pin in wanted:
        file = by_name[pin.name]
        if hashlib.sha256(wheels[file]).hexdigest() not in pin.sha256:
            raise WheelError(f"{file}: its SHA-256 is none of those pinned for {pin.name} {pin.version}")


def _download(python: str, platform: str, folder: Path | None, into: Path) -> None:
    """Let pip choose and fetch, which also checks the hashes. Raises WheelError."""
    if find_spec("pip") is None:
        raise WheelError(f"{sys.executable} has no pip, which chooses the wheels; add it with `python -m ensurepip`")
    tags = [f"manylinux_2_{minor}_{platform}" for minor in range(GLIBC, 4, -1)] + [f"manylinux2014_{platform}"]
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", str(LOCKS / f"{python}.lock")),
        *("--implementation", "cp", "--python-version", python, "--dest", str(into)),
        *(word for tag in tags for word in ("--platform", tag)),
        *(() if folder is None else ("--no-index", "--find-links", str(folder))),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise WheelError(f"pip did not get the wheels within {_TIMEOUT_S // 60} minutes") from error
    if done.returncode:
        said = " ".join(line.strip() for line in done.stderr.splitlines() if not line.startswith("WARNING"))
        where = f"from {folder}" if folder else "from the package index; without a network, name a folder by --wheels"
        raise WheelError(f"wheels for Python {python} on {platform} cannot be had {where}: {said[:900]}")
