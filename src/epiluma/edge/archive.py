"""One archive with all that a device needs: bundle, wheels, scripts, example photos and what they must give."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

from epiluma import __version__
from epiluma import bundle as bundles
from epiluma.bundle import Bundle
from epiluma.edge import own_wheel, wheels
from epiluma.edge.self_test import EXPECTED, MODEL, PHOTOS, SUMS, WHEELS, record, sums_of
from epiluma.errors import EpilumaError
from epiluma.examples import example_photos
from epiluma.inference.locate import licence_of
from epiluma.inference.screen import Screener
from epiluma.isic_api import write_whole

FOLDER = "epiluma-edge"
"""The folder in the archive that holds everything."""
_DEVICE = Path(__file__).parent / "device"
_SCRIPTS = ("install.sh", "self-test.sh", "epiluma")


class ArchiveNameError(EpilumaError):
    """A file name that does not say what the file is."""


class Built(NamedTuple):
    """An archive that was written."""

    sha256: str
    bytes: int
    files: int


def build(out: Path, bundle: Bundle, *, platform: str, python: str, wheel_folder: Path | None = None) -> Built:
    """Write the archive for a platform and a Python; the same input gives the same bytes.

    Wheels come from `wheel_folder`, or from the package index. Raises ArchiveNameError, WheelError, PackingError and
    what Screener raises.
    """
    if not out.name.endswith(".tar.gz"):
        raise ArchiveNameError(f"{out}: the archive's name must end in .tar.gz")
    if not out.parent.is_dir():
        raise ArchiveNameError(f"{out.parent}: no such folder")
    screener = Screener(bundle)
    found = wheels.collect(python, platform, wheel_folder)
    own_name, own = own_wheel.own_wheel()
    found[own_name] = own
    files = {f"{WHEELS}/{name}": data for name, data in found.items()}
    files["requirements.txt"] = _requirements(found)
    files[MODEL] = _packed(bundle)
    photos = {f"{example.name}.jpg": example.jpeg for example in example_photos()}
    files |= {f"{PHOTOS}/{name}": data for name, data in photos.items()}
    files[EXPECTED] = msgspec.json.format(msgspec.json.encode(record(screener, photos)), indent=2) + b"\n"
    files["LICENSE"] = own_wheel.licence().encode()
    files["LICENSE-MODEL"] = _model_licence(bundle).encode()
    facts = {"PLATFORM": platform, "PYTHON": python, "GLIBC": f"2.{wheels.GLIBC}", "VERSION": __version__}
    facts |= {"MODEL": bundle.manifest.name, "MODALITY": bundle.manifest.modality}
    files |= {path.name: _filled(path, facts) for path in sorted(_DEVICE.iterdir()) if path.is_file()}
    files[SUMS] = sums_of({name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
    packed = _tar_gz(files)
    write_whole(out, packed)
    return Built(hashlib.sha256(packed).hexdigest(), len(packed), len(files))


def _requirements(found: Mapping[str, bytes]) -> bytes:
    """What install.sh gives to pip: every wheel by name, version and hash."""
    lines = []
    for file, data in sorted(found.items()):
        name, version = file.split("-")[:2]
        lines.append(f"{name}=={version} --hash=sha256:{hashlib.sha256(data).hexdigest()}\n")
    return "".join(lines).encode()


def _packed(bundle: Bundle) -> bytes:
    with TemporaryDirectory() as place:
        return bundles.write(bundle, Path(place) / MODEL).read_bytes()


def _model_licence(bundle: Bundle) -> str:
    manifest = bundle.manifest
    use = "Non-commercial use only.\n" if manifest.non_commercial else ""
    named = f"{MODEL}: {manifest.name}, bundle {bundle.id}\nLicence: {manifest.licence}\n"
    return f"{named}{use}\n{manifest.licence_note}\n\n{licence_of(bundle)}"


def _filled(path: Path, facts: Mapping[str, str]) -> bytes:
    text = path.read_text(encoding="utf-8")
    for name, value in facts.items():
        text = text.replace(f"@{name}@", value)
    return text.encode()


def _tar_gz(files: Mapping[str, bytes]) -> bytes:
    """Sorted, owned by nobody in particular, without dates."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0, compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mode = len(files[name]), 0o755 if name in _SCRIPTS else 0o644
            archive.addfile(entry, io.BytesIO(files[name]))
    return buffer.getvalue()
