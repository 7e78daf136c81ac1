"""Copies are found whatever was done to them, strangers are not, and the pairs are those of a plain corrcoef."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from epiluma.datasets import duplicates
from epiluma.datasets.inspection import Inspections
from epiluma.datasets.record import DataError, Sample
from epiluma.imaging.synthetic import draw_lesion

SIDE = 96
Squares = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def drawings() -> Squares:
    """Thirty lesions, three or four of each diagnosis."""
    return np.stack([draw_lesion(seed, size=(SIDE, SIDE)).image for seed in range(30)])


def pairs(squares: Squares, threshold: float = duplicates.THRESHOLD) -> set[tuple[int, int]]:
    thumbs = duplicates.thumbnails(squares)
    return {(i, j) for i, j, _ in duplicates.near_duplicates(thumbs, threshold)}


def symmetry(square: Squares, k: int) -> Squares:
    turned = np.rot90(square, k % 4)
    return turned if k < 4 else turned[:, ::-1]


def as_jpeg(square: Squares, quality: int) -> Squares:
    buffer = io.BytesIO()
    Image.fromarray(square).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def relit(square: Squares, *, gain: float = 1.0, offset: float = 0.0) -> Squares:
    return np.clip(square * gain + offset, 0, 255).astype(np.uint8)


CHANGES = {
    **{f"symmetry {k}": lambda square, k=k: symmetry(square, k) for k in range(8)},
    "darker": lambda square: relit(square, gain=0.7),
    "brighter": lambda square: relit(square, gain=0.8, offset=40),
    "less contrast": lambda square: relit(square, gain=0.4, offset=80),
    "colour cast": lambda square: (square * np.array([0.95, 0.85, 0.75])).astype(np.uint8),
    "JPEG 60": lambda square: as_jpeg(square, 60),
    "half the size": lambda square: np.asarray(
        Image.fromarray(square).resize((SIDE // 2, SIDE // 2)).resize((SIDE, SIDE))
    ),
    "turned, darker, JPEG 60": lambda square: as_jpeg(relit(symmetry(square, 5), gain=0.75), 60),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_planted_copy_is_found_and_nothing_else(drawings: Squares, change: str) -> None:
    planted = {3: 30, 11: 31, 26: 32}
    copies = [CHANGES[change](drawings[i]) for i in planted]
    assert pairs(np.concatenate([drawings, np.stack(copies)])) == set(planted.items())


def test_strangers_do_not_correlate(drawings: Squares) -> None:
    assert pairs(drawings) == set()


def test_another_photo_of_one_lesion_is_no_copy() -> None:
    """That is what the lesion identifier is for; the correlation only finds the same picture."""
    photos = [draw_lesion(seed, size=(SIDE, SIDE), photo=photo).image for seed in (1, 2, 3) for photo in (0, 1)]
    assert pairs(np.stack(photos)) == set()


@settings(max_examples=30, deadline=None)
@given(
    side=st.integers(24, 300),
    colours=st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=2, max_size=4),
)
def test_a_blank_photo_correlates_with_nothing(side: int, colours: list[tuple[int, int, int]]) -> None:
    blanks = [np.full((side, side, 3), colour, np.uint8) for colour in colours]
    assert pairs(np.stack(blanks), threshold=0.01) == set()


@settings(max_examples=30, deadline=None)
@given(side=st.integers(24, 80), seed=st.integers(0, 2**32 - 1))
def test_thumbnails_are_the_means_of_the_cells(side: int, seed: int) -> None:
    squares = np.random.default_rng(seed).integers(0, 256, (2, side, side, 3), np.uint8)
    found = duplicates.thumbnails(squares)
    edges = [int(i * side / 24) for i in range(25)]
    for n, row, column in [(0, 0, 0), (0, 7, 13), (1, 23, 23), (1, 23, 0)]:
        cell = squares[n, edges[row] : edges[row + 1], edges[column] : edges[column + 1]].reshape(-1, 3)
        assert found[n, row, column] == pytest.approx(float((cell @ [0.299, 0.587, 0.114]).mean()), abs=1e-3)


def by_corrcoef(thumbs: npt.NDArray[np.float32], threshold: float) -> dict[tuple[int, int], float]:
    """The same by numpy's own correlation, pair by pair, symmetry by symmetry."""
    found = {}
    for i in range(len(thumbs)):
        for j in range(i + 1, len(thumbs)):
            views = [symmetry(thumbs[i], k).ravel() for k in range(8)]
            best = max(float(np.corrcoef(view, thumbs[j].ravel())[0, 1]) for view in views)
            if best > threshold:
                found[i, j] = best
    return found


