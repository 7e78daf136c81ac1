"""The contract between training and running: an ONNX graph with everything needed to use it safely.

A bundle is a folder, or one `.epiluma` file (an uncompressed zip of that folder). It holds `manifest.json`
(canonical JSON), the files that the manifest lists with their SHA-256, and `bundle.id`: the SHA-256 of the
manifest, carried detached. Nothing is read from a bundle before every byte of it has been accounted for.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from epiluma.bundle_fitted import (
    Abstention,
    AccuracyPoint,
    Calibration,
    CalibrationChoice,
    Conformal,
    DecisionRule,
    Examples,
    Fitted,
    OperatingPoint,
    Probability,
    Scope,
)
from epiluma.bundle_manifest import (
    FP32,
    Crop,
    FileEntry,
    Graph,
    KnownAnswer,
    Manifest,
    Metric,
    Modality,
    Outline,
    OutlineAnswer,
    Preprocessing,
    Provenance,
    Scorecard,
    Variant,
)
from epiluma.errors import EpilumaError

__all__ = [
    "BUNDLE_ID",
    "FP32",
    "MANIFEST",
    "MAX_BYTES",
    "Abstention",
    "AccuracyPoint",
    "Bundle",
    "BundleError",
    "Calibration",
    "CalibrationChoice",
    "Conformal",
    "Crop",
    "DecisionRule",
    "Examples",
    "FileEntry",
    "Fitted",
    "Graph",
    "KnownAnswer",
    "Manifest",
    "Metric",
    "Modality",
    "OperatingPoint",
    "Outline",
    "OutlineAnswer",
    "Preprocessing",
    "Probability",
    "Provenance",
    "Scope",
    "Scorecard",
    "Variant",
    "build",
    "load",
    "write",
]

MANIFEST = "manifest.json"
BUNDLE_ID = "bundle.id"
MAX_BYTES = 512 * 1024 * 1024
"""A bundle larger than this is refused unread."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class BundleError(EpilumaError):
    """A bundle that cannot be trusted or understood; the message names the file and the reason."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
        self.reason = reason


@dataclass(frozen=True)
class Bundle:
    """A verified bundle, its files in memory."""

    manifest: Manifest
    id: str
    """SHA-256 of the canonical manifest, hexadecimal."""
    files: Mapping[str, bytes]

    @property
    def graph(self) -> bytes:
        """The ONNX graph that runs."""
        return self.files[self.manifest.graph]

    @property
    def graphs(self) -> tuple[str, ...]:
        """Names of the graphs that it holds, the default one first."""
        return (FP32, *(variant.name for variant in self.manifest.variants))

    @property
    def running(self) -> str:
        """Name of the graph that runs: `onnx-fp32`, or that of a view that `using` gives."""
        return next((one.name for one in self.manifest.variants if one.graph == self.manifest.graph), FP32)

    def using(self, name: str) -> Bundle:
        """The same bundle, same id, with the graph of this name, and what was fitted on it, as the one that runs.

        Raises BundleError when it holds no such graph.
        """
        if name == FP32:
            return self
        for variant in self.manifest.variants:
            if variant.name == name:
                facts = {field: getattr(variant, field) for field in Graph.__struct_fields__}
                return replace(self, manifest=msgspec.structs.replace(self.manifest, **facts))
        raise BundleError(self.manifest.name, f"holds no graph {name!r}; it has {', '.join(self.graphs)}")


def load(path: Path | str) -> Bundle:
    """Read and verify a bundle folder or `.epiluma` file.

    Raises BundleError, naming the file, when a byte is not what the manifest says, a file is missing or
    extra, or the manifest is malformed.
    """
    path = Path(path)
    if path.is_dir():
        return _verify(_read_folder(path))
    if not path.is_file():
        raise BundleError(str(path), "no such bundle (expected a folder or an .epiluma file)")
    return _verify(_read_archive(path))


def build(manifest: Manifest, files: Mapping[str, bytes], **changes: Any) -> Bundle:
    """Make a bundle in memory; the manifest's file table is filled in from `files`.

    `changes` are other fields of the manifest, which may name files that it did not have before.
    """
    entries = {name: FileEntry(sha256=_sha256(data), bytes=len(data)) for name, data in files.items()}
    manifest = msgspec.structs.replace(manifest, files=entries, **changes)
    return Bundle(manifest, _sha256(manifest.canonical()), dict(files))


def write(bundle: Bundle, path: Path | str) -> Path:
    """Write a bundle as a folder, or as one file when the name ends in `.epiluma`; replaces the bundle that was there.

    Raises BundleError when the folder holds anything else (nothing but an older bundle is ever deleted), and for
    the view of a bundle that `using` gives.
    """
    path = Path(path)
    contents = _contents(bundle)
    if _sha256(contents[MANIFEST]) != bundle.id:
        raise BundleError(str(path), "what is written is the bundle itself, not its view through one of its variants")
    if path.suffix == ".epiluma":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_archive(contents))
        return path
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()) and not (path / BUNDLE_ID).is_file():
        raise BundleError(str(path), "holds files that are no bundle; give an empty or a new folder")
    for stale in path.iterdir():
        if stale.name not in contents:
            stale.unlink()
    for name, data in contents.items():
        (path / name).write_bytes(data)
    return path


def _contents(bundle: Bundle) -> dict[str, bytes]:
    return {**bundle.files, MANIFEST: bundle.manifest.canonical(), BUNDLE_ID: f"{bundle.id}\n".encode()}


def _read_folder(path: Path) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    total = 0
    for file in sorted(path.iterdir()):
        if not file.is_file() or file.is_symlink():
            raise BundleError(file.name, "not a plain file; a bundle holds only files")
        total += file.stat().st_size
        if total > MAX_BYTES:
            raise BundleError(file.name, f"the bundle is larger than {MAX_BYTES >> 20} MB")
        contents[file.name] = file.read_bytes()
    return contents


def _read_archive(path: Path) -> dict[str, bytes]:
    """Members of an archive. Only the exact bytes that `write` would produce are accepted."""
    if path.stat().st_size > MAX_BYTES:
        raise BundleError(path.name, f"larger than {MAX_BYTES >> 20} MB")
    raw = path.read_bytes()
    contents: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            members = archive.infolist()
            stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
            if not stored or sum(member.file_size for member in members) > len(raw):
                raise BundleError(path.name, "compressed or overlapping members; a bundle is stored uncompressed")
            for member in members:
                try:
                    contents[member.filename] = archive.read(member)
                except (zipfile.BadZipFile, RuntimeError, EOFError, OSError) as error:
                    raise BundleError(member.filename, f"cannot be read ({error})") from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(path.name, f"not an intact .epiluma file ({error})") from error
    _verify(contents)  # names the changed member when there is one
    if _archive(contents) != raw:
        raise BundleError(path.name, "the archive around the files was changed")
    return contents


def _archive(contents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(contents):
            archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), contents[name])
    return buffer.getvalue()


def _verify(contents: dict[str, bytes]) -> Bundle:
    for required in (MANIFEST, BUNDLE_ID):
        if required not in contents:
            raise BundleError(required, "missing from the bundle")
    raw = contents[MANIFEST]
    bundle_id = _sha256(raw)
    if contents[BUNDLE_ID] != f"{bundle_id}\n".encode():
        raise BundleError(MANIFEST, f"does not match the hash in {BUNDLE_ID}; one of the two was changed")
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(MANIFEST, f"cannot be understood ({error})") from error
    if manifest.canonical() != raw:
        raise BundleError(MANIFEST, "is not in canonical form")
    files = {name: data for name, data in contents.items() if name not in (MANIFEST, BUNDLE_ID)}
    for name in files:
        if name not in manifest.files:
            raise BundleError(name, "is not listed in the manifest")
    for name, entry in manifest.files.items():
        if not _SAFE_NAME.fullmatch(name) or name in (MANIFEST, BUNDLE_ID):
            raise BundleError(MANIFEST, f"lists an unusable file name {name!r}")
        if name not in files:
            raise BundleError(name, "missing from the bundle")
        if len(files[name]) != entry.bytes or _sha256(files[name]) != entry.sha256:
            raise BundleError(name, "its SHA-256 differs from the manifest's; the file was changed")
    return Bundle(manifest, bundle_id, files)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
