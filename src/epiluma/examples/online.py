"""CC0 dermoscopy photos from the ISIC Archive, each with a note of where it comes from."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from epiluma.errors import EpilumaError
from epiluma.isic_api import (
    API,
    IMAGE_BYTES,
    IMAGE_ID,
    Archive,
    ArchiveError,
    Found,
    Unusable,
    check_photo,
    write_whole,
)

if TYPE_CHECKING:
    import httpx

LICENCE = "CC-0"
LICENCE_URL = "https://creativecommons.org/publicdomain/zero/1.0/"
QUERY = f'copyright_license:"{LICENCE}" AND image_type:dermoscopic'

_PAGES = 20
"""Pages looked through before giving up on finding enough images."""

_log = logging.getLogger(__name__)


class Unavailable(EpilumaError):
    """The archive could not be used; the message says why and what works instead."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; the drawn examples work without a network")


def fetch_online(folder: Path, *, count: int = 6, api: str = API, client: httpx.Client | None = None) -> list[Path]:
    """Bring `folder` to `count` CC0 images from the ISIC Archive; returns the paths of the images.

    Beside each image lies `<id>.json` with its licence, attribution, diagnosis and address. Images that are
    already there are kept and not fetched again. One that has another licence, is too large or cannot be decoded
    is left out, with a line in the log. Raises Unavailable when the archive cannot be reached or gives nothing
    usable, and BadAddress (a ValueError) for an address that is not https.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    have = _complete(folder)
    if len(have) >= count:
        return have[:count]
    try:
        with Archive(api, client) as archive:
            _fill(archive, folder, have, count)
    except ArchiveError as error:
        raise Unavailable(str(error)) from error
    if not have:
        raise Unavailable(f"{urlsplit(api).hostname} gave no image that can be used")
    return sorted(have)


def _fill(archive: Archive, folder: Path, have: list[Path], count: int) -> None:
    """Save images until `have` names `count` of them, or the search ends."""
    pages = archive.pages(QUERY, page_size=min(100, max(10, 2 * count)))
    for found in (found for page in islice(pages, _PAGES) for found in page.results):
        if len(have) >= count:
            return
        path = folder / f"{found.isic_id}.jpg"
        if path in have:
            continue
        try:
            _save(archive, found, path)
        except Unusable as reason:
            _log.warning("%s: left out, %s", found.isic_id, reason)
        else:
            have.append(path)


def _save(archive: Archive, found: Found, path: Path) -> None:
    """Fetch one image with its note. Raises Unusable."""
    if found.copyright_license != LICENCE:
        raise Unusable(f"its licence is {found.copyright_license}, not {LICENCE}")
    if not IMAGE_ID.fullmatch(found.isic_id):
        raise Unusable("its id is not one of the archive's")
    file = found.files.full
    if file.size > IMAGE_BYTES and found.files.thumbnail_256 is not None:
        file = found.files.thumbnail_256
    data = archive.download(file.url)
    check_photo(data)
    note = {
        "isic_id": found.isic_id,
        "licence": LICENCE,
        "licence_url": LICENCE_URL,
        "attribution": found.attribution,
        "diagnosis": _diagnosis(found),
        "url": f"{archive.api}/images/{found.isic_id}/",
        # The query of a file's address is a signature that expires within hours.
        "file_url": file.url.partition("?")[0],
        "retrieved": datetime.now(UTC).date().isoformat(),
    }
    path.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(note), indent=2) + b"\n")
    write_whole(path, data)


def _diagnosis(found: Found) -> str | None:
    """The most exact diagnosis that the archive gives."""
    clinical = found.metadata.get("clinical") or {}
    names = [f"diagnosis_{level}" for level in (5, 4, 3, 2, 1)] + ["diagnosis"]
    return next((str(clinical[name]) for name in names if clinical.get(name)), None)


def _complete(folder: Path) -> list[Path]:
    """Images that are there with their note."""
    return sorted(
        path
        for path in folder.glob("ISIC_*.jpg")
        if IMAGE_ID.fullmatch(path.stem) and path.with_suffix(".json").exists()
    )
