"""JPEG (ITU-T T.81, annex B): a header of segments, then scans with more segments between them, then EOI."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from epiluma.imaging.formats.claims import DAMAGED, MAX_PARTS, RARE, Container, PhotoError, exif_orientation

EOI, SOS, COM, APP0, APP1, APP2, APP14, APP15 = 0xD9, 0xDA, 0xFE, 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
MAX_TABLES = 500_000
"""Bytes of tables in one file. An ordinary one has 600, a progressive one 300 per scan; Pillow needs 3 s for 60 MB."""
MAX_FILL = 10_000
"""Pairs of 0xFF in one scan. They may stand before a marker only, so an ordinary scan has a few; a disk that lost part
of the file gives megabytes."""

_SOI, _DHT, _DQT, _DRI = 0xD8, 0xC4, 0xDB, 0xDD
_TABLES = {_DHT, _DQT, _DRI}
_PROGRESSIVE = 0xC2
_SOF_HUFFMAN = {0xC0, 0xC1, _PROGRESSIVE}
_SOF_RARE = {0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}  # lossless, hierarchical, arithmetic
_PICTURE = {*_TABLES, *_SOF_HUFFMAN, SOS, EOI}
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]", re.DOTALL)
"""All but restarts, which belong to the compressed data; of fill bytes before a marker, the last."""
_COMPONENTS = {1, 3, 4}
_JFIF_BYTES, _ADOBE_BYTES = 14, 12
"""What decoders need of these segments: the rest is a thumbnail, or nothing."""


def read(data: bytes) -> Container:
    """The claims of a JPEG. Raises PhotoError."""
    kept: list[bytes | memoryview] = [b"\xff\xd8"]
    frame, exif, scans, buffered, tables, named = b"", b"", 0, False, 0, set[bytes]()
    for marker, segment in parts(data):
        body = bytes(segment[4 : 2 + int.from_bytes(segment[2:4], "big")])
        if marker in _SOF_RARE or tables > MAX_TABLES:
            raise PhotoError(RARE)
        if marker in (SOS, EOI) and not frame:
            raise PhotoError(DAMAGED)
        if marker in _SOF_HUFFMAN:
            if frame:
                raise PhotoError(DAMAGED)
            frame, buffered = _frame(body), marker == _PROGRESSIVE
        elif marker == SOS:
            scans, buffered = scans + 1, buffered or body[0] < frame[5]
        elif marker in _TABLES:
            tables += len(segment)
        elif body.startswith(b"Exif\0\0"):
            exif = exif or body[6:]
        if marker in _PICTURE:
            kept.append(segment)
        elif body[:5] not in named and (short := colours(marker, body)):
            named.add(body[:5])
            kept.append(short)
    if not scans:
        raise PhotoError(DAMAGED)
    height, width, components = struct.unpack_from(">HHB", frame, 1)
    bits, orientation = 8 * components, exif_orientation(exif)
    return Container(
        "JPEG", width, height, bits, orientation, b"".join(kept), scans, exif=exif, buffered=buffered or scans > 1
    )


def parts(data: bytes) -> Iterator[tuple[int, bytes | memoryview]]:
    """(marker, segment) of each segment after SOI up to EOI; SOS comes with its compressed data.

    Stray bytes between segments and fill bytes are left out. Raises PhotoError at the first segment that cannot be.
    """
    view, found = memoryview(data), _MARKER.search(data, 2)
    for _ in range(MAX_PARTS):
        if found is None:
            raise PhotoError(DAMAGED)
        start, marker = found.start(), data[found.end() - 1]
        if marker == EOI:
            yield marker, view[start : start + 2]
            return
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        if marker == _SOI or end < start + 4 or end > len(data):
            raise PhotoError(DAMAGED)
        found = _MARKER.search(data, end)
        if marker == SOS and found is not None:
            yield marker, _without_fill(data, start, end, found.start())
        else:
            yield marker, view[start:end]
    raise PhotoError(RARE)


def segment_of(marker: int, payload: bytes) -> bytes:
    """A segment with its marker and length."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def colours(marker: int, body: bytes) -> bytes:
    """The segment in short when it says which colours the components are; empty otherwise."""
    if marker == APP0 and body.startswith(b"JFIF\0") and len(body) >= _JFIF_BYTES:
        return segment_of(APP0, body[: _JFIF_BYTES - 2] + b"\0\0")  # no thumbnail
    if marker == APP14 and body.startswith(b"Adobe") and len(body) >= _ADOBE_BYTES:
        return segment_of(APP14, body[:_ADOBE_BYTES])
    return b""


def _frame(body: bytes) -> bytes:
    """The frame header, when it is of a kind that is read: 8 bits, and grey, YCbCr, RGB, CMYK or YCCK."""
    if body[0] != 8 or body[5] not in _COMPONENTS:
        raise PhotoError(RARE)
    if len(body) != 6 + 3 * body[5]:
        raise PhotoError(DAMAGED)
    return body


def _without_fill(data: bytes, start: int, entropy: int, end: int) -> bytes | memoryview:
    """A scan whose compressed data starts at `entropy`, with each run of 0xFF as one: they mean the same.

    libjpeg reads a run anew from its beginning with each further 64 kB that it is given: 60 MB take more than 10 s.
    """
    if data.find(b"\xff\xff", entropy, end) < 0 and data[end - 1] != 0xFF:
        return memoryview(data)[start:end]
    if data.count(b"\xff\xff", entropy, end) > MAX_FILL:
        raise PhotoError(DAMAGED)
    compressed = data[entropy:end]
    while b"\xff\xff" in compressed:
        compressed = compressed.replace(b"\xff\xff", b"\xff")
    return data[start:entropy] + compressed.removesuffix(b"\xff")
