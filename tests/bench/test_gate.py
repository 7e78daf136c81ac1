"""The bench chooses without what it measures, spoils photos by degrees, and counts every photo once."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest
from PIL import Image

from epiluma.bench import gate as bench
from epiluma.bench import gate_pictures as pictures
from epiluma.bench import gate_report
from epiluma.bench.gate import CANDIDATES, Fitted, Limits, Sources, choose
from epiluma.bench.gate_report import GateBench
from epiluma.bundle import Bundle
from epiluma.export import scope as scopes
from epiluma.export.scope import CHOSEN
from epiluma.imaging.synthetic import draw_lesion, write_folder
from epiluma.imaging.synthetic.outside import FAMILIES
from epiluma.inference.gate import Code
from tests.export.test_scope import LEAF, LESION, seen


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    folder = tmp_path_factory.mktemp("gate")
    root = write_folder(folder / "ham", count=48, seed=3, size=(96, 72))
    with (root / "HAM10000_metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lesions = sorted({row["lesion_id"] for row in rows})
    part = {lesion: ("train", "calibration", "test")[(i + i // 12) % 3] for i, lesion in enumerate(lesions)}
    lines = [f"{row['image_id']},{row['lesion_id']},{part[row['lesion_id']]}" for row in rows]
    (folder / "split.csv").write_text("\n".join(["image_id,group,part", *lines, ""]), encoding="utf-8")
    return Sources(root, folder / "split.csv", None, None)


@pytest.fixture(scope="module")
def measured(sources: Sources, tiny_bundle: Bundle) -> GateBench:
    return bench.measure(sources, Limits(each=3, photos=None), bundle=tiny_bundle)


def test_every_family_and_set_is_measured(measured: GateBench) -> None:
    assert [family.name for family in measured.families] == list(FAMILIES)
    for family in measured.families:
        assert family.n == 3
        assert 0 <= family.lower <= family.auroc <= family.upper <= 1
        assert 0 <= family.refused <= 1
    (row,) = measured.refused
    assert row.lower <= row.refused <= row.upper
    assert set(row.findings) <= set(get_args(Code))


def test_a_bundle_with_statistics_of_its_own_is_asked_by_them_too(sources: Sources, tiny_bundle: Bundle) -> None:
    scope, data = scopes.fit_scope(seen(120, 3, 0), LEAF, seen(90, 3, 1), LESION)
    strict = scopes.with_scope(tiny_bundle, msgspec.structs.replace(scope, threshold=-1e6), data)
    fitted, own = bench.measure(sources, Limits(each=1, photos=8), bundle=strict).refused
    assert own.name == f"{fitted.name}, by the bundle's own statistics"
    assert fitted.refused < own.refused == 1


def test_every_spoilt_melanoma_is_referred_missed_or_refused(measured: GateBench) -> None:
    assert len(measured.spoilt) == 1 + 5 * len(pictures.CORRUPTIONS)
    assert measured.spoilt[0].n > 0
    for row in measured.spoilt:
        assert row.referred + row.missed + row.refused == row.n


def test_the_choice_does_not_know_the_family_that_it_is_measured_on() -> None:
    inside, far, near = np.zeros(10), np.ones(5), -np.ones(5)
    good_on_a = Fitted(None, inside, 0.0, {"a": far, "b": near})  # type: ignore[arg-type]
    good_on_b = Fitted(None, inside, 0.0, {"a": near, "b": far})  # type: ignore[arg-type]
    too_strict = Fitted(None, inside, 0.5, {"a": far, "b": far})  # type: ignore[arg-type]
    fits = dict(zip(CANDIDATES, (good_on_a, good_on_b, too_strict), strict=False))
    assert choose(fits, without="a") == CANDIDATES[1]
    assert choose(fits, without="b") == CANDIDATES[0]


def test_what_is_shipped_is_among_the_candidates() -> None:
    assert CHOSEN in CANDIDATES


@pytest.mark.parametrize("name", pictures.CORRUPTIONS)
def test_each_severity_changes_a_photo_more_than_the_one_before(name: str) -> None:
    photo = Image.fromarray(draw_lesion(2, size=(128, 128)).image)
    original = np.asarray(photo, float)
    spoilt = [np.asarray(pictures.spoilt(photo, name, severity, seed=0), float) for severity in pictures.SEVERITIES]
    changes = [np.abs(pixels - original).mean() for pixels in spoilt]
    assert all(np.diff(changes) > 0)
    np.testing.assert_array_equal(spoilt[2], np.asarray(pictures.spoilt(photo, name, 3, seed=0)))


def test_output_as_json_and_as_tables(
    measured: GateBench, sources: Sources, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    tiny_bundle_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr(bench, "measure", lambda *_, **__: measured)
    bench.run(sources, Limits(3, None), bundle=tiny_bundle_path, as_json=True)
    assert msgspec.convert(json.loads(capsys.readouterr().out), GateBench) == measured
    bench.run(sources, Limits(3, None), bundle=tiny_bundle_path, as_json=False)
    printed = capsys.readouterr().out
    assert all(family in printed for family in FAMILIES)
    assert f"{measured.score_ms:.2f} ms" in printed
    assert gate_report.families(measured).row_count == 7
