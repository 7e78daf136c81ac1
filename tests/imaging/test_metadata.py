"""The stored file says nothing about its owner and decodes to the same pixels."""

from __future__ import annotations

import contextlib
import io
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from epiluma.imaging.containers import PhotoError
from epiluma.imaging.decode import decode_photo
from epiluma.imaging.metadata import strip_metadata

SECRET = "SECRET-Ada-51.5074N"
FORMATS = ("JPEG", "PNG", "WEBP")


def picture(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8), "RGB")
    return coarse.resize((width, height), Image.Resampling.BILINEAR).convert(mode)


def planted_exif(orientation: int) -> Image.Exif:
    """GPS, owner, device, maker note and comment, as a phone writes them."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = exif[0x013B] = exif[0x9286] = SECRET
    exif.get_ifd(0x8825)[29] = SECRET
    exif.get_ifd(0x8769)[0x927C] = SECRET.encode() * 40
    return exif


def encode(photo: Image.Image, kind: str, orientation: int = 1, **options: object) -> bytes:
    """A file with metadata in every place that the format has."""
    if kind == "JPEG":
        options |= {"comment": SECRET, "xmp": f"<x>{SECRET}</x>".encode()}
    elif kind == "PNG":
        text = PngInfo()
        text.add_text("Author", SECRET)
        text.add_itxt("XML:com.adobe.xmp", SECRET)
        text.add_text("Comment", SECRET, zip=True)
        options |= {"pnginfo": text}
    else:
        options |= {"xmp": f"<x>{SECRET}</x>".encode()}
    buffer = io.BytesIO()
    photo.save(buffer, kind, exif=planted_exif(orientation), **options)
    return buffer.getvalue() + SECRET.encode()  # trailing data, as motion photos have


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as photo:
        return np.asarray(ImageOps.exif_transpose(photo))


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(FORMATS),
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    orientation=st.integers(1, 8),
    quality=st.integers(1, 100),
    progressive=st.booleans(),
    seed=st.integers(0, 99),
)
def test_same_pixels_and_no_secret(
    *, kind: str, width: int, height: int, orientation: int, quality: int, progressive: bool, seed: int
) -> None:
    options = {"quality": quality, "progressive": progressive} if kind == "JPEG" else {}
    if kind == "WEBP":
        options = {"quality": quality, "lossless": progressive}
    before = encode(picture(width, height, seed=seed), kind, orientation, **options)
    assert SECRET.encode() in before

    after = strip_metadata(before)

    np.testing.assert_array_equal(pixels(after), pixels(before))
    np.testing.assert_array_equal(decode_photo(after).image, decode_photo(before).image)
    assert SECRET.encode() not in after
    assert b"SECRET" not in after
    assert len(after) < len(before)
    assert strip_metadata(after) == after


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("orientation", [1, 6])
def test_only_the_orientation_is_left_in_exif(kind: str, orientation: int) -> None:
    after = strip_metadata(encode(picture(40, 30), kind, orientation))
    with Image.open(io.BytesIO(after)) as photo:
        assert dict(photo.getexif()) == ({0x0112: orientation} if orientation != 1 else {})
        photo.load()
        assert not {"comment", "xmp", "Author", "XML:com.adobe.xmp", "mp"} & set(photo.info)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_colour_profile_is_kept(kind: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    after = strip_metadata(encode(picture(40, 30), kind, 3, icc_profile=profile))
    with Image.open(io.BytesIO(after)) as photo:
        assert photo.info["icc_profile"] == profile


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "CMYK"), ("JPEG", "L"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "1"), ("WEBP", "RGBA")]
)
def test_other_colour_modes(kind: str, mode: str) -> None:
    before = encode(picture(33, 21, mode), kind)
    np.testing.assert_array_equal(pixels(strip_metadata(before)), pixels(before))


def test_png_transparency_and_gamma_are_kept() -> None:
    before = encode(picture(33, 21, "P"), "PNG", transparency=0)
    after = strip_metadata(before)
    assert b"tRNS" in after
    assert b"tEXt" not in after


def test_the_jfif_thumbnail_is_dropped() -> None:
    before = encode(picture(20, 20), "JPEG")
    start = before.index(b"JFIF\0")
    thumbnail = SECRET.encode().ljust(3 * 3 * 3, b".")
    length = 2 + 14 + len(thumbnail)
    header = before[: start - 2] + length.to_bytes(2, "big") + before[start : start + 12] + b"\x03\x03" + thumbnail
    planted = header + before[start + 14 :]
    after = strip_metadata(planted)
    assert SECRET.encode() not in after
    np.testing.assert_array_equal(pixels(after), pixels(planted))


def test_second_picture_of_an_mpo_is_dropped() -> None:
    buffer = io.BytesIO()
    second = picture(16, 16, seed=2)
    picture(30, 20).save(buffer, "MPO", save_all=True, append_images=[second], exif=planted_exif(6))
    before = buffer.getvalue()
    after = strip_metadata(before)
    assert after.count(b"\xff\xd8\xff") == 1
    assert b"MPF\0" not in after
    np.testing.assert_array_equal(pixels(after), pixels(before))


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(FORMATS), share=st.floats(0, 0.98), progressive=st.booleans())
def test_a_truncated_file_is_a_clear_error(kind: str, share: float, progressive: bool) -> None:
    whole = encode(picture(80, 60), kind, **({"progressive": progressive} if kind == "JPEG" else {}))
    whole = whole[: -len(SECRET)]
    with pytest.raises(PhotoError, match=r"(cut off or damaged|not a photo)"):
        strip_metadata(whole[: int(len(whole) * share)])


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(FORMATS), changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8)
)
def test_a_damaged_file_never_gives_another_kind_of_error(kind: str, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(encode(picture(60, 40), kind, 6))
    for position, value in changes:
        damaged[position % len(damaged)] = value
    with contextlib.suppress(PhotoError):
        strip_metadata(bytes(damaged))


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"])
def test_nonsense_is_a_clear_error(data: bytes) -> None:
    with pytest.raises(PhotoError, match=r"(cut off or damaged|not a photo)"):
        strip_metadata(data)


def test_unknown_critical_png_chunk_is_refused() -> None:
    data = encode(picture(8, 8), "PNG")
    position = data.index(b"IDAT") - 4
    chunk = b"\0\0\0\0" + b"EVIL" + zlib.crc32(b"EVIL").to_bytes(4, "big")
    with pytest.raises(PhotoError, match="rare way"):
        strip_metadata(data[:position] + chunk + data[position:])


def test_an_animated_webp_is_refused() -> None:
    buffer = io.BytesIO()
    picture(20, 20).save(buffer, "WEBP", save_all=True, append_images=[picture(20, 20, seed=3)])
    with pytest.raises(PhotoError, match="rare way"):
        strip_metadata(buffer.getvalue())


def test_other_formats_are_refused() -> None:
    buffer = io.BytesIO()
    picture(8, 8).save(buffer, "BMP")
    with pytest.raises(PhotoError, match="Use JPEG, PNG or WebP"):
        strip_metadata(buffer.getvalue())
