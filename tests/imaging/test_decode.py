"""Every kind of photo that is accepted, and every kind of file that must not hurt."""

from __future__ import annotations

import io
import re
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from epiluma.imaging.containers import exif_orientation, read_container
from epiluma.imaging.decode import PhotoError, decode_photo
from tests.imaging.files import SIZE, chunk, encoded, many_scans, picture, png


def difference(found: Image.Image, expected: Image.Image) -> float:
    """Mean difference of two pictures of the same size, grey levels."""
    assert found.size == expected.size
    return float(np.abs(np.asarray(found, np.int16) - np.asarray(expected.convert("RGB"), np.int16)).mean())


# --- What is accepted ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file_format", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95}, 2),
        ("JPEG", {"quality": 95, "progressive": True}, 2),
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 3),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "tiff_adobe_deflate"}, 0),
        ("TIFF", {"compression": "packbits"}, 0),
    ],
)
def test_every_format_gives_its_pixels(file_format: str, options: dict[str, object], tolerance: float) -> None:
    decoded = decode_photo(encoded(picture(), file_format, **options))
    assert (decoded.format, decoded.width, decoded.height) == (file_format, *SIZE)
    assert difference(decoded.image, picture()) <= tolerance


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_honoured_as_pillow_does(file_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"tiffinfo": exif} if file_format == "TIFF" else {"exif": exif}
    data = encoded(picture(), file_format, **options)
    if file_format == "TIFF":  # Pillow turns a TIFF by itself while loading
        expected = Image.open(io.BytesIO(data)).convert("RGB")
    else:
        expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    decoded = decode_photo(data)
    assert (decoded.width, decoded.height) == expected.size
    assert difference(decoded.image, expected) == 0


@pytest.mark.parametrize("order", ["<", ">"])
def test_orientation_in_both_byte_orders(order: str) -> None:
    mark = b"II" if order == "<" else b"MM"
    block = mark + struct.pack(f"{order}HIHHHIHH", 42, 8, 1, 0x0112, 3, 1, 6, 0)
    assert exif_orientation(block) == 6


@given(st.binary(max_size=80))
def test_orientation_of_anything_is_one_to_eight(noise: bytes) -> None:
    assert 1 <= exif_orientation(b"II*\0" + noise) <= 8


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA", "CMYK"])
def test_colour_modes_become_rgb(mode: str) -> None:
    data = encoded(picture().convert(mode), "TIFF")
    assert difference(decode_photo(data).image, picture().convert(mode)) <= 1


def test_cmyk_jpeg_has_the_right_colours() -> None:
    for colour in ((250, 10, 10), (10, 250, 10), (10, 10, 250), (240, 240, 240)):
        data = encoded(Image.new("RGB", SIZE, colour).convert("CMYK"), "JPEG", quality=95)
        assert b"Adobe" in data
        assert np.abs(np.asarray(decode_photo(data).image, int).mean((0, 1)) - colour).max() < 6


@pytest.mark.parametrize("colour", [0, 2])
def test_sixteen_bits_are_scaled_not_clipped(colour: int) -> None:
    samples = np.linspace(0, 65535, 64 * 48).astype(">u2").reshape(48, 64)
    planes = samples if colour == 0 else np.repeat(samples[:, :, None], 3, axis=2)
    rows = b"".join(b"\0" + row.tobytes() for row in planes)
    header = struct.pack(">IIBBBBB", 64, 48, 16, colour, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    found = np.asarray(decode_photo(data).image, int)
    assert np.abs(found - (samples.astype(int) / 257)[:, :, None]).max() <= 1


@pytest.mark.parametrize(("file_format", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("PNG", "P"), ("WEBP", "RGBA")])
def test_transparent_parts_become_white(file_format: str, mode: str) -> None:
    clear = Image.new("RGBA", SIZE, (200, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 45, 60))
    if mode == "P":
        palette = Image.new("P", SIZE, 1)
        palette.putpalette([0, 0, 0, 200, 0, 0])
        palette.paste(0, (0, 0, 45, 60))
        data = encoded(palette, "PNG", transparency=1)
    else:
        data = encoded(clear.convert(mode), file_format, **({"lossless": True} if file_format == "WEBP" else {}))
    found = np.asarray(decode_photo(data).image)
    assert found[:, :45].max() == 0
    assert found[:, 45:].min() == 255


@pytest.mark.parametrize("file_format", ["WEBP", "TIFF", "PNG"])
def test_first_of_several_frames_is_taken(file_format: str) -> None:
    second = ImageOps.invert(picture())
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = encoded(picture(), file_format, save_all=True, append_images=[second], **options)
    assert difference(decode_photo(data).image, picture()) == 0


def test_large_jpeg_is_decoded_at_a_fraction_that_keeps_twice_the_side() -> None:
    data = encoded(picture((1600, 1200)), "JPEG")
    decoded = decode_photo(data, shorter_side=224)
    assert (decoded.width, decoded.height) == (1600, 1200)
    assert decoded.image.size == (800, 600)
    assert difference(decoded.image, picture((800, 600))) < 3
    assert decode_photo(data).image.size == (1600, 1200)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_fraction_has_the_colours_and_the_turn_of_the_whole(mode: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture((1600, 1200)).convert(mode), "JPEG", quality=95, exif=exif)
    whole, fraction = decode_photo(data), decode_photo(data, shorter_side=100)
    assert (fraction.width, fraction.height) == (whole.width, whole.height) == whole.image.size
    assert min(fraction.image.size) == 300
    assert difference(fraction.image, whole.image.reduce(4)) < 2


def test_metadata_never_reaches_a_parser() -> None:
    """Two EXIF blocks of 5,000 entries of 60 kB each: Pillow would load them all, so it must not see them."""
    entries = b"".join(struct.pack("<HHII", tag, 7, 60_000, 8) for tag in range(5_000))
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 5_000) + entries
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    plain = encoded(picture(), "JPEG")
    laden = plain[:2] + segment * 2 + plain[2:]
    assert read_container(laden).data == read_container(plain).data
    assert b"Exif" not in read_container(laden).data
    assert difference(decode_photo(laden).image, decode_photo(plain).image) == 0


