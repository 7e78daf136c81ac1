"""The benchmark measures the sections that are asked for and leaves this process as it was."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from PIL import Image

from epiluma.bench import screen as bench
from epiluma.bench.drawn import write_drawn
from epiluma.bench.screening import SECTIONS
from epiluma.bench.screening.subject import Effort, LeftOut
from epiluma.bundle import Bundle
from epiluma.cli import main
from epiluma.imaging.quality import EMPTY

LITTLE = Effort(screenings=2, runs=1, decoded=1, seconds=0.05)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_drawn(tmp_path_factory.mktemp("photos"), count=2)
    Image.new("RGB", (600, 450), "grey").save(folder / "a-blank.jpg")
    return folder


@pytest.fixture(scope="module")
def measured(photos: Path, tiny_bundle_path: Path) -> bench.ScreenBench:
    return bench.measure([photos], bundle=tiny_bundle_path, source="files", effort=LITTLE)


def test_all_sections_are_measured_in_order(measured: bench.ScreenBench, tiny_bundle: Bundle) -> None:
    assert (measured.bundle, measured.graph) == (tiny_bundle.id, "onnx-fp32")
    assert (measured.photos, measured.source) == (3, "files")
    assert list(dict.fromkeys(row.section for row in measured.rows)) == list(SECTIONS)
    for row in measured.rows:
        assert row.value is not None or row.note


def test_a_refused_photo_is_said(measured: bench.ScreenBench, photos: Path) -> None:
    blank = LeftOut(file=str(photos / "a-blank.jpg"), large=False, reason=EMPTY)
    assert measured.left_out == (blank,)
    twice = [blank, msgspec.structs.replace(blank, large=True), msgspec.structs.replace(blank, file="b.jpg")]
    assert bench.left_out(twice) == [f"left out: {photos / 'a-blank.jpg'} and 1 more: {EMPTY}"]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot pin")
def test_this_process_is_not_left_pinned(measured: bench.ScreenBench) -> None:
    assert measured.core in os.sched_getaffinity(0)
    assert len(os.sched_getaffinity(0)) == len(os.sched_getaffinity(os.getppid())) == measured.cores


def test_output_as_json_and_as_table(
    measured: bench.ScreenBench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], photos: Path
) -> None:
    monkeypatch.setattr(bench, "measure", lambda *_, **__: measured)
    bench.run([photos], bundle=None, effort=LITTLE, as_json=True)
    assert msgspec.convert(json.loads(capsys.readouterr().out), bench.ScreenBench) == measured
    bench.run([photos], bundle=None, effort=LITTLE, as_json=False)
    printed = capsys.readouterr().out
    assert all(row.task in printed and row.note in printed for row in measured.rows)
    assert bench.conditions(measured) in printed
    assert EMPTY in printed


def test_one_section_by_its_name(photos: Path, tiny_bundle_path: Path) -> None:
    options = [
        "--bundle",
        str(tiny_bundle_path),
        "--section",
        "screening",
        "--screenings",
        "2",
        "--runs",
        "1",
        "--json",
    ]
    done = CliRunner().invoke(main, ["bench", "screen", str(photos), *options])
    assert done.exit_code == 0, done.output
    found = msgspec.json.decode(done.stdout, type=bench.ScreenBench)
    assert {row.section for row in found.rows} == {"screening"}
    assert (found.screenings, found.runs) == (2, 1)


def test_nothing_to_measure_is_said(tmp_path: Path, tiny_bundle_path: Path) -> None:
    done = CliRunner().invoke(main, ["bench", "screen", str(tmp_path), "--bundle", str(tiny_bundle_path)])
    assert done.exit_code == 2
    assert "holds no photos" in done.output
