"""CC0 dermoscopy photos from the ISIC Archive, each with a note of where it comes from.

Speaks version 2 of the archive's API (https://api.isic-archive.com/api/docs/swagger/): `images/search/` gives
pages of results with a cursor; every result names its licence, its attribution and where its files are.
"""

from __future__ import annotations

import io
import logging
import re
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from PIL import Image

from epiluma import __version__
from epiluma.errors import EpilumaError

if TYPE_CHECKING:
    import httpx

API = "https://api.isic-archive.com/api/v2"
LICENCE = "CC-0"
LICENCE_URL = "https://creativecommons.org/publicdomain/zero/1.0/"
QUERY = f'copyright_license:"{LICENCE}" AND image_type:dermoscopic'
USER_AGENT = f"epiluma/{__version__} (+https://github.com/epiluma/epiluma)"

PAGE_BYTES = 4 * 1024 * 1024
IMAGE_BYTES = 20 * 1024 * 1024
IMAGE_PIXELS = 40_000_000
TIMEOUT_S = 20.0
DEADLINE_S = 120.0
"""Longest that one answer may take to arrive in full; a server that drips is given up on."""

_ATTEMPTS = 3
_LONGEST_WAIT_S = 30.0
_PAGES = 20
"""Pages looked through before giving up on finding enough images."""

_ID = re.compile(r"ISIC_\d{7,9}")
_log = logging.getLogger(__name__)


class Unavailable(EpilumaError):
    """The archive could not be used; the message says why and what works instead."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; the drawn examples work without a network")


class _Unusable(ValueError):
    """One image that is left out, and why."""


class _File(msgspec.Struct, frozen=True):
    url: str
    size: int


class _Files(msgspec.Struct, frozen=True):
    full: _File
    thumbnail_256: _File | None = None


class _Found(msgspec.Struct, frozen=True):
    """One result of a search; fields that are not used here are ignored."""

    isic_id: str
    copyright_license: str
    files: _Files
    attribution: str | None = None
    metadata: dict[str, Any] = {}

    @property
    def diagnosis(self) -> str | None:
        """The most exact diagnosis that the archive gives."""
        clinical = self.metadata.get("clinical") or {}
        names = [f"diagnosis_{level}" for level in (5, 4, 3, 2, 1)] + ["diagnosis"]
        return next((str(clinical[name]) for name in names if clinical.get(name)), None)


class _Page(msgspec.Struct, frozen=True):
    results: list[_Found]
    next: str | None = None


def fetch_online(folder: Path, *, count: int = 6, api: str = API, client: httpx.Client | None = None) -> list[Path]:
    """Bring `folder` to `count` CC0 images from the ISIC Archive; returns the paths of the images.

    Beside each image lies `<id>.json` with its licence, attribution, diagnosis and address. Images that are
    already there are kept and not fetched again. One that has another licence, is too large or cannot be decoded
    is left out, with a line in the log. Raises Unavailable when the archive cannot be reached or gives nothing
    usable, and ValueError for an address that is not https.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    have = _complete(folder)
    if len(have) >= count:
        return have[:count]
    _check_address(api)
    with _Archive(api.rstrip("/"), client) as archive:
        for found in archive.search(count):
            if len(have) >= count:
                break
            path = folder / f"{found.isic_id}.jpg"
            if path in have:
                continue
            try:
                archive.save(found, path)
            except _Unusable as reason:
                _log.warning("%s: left out, %s", found.isic_id, reason)
            else:
                have.append(path)
    if not have:
        raise Unavailable(f"{urlsplit(api).hostname} gave no image that can be used")
    return sorted(have)


