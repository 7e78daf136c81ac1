"""Copies are found whatever was done to them, strangers are not; frames that only look alike are told apart."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from epiluma.datasets import duplicates, groups, split
from epiluma.datasets.inspection import Inspections
from epiluma.datasets.record import DataError, Sample
from epiluma.imaging.synthetic import draw_lesion
from tests.datasets.copies import Squares, as_jpeg, relit, symmetry


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
    **{f"symmetry {k}": lambda square, k=k: symmetry(square, k) for k in range(1, 8)},
    "JPEG 60": lambda square: as_jpeg(square, 60),
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


def under_one_lamp(seed: int) -> Squares:
    """A frame of dark corners and two reflections, like all others; a faint lesion of its own and skin of its own."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1 : 1 : LARGE * 1j, -1 : 1 : LARGE * 1j]
    frame = 180 - 90 * (x**2 + y**2) + 60 * (np.hypot(x - 0.9, y) < 0.1) + 60 * (np.hypot(x + 0.9, y - 0.2) < 0.1)
    a, b = random.uniform(-0.2, 0.2, 2)
    lesion = 12 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.02)
    return np.clip(frame - lesion + random.normal(0, 6, frame.shape), 0, 255).astype(np.uint8)[..., None].repeat(3, -1)


def test_two_lesions_under_one_lamp_look_alike_and_are_no_duplicate(files: list[Path], tmp_path: Path) -> None:
    one, other = (saved(under_one_lamp(seed), tmp_path / f"lamp{seed}.png") for seed in (1, 2))
    copy = saved(as_jpeg(under_one_lamp(1), 60), tmp_path / "copy.png")
    (pair,) = duplicates.find(*inspected([*files, one, other]))
    assert (pair.a, pair.b, pair.kind) == (16, 17, "alike")
    frames = [np.asarray(Image.open(path).convert("L").resize((32, 32), Image.Resampling.BOX)) for path in (one, other)]
    assert pair.score == pytest.approx(float(np.corrcoef(frames[0].ravel(), frames[1].ravel())[0, 1]), abs=2e-3)
    kinds = {(pair.a, pair.b): pair.kind for pair in duplicates.find(*inspected([one, other, copy]))}
    assert kinds == {(0, 1): "alike", (0, 2): "near", (1, 2): "alike"}


def test_of_many_that_look_alike_the_closest_are_looked_at(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for one pair per picture, each copy still finds its own original among its like."""
    monkeypatch.setattr(duplicates, "CLOSEST", 1)
    monkeypatch.setattr(duplicates, "SPECTRUM", 0.3)
    monkeypatch.setattr(duplicates, "HASH_DISTANCE", 30)
    copies = [saved(as_jpeg(np.asarray(Image.open(path)), 60), path.parent / f"copy{path.stem}.png") for path in files]
    found = duplicates.find(*inspected([*files, *copies]))
    assert {(i, i + 16) for i in range(16)} <= {(pair.a, pair.b) for pair in found}


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


def test_a_set_of_blank_photos_has_no_pairs(tmp_path: Path) -> None:
    blanks = [saved(np.full((64, 64, 3), level, np.uint8), tmp_path / f"{level}.png") for level in (10, 90, 91)]
    assert duplicates.find(*inspected(blanks)) == []


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
    """Every listed pair, among all listed images; one as a look-alike: two lesions under one lamp, whose reflections
    correlate."""
    with (published / "near_duplicates.csv").open(encoding="utf-8") as file:
        listed = {frozenset((row["image_a"], row["image_b"])) for row in csv.DictReader(file)}
    folders = [published / "HAM10000" / "images", *(published / "ISIC2017").glob("ISIC-2017_*")]
    paths = sorted(
        path for folder in folders for path in folder.glob("*.jpg") if path.stem in frozenset().union(*listed)
    )
    inspections, samples = inspected(paths)
    found = duplicates.find(inspections, samples)
    names = [sample.image_id for sample in samples]

    def joined(kinds: set[str]) -> dict[str, int]:
        pairs = ((pair.a, pair.b) for pair in found if pair.kind in kinds)
        return dict(zip(names, groups.clusters(len(names), pairs).tolist(), strict=True))

    every, copies = joined({"exact", "near", "alike"}), joined({"exact", "near"})
    assert [pair for pair in listed if len({every[image] for image in pair}) > 1] == []
    apart = [pair for pair in listed if len({copies[image] for image in pair}) > 1]
    assert apart == [frozenset({"ISIC_0014574", "ISIC_0014575"})]


@pytest.mark.slow
@pytest.mark.real_data
def test_ham10000_names_three_lesions_twice_across_the_committed_split(published: Path) -> None:
    """The simple search by which the split was made missed them; a look confirms all three."""
    of = split.read(Path("configs/splits/ham10000.csv")).of
    inspections, samples = inspected(sorted((published / "HAM10000" / "images").glob("*.jpg")))
    names = [sample.image_id for sample in samples]
    pairs = [(names[pair.a], names[pair.b]) for pair in duplicates.find(inspections, samples) if pair.kind != "alike"]
    assert [pair for pair in pairs if of[pair[0]].part != of[pair[1]].part] == [
        ("ISIC_0025281", "ISIC_0026904"),
        ("ISIC_0027689", "ISIC_0032647"),
        ("ISIC_0034228", "ISIC_0034248"),
    ]
