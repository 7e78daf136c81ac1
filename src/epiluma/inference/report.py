"""Screenings as one HTML file that needs nothing else, prints well and may hold thousands of photos."""

from __future__ import annotations

import base64
import io
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Self

from PIL import Image

from epiluma.bundle import Bundle
from epiluma.errors import EpilumaError
from epiluma.imaging.decode import MAX_BYTES, PhotoError, decode_photo
from epiluma.inference.donut import decimal, diagnosis_donut, malignancy_donut
from epiluma.inference.result import Level, Screening, ScreeningError
from epiluma.inference.table import summary, tally
from epiluma.taxonomy import Taxonomy

THUMBNAIL = (240, 240)
"""Largest width and height of an embedded picture, pixels."""

_SIGNS: dict[Level, str] = {"urgent": "▲▲", "refer": "▲", "recheck": "↻", "no_sign": "●", "cannot_judge": "?"}
_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c2227; --muted: #565f68; --line: #dedad2; --refer: #a12b1b;
  --donut-malignant: #c2513f; --donut-benign: #4a82b5; --donut-others: #8a8f96; }
@media (prefers-color-scheme: dark) { :root { --paper: #121518; --ink: #eeebe6; --muted: #a8b1ba; --line: #333b42;
  --refer: #ff9f8e; } }
body { margin: 0 auto; padding: 24px 16px; max-width: 1080px; font: 16px/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 12px; }
h2 { font-size: 18px; line-height: 1.3; margin: 0; overflow-wrap: anywhere; }
p { margin: 4px 0; max-width: 72ch; }
.summary { border-bottom: 1px solid var(--line); padding-bottom: 16px; }
.muted { color: var(--muted); font-size: 14px; overflow-wrap: anywhere; }
article { display: grid; grid-template-columns: 240px 1fr; gap: 8px 24px; padding: 24px 0;
  border-bottom: 1px solid var(--line); break-inside: avoid; }
article > img { width: 240px; height: 240px; object-fit: contain; background: var(--line); border-radius: 8px; }
.action { font-size: 18px; font-weight: 700; } .urgent .action, .refer .action, .error .action { color: var(--refer); }
.donuts { display: grid; grid-template-columns: 1fr 1fr; gap: 16px; max-width: 720px; }
.donuts svg { width: 100%; height: auto; }
@media (max-width: 640px) { article, .donuts { grid-template-columns: 1fr; } }
@media print { :root { --paper: #fff; --ink: #000; --muted: #444; --refer: #a12b1b; }
  body { max-width: none; padding: 0; }
  * { print-color-adjust: exact; } }
"""


class ReportError(EpilumaError):
    """A report that cannot be written where it should go."""


class HtmlReport:
    """A report that grows on disk, photo by photo; the file appears, whole, when the `with` block ends well.

    The summary stands first but is known last: the photos go to a temporary file beside the report until then.
    """

    def __init__(self, path: Path, bundle: Bundle) -> None:
        self._path = path
        self._bundle = bundle
        self._counts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        """Open the temporary file. Raises ReportError when the folder cannot be written."""
        with self._writing():
            self._body = tempfile.TemporaryFile("w+", encoding="utf-8", dir=self._path.parent)
        return self

    def add(self, result: Screening | ScreeningError, thumbnail: bytes | None = None) -> None:
        """Append one result; `thumbnail` is a JPEG as `make_thumbnail` gives it. Raises ReportError."""
        tally(self._counts, result)
        with self._writing():
            self._body.write(render_entry(result, self._bundle.manifest.taxonomy, thumbnail))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Put the report together, unless an error ended the block. Raises ReportError."""
        with self._writing(), self._body:
            if kind is None:
                self._finish()

    def _finish(self) -> None:
        partial = self._path.with_name(self._path.name + ".partial")
        self._body.seek(0)
        try:
            with partial.open("w", encoding="utf-8") as whole:
                whole.write(render_head(self._counts, self._bundle))
                shutil.copyfileobj(self._body, whole)
                whole.write("</main>\n</body>\n</html>\n")
            partial.replace(self._path)
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ReportError(f"{self._path}: the report cannot be written ({error.strerror})") from error


def make_thumbnail(path: Path | str) -> bytes | None:
    """A small JPEG of the photo, without metadata; None when the file cannot be decoded."""
    try:
        with Path(path).open("rb") as file:
            photo = decode_photo(file.read(MAX_BYTES + 1), shorter_side=THUMBNAIL[0] // 2).image
    except (PhotoError, OSError):
        return None
    photo.thumbnail(THUMBNAIL)
    pixels_only = Image.frombytes("RGB", photo.size, photo.tobytes())
    buffer = io.BytesIO()
    pixels_only.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def render_head(counts: Counter[str], bundle: Bundle) -> str:
    """The start of the document, with the summary."""
    manifest = bundle.manifest
    lines = "".join(f"<p>{escape(line)}</p>" for line in summary(counts, manifest).splitlines())
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Epiluma: {counts.total()} photos</title><style>{_STYLE}</style></head>\n<body>\n"
        f'<header class="summary"><h1>Skin screening of {counts.total()} photos</h1>{lines}'
        f'<p class="muted">Model {escape(manifest.name)}, for {escape(manifest.modality)} photos; '
        f"bundle {escape(bundle.id)}. Licence {escape(manifest.licence)}. {escape(manifest.licence_note)}</p>"
        "</header>\n<main>\n"
    )


def render_entry(result: Screening | ScreeningError, taxonomy: Taxonomy, thumbnail: bytes | None) -> str:
    """One photo's part of the document."""
    name = f"<h2>{escape(result.file)}</h2>"
    if isinstance(result, ScreeningError):
        return (
            f'<article class="error"><div></div><div>{name}<p class="action">✕ Not read</p>'
            f"<p>{escape(result.error)}</p></div></article>\n"
        )
    recommendation = result.recommendation
    return (
        f'<article class="{recommendation.level}">{_picture(thumbnail)}<div>{name}'
        f'<p class="action">{_SIGNS[recommendation.level]} {escape(recommendation.text)}</p>'
        f"<p>{escape(recommendation.reason)}</p>{_figures(result, taxonomy)}"
        f'<p class="muted">{result.width} × {result.height} pixels. {escape(result.warning)}</p></div></article>\n'
    )


def _picture(thumbnail: bytes | None) -> str:
    if thumbnail is None:
        return "<div></div>"
    return f'<img src="data:image/jpeg;base64,{base64.b64encode(thumbnail).decode()}" alt="The photo that was checked">'


def _figures(result: Screening, taxonomy: Taxonomy) -> str:
    if result.diagnosis is None:
        return ""
    diagnosis = taxonomy[result.diagnosis]
    plain = f" ({escape(diagnosis.plain)})" if diagnosis.plain else ""
    return (
        f"<p>Fits best: {escape(diagnosis.name)}{plain}, "
        f"probability {decimal(result.probabilities[diagnosis.code])}.</p>"
        f'<div class="donuts">{malignancy_donut(result, taxonomy, number=decimal)}'
        f"{diagnosis_donut(result, taxonomy, number=decimal)}</div>{_alike(result, taxonomy)}"
    )


def _alike(result: Screening, taxonomy: Taxonomy) -> str:
    """The published photos that look alike to the network, as links."""
    if not result.examples:
        return ""
    links = (
        f'<a href="{escape(example.url)}">{escape(example.id)}</a> '
        f"({escape(taxonomy[example.diagnosis].name)}, {example.similarity:.2f})"
        for example in result.examples
    )
    return f'<p class="muted">Looks most like, to the network: {", ".join(links)}.</p>'
