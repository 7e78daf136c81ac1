"""A polite client of the ISIC Archive: search, page after page, and one file after another.

Speaks version 2 of the archive's API (https://api.isic-archive.com/api/docs/swagger/): `images/search/` gives
pages of results with a cursor; every result names its licence, its attribution and where its files are.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urljoin, urlsplit

import msgspec

from epiluma import __version__
from epiluma.errors import EpilumaError
from epiluma.http_rules import BadAddress, check_scheme, parts_of, seconds_of
from epiluma.imaging.containers import PhotoError, read_container
from epiluma.imaging.decode import decode_photo

if TYPE_CHECKING:
    import httpx

API = "https://api.isic-archive.com/api/v2"
USER_AGENT = f"epiluma/{__version__} (+https://github.com/epiluma/epiluma)"
IMAGE_ID = re.compile(r"ISIC_\d{7,9}")

PAGE_SIZE = 100
"""Results per page; the archive gives no more."""
PAGE_BYTES = 4 * 1024 * 1024
IMAGE_BYTES = 20 * 1024 * 1024
IMAGE_PIXELS = 40_000_000
TIMEOUT_S = 20.0
DEADLINE_S = 120.0
"""Longest that one answer may take to arrive in full; a server that drips is given up on."""
PAUSE_S = 0.2
"""Rest between two downloads."""
BACKOFF_S = 0.5
"""First wait before trying again; doubled each time."""
LONGEST_WAIT_S = 60.0
"""A server that asks for a longer rest is left alone until the user comes back."""

_REDIRECTS = 3
_OWN_HOSTS = ".isic-archive.com"


class ArchiveError(EpilumaError):
    """The archive cannot be used now; the message says why."""


class Unusable(EpilumaError):
    """One image that is left out, and why; asking again would change nothing."""


class Refused(Unusable):
    """The server does not give one file today; it may tomorrow."""


class File(msgspec.Struct, frozen=True):
    """Where one file is, and its size in bytes as the archive states it."""

    url: str
    size: int


class Files(msgspec.Struct, frozen=True):
    """The files of one image."""

    full: File
    thumbnail_256: File | None = None


class Found(msgspec.Struct, frozen=True):
    """One result of a search; fields that are not used here are ignored."""

    isic_id: str
    copyright_license: str
    files: Files
    attribution: str | None = None
    metadata: dict[str, Any] = {}


class Page(msgspec.Struct, frozen=True):
    """Some results of a search."""

    results: list[Found]
    count: int | None = None
    """Results on all pages; on the first page only."""
    next: str | None = None


class Archive:
    """A session that asks one thing at a time, rests between downloads and backs off when the server is busy."""

    def __init__(self, api: str = API, client: httpx.Client | None = None, *, attempts: int = 3) -> None:
        """`client` stays the caller's. Raises BadAddress, and ArchiveError when httpx is not installed."""
        self.api = api.rstrip("/")
        self._home = parts_of(self.api)
        check_scheme(self._home)
        try:
            import httpx
        except ImportError as error:
            raise ArchiveError("fetching needs httpx (pip install 'epiluma[service]')") from error
        self._httpx = httpx
        self._attempts = attempts
        self._borrowed = client is not None
        self._client = client if client is not None else httpx.Client(timeout=TIMEOUT_S)
        self._rested = 0.0

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._borrowed:
            self._client.close()

    def pages(self, query: str, *, page_size: int = PAGE_SIZE) -> Iterator[Page]:
        """The results of a search, in the archive's order. Raises ArchiveError."""
        params = {"query": query, "limit": str(page_size)}
        seen = set()
        while True:
            try:
                raw = self._get(f"{self.api}/images/search/", PAGE_BYTES, params)
                page = msgspec.json.decode(raw, type=Page)
            except (Unusable, msgspec.DecodeError, UnicodeDecodeError) as error:
                raise ArchiveError(f"{self.api} did not answer with search results to {query!r} ({error})") from error
            yield page
            # Only the cursor is taken from the link: where it leads is for us to say, not for the answer.
            cursor = parse_qs(urlsplit(page.next or "").query).get("cursor", [""])[0]
            if not cursor:
                return
            if cursor in seen:
                raise ArchiveError(f"{self.api} gives the same page of {query!r} again and again")
            seen.add(cursor)
            params["cursor"] = cursor

    def download(self, url: str) -> bytes:
        """A file that a result names, of at most IMAGE_BYTES. Raises Unusable or ArchiveError."""
        time.sleep(max(0.0, self._rested - time.monotonic()))
        try:
            return self._get(url, IMAGE_BYTES, redirects=_REDIRECTS)
        finally:
            self._rested = time.monotonic() + PAUSE_S

    def _get(self, url: str, limit: int, params: dict[str, str] | None = None, *, redirects: int = 0) -> bytes:
        """The body of an answer, at most `limit` bytes; tries again when the server is busy or the line breaks."""
        attempt = 1
        while True:
            try:
                return self._get_once(url, limit, params, redirects)
            except (_Busy, self._httpx.TransportError) as error:
                wait = BACKOFF_S * 2.0 ** (attempt - 1)
                if isinstance(error, _Busy) and error.wait is not None:
                    wait = error.wait
                if attempt == self._attempts or wait > LONGEST_WAIT_S:
                    host = urlsplit(url).hostname
                    raise ArchiveError(f"cannot reach {host} ({str(error) or type(error).__name__})") from error
                time.sleep(wait)
                attempt += 1
            except (self._httpx.InvalidURL, self._httpx.DecodingError) as error:
                raise Refused(f"its answer cannot be read ({error})") from error

    def _get_once(self, url: str, limit: int, params: dict[str, str] | None, redirects: int) -> bytes:
        self._check(url)
        began = time.monotonic()
        headers = {"User-Agent": USER_AGENT}
        with self._client.stream("GET", url, params=params, headers=headers, follow_redirects=False) as answer:
            if answer.status_code == 429 or answer.status_code >= 500:
                raise _Busy(answer.status_code, answer.headers.get("Retry-After", ""))
            if answer.has_redirect_location and redirects:
                further = urljoin(url, answer.headers["Location"])
            elif answer.status_code != 200:
                raise Refused(f"{urlsplit(url).hostname} answered {answer.status_code}")
            else:
                return _body(answer, limit, began)
        return self._get_once(further, limit, None, redirects - 1)

    def _check(self, url: str) -> None:
        """Raise Unusable for an address that neither the user nor the archive may send us to."""
        try:
            parts = parts_of(url)
            check_scheme(parts)
        except BadAddress as error:
            raise Unusable(str(error)) from error
        host = parts.hostname or ""
        known = host == self._home.hostname or (parts.scheme == "https" and host.endswith(_OWN_HOSTS))
        if not known and not _is_public(host):
            raise Refused(f"{host} is an address inside a private network, where no archive is")


