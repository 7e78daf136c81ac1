"""Published archives, unpacked without trusting them: all of an archive is written, or nothing.

A ZIP file can name paths outside its folder, links, or far more bytes than it holds. Every member is checked before
the first one is written.
"""

from __future__ import annotations

import re
import secrets
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from epiluma.datasets.record import DataError

MAX_BYTES = 200_000_000_000
"""Unpacked. The largest published sets have some 50 GB."""
MAX_MEMBERS = 1_000_000
"""ISIC 2024 has 401,059 images."""
_PLAIN = {0, stat.S_IFREG, stat.S_IFDIR}
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_STAMP = ".unpacked-from"
"""Size and time of the archive that a folder was unpacked from."""


def unpack(zip_path: Path, out: Path, *, max_bytes: int = MAX_BYTES, max_members: int = MAX_MEMBERS) -> list[Path]:
    """Unpack into the new folder `out`; returns the files in name order.

    Raises DataError that names the member when one leads out of the folder, is a link, is encrypted, named twice or
    damaged, and when the archive is too large or `out` is there or cannot be written. Nothing is left then.
    """
    if out.exists():
        raise DataError(f"{out}: is there already; move it away to unpack {zip_path.name}")
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    try:
        with zipfile.ZipFile(zip_path) as archive:
            members = archive.infolist()
            _check_size(zip_path, members, max_bytes, max_members, room=shutil.disk_usage(out.parent).free)
            files = _checked(zip_path, members)
            partial.mkdir()
            for name, member in files.items():
                _write(zip_path, archive, member, partial / name)
        partial.rename(out)
    except DataError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise DataError(f"{zip_path}: is not an intact ZIP file ({error})") from error
    except OSError as error:
        raise DataError(f"{zip_path}: cannot be unpacked to {out} ({error.strerror or error})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return sorted(out / name for name in files)


def folder_of(zip_path: Path) -> Path:
    """The folder that an archive holds, unpacked beside it into `<name>.unpacked` unless that was done before.

    An archive that holds nothing but one folder is that folder. Raises DataError as `unpack` does, and when the
    archive changed since.
    """
    out = zip_path.with_suffix(".unpacked")
    status = zip_path.stat()
    stamp = f"{status.st_size} {status.st_mtime_ns}\n"
    if not out.exists():
        unpack(zip_path, out)
        (out / _STAMP).write_text(stamp, encoding="utf-8")
    elif not (out / _STAMP).is_file() or (out / _STAMP).read_text(encoding="utf-8") != stamp:
        raise DataError(f"{out}: was not unpacked from {zip_path.name} as it is now; move it away to unpack again")
    inner = [path for path in out.iterdir() if path.name not in {_STAMP, "__MACOSX"}]
    return inner[0] if len(inner) == 1 and inner[0].is_dir() else out


def _check_size(zip_path: Path, members: list[zipfile.ZipInfo], max_bytes: int, max_members: int, *, room: int) -> None:
    if len(members) > max_members:
        raise DataError(f"{zip_path}: holds {len(members):,} files, more than {max_members:,}")
    total = 0
    for member in members:
        total += member.file_size  # zipfile never yields more than a member claims
        if total > max_bytes:
            raise DataError(f"{zip_path}: {member.filename}: unpacked, the files exceed {max_bytes:,} bytes")
    if total > room:
        raise DataError(f"{zip_path}: needs {total:,} bytes unpacked; {room:,} are free")


def _checked(zip_path: Path, members: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The files by name, once every member is known to be safe."""
    files: dict[str, zipfile.ZipInfo] = {}
    seen: set[str] = set()
    folders: set[str] = set()
    for member in members:
        name = PurePosixPath(member.filename)
        if reason := _unsafe(member, name):
            raise DataError(f"{zip_path}: {member.filename!r} {reason}; nothing was unpacked")
        folders.update(str(parent).casefold() for parent in name.parents)
        if member.is_dir():
            folders.add(str(name).casefold())
            continue
        folded = str(name).casefold()  # many file systems do not tell large letters from small ones
        if folded in seen:
            raise DataError(f"{zip_path}: {member.filename!r} is named twice; nothing was unpacked")
        seen.add(folded)
        files[str(name)] = member
    if both := sorted(seen & folders):
        raise DataError(f"{zip_path}: {both[0]!r} is both a file and a folder; nothing was unpacked")
    return files


def _unsafe(member: zipfile.ZipInfo, name: PurePosixPath) -> str:
    """Why a member must not be unpacked, or an empty string."""
    raw = member.orig_filename
    if raw.startswith("/") or "\\" in raw or ".." in name.parts or re.match("[A-Za-z]:", raw):
        return "leads out of the folder"
    if not name.parts or any(ord(letter) < 32 for letter in raw):
        return "has a name that no file can have"
    if stat.S_IFMT(member.external_attr >> 16) not in _PLAIN:
        return "is a link or a device, not a file"
    if member.flag_bits & 0x1:
        return "is encrypted"
    if member.compress_type not in _METHODS:
        return f"is compressed by method {member.compress_type}, which cannot be read"
    return ""


def _write(zip_path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """One member. Its checksum is compared at its end, by zipfile."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, target.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    except OSError as error:
        reason = f"cannot be written ({error.strerror or error})"
        raise DataError(f"{zip_path}: {member.filename!r} {reason}; nothing was unpacked") from error
    except Exception as error:  # zipfile and four decompressors raise their own kinds on damaged data
        raise DataError(f"{zip_path}: {member.filename!r} is damaged ({error}); nothing was unpacked") from error