@pytest.mark.parametrize("rows", [1, 2, 7, 16, 1000])
def test_pairs_agree_with_numpy_in_blocks_of_any_size(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(7)
    base = random.normal(0, 1, (4, 24, 24))
    thumbs = np.concatenate([base + noise * random.normal(0, 1, base.shape) for noise in (0, 0.3, 1, 2)])
    thumbs[5] = symmetry(thumbs[5], 6)
    thumbs = thumbs.astype(np.float32)
    monkeypatch.setattr(duplicates, "_ROWS", rows)
    listed = list(duplicates.near_duplicates(thumbs, 0.4))
    found = {(i, j): correlation for i, j, correlation in listed}
    assert len(found) == len(listed), "no pair twice"
    assert found == pytest.approx(by_corrcoef(thumbs, 0.4), abs=1e-5)
    assert 5 < len(found) < 16 * 15 / 2


def test_no_images_no_pairs() -> None:
    assert list(duplicates.near_duplicates(np.empty((0, 24, 24), np.float32))) == []


@settings(max_examples=80, deadline=None)
@given(data=st.data(), n=st.integers(0, 30))
def test_clusters_are_the_connected_components(data: st.DataObject, n: int) -> None:
    item = st.integers(0, max(n - 1, 0))
    joined = data.draw(st.lists(st.tuples(item, item), max_size=40)) if n else []
    found = duplicates.clusters(n, iter(joined))
    graph = coo_matrix((np.ones(len(joined)), ([i for i, _ in joined], [j for _, j in joined])), shape=(n, n))
    labels = connected_components(graph, directed=False)[1] if n else np.array([], int)
    smallest = {label: int(np.flatnonzero(labels == label)[0]) for label in set(labels.tolist())}
    assert found.tolist() == [smallest[label] for label in labels.tolist()]


def inspected(paths: list[Path], features: npt.NDArray[np.float16] | None = None) -> tuple[Inspections, list[Sample]]:
    """The part of an inspection that the search reads, and samples with nothing but a path."""
    thumbs = [Image.open(path).convert("RGB").resize((32, 32), Image.Resampling.BOX) for path in paths]
    n, none = len(paths), np.zeros(len(paths), np.int32)
    inspections = Inspections(
        sha256=np.array([path.read_bytes().hex() for path in paths], np.str_),  # any name of the content will do
        error=np.full(n, ""),
        width=none,
        height=none,
        thumbs=np.stack([np.asarray(thumb) for thumb in thumbs]),
        features=np.empty((n, 0), np.float16) if features is None else features,
        measures={},
    )
    return inspections, [sample(path) for path in paths]


def sample(path: Path) -> Sample:
    return Sample(image_id=path.stem, path=path, diagnosis="", source="drawn", modality="dermoscopy", licence="")


def cropped(square: Squares, top: float, left: float, share: float = 0.9) -> Squares:
    side = round(len(square) * share)
    row, column = round(top * (len(square) - side)), round(left * (len(square) - side))
    return square[row : row + side, column : column + side]


LARGE = 192
"""Side of the drawn files, pixels."""

REPEATS = {
    **{f"symmetry {k}": CHANGES[f"symmetry {k}"] for k in range(1, 8)},
    "JPEG 60": CHANGES["JPEG 60"],
    "darker": lambda square: relit(square, gain=0.8),
    "brighter": lambda square: relit(square, gain=1.2),
    "cropped in the middle": lambda square: cropped(square, 0.5, 0.5),
    "cropped at a corner": lambda square: cropped(square, 0, 1),
    "cropped anywhere": lambda square: cropped(square, 0.3, 0.8),
    "squashed": lambda square: np.asarray(Image.fromarray(square[:, 24:-24]).resize((LARGE, LARGE))),
    "larger": lambda square: np.asarray(Image.fromarray(square).resize((500, 400))),
    "all of it": lambda square: as_jpeg(relit(cropped(symmetry(square, 5), 0.2, 0.9), gain=0.85), 60),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Sixteen drawn lesions as files, the last two of them photos of one lesion, otherwise taken."""
    folder = tmp_path_factory.mktemp("lesions")
    photos = [(seed, 0) for seed in range(15)] + [(14, 1)]
    drawn = [draw_lesion(seed, size=(LARGE, LARGE), photo=photo).image for seed, photo in photos]
    return [saved(square, folder / f"{i:02}.png") for i, square in enumerate(drawn)]


def saved(square: Squares, path: Path) -> Path:
    Image.fromarray(np.ascontiguousarray(square)).save(path)
    return path


@pytest.mark.parametrize("change", REPEATS)
def test_a_planted_repeat_is_found_among_files_and_nothing_else(files: list[Path], tmp_path: Path, change: str) -> None:
    planted = [saved(REPEATS[change](np.asarray(Image.open(files[i]))), tmp_path / f"{i}.png") for i in (2, 9)]
    found = duplicates.find(*inspected([*files, *planted]))
    assert [(pair.a, pair.b, pair.kind) for pair in found] == [(2, 16, "near"), (9, 17, "near")]
    assert all(duplicates.DETAIL <= pair.score <= 1.00001 for pair in found)


def test_other_photos_of_a_lesion_and_other_lesions_are_no_duplicates(files: list[Path]) -> None:
    assert duplicates.find(*inspected(files)) == []


def test_the_same_file_is_exact_and_its_copies_hang_on_the_first(files: list[Path], tmp_path: Path) -> None:
    again = saved(np.asarray(Image.open(files[4]))[::-1], tmp_path / "mirrored.png")
    found = duplicates.find(*inspected([files[3], files[4], files[3], again, files[3]]))
    assert [(pair.a, pair.b, pair.kind) for pair in found] == [(0, 2, "exact"), (0, 4, "exact"), (1, 3, "near")]
    assert [pair.score for pair in found[:2]] == [1.0, 1.0]


def test_what_cannot_be_read_or_seen_is_in_no_pair(files: list[Path], tmp_path: Path) -> None:
    blanks = [saved(np.full((64, 64, 3), level, np.uint8), tmp_path / f"{level}.png") for level in (10, 90, 91)]
    inspections, samples = inspected([files[0], *blanks, files[0], files[0]])
    inspections.error[0] = "damaged"
    assert [(pair.a, pair.b) for pair in duplicates.find(inspections, samples)] == [(4, 5)]


def test_no_images_and_no_files_opened() -> None:
    empty = Inspections(
        sha256=np.empty(0, np.str_),
        error=np.empty(0, np.str_),
        width=np.empty(0, np.int32),
        height=np.empty(0, np.int32),
        thumbs=np.empty((0, 32, 32, 3), np.uint8),
        features=np.empty((0, 0), np.float16),
        measures={},
    )
    assert duplicates.find(empty, []) == []
    with pytest.raises(DataError, match="0 inspections for 1 samples"):
        duplicates.find(empty, [sample(Path("a.png"))])


def test_unconfirmed_pairs_need_no_file_and_confirmed_ones_name_the_file_that_is_gone(
    files: list[Path], tmp_path: Path
) -> None:
    turned = saved(np.rot90(np.asarray(Image.open(files[5]))), tmp_path / "turned.png")
    inspections, samples = inspected([*files, turned])
    counted: list[tuple[int, int]] = []
    duplicates.find(inspections, samples, progress=lambda done, total: counted.append((done, total)))
    assert counted[-1][0] == counted[-1][1] >= 2
    turned.unlink()
    assert (5, 16) in [(pair.a, pair.b) for pair in duplicates.find(inspections, samples, confirm=False)]
    with pytest.raises(DataError, match=r"turned\.png"):
        duplicates.find(inspections, samples)


def test_features_propose_what_the_hashes_do_not(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the hashes switched off, only equal features bring a pair before the judge; strangers are still refused."""
    turned = saved(np.rot90(np.asarray(Image.open(files[5]))), tmp_path / "turned.png")
    random = np.random.default_rng(0)
    features = random.normal(size=(17, 40))
    features[16] = features[5] + 0.05 * features[0]
    features[7] = features[6]  # two lesions that a bundle confuses
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float16)
    monkeypatch.setattr(duplicates, "HASH_DISTANCE", -1)
    paths = [*files, turned]
    assert duplicates.find(*inspected(paths)) == []
    monkeypatch.setattr(duplicates, "FEATURES_DISTANCE", 20)
    assert [(pair.a, pair.b) for pair in duplicates.find(*inspected(paths, features))] == [(5, 16)]


@pytest.mark.slow
@pytest.mark.real_data
def test_the_published_list_of_near_duplicates_is_found(published: Path) -> None:
    """Every listed pair but one, among all listed images. That one (ISIC_0014574, ISIC_0014575) is two lesions under
    one lamp, whose reflections correlate."""
    with (published / "near_duplicates.csv").open(encoding="utf-8") as file:
        listed = {frozenset((row["image_a"], row["image_b"])) for row in csv.DictReader(file)}
    folders = [published / "HAM10000" / "images", *(published / "ISIC2017").glob("ISIC-2017_*")]
    paths = sorted(
        path for folder in folders for path in folder.glob("*.jpg") if path.stem in frozenset().union(*listed)
    )
    inspections, samples = inspected(paths)
    found = duplicates.find(inspections, samples)
    group = duplicates.clusters(len(samples), ((pair.a, pair.b) for pair in found))
    of = {sample.image_id: int(root) for sample, root in zip(samples, group, strict=True)}
    missed = {pair for pair in listed if len({of[image] for image in pair}) > 1}
    assert missed == {frozenset({"ISIC_0014574", "ISIC_0014575"})}
