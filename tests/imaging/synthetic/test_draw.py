from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from epiluma.imaging.synthetic import DrawnLesion, draw_lesion
from epiluma.imaging.synthetic.diagnoses import PAINTERS
from epiluma.imaging.synthetic.photo import SKIN, SKIN_SHARE
from epiluma.taxonomy import ISIC_2019, UnknownDiagnosis

CODES = ISIC_2019.codes


def test_every_diagnosis_of_the_taxonomy_has_a_painter() -> None:
    assert set(PAINTERS) == set(CODES)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**62),
    width=st.integers(16, 220),
    height=st.integers(16, 220),
    diagnosis=st.sampled_from([None, *CODES]),
    photo=st.integers(0, 3),
)
def test_any_size_gives_a_photo_with_a_lesion_in_it(
    seed: int, width: int, height: int, diagnosis: str | None, photo: int
) -> None:
    drawn = draw_lesion(seed, diagnosis=diagnosis, size=(width, height), photo=photo)
    assert drawn.image.shape == (height, width, 3)
    assert drawn.image.dtype == np.uint8
    assert drawn.mask.shape == (height, width)
    assert drawn.mask.dtype == bool
    assert 0 < drawn.mask.mean() < 0.95
    assert drawn.diagnosis in CODES
    assert drawn.diagnosis == diagnosis or diagnosis is None
    assert drawn.seed == seed


@pytest.mark.parametrize("photo", [0, 2])
@pytest.mark.parametrize("code", CODES)
def test_same_arguments_give_the_same_bytes(code: str, photo: int) -> None:
    first, second = (draw_lesion(7, diagnosis=code, size=(120, 90), photo=photo) for _ in range(2))
    assert first.image.tobytes() == second.image.tobytes()
    assert first.mask.tobytes() == second.mask.tobytes()


def test_another_process_draws_the_same_bytes() -> None:
    code = (
        "import zlib\nfrom epiluma.imaging.synthetic import draw_lesion\n"
        "print(zlib.crc32(draw_lesion(5, size=(80, 60)).image.tobytes()))"
    )
    printed = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert printed[0] == printed[1]


def test_seeds_differ_and_all_diagnoses_come_up() -> None:
    drawn = [draw_lesion(seed, size=(32, 32)) for seed in range(60)]
    assert len({one.image.tobytes() for one in drawn}) == 60
    assert {one.diagnosis for one in drawn} == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_the_mask_lies_on_what_is_drawn(code: str) -> None:
    """Inside differs from the skin just outside, and clearly more than a mask put beside the lesion would."""
    on, beside = [], []
    for seed in range(12):
        drawn = draw_lesion(seed, diagnosis=code, size=(200, 150))
        on.append(_contrast(drawn.image, drawn.mask))
        beside.append(_contrast(drawn.image, np.roll(drawn.mask, (50, 66), (0, 1))))
    assert min(on) > 3
    assert np.median(on) > 1.5 * np.median(beside)


@pytest.mark.parametrize("code", ["NV", "MEL", "VASC"])
def test_pigment_and_blood_darken_the_skin(code: str) -> None:
    for seed in range(10):
        drawn = draw_lesion(seed, diagnosis=code, size=(120, 90))
        assert drawn.image[drawn.mask, 1].mean() < drawn.image[_ring(drawn.mask), 1].mean() - 5


def test_skin_and_camera_do_not_give_the_diagnosis_away() -> None:
    """One seed has one skin, hair and light, whatever is drawn on it; otherwise a model learns the corners."""
    for seed in range(6):
        corners = {draw_lesion(seed, diagnosis=code).image[:20, :20].tobytes() for code in ("NV", "VASC", "BKL")}
        assert len(corners) == 1


def test_later_photos_show_the_same_lesion_turned_and_under_other_light() -> None:
    first, second = (draw_lesion(3, diagnosis="BKL", size=(200, 150), photo=photo) for photo in (0, 1))
    assert first.image.tobytes() != second.image.tobytes()
    assert 0.7 < second.mask.sum() / first.mask.sum() < 1.4
    # The outline is the same but for a turn: its distances from the middle have the same spread.
    assert _elongation(first.mask) == pytest.approx(_elongation(second.mask), rel=0.06)


def test_malignant_lesions_are_less_symmetric_and_have_more_colours() -> None:
    def drawn(code: str) -> list[DrawnLesion]:
        return [draw_lesion(seed, diagnosis=code, size=(128, 128)) for seed in range(24)]

    melanomas, nevi = drawn("MEL"), drawn("NV")
    assert np.mean([_asymmetry(one.mask) for one in melanomas]) > 1.3 * np.mean([_asymmetry(one.mask) for one in nevi])
    assert np.mean([_colours(one) for one in melanomas]) > 1.3 * np.mean([_colours(one) for one in nevi])


