"""A small set of drawn photos for the tests of the report."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from PIL import Image

from epiluma.datasets.manifest import Entry, Manifest
from tests.datasets.manifests import manifest_of, sample


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Six photos of three lesions, one with a mask, one that cannot be read, one with a hostile name of a site."""
    root = tmp_path_factory.mktemp("sets")
    (root / "one").mkdir()
    random = np.random.default_rng(0)
    entries = []
    for i in range(6):
        path = root / "one" / f"{i}.jpg"
        Image.fromarray(random.integers(90, 130, (120, 160, 3), np.uint8)).save(path)
        entries.append(
            Entry(
                sample=sample(f"{i}", root=root, diagnosis="MEL" if i < 2 else "NV", lesion=f"l{i // 2}"),
                group=f"l{i // 2}",
                part="train" if i != 3 else "test",
            )
        )
    mask = np.zeros((120, 160), np.uint8)
    mask[30:90, 40:120] = 255
    Image.fromarray(mask).save(root / "one" / "0.png")
    entries[0] = replace(entries[0], sample=replace(entries[0].sample, mask=root / "one" / "0.png"))
    entries[1].sample.path.write_bytes(b"not a photo")
    entries[2] = replace(entries[2], sample=replace(entries[2].sample, site="<script>alert(1)</script>"))
    return manifest_of(entries, root=root)
