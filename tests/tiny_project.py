"""A whole tiny project on drawn lesions: data, split and a recipe that trains in seconds."""

from __future__ import annotations

from pathlib import Path

from epiluma.datasets import cache, catalog, split
from epiluma.imaging.synthetic import write_folder

RECIPE = """
name = "tiny"
seed = 3

[data]
set = "ham10000"
root = "{folder}/data"
split = "{folder}/split.csv"
cache = "{folder}/cache"
cache_size = 104

[model]
architecture = "mobilenetv2"

[optimiser]
batch_size = 16
average = 0.8
balance = 0.5
precision = "fp32"

[[phases]]
name = "head"
train = "head"
epochs = 1
size = 48
learning_rate = 1e-3
augmentation = "flips"

[[phases]]
name = "all"
train = "all"
epochs = {epochs}
size = 48
learning_rate = 2e-3
augmentation = "dermoscopy"

[bundle]
name = "tiny"
modality = "dermoscopy"
size = 48
licence = "CC0-1.0"
licence_note = "Trained on drawn lesions: for tests only."
non_commercial = false
training_data = "drawn lesions"
sensitivity = 0.5
lower_bound = 0.1
"""


def make_project(folder: Path, *, count: int = 120, epochs: int = 2) -> Path:
    """Draw a data set in HAM10000's layout, split it, write a recipe; returns the recipe's path."""
    root = write_folder(folder / "data", count=count, seed=5, size=(130, 104))
    samples = catalog.read("ham10000", root)
    squares = cache.decoded(samples, size=104, folder=folder / "cache")
    split.write(split.make(samples, squares, seed=1), folder / "split.csv")
    path = folder / "tiny.toml"
    path.write_text(RECIPE.format(folder=folder, epochs=epochs), encoding="utf-8")
    return path
