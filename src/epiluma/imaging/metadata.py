"""Remove what a photo file says about its owner, without touching a pixel.

Cameras write place, time, device, owner and small copies of the picture into the file around the pixels. Here the
container is rewritten with only the parts that decoding needs; the compressed pixels are copied byte for byte.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from epiluma.imaging.containers import DAMAGED, RARE, PhotoError, read_container
from epiluma.imaging.formats import jpeg, png, webp
from epiluma.imaging.formats.claims import MAX_PROFILE

_ORIENTATION = 0x0112


def strip_metadata(data: bytes) -> bytes:
    """The same JPEG, PNG or WebP with its pixels, colour description and orientation only.

    Whatever follows the end of the picture is dropped too, and a colour profile of more than 4 MB: what is kept is
    shown to others, whose programs would unpack it. Raises PhotoError when the container is damaged or of another
    format.
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

_PROFILE = b"ICC_PROFILE\0"


def _strip_jpeg(data: bytes, orientation: int) -> bytes:
    kept: list[bytes | memoryview] = [b"\xff\xd8"]
    exif = jpeg.segment_of(jpeg.APP1, b"Exif\0\0" + _minimal_exif(orientation)) if orientation != 1 else b""
    parts = list(jpeg.parts(data))
    profile = sum(len(part) for marker, part in parts if _is_profile(marker, part))
    for marker, part in parts:
        if exif and marker != jpeg.APP0:  # EXIF belongs after JFIF and before everything else
            kept.append(exif)
            exif = b""
        if profile <= MAX_PROFILE or not _is_profile(marker, part):
            kept.append(_wanted_jpeg_segment(marker, part))
    return b"".join(kept)


def _is_profile(marker: int, segment: bytes | memoryview) -> bool:
    return marker == jpeg.APP2 and bytes(segment[4 : 4 + len(_PROFILE)]) == _PROFILE


def _wanted_jpeg_segment(marker: int, segment: bytes | memoryview) -> bytes | memoryview:
    """The part of a segment that decoding needs: all of it, a shortened form, or nothing."""
    if marker == jpeg.COM:
        return b""
    if not jpeg.APP0 <= marker <= jpeg.APP15 or _is_profile(marker, segment):
        return segment
    return jpeg.colours(marker, bytes(segment[4:]))


# --- PNG (ISO/IEC 15948) --------------------------------------------------------------------------------------------

_PNG_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_PNG_KEPT = _PNG_PIXELS | {b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"cICP"}
_MOST_NAME = 79
_CRITICAL = 0x20
"""Bit 5 of a chunk name's first letter: clear when a decoder must understand the chunk."""


def _strip_png(data: bytes, orientation: int) -> bytes:
    kept: list[bytes | memoryview] = [png.SIGNATURE]
    profiles = 0
    for name, chunk in png.chunks(data):
        if name == b"iCCP":
            profiles += 1
            if profiles == 1 and _profile_is_small(bytes(chunk[8:-4])):
                kept.append(chunk)
        elif name in _PNG_KEPT:
            kept.append(chunk)
        elif not name[0] & _CRITICAL:
            raise PhotoError(RARE)
        if name == b"IHDR" and orientation != 1:
            kept.append(_png_chunk(b"eXIf", _minimal_exif(orientation)))
    return b"".join(kept)


def _profile_is_small(payload: bytes) -> bool:
    """Whether a compressed profile (name, 0, method, deflate stream) unpacks to no more than a profile has."""
    name, _, compressed = payload.partition(b"\0")
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(compressed[1:], MAX_PROFILE)
    except zlib.error:
        return False
    return len(name) <= _MOST_NAME and unpacker.eof


def _png_chunk(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


# --- WebP (RFC 9649) ------------------------------------------------------------------------------------------------

_WEBP_KEPT = {b"VP8 ", b"VP8L", b"ALPH", b"ICCP"}


def _strip_webp(data: bytes, orientation: int) -> bytes:
    kept = []
    for name, payload in webp.chunks(data):
        if name in (b"ANIM", webp.FRAME):
            raise PhotoError(RARE)
        if name == webp.CANVAS:
            kept.append(webp.chunk_of(name, _webp_features(bytes(payload), orientation)))
        elif name in _WEBP_KEPT:
            kept.append(webp.chunk_of(name, bytes(payload)))
    if orientation != 1:
        kept.append(webp.chunk_of(b"EXIF", _minimal_exif(orientation)))
    return webp.chunk_of(b"RIFF", b"WEBP" + b"".join(kept))


def _webp_features(payload: bytes, orientation: int) -> bytes:
    """The VP8X payload, announcing only the parts that are kept."""
    if len(payload) < 10:
        raise PhotoError(DAMAGED)
    flags = payload[0] & (webp.HAS_ICC | webp.HAS_ALPHA) | (webp.HAS_EXIF if orientation != 1 else 0)
    return bytes([flags]) + payload[1:10]


_STRIPPERS: dict[str, Callable[[bytes, int], bytes]] = {"JPEG": _strip_jpeg, "PNG": _strip_png, "WEBP": _strip_webp}
