"""Six malignant tumours of one's own, from folders of photos to a scored run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from epiluma import predictions
from epiluma.datasets import cache, catalog, split
from epiluma.datasets.record import DataError
from epiluma.evaluation.scorecard import score
from epiluma.export import config
from epiluma.export.predict import predict
from epiluma.taxonomy import TaxonomyError, load
from epiluma.training import data, recipe, run

TUMOURS = ("BCC", "SCC", "MEL", "MCC", "DFSP", "KS")
LEAF = """
[[leaves]]
code = "{code}"
name = "tumour {code}"
name_zh = "{code}"
malignant = true
urgency = "urgent"
"""
RECIPE = """
name = "six"
[data]
set = "folder"
root = "{folder}/photos"
split = "{folder}/split.csv"
taxonomy = "{folder}/photos/taxonomy.toml"
cache = "{folder}/cache"
cache_size = 48
[model]
architecture = "mobilenetv2"
[optimiser]
batch_size = 16
precision = "fp32"
[[phases]]
name = "all"
train = "all"
epochs = 1
size = 32
learning_rate = 1e-3
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("six")
    random = np.random.default_rng(0)
    for tumour in TUMOURS:
        (folder / "photos" / tumour).mkdir(parents=True)
        for i in range(20):
            noise = random.integers(0, 255, (52, 52, 3), np.uint8)
            Image.fromarray(noise).save(folder / "photos" / tumour / f"{i}.png")
    (folder / "photos" / "taxonomy.toml").write_text("".join(LEAF.format(code=code) for code in TUMOURS))
    terms = 'modality = "clinical"\nlicence = "CC0-1.0"\ntaxonomy = "taxonomy.toml"\n'
    (folder / "photos" / "labels.toml").write_text(terms)
    samples = catalog.read("folder", folder / "photos")
    squares = cache.decoded(samples, size=48, folder=folder / "cache")
    split.write(split.make(samples, squares, seed=1), folder / "split.csv")
    (folder / "six.toml").write_text(RECIPE.format(folder=folder))
    return folder


def test_a_taxonomy_of_one_s_own_is_trained_and_scored(project: Path) -> None:
    settings = recipe.load(project / "six.toml")
    corpus = data.load(settings)
    assert corpus.taxonomy.codes == TUMOURS
    for sample, label in zip(corpus.samples, corpus.labels, strict=True):
        assert Path(sample.image_id).parts[0] == TUMOURS[label]
        assert sample.malignant
    run.train(settings, project / "run")
    predict(settings, config.unshipped(settings), project / "run")
    table = predictions.read(project / "run" / "predictions.csv")
    assert table.header.codes == TUMOURS
    assert table.probabilities.shape[1] == 6
    found = score(table).subsets["all"]
    assert set(found.classes) == set(TUMOURS)


def test_labels_outside_it_are_named(project: Path, tmp_path: Path) -> None:
    (tmp_path / "photos" / "nevus").mkdir(parents=True)
    Image.new("RGB", (52, 52)).save(tmp_path / "photos" / "nevus" / "a.png")
    for name in ("taxonomy.toml", "labels.toml"):
        (tmp_path / "photos" / name).write_text((project / "photos" / name).read_text())
    with pytest.raises(DataError, match="nevus"):
        catalog.read("folder", tmp_path / "photos")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        ("[[leaves]]\ncode = 'A'\n", "missing required field `name`"),
        ("leaves = []\n", "needs at least one diagnosis"),
        (LEAF.format(code="A") * 2, "names a diagnosis twice: A"),
        (LEAF.format(code="A") + "colour = 'red'\n", "unknown field `colour`"),
    ],
)
def test_a_file_that_holds_no_taxonomy_is_named(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "own.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TaxonomyError, match=rf"own\.toml: .*{reason}"):
        load(path)
