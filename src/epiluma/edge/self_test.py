"""Whether a device has what was delivered, and computes what it must: files, known answers, example photos."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

import epiluma
from epiluma import bundle as bundles
from epiluma.errors import EpilumaError
from epiluma.inference.screen import Screener
from epiluma.inference.session import DEFAULT_PROVIDER

SUMS, MODEL, WHEELS, PHOTOS, EXPECTED = "SHA256SUMS", "model.epiluma", "wheels", "photos", "expected.json"
VENV = "venv"
"""What install.sh makes, beside what was delivered."""
TOLERANCE = 5e-3
"""Largest difference of a probability from the recorded one: a photo goes through two networks and the crop between
them, and each may differ by what a known answer may."""
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")


class SelfTestError(EpilumaError):
    """A folder that is no unpacked archive."""


class Recorded(msgspec.Struct, frozen=True):
    """What an example photo gave where the archive was built."""

    file: str
    level: str
    diagnosis: str | None
    probabilities: dict[str, float]
    """Rounded to four digits; empty where the photo is not judged."""


def record(screener: Screener, photos: Mapping[str, bytes]) -> list[Recorded]:
    """Screen photos by name; what matters of the results."""
    results = []
    for name, data in sorted(photos.items()):
        found = screener.screen(data, file=name)
        rounded = {code: round(value, 4) for code, value in found.probabilities.items()}
        results.append(Recorded(name, found.recommendation.level, found.diagnosis, rounded))
    return results


def run(folder: Path, *, provider: str = DEFAULT_PROVIDER) -> list[str]:
    """Every difference between `folder`, an unpacked archive, and what it must be; none when all is well.

    Nothing is opened unless every file is what was delivered. Raises SelfTestError, BundleError, SessionError,
    ProviderError and KnownAnswerMismatch.
    """
    if not (folder / SUMS).is_file():
        raise SelfTestError(f"{folder}: holds no {SUMS}; name the folder that the archive was unpacked to")
    problems = differing_files(folder) or differing_installation(folder)
    if problems:
        return problems
    expected = msgspec.json.decode((folder / EXPECTED).read_bytes(), type=list[Recorded])
    screener = Screener(bundles.load(folder / MODEL), provider=provider)
    found = record(screener, {one.file: (folder / PHOTOS / one.file).read_bytes() for one in expected})
    return [text for old, new in zip(expected, found, strict=True) if (text := _difference(old, new))]


def sums_of(hashes: Mapping[str, str]) -> bytes:
    """The file SHA256SUMS, as sha256sum reads it."""
    return "".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes)).encode()


def differing_files(folder: Path) -> list[str]:
    """Each file that was changed, is missing or was added; and SHA256SUMS, when the difference is in it alone."""
    found, problems = {}, []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name == SUMS or name.split("/")[0] == VENV:
            continue
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            problems.append(f"{name}: is not a plain file")
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    raw = (folder / SUMS).read_bytes()
    listed = dict[str, str]()
    for number, line in enumerate(raw.decode(errors="replace").splitlines(), 1):
        if match := _LINE.fullmatch(line):
            listed[match[2]] = match[1]
        else:
            problems.append(f"{SUMS}: line {number} cannot be read")
    for name in sorted(found.keys() | listed.keys()):
        if name not in listed:
            problems.append(f"{name}: is not in {SUMS}")
        elif name not in found:
            problems.append(f"{name}: is in {SUMS} and missing")
        elif found[name] != listed[name]:
            problems.append(f"{name}: its SHA-256 differs; the file, or its line in {SUMS}, was changed")
    if not problems and raw != sums_of(found):
        problems.append(f"{SUMS}: was changed")
    return problems


def differing_installation(folder: Path) -> list[str]:
    """Each file in the environment that differs from the wheel it came from; none when another environment runs."""
    site = Path(epiluma.__file__).resolve().parents[1]
    if (folder / VENV).resolve() not in site.parents:
        return []
    problems = []
    for wheel in sorted((folder / WHEELS).iterdir()):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith((".dist-info/RECORD", "/")) or ".data/" in name:
                    continue  # pip writes its own list, and puts scripts elsewhere
                installed = site / name
                if not installed.is_file() or installed.read_bytes() != archive.read(name):
                    problems.append(f"{installed}: is not what {wheel.name} holds; run install.sh again")
    return problems


def _difference(old: Recorded, new: Recorded) -> str:
    """What differs between the recorded result of a photo and the one found, or nothing."""
    if (old.level, old.diagnosis) != (new.level, new.diagnosis):
        was, now = (f"{one.level}, {one.diagnosis or 'no diagnosis'}" for one in (old, new))
        return f"{PHOTOS}/{old.file}: gives {now}, and must give {was}"
    worst = max(
        (abs(old.probabilities[code] - new.probabilities.get(code, 0)) for code in old.probabilities), default=0
    )
    if worst > TOLERANCE:
        return f"{PHOTOS}/{old.file}: a probability differs by {worst:.4f} from the recorded one (at most {TOLERANCE})"
    return ""
