"""Which files a run takes, and what it prints where."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from PIL import Image

from epiluma import bundle as bundles
from epiluma.imaging.synthetic import draw_lesion
from epiluma.inference.command import photo_files, screen_files
from epiluma.inference.pictures import Pictures
from epiluma.inference.pool import Asked, WorkerLost, screen_in_processes, workers_for
from epiluma.inference.report import ReportError
from epiluma.inference.result import ScreeningError
from epiluma.inference.screen import Screened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("folder")
    (root / "b" / "empty").mkdir(parents=True)
    lesion = Image.fromarray(draw_lesion(0, size=(160, 120)).image)
    for name in ("z.JPG", "a.png", "b/c.webp", "b/d.tif"):
        lesion.save(root / name)
    (root / "notes.txt").write_text("not a photo")
    (root / "b" / "broken.jpeg").write_text("not a photo")
    (root / "b" / "loop").symlink_to(root)
    return root


def test_folders_give_their_photos_sorted_and_never_loop(folder: Path) -> None:
    found = [path.relative_to(folder).as_posix() for path in photo_files([folder]) if isinstance(path, Path)]
    assert found == ["a.png", "z.JPG", "b/broken.jpeg", "b/c.webp", "b/d.tif"]


def test_named_files_are_always_tried(folder: Path) -> None:
    named = [folder / "notes.txt", folder / "missing.jpg"]
    assert list(photo_files(named)) == named


def test_a_folder_without_photos_is_an_error_line(folder: Path) -> None:
    (found,) = photo_files([folder / "b" / "empty"])
    assert isinstance(found, ScreeningError)
    assert "holds no photos" in found.error


def test_json_goes_to_stdout_line_by_line(
    folder: Path, tiny_bundle_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert screen_files([folder], bundle=tiny_bundle_path, as_json=True, html=None) == 1
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert ["error" in line for line in lines] == [False, False, True, False, False]
    assert captured.err == ""


def test_table_goes_to_stdout_and_bad_files_to_stderr(
    folder: Path, tiny_bundle_path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    assert screen_files([folder], bundle=tiny_bundle_path, as_json=False, html=report) == 1
    captured = capsys.readouterr()
    reason = "This is not a photo that can be read. Use JPEG, PNG, WebP, BMP or TIFF."
    assert captured.err == f"{folder}/b/broken.jpeg: {reason}\n"
    lines = captured.out.splitlines()
    assert lines[0].startswith("File")
    expected = [str(folder / name) for name in ("a.png", "z.JPG", "b/c.webp", "b/d.tif")]
    assert [line.split()[0] for line in lines[1:5]] == expected
    assert "5 photos: " in captured.out
    assert "\x1b" not in captured.out
    assert report.read_text(encoding="utf-8").count("<article") == 5


def test_good_files_end_with_zero(folder: Path, tiny_bundle_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert screen_files([folder / "a.png"], bundle=tiny_bundle_path, as_json=True, html=None) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_a_report_that_cannot_be_written(folder: Path, tiny_bundle_path: Path, tmp_path: Path) -> None:
    with pytest.raises(ReportError):
        screen_files([folder / "a.png"], bundle=tiny_bundle_path, as_json=True, html=tmp_path / "missing" / "r.html")


def test_processes_give_the_same_lines_in_the_same_order(
    folder: Path, tiny_bundle_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(5):
        Image.fromarray(draw_lesion(i, size=(160, 120)).image).save(tmp_path / f"{i}.png")
    asked = [tmp_path, folder, folder / "b" / "empty"]
    seen = []
    for workers in (1, 2, 3):
        assert screen_files(asked, bundle=tiny_bundle_path, as_json=True, html=None, workers=workers) == 1
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        seen.append([{key: value for key, value in line.items() if key != "timings"} for line in lines])
    assert len(seen[0]) == 11
    assert seen[0] == seen[1] == seen[2]


def test_a_process_that_dies_is_said(tiny_bundle_path: Path, folder: Path) -> None:
    asked = Asked(tiny_bundle_path, Dying([], masks=None, overlays=None))
    with pytest.raises(WorkerLost, match="with fewer --workers"):
        list(screen_in_processes([folder / "a.png"] * 9, asked, workers=2, bundle_id=bundles.load(tiny_bundle_path).id))


def test_a_bundle_that_changes_under_way_is_not_used(tiny_bundle_path: Path, folder: Path) -> None:
    asked = Asked(tiny_bundle_path, Pictures([], masks=None, overlays=None))
    with pytest.raises(WorkerLost):
        list(screen_in_processes([folder / "a.png"], asked, workers=2, bundle_id="another"))


@pytest.mark.parametrize(
    ("photos", "wanted", "expected"), [(1, None, 1), (23, None, 1), (0, None, 1), (5, 3, 3), (2, 3, 2)]
)
def test_few_photos_start_no_processes(photos: int, wanted: int | None, expected: int) -> None:
    assert workers_for(photos, wanted) == expected


class Dying(Pictures):
    """Ends the process in the midst of a photo."""

    def write(self, photo: Path, screened: Screened) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
