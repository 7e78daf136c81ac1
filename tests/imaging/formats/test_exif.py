"""What a camera wrote is read as Pillow reads it, and whatever else the bytes are costs nothing."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from epiluma.imaging.decode import decode_photo
from epiluma.imaging.formats import exif

WRITTEN = {
    exif.FOCAL_LENGTH: IFDRational(60, 1),
    exif.SUBJECT_DISTANCE: IFDRational(1, 2),
    exif.RESOLUTION_ACROSS: IFDRational(60000, 36),
    exif.RESOLUTION_UNIT: 3,
    exif.PIXELS_ACROSS: 6000,
}


def block() -> bytes:
    """A TIFF structure as Pillow writes it."""
    tags = Image.Exif()
    tags.get_ifd(0x8769).update(WRITTEN)
    return tags.tobytes().removeprefix(b"Exif\0\0")


def test_numbers_are_those_that_were_written() -> None:
    assert exif.camera_numbers(block()) == pytest.approx({tag: float(value) for tag, value in WRITTEN.items()})


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_they_come_with_the_photo(kind: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 6)).save(file, kind, exif=b"Exif\0\0" + block())
    assert decode_photo(file.getvalue()).camera[exif.FOCAL_LENGTH] == 60


@given(st.binary(max_size=300), st.sampled_from([b"II*\0", b"MM\0*", b""]))
def test_any_bytes_give_numbers_or_nothing(rest: bytes, head: bytes) -> None:
    assert all(isinstance(value, float) for value in exif.camera_numbers(head + rest).values())


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_changed_byte_does_no_harm(at: int, value: int) -> None:
    changed = bytearray(block())
    changed[at % len(changed)] = value
    exif.camera_numbers(bytes(changed))


def test_a_list_that_points_at_itself_is_read_once_more_and_no_further() -> None:
    entry = struct.pack(">HHII", 0x8769, 4, 1, 8)
    assert exif.camera_numbers(struct.pack(">2sHI", b"MM", 42, 8) + struct.pack(">H", 1) + entry + bytes(4)) == {}


def test_a_denominator_of_zero_and_a_tag_of_many_values_are_left_out() -> None:
    rational = struct.pack("<HHII", exif.FOCAL_LENGTH, 5, 1, 100)
    many = struct.pack("<HHII", exif.PIXELS_ACROSS, 4, 2**31, 100)
    lists = struct.pack("<H", 1) + struct.pack("<HHII", 0x8769, 4, 1, 26) + bytes(4)
    camera = struct.pack("<H", 2) + rational + many + bytes(4)
    data = struct.pack("<2sHI", b"II", 42, 8) + lists + camera
    assert exif.camera_numbers(data.ljust(100, b"\0") + struct.pack("<II", 60, 0)) == {}
