"""Files that were made to hurt: each is decoded or refused within 2 seconds and 512 MB, and the others go on.

Those with a number of seconds took that long to decode or strip before they were bounded.
"""

from __future__ import annotations

import contextlib
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scripts.fuzz_decode import fuzz
from scripts.fuzzing.mutations import mutated, parts
from scripts.fuzzing.seeds import seeds
from scripts.fuzzing.watched import MAX_MEGABYTES, MAX_SECONDS, WatchedDecoder

from epiluma.imaging.containers import DAMAGED, RARE, PhotoError, read_container
from epiluma.imaging.decode import decode_photo
from epiluma.imaging.metadata import strip_metadata
from tests.imaging.files import SIDEWAYS, chunk, encoded, many_scans, picture, png

SEEDS = seeds()
"""Name -> a valid file of each kind."""
each_kind = pytest.mark.parametrize("kind", SEEDS)


def jpeg_with(*, header: bytes = b"", scan: bytes = b"", end: bytes = b"", progressive: bool = False) -> bytes:
    """A JPEG with more bytes in its header, in the middle of its first scan, and before EOI."""
    data = encoded(picture(), "JPEG", progressive=progressive)
    sos = data.index(b"\xff\xda")
    middle = sos + 2 + struct.unpack_from(">H", data, sos + 2)[0] + 20
    return data[:2] + header + data[2:middle] + scan + data[middle:-2] + end + data[-2:]


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def tiff(width: int, height: int, *, rows: int, strips: int) -> bytes:
    """An uncompressed grey TIFF whose strips overlap, so that many cost few bytes."""
    pixels = bytes(width * rows + strips)
    offsets, counts = 8 + len(pixels), 8 + len(pixels) + 4 * strips
    tags = [
        (256, 1, width), (257, 1, height), (258, 1, 8), (259, 1, 1), (262, 1, 1),
        (273, strips, offsets if strips > 1 else 8), (277, 1, 1), (278, 1, rows),
        (279, strips, counts if strips > 1 else width * rows),
    ]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, count, value) for tag, count, value in tags)
    lists = b"".join(struct.pack("<I", 8 + i) for i in range(strips)) + struct.pack("<I", width * rows) * strips
    start = 8 + len(pixels) + len(lists)
    return b"II*\0" + struct.pack("<I", start) + pixels + lists + struct.pack("<H", len(tags)) + entries + bytes(4)


def exif(entries: int, *, first: int = 8) -> bytes:
    """An EXIF block with many entries, each of 4 GB, whose list begins at `first`."""
    return b"II*\0" + struct.pack("<IH", first, entries) + struct.pack("<HHII", 0x8769, 4, 1 << 30, 8) * entries


def before(data: bytes, name: bytes, extra: bytes) -> bytes:
    """A PNG with more in front of a chunk."""
    at = data.index(name) - 4
    return data[:at] + extra + data[at:]


def packed_profile(size: int) -> bytes:
    return chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(size), 9))


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


# --- What it costs --------------------------------------------------------------------------------------------------

