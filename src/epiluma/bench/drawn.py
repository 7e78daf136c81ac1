"""Drawn lesions as files, for a benchmark that was given no photos."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from epiluma.imaging.synthetic import draw_lesion


def write_drawn(folder: Path, count: int) -> Path:
    """Draw lesions into `folder` as 600 x 450 JPEG files."""
    for seed in range(count):
        Image.fromarray(draw_lesion(seed).image).save(folder / f"drawn-{seed:03}.jpg", quality=92)
    return folder
