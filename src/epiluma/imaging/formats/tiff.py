"""TIFF (revision 6.0): a list of tags that say what the picture is and where its strips or tiles lie."""

from __future__ import annotations

import struct

from epiluma.imaging.formats.claims import DAMAGED, RARE, Container, PhotoError, exif_orientation

_BYTE, _SHORT, _LONG = 1, 3, 4
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _STRIPS, _SAMPLES, _ROWS, _PLANAR = 256, 257, 258, 259, 273, 277, 278, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILES = 322, 323, 324
_PICTURE = {
    _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _STRIPS, _SAMPLES, _ROWS, _PLANAR, _TILE_WIDTH, _TILE_HEIGHT, _TILES,
    262, 266, 279, 317, 320, 325, 338, 339,
}  # fmt: skip
_COMPRESSIONS = {1, 5, 8, 32773, 32946}
"""None, LZW, deflate, PackBits, old deflate. The others nest a second decoder, with bounds of its own."""
_MAX_VALUES, _MAX_TILE, _MAX_SAMPLES, _MAX_BITS = 20_000, 4_096, 4, 64


def read(data: bytes) -> Container:
    """The claims of a TIFF; of several pages, of the first. Raises PhotoError."""
    order = "<" if data[:2] == b"II" else ">"
    start = struct.unpack_from(f"{order}I", data, 4)[0]
    count = struct.unpack_from(f"{order}H", data, start)[0]
    end = start + 2 + 12 * count
    if start < 8 or end > len(data):
        raise PhotoError(DAMAGED)
    entries = [data[i : i + 12] for i in range(start + 2, end, 12)]
    kept = [entry for entry in entries if struct.unpack_from(f"{order}H", entry)[0] in _PICTURE]
    facts, counts = _facts(kept, order, data)
    bits = facts.get(_BITS, 1) * facts.get(_SAMPLES, 1)
    if facts.get(_COMPRESSION, 1) not in _COMPRESSIONS or facts.get(_SAMPLES, 1) > _MAX_SAMPLES or bits > _MAX_BITS:
        raise PhotoError(RARE)
    _check_pieces(facts, counts)
    # The list shrinks in place and becomes the only one of the file: no offset has to change.
    shortened = struct.pack(f"{order}H", len(kept)) + b"".join(kept) + bytes(4)
    view = memoryview(data)
    return Container(
        format="TIFF",
        width=facts[_WIDTH],
        height=facts[_HEIGHT],
        bits=bits,
        orientation=exif_orientation(data),
        data=b"".join([view[:start], shortened, view[start + len(shortened) :]]),
    )


def _facts(entries: list[bytes], order: str, data: bytes) -> tuple[dict[int, int], dict[int, int]]:
    """First value of each tag, and how many it has; every tag once and with a bounded number of values."""
    facts, counts = {_WIDTH: 0, _HEIGHT: 0}, dict[int, int]()
    for entry in entries:
        tag, kind, count = struct.unpack_from(f"{order}HHI", entry)
        width = {_BYTE: 1, _SHORT: 2, _LONG: 4}.get(kind)
        if tag in counts or count > _MAX_VALUES or width is None:
            raise PhotoError(RARE)
        at = entry[8:] if width * count <= 4 else data[struct.unpack_from(f"{order}I", entry, 8)[0] :][:4]
        (facts[tag],) = struct.unpack_from(order + {1: "B", 2: "H", 4: "I"}[width], at)
        counts[tag] = count
    return facts, counts


def _check_pieces(facts: dict[int, int], counts: dict[int, int]) -> None:
    """As many strips or tiles as the picture needs: Pillow decodes all, also those that would lie outside it."""
    width, height = facts[_WIDTH], facts[_HEIGHT]
    planes = facts.get(_SAMPLES, 1) if facts.get(_PLANAR, 1) == 2 else 1
    if _TILES in facts or _TILE_WIDTH in facts:
        across, down, found = facts.get(_TILE_WIDTH, 0), facts.get(_TILE_HEIGHT, 0), counts.get(_TILES, 0)
        if not (1 <= across <= _MAX_TILE and 1 <= down <= _MAX_TILE):
            raise PhotoError(RARE)
    else:
        across, down, found = max(width, 1), facts.get(_ROWS, height) or 1, counts.get(_STRIPS, 0)
    needed = planes * -(-width // across) * -(-height // down)
    if found != needed:
        raise PhotoError(DAMAGED if found < needed else RARE)
