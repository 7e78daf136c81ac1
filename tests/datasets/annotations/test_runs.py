"""Run-length codes agree with pycocotools, and damaged ones are refused."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from epiluma.datasets.annotations import runs
from epiluma.datasets.record import DataError
from tests.datasets.annotations.drawn import Mask, decoded_by_pycocotools, masks


@settings(max_examples=50, deadline=None)
@given(masks(width=13, height=19))
def test_texts_are_those_of_pycocotools(mask: Mask) -> None:
    text = runs.pack(mask)
    assert (decoded_by_pycocotools({"size": mask.shape, "counts": text}) == mask).all()
    counts = runs.unpack(text)
    assert coco_mask.frPyObjects({"size": mask.shape, "counts": counts}, *mask.shape)["counts"] == text.encode()
    assert (runs.mask_of(counts, *mask.shape, by_column=True) == mask).all()


@settings(max_examples=50, deadline=None)
@given(masks(width=13, height=19))
def test_rows_come_back(mask: Mask) -> None:
    assert (runs.mask_of(runs.runs_of(mask), *mask.shape) == mask).all()


def test_runs_by_hand() -> None:
    mask = np.array([[0, 1, 1], [1, 0, 0]], bool)
    assert runs.runs_of(mask) == [1, 3, 2]
    assert runs.unpack(runs.pack(mask)) == [1, 2, 1, 1, 1]
    assert runs.runs_of(~mask) == [0, 1, 3, 2]


@pytest.mark.parametrize("counts", [[], [5], [7], [2, -1, 5], [2, 3, 2]])
def test_runs_that_do_not_fill_the_mask_are_refused(counts: list[int]) -> None:
    with pytest.raises(DataError, match="for 3 x 2"):
        runs.mask_of(counts, 2, 3)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_numbers_or_an_error(text: str) -> None:
    with contextlib.suppress(DataError):
        assert all(isinstance(run, int) for run in runs.unpack(text))


@pytest.mark.parametrize(("text", "reason"), [("P", "cut off"), ("é", "damaged"), ("oooooooooo", "damaged")])
def test_damaged_texts_are_refused(text: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        runs.unpack(text)
