"""onnxruntime-web, the runtime of the page: three files of one npm package, known by their hash."""

from __future__ import annotations

import hashlib
import io
import tarfile
import urllib.request
from pathlib import Path

from epiluma.errors import EpilumaError

VERSION = "1.30.0"
ADDRESS = f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
"""Of the package as npm delivers it; it covers every file in it."""
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
MAX_BYTES = 128 * 1024 * 1024
_TIMEOUT = 60.0
"""Seconds without a byte."""


class RuntimeFilesError(EpilumaError):
    """onnxruntime-web cannot be had, or is not the one that the page was tested with."""


def runtime_files(package: Path | None = None, *, address: str = ADDRESS) -> dict[str, bytes]:
    """The files of FILES from the npm package at `package`, else from `address`. Raises RuntimeFilesError."""
    data, where = (_read(package), str(package)) if package else (_download(address), address)
    if (found := hashlib.sha256(data).hexdigest()) != SHA256:
        raise RuntimeFilesError(
            f"{where}: is not onnxruntime-web {VERSION} as npm delivers it (SHA-256 {found[:12]}… where "
            f"{SHA256[:12]}… is expected); get it with 'npm pack onnxruntime-web@{VERSION}'"
        )
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        members = {name: archive.extractfile(f"package/dist/{name}") for name in FILES}
        return {name: member.read() for name, member in members.items() if member}


def _read(package: Path) -> bytes:
    try:
        with package.open("rb") as file:
            return file.read(MAX_BYTES)
    except OSError as error:
        raise RuntimeFilesError(f"{package}: cannot be read ({error.strerror})") from error


def _download(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer:  # nosec B310
            data: bytes = answer.read(MAX_BYTES)
    except OSError as error:
        raise RuntimeFilesError(
            f"{address}: cannot be had ({getattr(error, 'reason', error)}); fetch it elsewhere with "
            f"'npm pack onnxruntime-web@{VERSION}' and name it with --runtime"
        ) from error
    return data
