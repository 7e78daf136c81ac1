"""What is compared is the validation part of a finished run, and the figures are those of its log."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from epiluma.export import choose
from epiluma.training import data, recipe, run


def test_the_run_s_own_size_gives_the_figures_of_its_log(tiny_run: tuple[Path, Path]) -> None:
    toml, folder = tiny_run
    log = [json.loads(line) for line in (folder / run.LOG).read_text().splitlines()]
    found = choose.compare(recipe.load(toml), folder, epochs=("best", "last"), sizes=(48,), views=(1,))
    of = {choice.epoch: choice for choice in found}
    assert of["last"].malignant_auc == pytest.approx(log[-1]["malignant_auc"], abs=2e-3)
    assert of["best"].score == pytest.approx(max(line["score"] for line in log), abs=2e-3)


def test_all_combinations_are_compared_best_first(tiny_run: tuple[Path, Path]) -> None:
    toml, folder = tiny_run
    found = choose.compare(recipe.load(toml), folder, epochs=("last",), sizes=(48, 64), views=(1, 4))
    assert sorted((choice.size, choice.views) for choice in found) == [(48, 1), (48, 4), (64, 1), (64, 4)]
    assert [choice.score for choice in found] == sorted((choice.score for choice in found), reverse=True)
    for choice in found:
        assert choice.score == pytest.approx((choice.balanced_accuracy_grouped + choice.malignant_auc) / 2)
    assert choose.render(found).row_count == 4


def test_what_the_bundle_is_to_be_shown_is_what_is_compared(tiny_run: tuple[Path, Path]) -> None:
    toml, folder = tiny_run
    settings = recipe.load(toml)
    (whole,) = choose.compare(settings, folder, epochs=("last",), sizes=(48,), views=(1,))
    corpus = data.load(settings)
    left_out = corpus.samples[corpus.parts["validation"][0]].image_id
    fewer = msgspec.structs.replace(settings, data=msgspec.structs.replace(settings.data, exclude=(left_out,)))
    (found,) = choose.compare(settings, folder, shown=fewer, epochs=("last",), sizes=(48,), views=(1,))
    assert found.images == whole.images - 1
