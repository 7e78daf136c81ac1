"""Paired differences against scipy, the symmetry of a comparison, and what must not be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from scipy.stats import ttest_rel

from epiluma.evaluation.mask_compare import compare_masks
from epiluma.evaluation.mask_figures import MaskView
from epiluma.evaluation.masks import dice, lesion, measure, tabulate
from epiluma.segmentations import Segmentations, SegmentationsError
from tests.evaluation.drawn_masks import draw_maps, draw_segmentations, header


def pair(seed: int, gain: float, *, images: int = 150) -> tuple[Segmentations, Segmentations]:
    """Two networks on the same images, one lesion each; the second's outlines err `gain` less."""
    names = [f"image{i:03}" for i in range(images)]
    truths = [truth for _, truth in draw_maps(images, seed, classes=2, size=(48, 36), slip=0)]
    tables = []
    for model, shift in enumerate((0.15, 0.15 - gain)):
        random = np.random.default_rng([seed, model])
        guesses = [np.roll(t, random.integers(-1, 2) + round(shift * random.normal(0, 20)), axis=1) for t in truths]
        measures = [measure(guess, truth) for guess, truth in zip(guesses, truths, strict=True)]
        head = msgspec.structs.replace(header(), model=f"model {model}")
        tables.append(tabulate(head, measures, image_id=names, group=names, part=["test"] * images, subgroups={}))
    return tables[0], tables[1]


@pytest.mark.parametrize(("seed", "gain"), [(1, 0.0), (2, 0.02), (3, 0.03), (4, 0.12)])
def test_a_difference_of_means_agrees_with_the_paired_t_test(seed: int, gain: float) -> None:
    first, second = pair(seed, gain)
    found = compare_masks(first, second).figures["mean_dice"]
    values = [dice(lesion(MaskView(table).counts)) for table in (first, second)]
    expected = ttest_rel(*values)
    interval = expected.confidence_interval(0.95)
    assert found.difference.value == pytest.approx(values[0].mean() - values[1].mean(), abs=5.1e-5)
    assert (found.first, found.second) == (
        pytest.approx(values[0].mean(), abs=5.1e-5), pytest.approx(values[1].mean(), abs=5.1e-5),
    )  # fmt: skip
    width = interval.high - interval.low
    assert (found.difference.lower, found.difference.upper) == pytest.approx(tuple(interval), abs=0.1 * width)
    assert found.p == pytest.approx(expected.pvalue, abs=0.04)
    assert (found.p < 0.05) == (not found.difference.lower <= 0 <= found.difference.upper)
    assert found.difference.n == 150


def test_pairing_narrows_the_interval() -> None:
    first, second = pair(5, 0.02)
    mixed = second.take(np.random.default_rng(0).permutation(150))
    mixed = replace(first, intersection=mixed.intersection, predicted=mixed.predicted, truth=first.truth)
    paired, unpaired = (
        compare_masks(first, other, replicates=400).figures["mean_jaccard"] for other in (second, mixed)
    )
    widths = [figure.difference.upper - figure.difference.lower for figure in (paired, unpaired)]
    assert widths[0] < 0.9 * widths[1]


def test_a_table_against_itself_differs_in_nothing_in_whatever_order() -> None:
    table = draw_segmentations(40)
    found = compare_masks(table, table.take(np.random.default_rng(0).permutation(len(table))), replicates=100)
    assert (found.images, found.lesions) == (len(table), 40)
    for figure in found.figures.values():
        assert figure.first == figure.second
        assert (figure.difference.lower, figure.difference.upper, figure.p) == (0, 0, 1)


def test_to_swap_the_tables_turns_the_sign() -> None:
    first, second = pair(6, 0.03)
    one, other = compare_masks(first, second, replicates=300), compare_masks(second, first, replicates=300)
    assert (one.first, one.second) == (other.second, other.first) == ("model 0 (onnx-fp32)", "model 1 (onnx-fp32)")
    for key, figure in one.figures.items():
        back = other.figures[key].difference
        assert figure.difference.value == -back.value
        assert (figure.difference.lower, figure.difference.upper) == pytest.approx((-back.upper, -back.lower), abs=1e-4)
        assert figure.p == other.figures[key].p


def test_figures_of_few_lesions_are_not_compared() -> None:
    table = draw_segmentations(60, classes=3)
    rare = table.take((table.truth[:, 2] == 0) | (np.cumsum(table.truth[:, 2] > 0) <= 1))
    found = compare_masks(rare, rare, replicates=50).figures
    assert "iou_ulcer" not in found
    assert "iou_lesion" in found
    with pytest.raises(SegmentationsError, match="insufficient evidence: 3 lesions, 10 needed"):
        compare_masks(*(draw_segmentations(3),) * 2)


def with_header(**changes: object) -> Callable[[Segmentations], Segmentations]:
    return lambda table: replace(table, header=msgspec.structs.replace(table.header, **changes))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (with_header(classes=("background", "mole")), "other classes: background, lesion; background, mole"),
        (with_header(audit="leak: one"), "refused: the audit says 'leak: one'"),
        (with_header(boundary_tolerance=0.02), "another 'boundary_tolerance'"),
        (lambda t: t.take(np.arange(1, len(t))), "1 images are in one table only, such as image0000"),
        (lambda t: replace(t, part=np.full(len(t), "other")), "no image in part 'test'"),
        (lambda t: replace(t, width=t.width + (t.image_id == "image0004")), "image image0004 has another size"),
        (lambda t: replace(t, truth=t.truth[:, ::-1]), "image image0000 has another truth"),
        (lambda t: replace(t, group=t.image_id), "image image0000 has another lesion"),
    ],
)
def test_what_is_not_alike_is_not_compared(change: Callable[[Segmentations], Segmentations], reason: str) -> None:
    table = draw_segmentations(20)
    with pytest.raises(SegmentationsError, match=reason):
        compare_masks(table, change(table))
