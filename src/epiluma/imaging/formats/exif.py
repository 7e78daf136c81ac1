"""What a camera wrote of lens and sensor (EXIF 2.32), read within bounds: two lists of tags, and no pointer twice."""

from __future__ import annotations

import struct

MAX_BYTES = 65_536
"""Of a block that is looked at: as much as a JPEG's segment can hold."""
FOCAL_LENGTH, SUBJECT_DISTANCE, DIGITAL_ZOOM = 0x920A, 0x9206, 0xA404
RESOLUTION_ACROSS, RESOLUTION_DOWN, RESOLUTION_UNIT = 0xA20E, 0xA20F, 0xA210
PIXELS_ACROSS, PIXELS_DOWN = 0xA002, 0xA003
_WANTED = {
    FOCAL_LENGTH, SUBJECT_DISTANCE, DIGITAL_ZOOM, RESOLUTION_ACROSS, RESOLUTION_DOWN, RESOLUTION_UNIT, PIXELS_ACROSS,
    PIXELS_DOWN,
}  # fmt: skip
_CAMERA_LIST = 0x8769
_SHORT, _LONG, _RATIONAL = 3, 4, 5
_MOST_ENTRIES = 1_000


def camera_numbers(block: bytes) -> dict[int, float]:
    """The tags of this module that a TIFF structure has, as numbers; those that make no sense are left out.

    Whatever the bytes are, it raises nothing and looks at no more than two lists of 1,000 entries.
    """
    block = block[:MAX_BYTES]
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return {}
    try:
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        camera = _numbers(block, order, start, {_CAMERA_LIST}).get(_CAMERA_LIST)
        return {} if camera is None else _numbers(block, order, int(camera), _WANTED)
    except struct.error:
        return {}


def _numbers(block: bytes, order: str, start: int, wanted: set[int]) -> dict[int, float]:
    """Single numbers of one list; the first of a tag that is there twice. Raises struct.error at the block's end."""
    (count,) = struct.unpack_from(f"{order}H", block, start)
    found: dict[int, float] = {}
    for i in range(min(count, _MOST_ENTRIES)):
        at = start + 2 + 12 * i
        tag, kind, values = struct.unpack_from(f"{order}HHI", block, at)
        if tag in wanted and tag not in found and values == 1:
            value = _value(block, order, kind, at + 8)
            if value is not None:
                found[tag] = value
    return found


def _value(block: bytes, order: str, kind: int, at: int) -> float | None:
    if kind == _SHORT:
        return float(struct.unpack_from(f"{order}H", block, at)[0])
    if kind == _LONG:
        return float(struct.unpack_from(f"{order}I", block, at)[0])
    if kind != _RATIONAL:
        return None
    (pointer,) = struct.unpack_from(f"{order}I", block, at)
    if pointer + 8 > len(block):
        return None
    above, below = struct.unpack_from(f"{order}II", block, pointer)
    return above / below if below else None
