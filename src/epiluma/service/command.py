"""`epiluma serve`: everything is made ready and checked first; only then does the server listen."""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from epiluma.service import config
from epiluma.service.config import Configuration, ConfigurationError

REQUEST_THREADS = 512
"""Per worker, started when needed. A slow visitor holds one of these while its photo arrives, and nothing else: the
network's turn is taken only once the whole photo is there. A proxy in front that buffers uploads holds none."""
_SHUTDOWN_SECONDS = 10


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    demo: bool = False,
    data_dir: Path | None = None,
    bundle: Path | None = None,
    workers: int = 1,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the web page until SIGTERM or SIGINT.

    Arguments override the EPILUMA_* variables. Raises ConfigurationError, BundleError or SessionError, each one line
    for a person, before anything listens.
    """
    configuration = prepare(host=host, demo=demo, data_dir=data_dir, bundle=bundle)
    _refuse_busy_port(host, port)
    _announce(configuration, f"http://{_in_url(host)}:{port}", say)
    _listen(host, port, workers)


def prepare(
    *, host: str = "127.0.0.1", demo: bool = False, data_dir: Path | None = None, bundle: Path | None = None
) -> Configuration:
    """Check the settings and the bundle, then bring database, accounts and static files up to date."""
    _export(demo=demo, data_dir=data_dir, bundle=bundle)
    configuration = config.read()
    if configuration.demo and host not in ("127.0.0.1", "localhost", "::1"):
        raise ConfigurationError(
            f"demo mode signs visitors in without a password and serves this machine only: --host {host} is refused"
        )
    for folder in (configuration.data_dir, configuration.uploads):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _start_django()
    _check_bundle(configuration)
    _update_database(configuration)
    _update_files(configuration)
    return configuration


def create_account(*, email: str, password: str, name: str = "", data_dir: Path | None = None) -> None:
    """Add a user to the default clinic. Raises ConfigurationError when the address is taken or the password weak."""
    _export(demo=False, data_dir=data_dir, bundle=None)
    config.read().uploads.mkdir(parents=True, exist_ok=True, mode=0o700)
    _start_django()
    from django.contrib.auth.password_validation import validate_password
    from django.core.exceptions import ValidationError
    from django.core.management import call_command

    from epiluma.service.accounts.models import User

    call_command("migrate", interactive=False, verbosity=0)
    try:
        validate_password(password)
        User.objects.create_user(email, password, name=name)
    except ValidationError as error:
        raise ConfigurationError(f"{email}: {' '.join(error.messages)}") from error


def _export(*, demo: bool, data_dir: Path | None, bundle: Path | None) -> None:
    """Put the arguments where worker processes find them: the environment."""
    if demo:
        os.environ["EPILUMA_DEMO"] = "1"
        os.environ.setdefault("EPILUMA_SECRET_KEY", secrets.token_urlsafe(config.MIN_SECRET_LENGTH))
    if data_dir is not None:
        os.environ["EPILUMA_DATA_DIR"] = str(data_dir.absolute())
    if bundle is not None:
        os.environ["EPILUMA_BUNDLE"] = str(bundle.absolute())


def _start_django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "epiluma.service.settings")
    import django

    django.setup()


def _check_bundle(configuration: Configuration) -> None:
    """Verify the bundle, its licence and its known answers, and allow the workers this bundle only."""
    from epiluma.inference.screen import Screener
    from epiluma.service.cases.screener import accepted_bundle

    bundle = accepted_bundle(configuration)
    Screener(bundle)
    os.environ["EPILUMA_BUNDLE_ID"] = bundle.id


def _update_database(configuration: Configuration) -> None:
    from django.core.management import call_command

    from epiluma.service.accounts import demo
    from epiluma.service.accounts.models import Clinic
    from epiluma.service.cases.actions import sweep_orphans

    call_command("migrate", interactive=False, verbosity=0)
    Clinic.objects.default()
    if configuration.demo:
        demo.open_accounts()
    else:
        demo.close_accounts()
    call_command("clearsessions")
    sweep_orphans()


def _update_files(configuration: Configuration) -> None:
    from django.core.management import call_command

    for remains in configuration.uploads.iterdir():  # uploads that a crash cut off
        remains.unlink()
    call_command("collectstatic", interactive=False, verbosity=0)


def _refuse_busy_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {host}:{port} ({error.strerror}); choose another with --host or --port"
            ) from error


def _announce(configuration: Configuration, address: str, say: Callable[[str], None]) -> None:
    from epiluma.service.accounts import demo

    say(f"Epiluma is at {address}  (data in {configuration.data_dir})")
    if configuration.demo:
        say(f"Demo mode: you are signed in as {demo.ACCOUNTS[0].email}. Not for real patients. Accounts to try:")
        for account in demo.ACCOUNTS:
            say(f"  {account.email}  password {account.password}")
    say("Stop with Ctrl+C.")


def _listen(host: str, port: int, workers: int) -> None:
    from django.db import connections
    from granian import Granian
    from granian.constants import Interfaces

    connections.close_all()  # a worker must not inherit an open database
    gc.collect()
    server = Granian(
        "epiluma.service.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=REQUEST_THREADS,
        websockets=False,
        log_enabled=False,
        respawn_failed_workers=True,
        workers_kill_timeout=_SHUTDOWN_SECONDS,
    )
    with contextlib.suppress(KeyboardInterrupt):
        server.serve()


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
