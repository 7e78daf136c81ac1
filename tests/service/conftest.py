"""The cast (owner, teammate, outsider), a service with the tiny bundle, and photos to send."""

from __future__ import annotations

import dataclasses
import io
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import translation
from PIL import Image

from epiluma.imaging.synthetic import draw_lesion
from epiluma.service.accounts.models import Clinic, User
from epiluma.service.cases.models import Screening
from epiluma.service.config import Configuration

SERVE = """
import sys
from pathlib import Path
from epiluma.service.command import serve
serve(port=int(sys.argv[1]), demo=True, data_dir=Path(sys.argv[2]), bundle=Path(sys.argv[3]))
"""
PLANTED = "SECRET-Ada-51.5074N"
"""Written into the metadata of `photo_bytes`."""


@pytest.fixture(scope="session")
def photo_bytes() -> bytes:
    """A drawn lesion as a phone would save it: place and owner in EXIF, a comment, turned by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x013B] = PLANTED
    exif.get_ifd(0x8825)[29] = PLANTED
    buffer = io.BytesIO()
    drawn = Image.fromarray(draw_lesion(7, diagnosis="MEL", size=(300, 220)).image)
    drawn.save(buffer, "JPEG", quality=90, exif=exif, comment=PLANTED)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def configuration(settings: django_settings, tmp_path: Path, tiny_bundle_path: Path) -> Iterator[Configuration]:
    """Each test has its own data folder and starts in English; the demo's automatic sign-in is off."""
    settings.EPILUMA = dataclasses.replace(settings.EPILUMA, data_dir=tmp_path, bundle=tiny_bundle_path)
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "demo" not in name]
    with translation.override("en"):  # a request in another language would last beyond its test
        yield settings.EPILUMA


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_user("owner@one.example", "correct horse", name="Olive Owner")


@pytest.fixture
def teammate(db: None) -> User:
    """Another user of the owner's clinic."""
    return User.objects.create_user("teammate@one.example", "correct horse")


@pytest.fixture
def outsider(db: None) -> User:
    """A user of another clinic."""
    return User.objects.create_user(
        "outsider@two.example", "correct horse", clinic=Clinic.objects.create(name="Another clinic")
    )


@pytest.fixture
def owner_client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def kept(owner: User, photo_bytes: bytes) -> Screening:
    """A screening that the owner has kept."""
    from epiluma.service.cases.actions import screen_photo

    return screen_photo(owner=owner, data=photo_bytes)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_bundle_path: Path) -> Iterator[str]:
    """`epiluma serve` in demo mode with the tiny bundle, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = tmp_path_factory.mktemp("served")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("EPILUMA_", "DJANGO_"))}
    address, errors = f"http://127.0.0.1:{port}", data / "errors.txt"
    command = [sys.executable, "-W", "error", "-c", SERVE, str(port), str(data), str(tiny_bundle_path)]
    with errors.open("wb") as stderr, subprocess.Popen(command, env=clean, stderr=stderr) as process:
        try:
            _wait_until_it_answers(f"{address}/healthz", process, errors)
            yield address
        finally:
            process.terminate()
            assert process.wait(timeout=20) == 0, "SIGTERM ends the server in an orderly way"
    said = errors.read_text()
    assert "ERROR" not in said, said
    assert "Traceback" not in said, said


def _wait_until_it_answers(address: str, process: subprocess.Popen[bytes], errors: Path) -> None:
    for _ in range(300):
        if process.poll() is not None:
            pytest.fail(f"the server stopped: {errors.read_text()}")
        try:
            urllib.request.urlopen(address, timeout=1).close()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
        else:
            return
    pytest.fail("the server did not answer within 30 seconds")
