"""Ways to damage a file, from a single bit to a second file in its middle."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from random import Random

from epiluma.imaging.decode import MAX_BYTES

NUMBERS = (0, 1, 2, 3, 7, 8, 16, 127, 128, 255, 256, 4_096, 16_383, 32_767, 32_768, 65_535, 1 << 24, (1 << 31) - 1,
           1 << 31, (1 << 32) - 1)  # fmt: skip
"""Where programs that count go wrong."""
MOST = MAX_BYTES + 1
"""Bytes from which on a file is refused for its length alone; it is not made longer still."""
Mutation = Callable[[bytes, bytes, Random], bytes]
"""(file, another file, random numbers) -> the file, damaged."""


def mutated(data: bytes, other: bytes, random: Random) -> tuple[bytes, tuple[str, ...]]:
    """The file after one to four mutations, and their names. A PNG's checksums are mostly made good again."""
    chosen = random.choices(list(MUTATIONS), k=random.choice((1, 1, 2, 3, 4)))
    for name in chosen:
        if len(data) <= MOST:
            data = MUTATIONS[name](data, other, random)
    if data.startswith(_PNG) and random.random() < 0.9:
        data = _checked(data)
    return data, tuple(chosen)


def parts(data: bytes) -> list[tuple[int, int]]:
    """(start, end) of each marker's segment, chunk, tag or header field, as far as the file can be followed."""
    if data.startswith(b"\xff\xd8"):
        starts = [found.start() for found in re.finditer(rb"\xff[^\x00\xff]", data)]
    elif data.startswith(_PNG):
        starts = _followed(data, 8, ">I", 0, 12)
    elif data.startswith(b"RIFF"):
        starts = _followed(data, 12, "<I", 4, 8)
    elif data[:4] in (b"II*\0", b"MM\0*"):
        starts = _tags(data)
    else:
        starts = list(range(2, min(54, len(data)), 4))
    return list(zip(starts, [*starts[1:], len(data)], strict=True)) if starts else []


_PNG = b"\x89PNG\r\n\x1a\n"


def _followed(data: bytes, position: int, length: str, at: int, around: int) -> list[int]:
    starts: list[int] = []
    while position + around <= len(data) and len(starts) < 1_000:
        starts.append(position)
        position += around + struct.unpack_from(length, data, position + at)[0]
        position += position % 2 if length == "<I" else 0
    return starts


def _tags(data: bytes) -> list[int]:
    order = "<" if data[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
    except struct.error:
        return [4]
    return [start + 2 + 12 * i for i in range(min(count, 1_000)) if start + 14 + 12 * i <= len(data)] or [4]


def _checked(data: bytes) -> bytes:
    """A PNG with the checksums of its chunks as they should be."""
    fixed = bytearray(data)
    for start, end in parts(data):
        if end - start >= 12:
            fixed[end - 4 : end] = struct.pack(">I", zlib.crc32(data[start + 4 : end - 4]))
    return bytes(fixed)


def _part(data: bytes, random: Random) -> tuple[int, int]:
    return random.choice(parts(data) or [(0, len(data))])


def _flip_bits(data: bytes, _: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _time in range(random.choice((1, 2, 8, 40))):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _flip_header(data: bytes, other: bytes, random: Random) -> bytes:
    head = random.choice((16, 64, 256))
    return _flip_bits(data[:head], other, random) + data[head:]


def _cut(data: bytes, _: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _cut_at_part(data: bytes, _: bytes, random: Random) -> bytes:
    start, _end = _part(data, random)
    return data[: start + random.choice((0, 1, 2, 4, 8))]


def _splice(data: bytes, other: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


def _insert_other(data: bytes, other: bytes, random: Random) -> bytes:
    at, _end = _part(data, random)
    return data[:at] + other + data[at:]


def _append_other(data: bytes, other: bytes, _: Random) -> bytes:
    return data + other


def _change_number(data: bytes, _: bytes, random: Random) -> bytes:
    """A length, count, size or offset: 2 or 4 bytes near the beginning of a part."""
    start, _end = _part(data, random)
    at, code = start + random.randrange(13), random.choice(("<H", ">H", "<I", ">I"))
    changed, most = bytearray(data), 0xFFFF if code[1] == "H" else 0xFFFF_FFFF
    if at + struct.calcsize(code) <= len(changed):
        (now,) = struct.unpack_from(code, changed, at)
        wanted = random.choice((*NUMBERS, now - 1, now + 1, now * 2, now // 2, len(data)))
        struct.pack_into(code, changed, at, min(max(wanted, 0), most))
    return bytes(changed)


def _repeat_part(data: bytes, _: bytes, random: Random) -> bytes:
    start, end = _part(data, random)
    times = min(random.choice((2, 2, 3, 30, 300)), 2 + (MOST - len(data)) // max(end - start, 1))
    return data[:start] + data[start:end] * times + data[end:]


def _drop_part(data: bytes, _: bytes, random: Random) -> bytes:
    start, end = _part(data, random)
    return data[:start] + data[end:]


def _swap_parts(data: bytes, _: bytes, random: Random) -> bytes:
    (a, b), (c, d) = sorted((_part(data, random), _part(data, random)))
    return data if b > c else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _change_size(data: bytes, _: bytes, random: Random) -> bytes:
    """Width or height, where the format has them."""
    changed, wanted = bytearray(data), random.choice(NUMBERS)
    if data.startswith(b"\xff\xd8"):
        frame = re.search(rb"\xff[\xc0-\xc2]", data)
        at, code = (frame.start() if frame else 0) + random.choice((5, 7)), ">H"
    elif data.startswith(_PNG):
        at, code = random.choice((16, 20)), ">I"
    elif data.startswith(b"RIFF"):
        at, code = random.choice((21, 24, 26, 27, 28)), "<H"
    elif data.startswith(b"BM"):
        at, code = random.choice((18, 22)), "<I"
    else:
        at, code = random.choice(parts(data) or [(0, 0)])[0] + 8, "<I" if data[:2] == b"II" else ">I"
    if at + struct.calcsize(code) <= len(changed):
        struct.pack_into(code, changed, at, wanted & (0xFFFF if code[1] == "H" else 0xFFFF_FFFF))
    return bytes(changed)


def _run(data: bytes, _: bytes, random: Random) -> bytes:
    """A long run of one byte somewhere."""
    at, length = random.randrange(len(data) + 1), random.choice((1, 100, 70_000, 400_000))
    return data[:at] + bytes([random.choice((0, 0xFF, 0x80, 0xD0))]) * length + data[at:]


MUTATIONS: dict[str, Mutation] = {
    "bits": _flip_bits, "bits of the header": _flip_header, "cut": _cut, "cut at a part": _cut_at_part,
    "splice": _splice, "another file inside": _insert_other, "another file behind": _append_other,
    "number": _change_number, "part repeated": _repeat_part, "part dropped": _drop_part, "parts swapped": _swap_parts,
    "size": _change_size, "run": _run,
}  # fmt: skip
