"""Drawn example photos for the web page and the README: made on demand, free of anybody's rights."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from epiluma.imaging.synthetic import draw_lesion

NOTE = "A drawing, not a photograph of anybody's skin."
LICENCE = "CC0-1.0"


@dataclass(frozen=True)
class Example:
    """One drawn photo, ready to save or to show."""

    name: str
    """File name without suffix."""
    title: str
    note: str
    diagnosis: str
    """Code of the diagnosis that it was drawn as, in `epiluma.taxonomy.ISIC_2019`."""
    jpeg: bytes


_CHOICES = (
    # name, title, diagnosis, seed: picked by eye for a clear pattern and for different skins
    ("mole", "Mole with an even network", "NV", 12),
    ("melanoma", "Uneven outline and many colours", "MEL", 4),
    ("basal-cell", "Pink patch with branching vessels", "BCC", 1),
    ("age-spot", "Waxy brown growth with pale dots", "BKL", 106),
    ("firm-bump", "Pale centre in a brown ring", "DF", 115),
    ("blood-spot", "Red and purple lakes", "VASC", 121),
)


def example_photos() -> list[Example]:
    """Six drawn photos of different diagnoses, the same on every call; about a third of a second."""
    return [Example(name, title, NOTE, diagnosis, _jpeg(seed, diagnosis)) for name, title, diagnosis, seed in _CHOICES]


def write_examples(folder: Path) -> list[Path]:
    """Write the drawn photos into `folder`, made if missing; returns their paths, in order."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for example in example_photos():
        path = folder / f"{example.name}.jpg"
        path.write_bytes(example.jpeg)
        paths.append(path)
    return paths


def _jpeg(seed: int, diagnosis: str) -> bytes:
    buffer = io.BytesIO()
    comment = f"{NOTE} {LICENCE}, Epiluma."
    Image.fromarray(draw_lesion(seed, diagnosis=diagnosis).image).save(buffer, "JPEG", quality=88, comment=comment)
    return buffer.getvalue()
