"""A wheel of the very Epiluma that runs, whether it was installed from a wheel or from a checkout."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import epiluma
from epiluma.errors import EpilumaError

_LICENCE = "licenses/LICENSE"


class PackingError(EpilumaError):
    """Epiluma is not installed in a way that can be packed."""


def own_wheel() -> tuple[str, bytes]:
    """Name and bytes; the same files give the same bytes. Raises PackingError."""
    package = Path(epiluma.__file__).parent
    files = {
        f"epiluma/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in package.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    info = f"epiluma-{epiluma.__version__}.dist-info"
    tags = f"Wheel-Version: 1.0\nGenerator: epiluma {epiluma.__version__}\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/WHEEL"] = tags.encode()
    for name in ("METADATA", "entry_points.txt", _LICENCE):
        files[f"{info}/{name}"] = _installed(name).encode()
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD")
    return f"epiluma-{epiluma.__version__}-py3-none-any.whl", _zip(files)


def licence() -> str:
    """The text of Epiluma's licence. Raises PackingError."""
    return _installed(_LICENCE)


def _installed(name: str) -> str:
    try:
        found: Distribution = distribution("epiluma")
    except PackageNotFoundError as error:
        raise PackingError("Epiluma is not installed; install it with pip before an archive is built") from error
    text = found.read_text(name)
    if text is None or found.version != epiluma.__version__:
        raise PackingError(f"what is installed of Epiluma is {found.version} without or with another {name}; reinstall")
    return text


def _record(files: Mapping[str, bytes], own: str) -> bytes:
    """The list of files that a wheel holds (PEP 427)."""
    lines = []
    for name in sorted(files):
        digest = base64.urlsafe_b64encode(hashlib.sha256(files[name]).digest()).decode().rstrip("=")
        lines.append(f"{name},sha256={digest},{len(files[name])}\n")
    return "".join([*lines, f"{own},,\n"]).encode()


def _zip(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()
