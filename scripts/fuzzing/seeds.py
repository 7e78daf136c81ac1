"""Small valid files of every format and kind that is accepted, to be damaged."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

SIZE = (72, 56)


def seeds() -> dict[str, bytes]:
    """Name of each kind -> a file of it; the same bytes each time."""
    return {**_jpegs(), **_pngs(), **_webps(), **_bmps(), **_tiffs()}


def _picture(mode: str = "RGB") -> Image.Image:
    ramp = Image.linear_gradient("L").resize(SIZE)
    turned = Image.linear_gradient("L").rotate(90).resize(SIZE)
    return Image.merge("RGB", (ramp, turned, Image.radial_gradient("L").resize(SIZE))).convert(mode)


def _encoded(picture: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def _sideways() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    return exif


def _profile() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + bytes(12) + profile[36:]  # without the hour at which it was made


def _jpegs() -> dict[str, bytes]:
    rgb = _picture()
    return {
        "jpeg": _encoded(rgb, "JPEG", quality=90),
        "jpeg 4:4:4, restarts": _encoded(rgb, "JPEG", subsampling=0, restart_marker_blocks=3),
        "jpeg progressive": _encoded(rgb, "JPEG", progressive=True),
        "jpeg grey": _encoded(_picture("L"), "JPEG"),
        "jpeg cmyk": _encoded(_picture("CMYK"), "JPEG", progressive=True),
        "jpeg with metadata": _encoded(rgb, "JPEG", exif=_sideways(), icc_profile=_profile(), comment="note"),
    }


def _pngs() -> dict[str, bytes]:
    text = PngInfo()
    text.add_text("Comment", "note " * 40, zip=True)
    text.add_itxt("Title", "note")
    rows = b"".join(b"\0" + bytes(range(2 * SIZE[0])) for _ in range(SIZE[1]))
    header = struct.pack(">IIBBBBB", *SIZE, 16, 0, 0, 0, 0)
    wide = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return {
        "png": _encoded(_picture(), "PNG"),
        "png rgba": _encoded(_picture("RGBA"), "PNG"),
        "png palette": _encoded(_picture().quantize(16), "PNG", transparency=bytes(range(16))),
        "png 1 bit": _encoded(_picture("1"), "PNG"),
        "png 16 bits": b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(name, payload) for name, payload in wide),
        "png with metadata": _encoded(_picture(), "PNG", pnginfo=text, icc_profile=_profile(), exif=_sideways()),
        "apng": _encoded(_picture(), "PNG", save_all=True, append_images=[_picture().rotate(180)]),
    }


def _webps() -> dict[str, bytes]:
    return {
        "webp": _encoded(_picture(), "WEBP"),
        "webp lossless": _encoded(_picture(), "WEBP", lossless=True),
        "webp alpha": _encoded(_picture("LA").convert("RGBA"), "WEBP", exif=_sideways(), icc_profile=_profile()),
        "webp frames": _encoded(_picture(), "WEBP", save_all=True, append_images=[_picture().rotate(180)]),
    }


def _bmps() -> dict[str, bytes]:
    kinds = {"bmp": "RGB", "bmp alpha": "RGBA", "bmp grey": "L", "bmp 1 bit": "1"}
    return {name: _encoded(_picture(mode), "BMP") for name, mode in kinds.items()} | {
        "bmp palette": _encoded(_picture().quantize(16), "BMP")
    }


def _tiffs() -> dict[str, bytes]:
    compressions = {"raw": "raw", "lzw": "tiff_lzw", "deflate": "tiff_adobe_deflate", "packbits": "packbits"}
    return {f"tiff {name}": _encoded(_picture(), "TIFF", compression=kind) for name, kind in compressions.items()} | {
        "tiff cmyk": _encoded(_picture("CMYK"), "TIFF", tiffinfo=_sideways()),
        "tiff palette": _encoded(_picture().quantize(16), "TIFF"),
        "tiff 16 bits": _encoded(_picture("I;16"), "TIFF"),
        "tiff pages": _encoded(_picture(), "TIFF", save_all=True, append_images=[_picture().rotate(180)]),
        "tiff strips": _encoded(_picture(), "TIFF", compression="tiff_lzw", strip_size=512),
    }


def png_chunk(name: bytes, payload: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))
