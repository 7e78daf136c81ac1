"""A planted giveaway is measured, chance stays chance, and a group is never on both sides of a fold."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from epiluma.datasets import catalog, confounding, groups
from epiluma.datasets.confounding import Tell, rule_per_value
from epiluma.datasets.inspection import Inspections
from epiluma.datasets.manifest import Entry
from epiluma.datasets.merge import merge
from tests.datasets.manifests import inspected, manifest_of, sample, source

N = 300


def made(facts: Sequence[dict[str, object]]) -> list[Entry]:
    return list(manifest_of([sample(f"{i:04}", **row) for i, row in enumerate(facts)]).entries)  # type: ignore[arg-type]


def tells(entries: Sequence[Entry], found: Inspections, sizes: Sequence[int] = ()) -> dict[str, Tell]:
    parted = groups.members([e.sample for e in entries], [])
    bytes_of = np.array(sizes or [1000] * len(entries), np.intp)
    return {tell.suspect: tell for tell in confounding.tells(entries, found, parted, bytes_of)}


def two_classes(n: int = N) -> list[dict[str, object]]:
    return [{"diagnosis": "MEL" if i % 3 == 0 else "NV"} for i in range(n)]


def test_a_column_that_is_the_label_tells_all_of_it() -> None:
    rows = [row | {"confirmation": "histo" if row["diagnosis"] == "MEL" else "follow_up"} for row in two_classes()]
    found = tells(made(rows), inspected(N))["confirmation"]
    assert (found.score, found.lower, found.upper, found.chance) == (1, 1, 1, 0.5)
    assert found.information == pytest.approx(1)
    assert found.telling
    assert str(found) == (
        "confirmation alone tells the class: balanced accuracy 1.00 [1.00, 1.00], chance 0.50, "
        "ceiling 1.00, mutual information 1.00, 300 images"
    )


def test_a_column_of_chance_tells_nothing() -> None:
    random = np.random.default_rng(1)
    rows = [row | {"site": str(random.integers(4))} for row in two_classes()]
    found = tells(made(rows), inspected(N))["site"]
    assert found.lower < 0.5 + 0.1 * 0.5
    assert found.information is not None
    assert found.information < 0.05
    assert not found.telling


def test_two_values_are_measured_by_what_two_values_can_tell() -> None:
    """Two sources of two classes each: the best rule names two of the four classes, and still it is a giveaway."""
    rows = [{"diagnosis": ["NV", "MEL", "DF", "BCC"][i % 4], "geometry": "ab"[i % 2]} for i in range(N)]
    found = tells(made(rows), inspected(N))["geometry"]
    assert (found.score, found.chance, found.ceiling) == (0.5, 0.25, 0.5)
    assert found.telling


def test_a_column_that_says_the_same_of_all_is_not_asked() -> None:
    found = tells(made(two_classes()), inspected(N))
    assert not set(found) & {"sex", "age", "source", "licence", "image size", "file size", "size"}


def test_the_information_is_that_of_the_formula() -> None:
    """2 I / (H(value) + H(class)), from the table of counts."""
    rows = [
        row | {"sex": "male" if i % 2 or row["diagnosis"] == "MEL" else "female"}
        for i, row in enumerate(two_classes(60))
    ]
    found = tells(made(rows), inspected(60))["sex"]
    share = {("MEL", "male"): 20 / 60, ("NV", "male"): 20 / 60, ("NV", "female"): 20 / 60}
    of_class, of_value = {"MEL": 1 / 3, "NV": 2 / 3}, {"male": 2 / 3, "female": 1 / 3}
    shared = sum(p * math.log(p / of_class[c] / of_value[v]) for (c, v), p in share.items())
    entropy = -sum(p * math.log(p) for p in (1 / 3, 2 / 3))
    assert found.information == pytest.approx(2 * shared / (2 * entropy))
    assert found.score == pytest.approx((1 + 0.5) / 2), "all melanomas, and the half of the nevi that is female"


def test_the_rule_goes_by_shares_so_that_a_rare_class_shows() -> None:
    """Value 1: 10 of 1,000 nevi and 9 of 10 melanomas; by counts it would be nevi."""
    value = np.array([0] * 990 + [1] * 10 + [0] + [1] * 9)
    truth = np.array([0] * 1000 + [1] * 10)
    assert rule_per_value(value, truth, 2, 2).tolist() == [0, 1]


@pytest.mark.parametrize("suspect", ["size", "colour cast (mean RGB)", "border and corners"])
def test_a_planted_giveaway_in_the_pixels_is_seen_by_its_own_suspect(suspect: str) -> None:
    rows = two_classes(150)
    melanoma = np.array([row["diagnosis"] == "MEL" for row in rows])
    thumbs = np.full((150, 32, 32, 3), 120, np.uint8)
    size = [(64, 48)] * 150
    dark_corners = np.zeros(150)
    if suspect == "size":
        size = [(640, 480) if m else (64, 48) for m in melanoma]
    elif suspect.startswith("colour"):
        thumbs[melanoma, 8:24, 8:24, 0] = 200  # the middle: corners stay as they are
    else:
        dark_corners = melanoma * 0.2
    found = tells(made(rows), inspected(150, thumbs=thumbs, size=size, dark_corners=list(dark_corners)))
    told = {t.suspect for t in found.values() if t.kind == "pixels" and t.telling}
    assert told == {suspect}
    assert found[suspect].score == 1


def test_file_names_and_file_sizes_are_suspects() -> None:
    rows = [
        row | {"path": Path(f"/sets/one/{'mel' if row['diagnosis'] == 'MEL' else 'nev'}_{i}.jpg")}
        for i, row in enumerate(two_classes())
    ]
    sizes = [90_000 if row["diagnosis"] == "MEL" else 30_000 for row in rows]
    found = tells(made(rows), inspected(N), sizes)
    assert found["file-name prefix"].score == 1
    assert found["file size"].score == 1


def test_a_group_is_on_one_side_of_a_fold() -> None:
    """Each patient has a size of his own: within him it tells the class, and of a stranger it tells nothing."""
    rows = [{"patient": str(i // 10), "diagnosis": "MEL" if (i // 10) % 2 else "NV"} for i in range(N)]
    size = [(100 + 37 * ((i // 10) * 7 % 30), 100) for i in range(N)]
    found = tells(made(rows), inspected(N, size=size))["image size"]
    assert found.information == pytest.approx(2 * math.log(2) / (math.log(2) + math.log(30)))
    assert found.score == pytest.approx(0.5, abs=0.05), "a size never seen is a guess"


def test_rare_classes_and_unreadable_images_are_left_out() -> None:
    rows = [*two_classes(60), *({"diagnosis": "DF"} for _ in range(9))]
    entries = made([row | {"sex": "male" if i % 2 else "female"} for i, row in enumerate(rows)])
    found = tells(entries, inspected(69, error={0: "broken", 1: "broken"}))["sex"]
    assert found.classes == ("MEL", "NV")
    assert found.images == 58
    parted = groups.members([e.sample for e in entries], [])
    assert confounding.few(entries, parted) == {"DF": 9}


def test_one_class_alone_is_no_question() -> None:
    assert not tells(
        made([{"diagnosis": "NV", "sex": "male" if i % 2 else "female"} for i in range(40)]), inspected(40)
    )


def test_the_commonest_class_is_thinned() -> None:
    rows = [{"diagnosis": "MEL" if i < 50 else "NV", "sex": "male" if i % 2 else "female"} for i in range(900)]
    assert tells(made(rows), inspected(900))["sex"].images == 50 + confounding.MOST_IMAGES


def tiny(path: Path) -> tuple[npt.NDArray[np.uint8], tuple[int, int]]:
    with Image.open(path) as image:
        size = image.size
        image.draft("RGB", (64, 64))
        return np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.BOX)), size


@pytest.mark.slow
@pytest.mark.real_data
def test_merging_three_published_sets_confounds_class_and_source(published: Path) -> None:
    """HAM10000, PAD-UFES-20 and ISIC 2017: the pixels show the source, and the source tells the class."""
    folders = {"ham10000": "HAM10000", "isic2017": "ISIC2017", "padufes20": "PAD-UFES-20"}
    if lacking := set(folders) - set(catalog.CATALOG):
        pytest.skip(f"not in the catalog: {', '.join(sorted(lacking))}")
    readings = {name: catalog.inspect(name, published / folder) for name, folder in folders.items()}
    manifest = merge([(source(name, found.rows), found) for name, found in readings.items()])
    thumbs, sizes = zip(*(tiny(e.sample.path) for e in manifest.entries), strict=True)
    bytes_of = [e.sample.path.stat().st_size for e in manifest.entries]
    found = tells(manifest.entries, inspected(len(thumbs), thumbs=np.stack(thumbs), size=sizes), bytes_of)
    print("\n".join(map(str, found.values())))
    assert len(manifest.entries) + len(manifest.header.omitted) == sum(r.rows for r in readings.values())
    assert found["source"].telling
    assert found["8 x 8 pixels"].lower > 0.7
    assert found["confirmation"].telling
    assert re.match(r"ISIC_|PAT_", manifest.entries[0].sample.path.name)
