"""What a photo file claims to be, read from its container before any pixel is decoded.

Decoders trust containers: a few bytes can make them allocate gigabytes, loop for minutes or follow pointers in
circles. Each reader here walks its container once, within fixed bounds, and hands on a copy with only the parts that
hold the picture, so that no metadata parser ever runs.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from epiluma.errors import EpilumaError

MAX_PARTS = 20_000
"""Segments or chunks of one file; a 64 MB PNG in the customary 8 kB chunks has 8,000."""

DAMAGED = "The photo is cut off or damaged. Copy or send it again."
UNKNOWN = "This is not a photo that can be read. Use JPEG, PNG, WebP, BMP or TIFF."
RARE = "The photo is stored in a rare way that cannot be read. Save it again as an ordinary JPEG or PNG."


class PhotoError(EpilumaError):
    """A file that cannot be screened; `reason` is one or two plain sentences, without the file's name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Container:
    """The claims of a file, and the file without its metadata."""

    format: str
    """Pillow's name: JPEG, PNG, WEBP, BMP or TIFF."""
    width: int
    """Pixels as stored, before orientation."""
    height: int
    bits: int
    """Per pixel, uncompressed."""
    orientation: int
    """EXIF orientation, 1 to 8; 1 is upright."""
    data: bytes
    scans: int = 1
    """Passes over the whole picture (JPEG)."""


def read_container(data: bytes) -> Container:
    """Walk the container. Raises PhotoError when it is none of the five formats, damaged, or stored in a rare way."""
    for accepts, reader in _READERS:
        if accepts(data):
            try:
                found = reader(data)
            except (struct.error, IndexError) as error:  # a header that ends early
                raise PhotoError(DAMAGED) from error
            if found.width < 1 or found.height < 1:
                raise PhotoError(DAMAGED)
            return found
    if data[4:8] == b"ftyp":
        raise PhotoError("HEIC, AVIF and video files cannot be read. Save the photo as JPEG.")
    raise PhotoError(UNKNOWN)


def exif_orientation(exif: bytes) -> int:
    """Orientation in the first list of a TIFF structure (EXIF 2.32, section 4.6.4), 1 when it says nothing sensible.

    Follows no other pointer, so a block that points at itself costs nothing.
    """
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, start)
        for i in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, start + 2 + 12 * i)
            if tag == 0x0112 and kind == _SHORT:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


# --- JPEG (ITU-T T.81, annex B) -------------------------------------------------------------------------------------

_MARKER = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)
_SOF_HUFFMAN = {0xC0, 0xC1, 0xC2}
_SOF_RARE = {0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}  # lossless, hierarchical, arithmetic
_SOS = 0xDA
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xDA)}
_METADATA = {0xFE, *range(0xE0, 0xF0)}


def _jpeg(data: bytes) -> Container:
    view, kept, position = memoryview(data), [memoryview(b"\xff\xd8")], 2
    frame, exif = b"", b""
    for _ in range(MAX_PARTS):
        found = _MARKER.search(data, position, position + 65_536)
        if not found or data[found.end() - 1] in _WITHOUT_LENGTH:
            raise PhotoError(DAMAGED)
        marker, start = data[found.end() - 1], found.end()
        position = start + struct.unpack_from(">H", data, start)[0]
        body = data[start + 2 : position]
        if marker == _SOS and frame:
            return _jpeg_scans(data, found.start(), [*kept], frame, exif_orientation(exif))
        if marker in _SOF_RARE or (marker in _SOF_HUFFMAN and body[0] != 8):
            raise PhotoError(RARE)
        if marker in _SOF_HUFFMAN:
            if frame:
                raise PhotoError(DAMAGED)
            frame = body
        if body.startswith(b"Exif\0\0") and not exif:
            exif = body[6:]
        # JFIF and Adobe segments say which colours the components are; libjpeg needs them.
        if marker not in _METADATA or body.startswith((b"JFIF\0", b"Adobe")):
            kept.append(view[found.start() : position])
    raise PhotoError(RARE)


def _jpeg_scans(data: bytes, start: int, kept: list[memoryview], frame: bytes, orientation: int) -> Container:
    """The container from its header segments and the scans, which run from `start` to the first EOI."""
    end = data.find(b"\xff\xd9", start)
    if end < 0:
        raise PhotoError(DAMAGED)
    height, width, components = struct.unpack_from(">HHB", frame, 1)
    return Container(
        format="JPEG",
        width=width,
        height=height,
        bits=8 * components,
        orientation=orientation,
        data=b"".join([*kept, memoryview(data)[start : end + 2]]),
        scans=data.count(b"\xff\xda", start, end),
    )


# --- PNG (ISO/IEC 15948) --------------------------------------------------------------------------------------------

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_PICTURE = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def _png(data: bytes) -> Container:
    view, kept, position, exif = memoryview(data), [memoryview(_PNG_SIGNATURE)], 8, b""
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    for _ in range(MAX_PARTS):
        length, name = struct.unpack_from(">I4s", data, position)
        start, position = position, position + 12 + length
        if position > len(data) or (name == b"IHDR") != (start == 8):
            raise PhotoError(DAMAGED)
        if name in _PNG_PICTURE:
            kept.append(view[start:position])
        elif name == b"eXIf":
            exif = data[start + 8 : position - 4]
        if name == b"IEND":
            bits = depth * _PNG_CHANNELS.get(colour, 4)
            return Container("PNG", width, height, bits, exif_orientation(exif), b"".join(kept))
    raise PhotoError(RARE)