class _Archive:
    """A polite session with the archive."""

    def __init__(self, api: str, client: httpx.Client | None) -> None:
        try:
            import httpx
        except ImportError as error:
            raise Unavailable("fetching needs httpx (pip install 'epiluma[service]')") from error
        self._httpx = httpx
        self._api = api
        self._borrowed = client is not None
        self._client = client if client is not None else httpx.Client(timeout=TIMEOUT_S)

    def __enter__(self) -> _Archive:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._borrowed:
            self._client.close()

    def search(self, count: int) -> Iterator[_Found]:
        """CC0 dermoscopy results, page after page."""
        params = {"query": QUERY, "limit": str(min(100, max(10, 2 * count)))}
        for _ in range(_PAGES):
            try:
                raw = self._get(f"{self._api}/images/search/", PAGE_BYTES, params)
                page = msgspec.json.decode(raw, type=_Page)
            except (_Unusable, msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Unavailable(f"{self._api} did not answer with search results ({error})") from error
            yield from page.results
            # Only the cursor is taken from the link: where it leads is for us to say, not for the answer.
            cursor = parse_qs(urlsplit(page.next or "").query).get("cursor")
            if not cursor:
                return
            params["cursor"] = cursor[0]

    def save(self, found: _Found, path: Path) -> None:
        """Fetch one image with its note. Raises _Unusable."""
        if found.copyright_license != LICENCE:
            raise _Unusable(f"its licence is {found.copyright_license}, not {LICENCE}")
        if not _ID.fullmatch(found.isic_id):
            raise _Unusable("its id is not one of the archive's")
        file = found.files.full
        if file.size > IMAGE_BYTES and found.files.thumbnail_256 is not None:
            file = found.files.thumbnail_256
        data = self._get(file.url, IMAGE_BYTES)
        _check_image(data)
        note = {
            "isic_id": found.isic_id,
            "licence": LICENCE,
            "licence_url": LICENCE_URL,
            "attribution": found.attribution,
            "diagnosis": found.diagnosis,
            "url": f"{self._api}/images/{found.isic_id}/",
            # The query of a file's address is a signature that expires within hours.
            "file_url": file.url.partition("?")[0],
            "retrieved": datetime.now(UTC).date().isoformat(),
        }
        path.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(note), indent=2) + b"\n")
        # The image appears under its name only when it is whole, so an interrupted run can be taken up again.
        part = path.with_suffix(".part")
        part.write_bytes(data)
        part.replace(path)

    def _get(self, url: str, limit: int, params: dict[str, str] | None = None) -> bytes:
        """The body of an answer, at most `limit` bytes; tries again when the server is busy or the line breaks."""
        attempt = 1
        while True:
            try:
                return self._get_once(url, limit, params)
            except (_Busy, self._httpx.TransportError) as error:
                if attempt == _ATTEMPTS:
                    host = urlsplit(url).hostname
                    raise Unavailable(f"cannot reach {host} ({str(error) or type(error).__name__})") from error
                asked = error.wait if isinstance(error, _Busy) else None
                time.sleep(min(asked if asked is not None else 0.5 * 2 ** (attempt - 1), _LONGEST_WAIT_S))
                attempt += 1

    def _get_once(self, url: str, limit: int, params: dict[str, str] | None) -> bytes:
        try:
            _check_address(url)
        except ValueError as error:
            raise _Unusable(str(error)) from error
        began = time.monotonic()
        headers = {"User-Agent": USER_AGENT}
        with self._client.stream("GET", url, params=params, headers=headers, follow_redirects=False) as answer:
            if answer.status_code == 429 or answer.status_code >= 500:
                raise _Busy(answer.status_code, answer.headers.get("Retry-After", ""))
            if answer.status_code != 200:
                raise _Unusable(f"{urlsplit(url).hostname} answered {answer.status_code}")
            body = bytearray()
            for chunk in answer.iter_bytes(64 * 1024):
                body += chunk
                if len(body) > limit:
                    raise _Unusable(f"the answer is larger than {limit / 1024 / 1024:.0f} MB")
                if time.monotonic() - began > DEADLINE_S:
                    raise _Unusable(f"the answer took longer than {DEADLINE_S:.0f} s")
        return bytes(body)


class _Busy(Exception):
    """The server asks to come back later."""

    def __init__(self, status: int, retry_after: str) -> None:
        super().__init__(f"it answered {status}")
        self.wait = float(retry_after) if retry_after.isdecimal() else None
        """Seconds that the server asks for; None when it does not say."""


def _complete(folder: Path) -> list[Path]:
    """Images that are there with their note."""
    return sorted(
        path for path in folder.glob("ISIC_*.jpg") if _ID.fullmatch(path.stem) and path.with_suffix(".json").exists()
    )


def _check_address(url: str) -> None:
    """Raise ValueError unless the address is https, or http on this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        raise ValueError(f"{url.partition('?')[0]!r} is not an https address")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_image(data: bytes) -> None:
    """Raise _Unusable unless the bytes are a whole JPEG of a sensible size."""
    try:
        with warnings.catch_warnings():
            # Pillow warns from 89 million pixels on; the limit here is lower and not a matter of taste.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
                if image.width * image.height > IMAGE_PIXELS:
                    raise _Unusable(f"its {image.width} x {image.height} pixels are too many")
                image.load()
    except (OSError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _Unusable(f"it cannot be decoded ({error})") from error
