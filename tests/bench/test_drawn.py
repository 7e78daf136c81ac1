"""Drawn photos are as large as published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from epiluma.bench.drawn import write_drawn


def test_drawn_photos_are_originals_in_size(tmp_path: Path) -> None:
    files = sorted(write_drawn(tmp_path, count=3).iterdir())
    assert len(files) == 3
    with Image.open(files[0]) as photo:
        assert (photo.format, photo.size) == ("JPEG", (600, 450))
        assert np.asarray(photo).std() > 5