COSTLY: dict[str, tuple[Callable[[], bytes], str]] = {
    # JPEG: pixels, scans, colours, and what stands between them
    "jpeg: most pixels": (lambda: encoded(Image.new("RGB", (9_200, 6_900), "grey"), "JPEG", exif=SIDEWAYS), "decoded"),
    "jpeg: most in CMYK": (lambda: encoded(Image.new("CMYK", (9_200, 6_900)), "JPEG", exif=SIDEWAYS), "decoded"),
    "jpeg: most scanned": (lambda: many_scans((7_200, 4_400), 0, 10), "decoded"),
    "jpeg: one scan, progressive": (lambda: many_scans((9_000, 7_000), 0, 1), "refused"),
    "jpeg: 90 scans": (lambda: many_scans((2_000, 1_600), 5, 90), "decoded"),
    "jpeg: 2,000 scans": (lambda: many_scans((2_000, 1_600), 5, 2_000), "refused"),
    "jpeg: noise": (lambda: encoded(noise(5_400, 5_400), "JPEG", quality=92, subsampling=0), "decoded"),
    "jpeg: 60 MB of 0xFF in a scan (over 10 s)": (lambda: jpeg_with(scan=b"\xff" * 60_000_000), "refused"),
    "jpeg: 60 MB of fill bytes (over 10 s)": (lambda: jpeg_with(end=b"\xff" * 60_000_000, progressive=True), "refused"),
    "jpeg: 60 MB stuffed (9 s)": (
        lambda: many_scans((7_200, 4_400), 0, 1)[:-2] + b"\xff\x00" * 30_000_000 + b"\xff\xd9",
        "decoded",
    ),
    "jpeg: 60 MB of restarts": (lambda: jpeg_with(end=b"\xff\xd0" * 30_000_000), "decoded"),
    "jpeg: 15 million comments (over 4 s)": (lambda: jpeg_with(end=b"\xff\xfe\0\2" * 15_000_000), "refused"),
    "jpeg: 15 million scans": (lambda: jpeg_with(end=b"\xff\xda\0\2" * 15_000_000), "refused"),
    "jpeg: 60 MB of tables (3 s)": (
        lambda: jpeg_with(header=segment(0xDB, (b"\0" + bytes(range(1, 65))) * 1_008) * 915),
        "refused",
    ),
    "jpeg: 60 MB of thumbnails": (lambda: jpeg_with(header=segment(0xE0, b"JFIF\0" + bytes(65_000)) * 900), "decoded"),
    "jpeg: 60 MB of profile": (
        lambda: jpeg_with(header=segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(65_000)) * 900),
        "decoded",
    ),
    "jpeg: 5,000 EXIF entries of 4 GB": (
        lambda: jpeg_with(header=segment(0xE1, b"Exif\0\0" + exif(5_000)) * 900),
        "decoded",
    ),
    # PNG
    "png: 20,000 x 20,000": (lambda: png(20_000, 20_000), "refused"),
    "png: most in RGBA": (lambda: png(4_600, 4_300, colour=6), "decoded"),
    "png: most interlaced": (lambda: png(5_100, 5_100, interlaced=1), "decoded"),
    "png: most in 16-bit RGB": (lambda: png(3_600, 3_600, depth=16), "decoded"),
    "png: most in 16-bit grey": (lambda: png(5_470, 5_470, depth=16, colour=0), "decoded"),
    "png: most, grey with alpha": (
        lambda: encoded(Image.new("LA", (5_400, 5_400)), "PNG", compress_level=1),
        "decoded",
    ),
    "png: most, palette with alpha": (
        lambda: encoded(Image.new("P", (5_400, 5_400)), "PNG", transparency=b"\x80" * 256, compress_level=1),
        "decoded",
    ),
    "png: 1.6 GB behind the picture": (
        lambda: before(png(4, 4), b"IEND", chunk(b"IDAT", zlib.compress(bytes(1 << 24)) * 100)),
        "decoded",
    ),
    "png: 300 profiles of 1 MB, packed": (lambda: before(png(4, 4), b"IDAT", packed_profile(1 << 20) * 300), "decoded"),
    "png: profile of 500 MB, packed": (lambda: before(png(4, 4), b"IDAT", packed_profile(500 << 20)), "decoded"),
    "png: text of 500 MB, packed": (
        lambda: before(png(4, 4), b"IDAT", chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(500 << 20), 9))),
        "decoded",
    ),
    "png: 60 MB of palette": (lambda: before(png(4, 4), b"IDAT", chunk(b"PLTE", bytes(60_000_000))), "refused"),
    # WebP, BMP, TIFF
    "webp: most pixels": (
        lambda: encoded(picture((5_500, 4_500)).convert("RGBA"), "WEBP", quality=20, method=0, exif=SIDEWAYS),
        "decoded",
    ),
    "webp: most, lossless": (
        lambda: encoded(
            Image.new("RGBA", (5_500, 4_500), (1, 2, 3, 4)), "WEBP", lossless=True, method=0, exif=SIDEWAYS
        ),
        "decoded",
    ),
    "bmp: most pixels": (lambda: encoded(Image.new("1", (5_400, 5_400)), "BMP"), "decoded"),
    "tiff: most pixels": (
        lambda: encoded(picture((5_100, 5_100)), "TIFF", compression="tiff_adobe_deflate", tiffinfo=SIDEWAYS),
        "decoded",
    ),
    "tiff: most in LZW": (
        lambda: encoded(Image.new("RGB", (5_100, 5_100)), "TIFF", compression="tiff_lzw", tiffinfo=SIDEWAYS),
        "decoded",
    ),
    "tiff: 20,000 strips of half a picture (over 4 s)": (
        lambda: tiff(5_000, 5_000, rows=2_500, strips=20_000),
        "refused",
    ),
}


