"""The command as people run it: a process with arguments, output and an exit code."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from epiluma import __version__
from epiluma.imaging.synthetic import draw_lesion

SCHEMA = json.loads(
    (Path(__file__).parents[1] / "docs" / "reference" / "screening.schema.json").read_text(encoding="utf-8")
)


def epiluma(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if key != "EPILUMA_BUNDLE"} | environment
    command = [sys.executable, "-m", "epiluma.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=120)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good photos of many kinds, and files that are none."""
    folder = tmp_path_factory.mktemp("photos")
    lesion = Image.fromarray(draw_lesion(0, size=(200, 150)).image)
    lesion.save(folder / "good.jpg")
    lesion.convert("CMYK").save(folder / "cmyk.jpg")
    lesion.convert("L").save(folder / "grey.png")
    Image.fromarray(np.asarray(lesion.convert("L")).astype(np.uint16) * 257).save(folder / "sixteen.png")
    (folder / "cut.jpg").write_bytes((folder / "good.jpg").read_bytes()[:3_000])
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("not a photo")
    header = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    data, end = b"IDAT" + zlib.compress(bytes(1_000_000)), b"IEND"
    chunks = [
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (header, data, end)
    ]
    (folder / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    lesion.save(folder / "cut.tif", compression="tiff_adobe_deflate")
    (folder / "cut.tif").write_bytes((folder / "cut.tif").read_bytes()[:-9_000])
    return folder


BAD = {"cut.jpg", "cut.tif", "empty.jpg", "text.jpg", "large.png"}


def test_json_lines_follow_the_schema(photos: Path, tiny_bundle_path: Path) -> None:
    done = epiluma("screen", "--json", "--bundle", tiny_bundle_path, photos)
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for line in lines:
        jsonschema.validate(line, SCHEMA)
    found = {Path(line["file"]).name: line for line in lines}
    assert set(found) == {file.name for file in photos.iterdir()}
    assert {name for name, line in found.items() if "error" in line} == BAD
    for name in ("cmyk.jpg", "good.jpg", "grey.png", "sixteen.png"):
        assert sum(found[name]["probabilities"].values()) == pytest.approx(1)
    assert found["grey.png"]["malignancy_risk"] == pytest.approx(found["sixteen.png"]["malignancy_risk"])
    assert found["cmyk.jpg"]["malignancy_risk"] == pytest.approx(found["good.jpg"]["malignancy_risk"], abs=0.02)
    assert done.stderr == ""


def test_schema_refuses_what_is_not_a_screening() -> None:
    for wrong in ({"file": "a"}, {"file": "a", "error": 1}, {"file": "a", "probabilities": {}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)


def test_every_bad_file_gives_one_line_and_the_rest_go_on(photos: Path, tiny_bundle_path: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    done = epiluma("screen", photos, "--bundle", tiny_bundle_path, "--html", report)
    assert done.returncode == 1
    assert {Path(line.split(": ")[0]).name for line in done.stderr.splitlines()} == BAD
    assert len(done.stderr.splitlines()) == len(BAD)
    assert "9 photos: " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert report.read_text(encoding="utf-8").count("<article") == 9


def test_good_photos_end_with_zero(photos: Path, tiny_bundle_path: Path) -> None:
    done = epiluma("screen", photos / "good.jpg", EPILUMA_BUNDLE=str(tiny_bundle_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert str(photos / "good.jpg") in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("screen",), "Missing argument"),
        (("screen", "--bundel", "x", "a.jpg"), "No such option"),
        (("screeen",), "No such command"),
        (("screen", "--bundle", "/missing", "a.jpg"), "epiluma: /missing: no such bundle"),
    ],
)
def test_wrong_use_ends_with_two(arguments: tuple[str, ...], said: str) -> None:
    done = epiluma(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_changed_bundle_is_refused_by_name(photos: Path, tiny_bundle_path: Path, tmp_path: Path) -> None:
    for file in tiny_bundle_path.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    graph = bytearray((tmp_path / "model.onnx").read_bytes())
    graph[100] ^= 1
    (tmp_path / "model.onnx").write_bytes(graph)
    done = epiluma("screen", photos / "good.jpg", "--bundle", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("epiluma: model.onnx: its SHA-256 differs")
    assert len(done.stderr.splitlines()) == 1


def test_a_report_in_a_missing_folder(photos: Path, tiny_bundle_path: Path, tmp_path: Path) -> None:
    target = tmp_path / "missing" / "report.html"
    done = epiluma("screen", photos / "good.jpg", "--bundle", tiny_bundle_path, "--html", target)
    assert done.returncode == 2
    assert done.stderr == f"epiluma: {target}: the report cannot be written (No such file or directory)\n"


def test_version_and_help() -> None:
    assert epiluma("--version").stdout == f"epiluma, version {__version__}\n"
    assert "screen" in epiluma("--help").stdout


def test_screening_loads_no_torch_and_no_django(photos: Path, tiny_bundle_path: Path) -> None:
    code = (
        "import sys; from epiluma.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: code = end.code\n"
        "heavy = {'torch', 'torchvision', 'timm', 'lightning', 'django', 'onnx', 'sklearn', 'scipy', 'matplotlib'}\n"
        "print(code, sorted(heavy & set(sys.modules)))"
    )
    arguments = ["screen", str(photos / "good.jpg"), "--bundle", str(tiny_bundle_path), "--json"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_help_loads_neither_numpy_nor_onnxruntime() -> None:
    code = "import sys, epiluma.cli; print(sorted({'numpy', 'onnxruntime', 'PIL', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
