"""A photo goes in: kept without metadata, or refused with a reason and nothing kept."""

from __future__ import annotations

import io
import json
import struct
import zlib

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image, ImageOps

from epiluma.imaging.synthetic import draw_lesion
from epiluma.service.cases import actions
from epiluma.service.cases.models import BundleRecord, Photo, Screening
from epiluma.service.config import Configuration

PLANTED = b"SECRET-Ada-51.5074N"


def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_lesion(3, size=(300, 220)).image).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def huge_png(side: int = 20_000) -> bytes:
    """A few kB that ask for 1.2 GB of pixels."""

    def chunk(name: bytes, payload: bytes) -> bytes:
        return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * (3 * side + 1) * 10, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


HOSTILE = {
    "empty": b"",
    "text named .jpg": b"this is not a photo\n" * 50,
    "truncated JPEG": encoded("JPEG")[:2000],
    "truncated PNG": encoded("PNG")[:2000],
    "huge PNG": huge_png(),
    "BMP, which the page does not take": encoded("BMP"),
    "GIF": encoded("GIF", "P"),
    "JPEG header and nothing else": b"\xff\xd8\xff\xe0",
    "HTML with a JPEG's first bytes": b"\xff\xd8\xff<script>alert(1)</script>",
}


def send(client: Client, data: bytes, name: str = "mark.jpg", **headers: str) -> object:
    return client.post("/", {"photo": SimpleUploadedFile(name, data, "image/jpeg")}, headers=headers or None)


def stored_files(configuration: Configuration) -> list[str]:
    return sorted(path.name for path in configuration.files.rglob("*") if path.is_file())


def test_a_photo_is_screened_kept_and_shown(
    owner_client: Client, photo_bytes: bytes, configuration: Configuration
) -> None:
    response = send(owner_client, photo_bytes, "../../Ada Lovelace's arm.jpg")
    screening = Screening.objects.get()
    assert response.status_code == 302
    assert response["Location"] == f"/screenings/{screening.pk}/"
    assert screening.clinic == screening.photo.clinic == screening.photo.owner.clinic
    assert (screening.photo.width, screening.photo.height) == (220, 300), "upright, as the EXIF orientation says"
    assert stored_files(configuration) == ["original", "thumbnail"]
    assert "Lovelace" not in json.dumps(screening.result), "names of files carry names of people"
    assert "Lovelace" not in owner_client.get(response["Location"]).content.decode()


def test_the_page_s_own_module_gets_json(owner_client: Client, photo_bytes: bytes) -> None:
    response = send(owner_client, photo_bytes, Accept="application/json")
    assert response.status_code == 201
    assert response.json() == {"url": f"/screenings/{Screening.objects.get().pk}/"}


def test_the_camera_s_field_works_like_the_other(owner_client: Client, photo_bytes: bytes) -> None:
    response = owner_client.post("/", {"camera": SimpleUploadedFile("image.jpg", photo_bytes, "image/jpeg")})
    assert response.status_code == 302


def test_metadata_is_gone_and_pixels_are_not(
    owner_client: Client, photo_bytes: bytes, configuration: Configuration
) -> None:
    assert PLANTED in photo_bytes
    send(owner_client, photo_bytes)
    for path in configuration.data_dir.rglob("*"):
        if path.is_file():
            assert PLANTED not in path.read_bytes(), path
    photo = Photo.objects.get()
    with actions.file_store().open(photo.key("original")) as file:
        kept = ImageOps.exif_transpose(Image.open(file))
    sent = ImageOps.exif_transpose(Image.open(io.BytesIO(photo_bytes)))
    np.testing.assert_array_equal(np.asarray(kept), np.asarray(sent))


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGB"), ("PNG", "L"), ("WEBP", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("JPEG", "L")]
)
def test_every_accepted_kind(owner_client: Client, kind: str, mode: str) -> None:
    response = send(owner_client, encoded(kind, mode))
    assert response.status_code == 302
    photo = Photo.objects.get()
    assert photo.format == kind
    served = owner_client.get(f"/photos/{photo.pk}/original/")
    assert served["Content-Type"] == f"image/{kind.lower()}"
    assert Image.open(io.BytesIO(b"".join(served.streaming_content))).size == (300, 220)
    small = b"".join(owner_client.get(f"/photos/{photo.pk}/thumbnail/").streaming_content)
    assert Image.open(io.BytesIO(small)).size == (320, 240)


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_hostile_files_are_refused_and_nothing_is_kept(
    owner_client: Client, data: bytes, accept: str, configuration: Configuration
) -> None:
    response = send(owner_client, data, Accept=accept)
    assert response.status_code == 422
    if accept == "application/json":
        assert response.json()["error"].endswith(".")
        assert "Traceback" not in response.json()["error"]
    else:
        page = response.content.decode()
        assert "This photo could not be used." in page
        assert "Nothing was kept." in page
    assert not Photo.objects.exists()
    assert not Screening.objects.exists()
    assert stored_files(configuration) == []


def test_no_photo_at_all(owner_client: Client) -> None:
    response = owner_client.post("/")
    assert response.status_code == 400
    assert "Choose one first" in response.content.decode()


def test_too_large_is_refused_by_its_announced_length(
    owner_client: Client, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("epiluma.service.middleware.MAX_UPLOAD_BYTES", 1 << 20)
    for accept in ("text/html", "application/json"):
        response = send(owner_client, b"\xff\xd8\xff" + b"x" * (2 << 20), Accept=accept)
        assert response.status_code == 413
        assert "This photo is too large." in response.content.decode()
        assert "smaller than 32 MB" in response.content.decode()
    assert list(configuration.data_dir.rglob("*")) == []


def test_too_large_is_refused_when_sent(owner_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("epiluma.service.cases.views.MAX_UPLOAD_BYTES", 1 << 20)
    response = send(owner_client, b"\xff\xd8\xff" + b"x" * (1 << 20), Accept="application/json")
    assert response.status_code == 413
    assert response.json() == {"error": "The photo is larger than 1 MB."}
    assert not Photo.objects.exists()


def test_a_crash_while_keeping_leaves_nothing(
    owner_client: Client, photo_bytes: bytes, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner_client.raise_request_exception = False

    def full(**values: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Screening.objects, "create", full)
    response = send(owner_client, photo_bytes)
    assert response.status_code == 500
    assert "Something went wrong on our side." in response.content.decode()
    assert not Photo.objects.exists()
    assert not BundleRecord.objects.exists()
    assert stored_files(configuration) == []


def test_an_example_is_screened_like_a_photo(owner_client: Client) -> None:
    page = owner_client.get("/").content.decode()
    [first, *others] = [part.split('"')[0] for part in page.split('name="example" value="')[1:]]
    assert len(others) == 5
    small = owner_client.get(f"/examples/{first}/")
    assert Image.open(io.BytesIO(small.content)).size == (320, 240)
    assert owner_client.post("/examples/", {"example": first}).status_code == 302
    assert Screening.objects.count() == 1


@pytest.mark.parametrize("name", ["", "nothing", "../epiluma.sqlite3"])
def test_an_unknown_example_is_not_there(owner_client: Client, name: str) -> None:
    assert owner_client.post("/examples/", {"example": name}).status_code == 404