# --- What is refused, each with its reason --------------------------------------------------------------------------


def _refused() -> dict[str, tuple[bytes, str]]:
    jpeg = encoded(picture((600, 450)), "JPEG", quality=95)
    ordinary = encoded(picture(), "JPEG")
    sof = ordinary.index(b"\xff\xc0")
    return {
        "empty": (b"", "empty"),
        "text": (b"This is not a photo.\n" * 50, "not a photo"),
        "gif": (encoded(picture(), "GIF"), "not a photo"),
        "heic": (b"\0\0\0\x18ftypheic" + bytes(100), "HEIC"),
        "too large": (bytes(64_000_001), "larger than 64 MB"),
        **{f"jpeg cut at {at}": (jpeg[:at], "cut off") for at in (3, 4, 30, 200, 1_000, len(jpeg) // 2, len(jpeg) - 2)},
        "png cut": (encoded(picture(), "PNG")[:-30], "cut off"),
        "webp cut": (encoded(picture(), "WEBP")[:-30], "cut off"),
        "bmp cut": (encoded(picture(), "BMP")[:-30], "cut off"),
        "tiff cut": (encoded(picture(), "TIFF")[:-30], "cut off"),
        "png without pixels": (png(10, 10)[:33] + chunk(b"IEND", b""), "cut off"),
        "two headers": (png(10, 10, extra=chunk(b"IHDR", struct.pack(">IIBBBBB", 9_000, 9_000, 8, 2, 0, 0, 0))), "cut"),
        "large png": (png(20_000, 20_000), "20,000 x 20,000 pixels"),
        "long png": (png(40_000, 2), "40,000 x 2 pixels"),
        "webp canvas": (_claim_canvas(encoded(picture(), "WEBP", exif=b"II*\0\x08\0\0\0\0\0")), "too many to open"),
        "100 scans": (many_scans((400, 300), 5, 100), "passes"),
        "arithmetic jpeg": (ordinary[: sof + 1] + b"\xc9" + ordinary[sof + 2 :], "rare way"),
        "12-bit jpeg": (ordinary[: sof + 4] + b"\x0c" + ordinary[sof + 5 :], "rare way"),
        "fax tiff": (encoded(picture().convert("1"), "TIFF", compression="group4"), "rare way"),
        "jpeg in tiff": (encoded(picture(), "TIFF", compression="jpeg"), "rare way"),
        "float tiff": (encoded(picture().convert("F"), "TIFF"), "rare way"),
        "run-length bmp": (_rle_bmp(), "rare way"),
        "endless png chunks": (png(4, 4)[:33] + chunk(b"teXt", b"") * 25_000, "rare way"),
        "endless jpeg segments": (b"\xff\xd8" + b"\xff\xfe\0\2" * 25_000, "rare way"),
        "jpeg of fill bytes": (b"\xff\xd8" + b"\xff" * 200_000, "cut off"),
    }


def _claim_canvas(webp: bytes) -> bytes:
    at = webp.index(b"VP8X") + 12
    return webp[:at] + b"\xff\x3f\0\xff\x3f\0" + webp[at + 6 :]


def _rle_bmp() -> bytes:
    data = bytearray(encoded(picture().convert("P"), "BMP"))
    data[30] = 1
    return bytes(data)


REFUSED = _refused()


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_reason(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(PhotoError, match=re.escape(reason)) as caught:
        decode_photo(data)
    assert caught.value.reason.endswith((".", ")."))


SEEDS = [
    encoded(picture(), "JPEG"),
    encoded(picture(), "JPEG", progressive=True),
    encoded(picture().convert("CMYK"), "JPEG"),
    encoded(picture(), "PNG"),
    encoded(picture().convert("P"), "PNG"),
    encoded(picture(), "WEBP"),
    encoded(picture(), "WEBP", save_all=True, append_images=[picture().rotate(180)]),
    encoded(picture(), "BMP"),
    encoded(picture(), "TIFF"),
    encoded(picture(), "TIFF", compression="packbits"),
]


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    st.floats(0.2, 1),
)
def test_damage_anywhere_gives_a_photo_or_a_reason(seed: bytes, changes: list[tuple[float, int]], kept: float) -> None:
    data = bytearray(seed)
    for where, value in changes:
        data[int(where**3 * (len(data) - 1))] = value  # headers come first: change them most
    try:
        decoded = decode_photo(bytes(data[: int(len(data) * kept) + 1]))
    except PhotoError:
        return
    assert decoded.image.mode == "RGB"
