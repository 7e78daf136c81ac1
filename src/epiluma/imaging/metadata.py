"""Remove what a photo file says about its owner, without touching a pixel.

Cameras write place, time, device, owner and small copies of the picture into the file around the pixels. Here the
container is rewritten with only the parts that decoding needs; the compressed pixels are copied byte for byte.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

from epiluma.imaging.containers import DAMAGED, RARE, PhotoError, read_container

_ORIENTATION = 0x0112


def strip_metadata(data: bytes) -> bytes:
    """The same JPEG, PNG or WebP with its pixels, colour description and orientation only.

    Whatever follows the end of the picture is dropped too. Raises PhotoError when the container is damaged or of
    another format.
    """
    container = read_container(data)
    strip = _STRIPPERS.get(container.format)
    if strip is None:
        raise PhotoError(f"Metadata cannot be removed from a {container.format} file. Use JPEG, PNG or WebP.")
    return strip(data, container.orientation)


def _minimal_exif(orientation: int) -> bytes:
    """A TIFF structure with one entry, the orientation (EXIF 2.32, section 4.6.4)."""
    header = struct.pack(">2sHI", b"MM", 42, 8)
    entry = struct.pack(">HHIHH", _ORIENTATION, 3, 1, orientation, 0)  # type 3: SHORT
    return header + struct.pack(">H", 1) + entry + struct.pack(">I", 0)


# --- JPEG (ITU-T T.81, annex B) -------------------------------------------------------------------------------------

_EOI, _SOS, _COM, _APP0, _APP1, _APP2, _APP14, _APP15 = 0xD9, 0xDA, 0xFE, 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_RESTARTS = range(0xD0, 0xD8)
_STANDALONE = {*_RESTARTS, 0x01}


def _strip_jpeg(data: bytes, orientation: int) -> bytes:
    kept = [b"\xff\xd8"]
    exif = _jpeg_segment(_APP1, b"Exif\0\0" + _minimal_exif(orientation)) if orientation != 1 else b""
    for marker, segment in _jpeg_parts(data):
        if exif and marker != _APP0:  # EXIF belongs after JFIF and before everything else
            kept.append(exif)
            exif = b""
        kept.append(_wanted_jpeg_segment(marker, segment))
    return b"".join(kept)


def _wanted_jpeg_segment(marker: int, segment: bytes) -> bytes:
    """The part of a segment that decoding needs: all of it, a shortened form, or nothing."""
    if marker == _COM:
        return b""
    if not _APP0 <= marker <= _APP15:
        return segment
    payload = segment[4:]
    if marker == _APP0 and payload.startswith(b"JFIF\0") and len(payload) >= 14:
        return _jpeg_segment(_APP0, payload[:12] + b"\0\0")  # without its thumbnail
    if marker == _APP2 and payload.startswith(b"ICC_PROFILE\0"):
        return segment
    if marker == _APP14 and payload.startswith(b"Adobe") and len(payload) >= 12:
        return _jpeg_segment(_APP14, payload[:12])  # says whether the components are YCC, CMYK or YCCK
    return b""


def _jpeg_parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, bytes) of each segment after SOI, up to and including EOI; SOS comes with its compressed data."""
    position = 2
    while True:
        position = data.find(b"\xff", position)  # decoders skip stray bytes between segments; they are dropped here
        while position != -1 and data[position + 1 : position + 2] == b"\xff":
            position += 1  # fill bytes
        if position == -1 or position + 1 >= len(data):
            raise PhotoError(DAMAGED)
        marker = data[position + 1]
        if marker == _EOI:
            yield marker, b"\xff\xd9"
            return
        if marker in _STANDALONE or marker == 0:
            position += 2
            continue
        end = _jpeg_segment_end(data, position)
        if marker == _SOS:
            end = _scan_end(data, end)
        yield marker, data[position:end]
        position = end


def _jpeg_segment_end(data: bytes, position: int) -> int:
    length = int.from_bytes(data[position + 2 : position + 4], "big")
    end = position + 2 + length
    if length < 2 or end > len(data):
        raise PhotoError(DAMAGED)
    return end


def _scan_end(data: bytes, position: int) -> int:
    """Where the compressed data that starts at `position` meets the next real marker."""
    while True:
        position = data.find(b"\xff", position)
        if position == -1 or position + 1 >= len(data):
            raise PhotoError(DAMAGED)
        follower = data[position + 1]
        if follower == 0xFF:
            position += 1
        elif follower == 0 or follower in _RESTARTS:
            position += 2
        else:
            return position


def _jpeg_segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


# --- PNG (ISO/IEC 15948) --------------------------------------------------------------------------------------------

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_PNG_KEPT = _PNG_PIXELS | {b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"cICP"}
_CRITICAL = 0x20
"""Bit 5 of a chunk name's first letter: clear when a decoder must understand the chunk."""


def _strip_png(data: bytes, orientation: int) -> bytes:
    kept = [_PNG_SIGNATURE]
    for name, chunk in _png_chunks(data):
        if name in _PNG_KEPT:
            kept.append(chunk)
        elif not name[0] & _CRITICAL:
            raise PhotoError(RARE)
        if name == b"IHDR" and orientation != 1:
            kept.append(_png_chunk(b"eXIf", _minimal_exif(orientation)))
    return b"".join(kept)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, whole chunk) up to and including IEND."""
    position = len(_PNG_SIGNATURE)
    while True:
        name = data[position + 4 : position + 8]
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if len(name) < 4 or end > len(data):
            raise PhotoError(DAMAGED)
        yield name, data[position:end]
        if name == b"IEND":
            return
        position = end


def _png_chunk(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


# --- WebP (RFC 9649) ------------------------------------------------------------------------------------------------

_WEBP_KEPT = {b"VP8 ", b"VP8L", b"ALPH", b"ICCP"}
_HAS_ICC, _HAS_ALPHA, _HAS_EXIF = 0x20, 0x10, 0x08


def _strip_webp(data: bytes, orientation: int) -> bytes:
    kept = []
    for name, payload in _riff_chunks(data):
        if name in (b"ANIM", b"ANMF"):
            raise PhotoError(RARE)
        if name == b"VP8X":
            kept.append(_riff_chunk(name, _webp_features(payload, orientation)))
        elif name in _WEBP_KEPT:
            kept.append(_riff_chunk(name, payload))
    if orientation != 1:
        kept.append(_riff_chunk(b"EXIF", _minimal_exif(orientation)))
    return _riff_chunk(b"RIFF", b"WEBP" + b"".join(kept))


def _webp_features(payload: bytes, orientation: int) -> bytes:
    """The VP8X payload, announcing only the parts that are kept."""
    if len(payload) < 10:
        raise PhotoError(DAMAGED)
    flags = payload[0] & (_HAS_ICC | _HAS_ALPHA) | (_HAS_EXIF if orientation != 1 else 0)
    return bytes([flags]) + payload[1:10]


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, payload) of each chunk inside the RIFF container."""
    end_of_file = 8 + int.from_bytes(data[4:8], "little")
    if end_of_file > len(data):
        raise PhotoError(DAMAGED)
    position = 12
    while position + 8 <= end_of_file:
        name = data[position : position + 4]
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        end = position + 8 + length
        if end > end_of_file:
            raise PhotoError(DAMAGED)
        yield name, data[position + 8 : end]
        position = end + length % 2  # chunks are padded to an even size


def _riff_chunk(name: bytes, payload: bytes) -> bytes:
    return name + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) % 2)


_STRIPPERS: dict[str, Callable[[bytes, int], bytes]] = {"JPEG": _strip_jpeg, "PNG": _strip_png, "WEBP": _strip_webp}