class _Busy(Exception):
    """The server asks to come back later."""

    def __init__(self, status: int, retry_after: str) -> None:
        self.wait = seconds_of(retry_after)
        """Seconds that the server asks for; None when it does not say."""
        asks = f" and asks for a rest of {self.wait:.0f} s" if self.wait else ""
        super().__init__(f"it answered {status}{asks}")


def _body(answer: httpx.Response, limit: int, began: float) -> bytes:
    """The body as it arrives; not in larger chunks, which a drip would fill for hours."""
    body = bytearray()
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > limit:
            raise Unusable(f"the answer is larger than {limit / 1024 / 1024:.0f} MB")
        if time.monotonic() - began > DEADLINE_S:
            raise Refused(f"the answer took longer than {DEADLINE_S:.0f} s")
    return bytes(body)


def _is_public(host: str) -> bool:
    """Whether a host is on the open internet: an answer must not lead into the network that we are in."""
    try:
        return ip_address(host).is_global
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return True  # behind a proxy names are not resolved here; without one the request fails by itself
    return all(ip_address(str(address[0]).partition("%")[0]).is_global for *_, address in found)


def check_photo(data: bytes) -> None:
    """Raise Unusable unless the bytes are a whole JPEG of at most IMAGE_PIXELS pixels."""
    try:
        container = read_container(data)
        if container.format != "JPEG":
            raise Unusable(f"it is a {container.format}, not a JPEG")
        if container.width * container.height > IMAGE_PIXELS:
            raise Unusable(f"its {container.width} x {container.height} pixels are too many")
        # At an eighth of its size a JPEG is still read to its end, which is what is asked here.
        decode_photo(data, shorter_side=64)
    except PhotoError as error:
        raise Unusable(f"it cannot be decoded ({error.reason})") from error


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that appears under its name only when it is whole: `path` with `.part` first, then renamed."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