def test_diagnoses_can_be_told_apart_on_lesions_not_seen_before() -> None:
    """Logistic regression on simple colour and texture figures, at the size that quick trainings use."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, truth, lesions = [], [], []
    for code in CODES:
        for seed in range(24):
            # Each lesion has its own seed: with a shared one the eight share their skin, which is no help either.
            own = 1000 * CODES.index(code) + seed
            for photo in range(2):
                drawn = draw_lesion(own, diagnosis=code, size=(64, 64), photo=photo)
                features.append(_figures(drawn.image))
                truth.append(code)
                lesions.append(own)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    scores = cross_val_score(
        model, np.array(features), truth, groups=lesions, cv=GroupKFold(4), scoring="balanced_accuracy"
    )
    assert scores.mean() > 0.5, "chance is 0.125"


def test_dark_skin_is_drawn_too() -> None:
    assert sum(SKIN_SHARE) == pytest.approx(1)
    luminance = [np.median(draw_lesion(seed, diagnosis="DF", size=(32, 32)).image[:, :4]) for seed in range(120)]
    assert 0.03 < np.mean(np.array(luminance) < 110) < 0.4
    assert len(SKIN) == 6


def test_small_drawings_are_quick() -> None:
    draw_lesion(0, size=(64, 64))
    began = time.process_time()
    for seed in range(40):
        draw_lesion(seed, size=(64, 64))
    # About 5 ms each on one slow core; the margin is for a loaded machine.
    assert (time.process_time() - began) / 40 < 0.03


@pytest.mark.parametrize("label", ["melanoma", "UNK", ""])
def test_an_unknown_diagnosis_is_named(label: str) -> None:
    with pytest.raises(UnknownDiagnosis, match=repr(label)):
        draw_lesion(0, diagnosis=label)


@pytest.mark.parametrize("size", [(15, 64), (64, 15), (0, 0), (-5, 80)])
def test_a_size_that_is_too_small_is_an_error(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 16"):
        draw_lesion(0, size=size)


@pytest.mark.parametrize(("seed", "photo"), [(-1, 0), (0, -1)])
def test_negative_numbers_are_an_error(seed: int, photo: int) -> None:
    with pytest.raises(ValueError, match="count from 0"):
        draw_lesion(seed, photo=photo)


def _ring(mask: np.ndarray) -> np.ndarray:
    """Skin near the lesion, clear of its faded edge."""
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    near, far = (np.asarray(image.filter(ImageFilter.MaxFilter(side))) > 0 for side in (15, 41))
    return far & ~near


def _contrast(image: np.ndarray, mask: np.ndarray) -> float:
    """Distance in colour between the mask and the ring around it, grey levels."""
    inside, outside = image[mask].mean(0), image[_ring(mask)].mean(0)
    return float(np.linalg.norm(inside - outside))


def _asymmetry(mask: np.ndarray) -> float:
    """Share of the lesion that does not fall on itself after half a turn about its middle."""
    rows, columns = np.nonzero(mask)
    turned_rows = np.round(2 * rows.mean() - rows).astype(int).clip(0, mask.shape[0] - 1)
    turned_columns = np.round(2 * columns.mean() - columns).astype(int).clip(0, mask.shape[1] - 1)
    return float(1 - mask[turned_rows, turned_columns].mean())


def _colours(drawn: DrawnLesion) -> float:
    """Spread of the lesion's colours, grey levels, coarse enough to ignore noise."""
    soft = np.asarray(Image.fromarray(drawn.image).filter(ImageFilter.BoxBlur(2)), float)
    return float(np.sqrt(soft[drawn.mask].var(0).sum()))


def _elongation(mask: np.ndarray) -> float:
    values = np.linalg.eigvalsh(np.cov(np.stack(np.nonzero(mask))))
    return float(np.sqrt(values[1] / values[0]))


def _figures(image: np.ndarray) -> np.ndarray:
    """Colour in rings around the middle, spread, and edges at two scales; no mask is looked at."""
    values = image.astype(float) / 255
    side = len(values)
    axis = np.linspace(-1, 1, side)
    distance = np.hypot(axis[:, None], axis[None, :])
    border = values[distance > 0.95].mean(0)
    rings = [values[(low <= distance) & (distance < low + 0.25)].mean(0) - border for low in (0, 0.25, 0.5)]
    middle = values[distance < 0.6]
    edges = [np.abs(np.diff(values[::step, ::step], axis=0)).mean((0, 1)) for step in (1, 3)]
    spread = [*np.percentile(middle, [5, 50, 95], axis=0) - border, middle.std(0)]
    hues = [np.array([np.mean(middle[:, a] - middle[:, b] > t) for a, b, t in ((0, 1, 0.5), (2, 0, 0), (1, 2, 0.08))])]
    return np.concatenate([*rings, *edges, *spread, *hues])