@pytest.fixture(scope="module")
def watched() -> Iterator[WatchedDecoder]:
    with WatchedDecoder() as decoder:
        yield decoder


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", COSTLY)
def test_under_two_seconds_and_512_megabytes(name: str, watched: WatchedDecoder) -> None:
    make, expected = COSTLY[name]
    outcome = watched.decode(make())
    assert outcome.kind == expected, outcome
    assert outcome.seconds <= MAX_SECONDS
    assert outcome.megabytes <= MAX_MEGABYTES


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_damaged_files_break_no_promise() -> None:
    """The short form of `scripts/fuzz_decode.py`."""
    found = [fuzzed for fuzzed in fuzz(range(4_000), seed=0, seconds=240) if fuzzed.outcome.violation]
    assert [(fuzzed.story, fuzzed.outcome) for fuzzed in found] == []


# --- What it gives --------------------------------------------------------------------------------------------------


@each_kind
def test_every_kind_is_decoded(kind: str) -> None:
    decoded = decode_photo(SEEDS[kind])
    assert decoded.image.mode == "RGB"
    assert decoded.image.size == (decoded.width, decoded.height)


@each_kind
def test_a_file_cut_at_any_part_is_refused(kind: str) -> None:
    data = SEEDS[kind]
    for start, _ in parts(data):
        for at in (start, start + 1, start + 2, start + 5):
            if 0 < at < len(data):
                with pytest.raises(PhotoError, match=r"cut off|not a photo"):
                    decode_photo(data[:at])


@each_kind
@pytest.mark.parametrize("other", ["jpeg", "png", "webp", "bmp", "tiff raw"])
def test_a_file_that_is_two_is_the_first(kind: str, other: str) -> None:
    alone, both = decode_photo(SEEDS[kind]), decode_photo(SEEDS[kind] + SEEDS[other] + b"PK\3\4")
    assert both.format == alone.format
    np.testing.assert_array_equal(both.image, alone.image)


@settings(max_examples=500, deadline=None)
@given(kind=st.sampled_from(list(SEEDS)), other=st.sampled_from(list(SEEDS)), draw=st.integers(0, 1 << 32))
def test_what_is_handed_on_is_read_the_same_again(kind: str, other: str, draw: int) -> None:
    """So the decoder sees what was counted, and no metadata: the copy claims all else."""
    data, _ = mutated(SEEDS[kind], SEEDS[other], Random(draw))
    try:
        once = read_container(data)
    except PhotoError:
        return
    assert read_container(once.data) == replace(once, orientation=1, exif=b"")
    assert len(once.data) <= len(data)


@given(st.sampled_from(list(SEEDS)), st.binary(max_size=200))
def test_noise_behind_a_signature_is_read_or_refused(kind: str, noise: bytes) -> None:
    for kept in (4, 12, 30):
        with contextlib.suppress(PhotoError):
            read_container(SEEDS[kind][:kept] + noise)


