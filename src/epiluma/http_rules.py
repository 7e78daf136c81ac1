"""Rules of our HTTP clients: which address may be asked, and how long a server wants to be left alone."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from epiluma.errors import EpilumaError


class BadAddress(EpilumaError):
    """An address that is not asked."""


def seconds_of(retry_after: str) -> float | None:
    """Retry-After in seconds: a number, or a date."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def parts_of(url: str) -> SplitResult:
    """The parts of an address. Raises BadAddress."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is none
    except ValueError as error:
        raise BadAddress(f"{url.partition('?')[0]!r} is not an https address") from error
    return parts


def check_scheme(parts: SplitResult) -> None:
    """Raise BadAddress unless the address is https, or http on this machine."""
    host = parts.hostname or ""
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        raise BadAddress(f"{parts._replace(query='', fragment='').geturl()!r} is not an https address")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
