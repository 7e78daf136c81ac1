"""From the bytes of a photo file to an upright RGB picture, within 2 seconds and 512 MB whatever the bytes are.

Every bound is checked on the container's claims (`imaging.containers`) before Pillow sees the file. The 512 MB come on
top of the file itself. Why not in a child process: docs/decisions/0019-decoding-in-process.md.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from epiluma.imaging.containers import DAMAGED, RARE, Container, PhotoError, read_container
from epiluma.imaging.formats.exif import camera_numbers

__all__ = ["Decoded", "PhotoError", "decode_photo"]

MAX_BYTES = 64_000_000
MAX_SIDE = 32_767
MAX_PIXELS = {"JPEG": 64_000_000, "PNG": 30_000_000, "WEBP": 25_000_000, "BMP": 30_000_000, "TIFF": 30_000_000}
"""Per format, as fast as its decoder: JPEG 90 million pixels a second, PNG and TIFF 45, WebP 25."""
MAX_RAW_BYTES = 80_000_000
"""Uncompressed size of a PNG, BMP or TIFF: 26 million pixels in 8-bit RGB, 20 with alpha, 13 in 16-bit RGB."""
MAX_SCANS = 100
MAX_SCANNED = 320_000_000
"""Scans times pixels of a JPEG: 10 scans of 32 million pixels. A scan of nothing costs 2 to 5 ns per pixel."""
MAX_BUFFERED = 120_000_000
"""Pixels times colours of a JPEG with several scans: 40 million pixels, 30 in CMYK. Each takes 2 bytes more."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIXTEEN_BIT_GREY = {"I;16", "I;16B", "I;16L", "I;16N"}
_WIDE_GREY = {"I", "F"}


@dataclass(frozen=True)
class Decoded:
    """An upright picture and where it came from."""

    image: Image.Image
    """RGB; smaller than `width` x `height` when a JPEG was decoded at a fraction of its size."""
    format: str
    """JPEG, PNG, WEBP, BMP or TIFF."""
    width: int
    """Pixels of the file's picture, after orientation."""
    height: int
    camera: Mapping[int, float] = field(default_factory=dict)
    """What the camera wrote of lens and sensor, by the tags of `imaging.formats.exif`."""


def decode_photo(source: bytes, *, shorter_side: int | None = None) -> Decoded:
    """Decode a JPEG, PNG, WebP, BMP or TIFF; of several frames or pages, the first.

    With `shorter_side`, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, as long as its shorter side keeps at
    least twice that many pixels. Transparent parts become white. Raises PhotoError.
    """
    if not source:
        raise PhotoError("The file is empty.")
    if len(source) > MAX_BYTES:
        raise PhotoError(f"The file is larger than {MAX_BYTES // 1_000_000} MB. Save the photo smaller.")
    container = read_container(source)
    _check_cost(container)
    file, container = io.BytesIO(container.data), replace(container, data=b"")  # the copy goes when `file` is closed
    picture = _decode(file, container, shorter_side)
    if container.orientation in _UPRIGHT:
        picture = picture.transpose(_UPRIGHT[container.orientation])
    turned = container.orientation >= 5
    width, height = (container.height, container.width) if turned else (container.width, container.height)
    return Decoded(picture, container.format, width, height, camera_numbers(container.exif))


def _check_cost(container: Container) -> None:
    pixels = container.width * container.height
    most = MAX_PIXELS[container.format]
    if container.format == "JPEG":
        if container.scans > MAX_SCANS or container.scans * pixels > MAX_SCANNED:
            raise PhotoError(f"The JPEG is stored in {container.scans} passes, too many for its size. Save it again.")
        most = MAX_BUFFERED * 8 // container.bits if container.buffered else most
    elif container.format != "WEBP":
        most = min(most, MAX_RAW_BYTES * 8 // max(container.bits, 1))
    if pixels > most or max(container.width, container.height) > MAX_SIDE:
        raise PhotoError(
            f"The photo has {container.width:,} x {container.height:,} pixels, too many to open safely. "
            f"Save it smaller (at most {most // 1_000_000} million pixels)."
        )


def _decode(file: io.BytesIO, container: Container, shorter_side: int | None) -> Image.Image:
    """The stored picture as RGB, not yet turned; closes the file before a second copy of the picture is made."""
    try:
        with file, Image.open(file, formats=[container.format]) as photo:
            if photo.size != (container.width, container.height):  # two headers that disagree
                raise PhotoError(DAMAGED)
            if shorter_side:
                photo.draft(None, (2 * shorter_side, 2 * shorter_side))  # does nothing except for a JPEG
            photo.load()
            if photo.fp:  # of a WebP, the pixels once more
                photo.fp.close()
        return _as_rgb(photo)
    except PhotoError:
        raise
    except Exception as error:  # Pillow's decoders raise a dozen unrelated kinds on damaged files
        raise PhotoError(DAMAGED) from error


def _as_rgb(photo: Image.Image) -> Image.Image:
    if photo.mode in _SIXTEEN_BIT_GREY:  # Pillow would clip at 255 instead of scaling
        high_byte = (np.asarray(photo).astype(np.uint16) >> 8).astype(np.uint8)
        return Image.fromarray(high_byte).convert("RGB")
    if photo.mode in _WIDE_GREY:
        raise PhotoError(RARE)
    if photo.has_transparency_data:
        layered = photo if photo.mode == "RGBA" else photo.convert("RGBA")
        paper = Image.new("RGB", layered.size, "white")
        paper.paste(layered, mask=layered.getchannel("A"))
        return paper
    return photo if photo.mode == "RGB" else photo.convert("RGB")