@pytest.mark.parametrize("progressive", [False, True])
def test_fill_bytes_change_nothing(progressive: bool) -> None:
    plain, filled = (jpeg_with(end=end, progressive=progressive) for end in (b"", b"\xff" * 1_000))
    assert read_container(filled).data == read_container(plain).data
    np.testing.assert_array_equal(decode_photo(strip_metadata(filled)).image, decode_photo(plain).image)


@pytest.mark.parametrize("first", [0, 4, 8, 20, 1 << 31])
def test_exif_that_points_at_itself_says_nothing(first: int) -> None:
    data = jpeg_with(header=segment(0xE1, b"Exif\0\0" + exif(5_000, first=first)))
    assert read_container(data).orientation == 1


def test_only_the_first_frame_of_a_webp_is_handed_on() -> None:
    data = SEEDS["webp frames"]
    assert data.count(b"ANMF") == 2
    assert read_container(data).data.count(b"ANMF") == 1


def test_metadata_of_a_webp_is_not_handed_on() -> None:
    data = read_container(SEEDS["webp alpha"]).data
    assert not any(name in data for name in (b"EXIF", b"ICCP"))
    assert read_container(SEEDS["webp alpha"]).orientation == 6


@pytest.mark.parametrize(("size", "kept"), [(3_000, True), (500 << 20, False)])
def test_a_profile_that_unpacks_to_too_much_is_not_kept(size: int, kept: bool) -> None:
    stripped = strip_metadata(before(png(4, 4), b"IDAT", packed_profile(size)))
    assert (b"iCCP" in stripped) == kept


def _refused() -> dict[str, tuple[bytes, str]]:
    jpeg, webp = SEEDS["jpeg"], SEEDS["webp"]
    sof = jpeg.index(b"\xff\xc0")
    frame = jpeg[sof : sof + 19]
    return {
        "jpeg, two frames": (jpeg[:sof] + frame + jpeg[sof:], DAMAGED),
        "jpeg, two colours": (jpeg[: sof + 9] + b"\2" + jpeg[sof + 10 :], RARE),
        "jpeg in a jpeg": (jpeg_with(header=jpeg), DAMAGED),
        "jpeg, no frame": (jpeg[:sof] + jpeg[sof + 19 :], DAMAGED),
        "png, two palettes": (before(SEEDS["png palette"], b"IDAT", chunk(b"PLTE", bytes(48))), DAMAGED),
        "png, long transparency": (before(SEEDS["png palette"], b"IDAT", chunk(b"tRNS", bytes(257))), DAMAGED),
        "webp, canvas not first": (webp[:12] + b"JUNK\0\0\0\0" + webp[12:], DAMAGED),
        "bmp, no pixels": (SEEDS["bmp"][:54], DAMAGED),
        "tiff, too few strips": (tiff(64, 64, rows=8, strips=7), DAMAGED),
        "tiff, too many strips": (tiff(64, 64, rows=8, strips=9), RARE),
        "tiff, huge tiles": (_tiled(1 << 20), RARE),
    }


def _tiled(side: int) -> bytes:
    """A TIFF whose rows per strip became the width and height of a tile."""
    data = bytearray(tiff(64, 64, rows=64, strips=1))
    at = data.index(struct.pack("<HHI", 277, 4, 1))
    data[at : at + 24] = struct.pack("<HHIIHHII", 322, 4, 1, side, 323, 4, 1, side)
    return bytes(data)


REFUSED = _refused()


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_anything_is_decoded(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(PhotoError) as caught:
        read_container(data)
    assert caught.value.reason == reason


def test_as_many_strips_as_needed_are_read() -> None:
    assert decode_photo(tiff(64, 64, rows=8, strips=8)).image.size == (64, 64)