# --- WebP (RFC 9649) ------------------------------------------------------------------------------------------------


def _webp(data: bytes) -> Container:
    end, position = 8 + struct.unpack_from("<I", data, 4)[0], 12
    size, exif = (0, 0), b""
    if end > len(data):
        raise PhotoError(DAMAGED)
    for _ in range(MAX_PARTS):
        if position + 8 > end:
            return Container("WEBP", *size, 32, exif_orientation(exif), data)
        name, length = struct.unpack_from("<4sI", data, position)
        start, position = position + 8, position + 8 + length + length % 2
        if size == (0, 0):
            size = _webp_size(name, data, start)
        if name == b"EXIF":
            exif = data[start : start + length].removeprefix(b"Exif\0\0")
    raise PhotoError(RARE)


def _webp_size(name: bytes, data: bytes, start: int) -> tuple[int, int]:
    """Width and height that a chunk states; (0, 0) when it states none."""
    if name == b"VP8X":
        return (
            int.from_bytes(data[start + 4 : start + 7], "little") + 1,
            int.from_bytes(data[start + 7 : start + 10], "little") + 1,
        )
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, start + 6)
        return width & 0x3FFF, height & 0x3FFF
    if name == b"VP8L":
        (packed,) = struct.unpack_from("<I", data, start + 1)
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    return 0, 0


# --- BMP ------------------------------------------------------------------------------------------------------------

_BMP_PLAIN = {0, 3, 6}
"""Uncompressed, with or without bit masks. Pillow unpacks the run-length kinds in Python, at 1 MB/s."""


def _bmp(data: bytes) -> Container:
    (header,) = struct.unpack_from("<I", data, 14)
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        return Container("BMP", width, height, bits, 1, data)
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression not in _BMP_PLAIN:
        raise PhotoError(RARE)
    return Container("BMP", width, abs(height), bits, 1, data)  # a negative height means top row first


# --- TIFF (revision 6.0) --------------------------------------------------------------------------------------------

_BYTE, _SHORT, _LONG = 1, 3, 4
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 258, 259, 277, 322, 323
_TIFF_PICTURE = {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT} | {
    262, 266, 273, 278, 279, 284, 317, 320, 324, 325, 338, 339,
}  # fmt: skip
_TIFF_COMPRESSIONS = {1, 5, 8, 32773, 32946}
"""None, LZW, deflate, PackBits, old deflate. The others nest a second decoder, with bounds of its own."""
_MAX_TIFF_VALUES, _MAX_TILE = 20_000, 4_096


def _tiff(data: bytes) -> Container:
    order = "<" if data[:2] == b"II" else ">"
    start = struct.unpack_from(f"{order}I", data, 4)[0]
    count = struct.unpack_from(f"{order}H", data, start)[0]
    end = start + 2 + 12 * count
    entries = [data[i : i + 12] for i in range(start + 2, end, 12)]
    if start < 8 or end > len(data):
        raise PhotoError(DAMAGED)
    kept = [entry for entry in entries if struct.unpack_from(f"{order}H", entry)[0] in _TIFF_PICTURE]
    facts = _tiff_facts(kept, order, data)
    if facts.get(_COMPRESSION, 1) not in _TIFF_COMPRESSIONS:
        raise PhotoError(RARE)
    if max(facts.get(_TILE_WIDTH, 0), facts.get(_TILE_HEIGHT, 0)) > _MAX_TILE:
        raise PhotoError(RARE)
    # The list shrinks in place and becomes the only one of the file: no offset has to change.
    shortened = struct.pack(f"{order}H", len(kept)) + b"".join(kept) + bytes(4)
    view = memoryview(data)
    return Container(
        format="TIFF",
        width=facts.get(_WIDTH, 0),
        height=facts.get(_HEIGHT, 0),
        bits=facts.get(_BITS, 1) * facts.get(_SAMPLES, 1),
        orientation=exif_orientation(data),
        data=b"".join([view[:start], shortened, view[start + len(shortened) :]]),
    )


def _tiff_facts(entries: list[bytes], order: str, data: bytes) -> dict[int, int]:
    """First value of each tag; every tag once and with a bounded number of values."""
    facts: dict[int, int] = {}
    for entry in entries:
        tag, kind, count = struct.unpack_from(f"{order}HHI", entry)
        if tag in facts or count > _MAX_TIFF_VALUES:
            raise PhotoError(RARE)
        width = {_BYTE: 1, _SHORT: 2, _LONG: 4}.get(kind)
        if width is None:
            raise PhotoError(RARE)
        inline = width * count <= 4
        at = entry[8:] if inline else data[struct.unpack_from(f"{order}I", entry, 8)[0] :][:4]
        (facts[tag],) = struct.unpack_from(order + {1: "B", 2: "H", 4: "I"}[width], at)
    return facts


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], Container]], ...] = (
    (lambda data: data.startswith(b"\xff\xd8\xff"), _jpeg),
    (lambda data: data.startswith(_PNG_SIGNATURE), _png),
    (lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP", _webp),
    (lambda data: data.startswith(b"BM"), _bmp),
    (lambda data: data.startswith((b"II*\0", b"MM\0*")), _tiff),
)
