"""Figures follow from the times of their own run, and from the screenings that they name."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from PIL import Image

from epiluma.bench.drawn import write_drawn
from epiluma.bench.screening.alone import judging_ms, large, outline, screening, shares, tensor
from epiluma.bench.screening.subject import Effort, Subject
from epiluma.inference.result import Timings


def _silent(done: int, total: int) -> None:
    """Nobody is told."""


def test_the_outline_is_named_with_its_resolution(subject: Subject, effort: Effort) -> None:
    (row,) = outline(subject, effort, _silent)
    assert row.value is not None
    assert 0 < row.value < 1000
    assert (row.aim and row.aim.value, len(row.runs)) == (5.98, 2)
    assert "32 x 32 px" in row.note


def test_a_bundle_that_outlines_nothing_says_so(photos: Path, tiny_bundle_path: Path, effort: Effort) -> None:
    (row,) = outline(Subject([photos], tiny_bundle_path), effort, _silent)
    assert (row.value, row.reached, row.note) == (None, None, "this bundle outlines no lesion")


def test_a_whole_screening_has_median_tail_and_their_ratio(subject: Subject, effort: Effort) -> None:
    middle, tail, ratio = screening(subject, effort, _silent)
    assert [row.aim and row.aim.value for row in (middle, tail, ratio)] == [15, None, 2]
    for late, median, over in zip(tail.runs, middle.runs, ratio.runs, strict=True):
        assert late >= median > 0
        assert over == pytest.approx(late / median, rel=1e-3)
    assert middle.note == "600 x 450 px, n 3"


def test_the_aim_is_for_photos_of_one_size(tmp_path: Path, outlining_path: Path, effort: Effort) -> None:
    path = write_drawn(tmp_path, count=1) / "drawn-000.jpg"
    with Image.open(path) as photo:
        photo.resize((300, 225)).save(path, quality=92)
    middle, *_ = screening(Subject([path], outlining_path), effort, _silent)
    assert (middle.aim, middle.reached) == (None, None)
    assert "300 x 225 px" in middle.note
    assert "aim is for 600 x 450 px" in middle.note


def test_large_photos_are_screened_at_twelve_megapixels(subject: Subject, effort: Effort) -> None:
    middle, *_ = large(subject, effort, _silent)
    assert (middle.aim and middle.aim.value, middle.section) == (60, "large")
    assert "4000 x 3000 px" in middle.note


def test_shares_come_from_the_same_run(subject: Subject, effort: Effort) -> None:
    judging, complete = shares(subject, effort._replace(screenings=50), _silent)
    assert [row.aim and row.aim.value for row in (judging, complete)] == [0.85, 0.65]
    assert judging.figures["bare/s"] == complete.figures["bare/s"]
    for row, name in ((judging, "judging/s"), (complete, "screenings/s")):
        assert len(row.runs) == effort.runs
        for share, ours, bare in zip(row.runs, row.figures[name], row.figures["bare/s"], strict=True):
            assert share == pytest.approx(ours / bare, abs=2e-4)
    for part, whole in zip(judging.runs, complete.runs, strict=True):
        assert part > whole  # of the same screenings, which also measure and explain


def test_judging_is_all_but_measuring(subject: Subject) -> None:
    took = Timings(decode=1.0, outline=2.0, network=4.0, gate=8.0, measure=16.0, total=31.5)
    found = msgspec.structs.replace(subject.screen(subject.photos[0]), timings=took)
    assert judging_ms(found) == 15.0


def test_the_tensor_is_timed_beside_pillow(subject: Subject, effort: Effort) -> None:
    (row,) = tensor(subject, effort, _silent)
    assert row.aim
    assert row.aim.value == 4
    for times, ours, pillow in zip(row.runs, row.figures["ours ms"], row.figures["Pillow ms"], strict=True):
        assert times == pytest.approx(pillow / ours, rel=1e-3)
    assert row.value is not None
    assert row.value > 1.2  # an eighth of the size is decoded, and far fewer pixels resized
