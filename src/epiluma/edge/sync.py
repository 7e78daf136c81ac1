"""Screenings and photos to a server, each once, whatever the line and the server do: docs/reference/edge.md."""

from __future__ import annotations

import hashlib
import random
import socket
import ssl
import threading
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult

import msgspec

from epiluma import __version__
from epiluma.edge.queue import Screened
from epiluma.errors import EpilumaError
from epiluma.http_rules import check_scheme, parts_of, seconds_of
from epiluma.imaging.containers import read_container

PATH = "/api/v1/screenings"
TIMEOUT_S = 30.0
"""Longest silence of a server."""
DEADLINE_S = 300.0
"""Longest time for one photo; a server that drips is given up on."""
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 300.0
LONGEST_REST_S = 3600.0
"""A server that asks for a longer rest is tried again after this one."""
_BODY_BYTES = 64 * 1024
_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_ABOUT_THE_PHOTO = {400, 409, 410, 411, 413, 414, 415, 422, 431, 451}
"""Answers after which the same request fails again; other 4xx are about the device, its token or the address."""


class SyncError(EpilumaError):
    """A server or a token that cannot be used."""


class Server(NamedTuple):
    """Where screenings go, and the device's right to send them."""

    address: SplitResult
    token: str


class Sent(NamedTuple):
    """The server has it."""

    receipt: str
    """The server's own id for it."""


class Rejected(NamedTuple):
    """The server will not have this photo."""

    why: str


class Later(NamedTuple):
    """Try again."""

    why: str
    rest: float | None = None
    """Seconds that the server asks for."""


class _Confirmation(msgspec.Struct):
    """Body of the answer that a screening was kept."""

    id: str
    photo_sha256: str


def server_at(url: str, token_file: Path) -> Server:
    """A server and the token in a file. Raises BadAddress unless https or on this machine, and SyncError."""
    address = parts_of(url)
    check_scheme(address)
    if address.query or address.fragment or address.username:
        raise SyncError(f"{url.partition('?')[0]!r}: give scheme, host and path only")
    try:
        token = token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SyncError(f"{token_file}: the token cannot be read ({error})") from error
    if not token or any(not 33 <= ord(letter) <= 126 for letter in token):
        raise SyncError(f"{token_file}: holds no token (one line of printable letters without spaces)")
    return Server(address, token)


def send(server: Server, item: Screened) -> Sent | Rejected | Later:
    """Post one screening with its photo. A repeated call is the same request, with the same Idempotency-Key."""
    body, boundary = multipart(item)
    headers = {
        "Authorization": f"Bearer {server.token}",
        "Idempotency-Key": idempotency_key(item),
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Accept": "application/json",
        "User-Agent": f"epiluma-edge/{__version__}",
        "Connection": "close",
    }
    try:
        response, answer = _post(server, body, headers)
    except (OSError, HTTPException) as error:
        return Later(f"{server.address.hostname} cannot be reached ({error or type(error).__name__})")
    return _outcome(server, item, response, answer)


def idempotency_key(item: Screened) -> str:
    """64 hexadecimal digits, the same for the same photo and bundle: SHA-256 of both hashes with a colon between."""
    return hashlib.sha256(f"{item.sha256}:{item.bundle}".encode()).hexdigest()


def multipart(item: Screened) -> tuple[bytes, str]:
    """The body as multipart/form-data (RFC 7578), and its boundary; no byte of it depends on time or chance."""
    kind = _TYPES[read_container(item.photo).format]
    boundary = f"epiluma-{idempotency_key(item)}"  # a hash of the photo, which therefore cannot hold it
    photo = f'name="photo"; filename="{item.sha256}.{kind.removeprefix("image/")}"\r\nContent-Type: {kind}'
    parts = (
        ('name="screening"\r\nContent-Type: application/json', item.screening.encode()),
        ('name="taken_at"\r\nContent-Type: text/plain', item.taken_at.encode()),
        (photo, item.photo),
    )
    lines = [b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (boundary.encode(), head.encode(), data)
             for head, data in parts]  # fmt: skip
    return b"".join([*lines, b"--%b--\r\n" % boundary.encode()]), boundary


class Pace:
    """How long to wait after failures in a row: doubled each time, by chance up to a half shorter, at least the rest
    that the server asks for; so a hundred devices do not come back in the same second.
    """

    def __init__(self) -> None:
        self._failures = 0

    def after(self, outcome: Sent | Rejected | Later) -> float:
        """Seconds to wait before the next request."""
        if not isinstance(outcome, Later):
            self._failures = 0
            return 0.0
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._failures, 30)) * random.uniform(0.5, 1)
        self._failures += 1
        return max(wait, min(outcome.rest or 0.0, LONGEST_REST_S))


def _post(server: Server, body: bytes, headers: dict[str, str]) -> tuple[HTTPResponse, bytes]:
    """Raises OSError and HTTPException. Redirects are not followed: a token goes to the address that was given only."""
    address = server.address
    host, path = address.hostname or "", address.path.rstrip("/") + PATH
    connection: HTTPConnection
    if address.scheme == "https":
        connection = HTTPSConnection(host, address.port, timeout=TIMEOUT_S, context=ssl.create_default_context())
    else:
        connection = HTTPConnection(host, address.port, timeout=TIMEOUT_S)
    connection.connect()
    end = threading.Timer(DEADLINE_S, _hang_up, [connection.sock])
    end.daemon = True
    end.start()
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it had read everything
            connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response, response.read(_BODY_BYTES)
    finally:
        end.cancel()
        connection.close()


def _hang_up(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _outcome(server: Server, item: Screened, response: HTTPResponse, answer: bytes) -> Sent | Rejected | Later:
    status, host = response.status, server.address.hostname
    if status in (200, 201):
        try:
            said = msgspec.json.decode(answer, type=_Confirmation)
        except (msgspec.DecodeError, UnicodeDecodeError):
            said = None
        if said is None or said.photo_sha256 != hashlib.sha256(item.photo).hexdigest():
            # A sign-in page of somebody's network says 200 to everything; the photo must not go for that.
            return Later(f"{host} answered {status} without confirming the photo; is this an Epiluma server?")
        return Sent(said.id)
    why = f"{host} answered {status} ({_in_words(answer) or response.reason})"
    if status in _ABOUT_THE_PHOTO:
        return Rejected(why)
    if status in (401, 403):
        why += "; give this device a token that is valid"
    elif 300 <= status < 400:
        why += f"; give the address it leads to ({response.headers.get('Location', 'not said')})"
    return Later(why, seconds_of(response.headers.get("Retry-After", "")))


def _in_words(answer: bytes) -> str:
    """What a person can read of an answer's body: one line, not long, nothing that moves a terminal's cursor."""
    text = answer[:500].decode(errors="replace")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
