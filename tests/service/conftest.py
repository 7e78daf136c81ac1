"""The cast (owner, teammate, outsider), a service with the tiny bundle, and photos to send."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client
from PIL import Image

from epiluma.imaging.synthetic import draw_lesion
from epiluma.service.accounts.models import Clinic, User
from epiluma.service.cases.models import Screening
from epiluma.service.config import Configuration

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
def configuration(settings: django_settings, tmp_path: Path, tiny_bundle_path: Path) -> Configuration:
    """Each test has its own data folder; the demo's automatic sign-in is off."""
    settings.EPILUMA = dataclasses.replace(settings.EPILUMA, data_dir=tmp_path, bundle=tiny_bundle_path)
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "demo" not in name]
    return settings.EPILUMA


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
