"""What the service is told from outside: one frozen record, read from the environment once."""

from __future__ import annotations

import difflib
import os
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from epiluma.errors import EpilumaError

PREFIX = "EPILUMA_"
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")
MIN_SECRET_LENGTH = 50
MAX_UPLOAD_BYTES = 32 * 1024 * 1024
"""A photo larger than this is refused before it is read."""

_FLAGS = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


class ConfigurationError(EpilumaError):
    """A setting that is missing or cannot be used; the message names it and says what to set."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Every setting of the service. `docs/how-to/serve.md` describes each."""

    data_dir: Path
    """Holds the database, the photos and the collected static files."""
    demo: bool = False
    """Visitors on this machine are signed in without a password; never for real patients."""
    secret_key: str = ""
    """Signs sessions and forms. Empty in demo mode: a new one is made at each start."""
    allowed_hosts: tuple[str, ...] = LOOPBACK_HOSTS
    bundle: Path | None = None
    """The model to serve; None takes the installed one."""
    bundle_id: str = ""
    """Refuse any bundle but this one; empty accepts the one found."""
    accept_non_commercial: bool = False
    behind_proxy: bool = False
    """A reverse proxy ends TLS and sets X-Forwarded-Proto."""
    time_zone: str = "UTC"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "epiluma.sqlite3"

    @property
    def files(self) -> Path:
        """Root of the file store."""
        return self.data_dir / "files"

    @property
    def uploads(self) -> Path:
        """Large uploads while they arrive."""
        return self.data_dir / "uploads"

    @property
    def static(self) -> Path:
        """Collected and compressed static files."""
        return self.data_dir / "static"


def default_data_dir() -> Path:
    """`epiluma` under the user's data folder (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "epiluma"


def read(environment: Mapping[str, str] = os.environ) -> Configuration:
    """The configuration that the EPILUMA_* variables describe. Raises ConfigurationError."""
    _refuse_near_misses(environment)
    demo = _flag(environment, "DEMO")
    bundle = _text(environment, "BUNDLE")
    return Configuration(
        data_dir=Path(_text(environment, "DATA_DIR") or default_data_dir()).expanduser().absolute(),
        demo=demo,
        secret_key=_secret_key(environment, demo=demo),
        allowed_hosts=_allowed_hosts(environment, demo=demo),
        bundle=Path(bundle).expanduser().absolute() if bundle else None,
        bundle_id=_text(environment, "BUNDLE_ID"),
        accept_non_commercial=_flag(environment, "ACCEPT_NON_COMMERCIAL"),
        behind_proxy=_behind_proxy(environment, demo=demo),
        time_zone=_time_zone(environment),
    )


KNOWN = tuple(
    PREFIX + name
    for name in (
        "DATA_DIR",
        "DEMO",
        "SECRET_KEY",
        "ALLOWED_HOSTS",
        "BUNDLE",
        "BUNDLE_ID",
        "ACCEPT_NON_COMMERCIAL",
        "BEHIND_PROXY",
        "TIME_ZONE",
    )
)
"""Every variable that `read` understands."""


def _text(environment: Mapping[str, str], name: str) -> str:
    return environment.get(PREFIX + name, "").strip()


def _flag(environment: Mapping[str, str], name: str) -> bool:
    value = _text(environment, name).lower()
    if value not in _FLAGS:
        raise ConfigurationError(f"{PREFIX}{name} is {value!r}; use 1 or 0")
    return _FLAGS[value]


def _secret_key(environment: Mapping[str, str], *, demo: bool) -> str:
    key = _text(environment, "SECRET_KEY")
    if demo and not key:
        return ""
    if len(key) < MIN_SECRET_LENGTH or len(set(key)) < 10:
        raise ConfigurationError(
            f"{PREFIX}SECRET_KEY is {'missing' if not key else 'too weak'}: outside demo mode set it to at least "
            f'{MIN_SECRET_LENGTH} random characters (python -c "import secrets; print(secrets.token_urlsafe(50))") '
            "and keep it between starts"
        )
    return key


def _allowed_hosts(environment: Mapping[str, str], *, demo: bool) -> tuple[str, ...]:
    hosts = tuple(host.strip() for host in _text(environment, "ALLOWED_HOSTS").split(",") if host.strip())
    if demo and not set(hosts) <= set(LOOPBACK_HOSTS):
        raise ConfigurationError(f"demo mode signs visitors in without a password: unset {PREFIX}ALLOWED_HOSTS")
    return hosts or LOOPBACK_HOSTS


def _behind_proxy(environment: Mapping[str, str], *, demo: bool) -> bool:
    proxied = _flag(environment, "BEHIND_PROXY")
    if demo and proxied:  # to the server, everyone who comes through the proxy is on this machine
        raise ConfigurationError(f"demo mode signs visitors in without a password: unset {PREFIX}BEHIND_PROXY")
    return proxied


def _time_zone(environment: Mapping[str, str]) -> str:
    name = _text(environment, "TIME_ZONE") or "UTC"
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise ConfigurationError(f"{PREFIX}TIME_ZONE is {name!r}; use a name such as Europe/Lisbon") from None
    return name


def _refuse_near_misses(environment: Mapping[str, str]) -> None:
    """A misspelt setting would be ignored in silence; other EPILUMA_* variables are none of ours."""
    for name in environment:
        if name.startswith(PREFIX) and name not in KNOWN:
            near = difflib.get_close_matches(name, KNOWN, n=1, cutoff=0.9)
            if near:
                raise ConfigurationError(f"unknown setting {name}; did you mean {near[0]}?")
