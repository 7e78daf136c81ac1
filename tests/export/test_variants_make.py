"""From a bundle and drawn photos to files and certificates: the right parts, the runtime's pixels, honest figures."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from epiluma import bundle as bundles
from epiluma.cli_convert import convert
from epiluma.datasets.split import Assignment
from epiluma.datasets.split import write as write_split
from epiluma.errors import EpilumaError
from epiluma.export import variants
from epiluma.export.variants import make, photos
from epiluma.imaging.synthetic import write_folder
from epiluma.inference.screen import Screener
from tests.export.variant_network import SIZE, small

COUNT = 72


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn photos, one that cannot be read and one that nothing can be judged on."""
    images = write_folder(tmp_path_factory.mktemp("set"), count=COUNT, size=(256, 192)) / "images"
    (images / "broken.jpg").write_bytes(b"no photo")
    Image.new("RGB", (256, 192), (0, 0, 0)).save(images / "black.png")
    return images


@pytest.fixture(scope="module")
def parts(folder: Path) -> dict[str, str]:
    names = sorted(path.stem for path in folder.iterdir())
    drawn = [name for name in names if name not in ("broken", "black")]
    of = {name: ("train", "validation", "train", "test", "train", "calibration")[i % 6] for i, name in enumerate(drawn)}
    return of | {"broken": "validation", "black": "validation"}


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory, parts: dict[str, str]) -> Path:
    path = tmp_path_factory.mktemp("split") / "drawn.csv"
    write_split({name: Assignment(name, part) for name, part in parts.items()}, path)
    return path


@pytest.fixture(scope="module")
def bundle_path(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: bundles.Bundle) -> Path:
    """The tiny bundle's manifest around a small network of convolutions with masks."""
    manifest = msgspec.structs.replace(
        tiny_bundle.manifest,
        preprocessing=msgspec.structs.replace(tiny_bundle.manifest.preprocessing, size=SIZE),
    )
    built = bundles.build(manifest, {manifest.graph: small()[1]})
    return bundles.write(built, tmp_path_factory.mktemp("bundle") / "small")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(convert, [str(argument) for argument in arguments])


def test_every_format_is_made_and_certified(bundle_path: Path, folder: Path, split: Path, tmp_path: Path) -> None:
    formats = ("--to", "fp16", "--to", "int8", "--to", "openvino")
    done = run(bundle_path, *formats, "--images", folder, "--split", split, "--out", tmp_path)
    assert done.exit_code == 1, "24 photos certify nothing"
    assert "onnx-int8: measured, not within limits, on 24 photos of images by drawn.csv" in done.stdout
    assert "onnx-int8: 24 images were compared, at least 1000 are needed" in done.stderr
    for name in ("onnx-fp16", "onnx-int8", "openvino"):
        written = msgspec.json.decode((tmp_path / name / make.CERTIFICATE).read_bytes(), type=variants.Certificate)
        assert (written.format, written.images) == (name, 24)
        assert written.status == "measured, not within limits"
        for file, entry in written.files.items():
            data = (tmp_path / name / file).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (entry.bytes, entry.sha256)
        assert written.masks is not None
        assert written.milliseconds is not None
        assert written.milliseconds.variant > 0
        assert written.calibrated_on == ("36 photos of part train of images by drawn.csv" if "int8" in name else "")


@pytest.mark.slow
def test_a_certified_format_ends_with_0(tiny_bundle_path: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    drawn = [path for path in sorted(folder.iterdir()) if path.stem not in ("broken", "black")]
    for i in range(1000):
        (tmp_path / "photos" / f"{i}.jpg").hardlink_to(drawn[i % COUNT])
    done = run(tiny_bundle_path, "--to", "openvino", "--images", tmp_path / "photos", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "openvino: within limits, on 1000 photos of photos" in done.output


def test_only_the_right_parts_are_used(folder: Path, split: Path, parts: dict[str, str]) -> None:
    pool = photos.from_folder(folder, split)
    assert {parts[path.stem] for path in pool.learnt} == {"train"}
    assert {parts[path.stem] for path in pool.compared} == {"validation", "calibration"}
    assert len(pool.learnt) + len(pool.compared) == sum(part != "test" for part in parts.values())


def test_pixels_are_the_runtimes(folder: Path, tiny_bundle: bundles.Bundle) -> None:
    """The tiny network is linear in the mean colour, so its probabilities tell whether the pixels are the same."""
    pool = photos.from_folder(folder, None)
    read = photos.read(pool.compared, tiny_bundle, 10)
    network = variants.load("onnx-fp32", tiny_bundle.graph, threads=1)
    found = variants.judge(make._outputs(network, read, tiny_bundle.manifest), tiny_bundle.manifest)
    screener, by_name = Screener(tiny_bundle), {path.stem: path for path in pool.compared}
    for name, row, referred in zip(read.ids, found.probabilities, found.referred, strict=True):
        screening = screener.screen_path(by_name[name])
        np.testing.assert_allclose(row, list(screening.probabilities.values()), atol=1e-6)
        assert referred == (screening.recommendation.level in {"refer", "urgent"})


def test_photos_that_nobody_would_judge_are_passed_over(folder: Path, tiny_bundle: bundles.Bundle) -> None:
    pool = photos.from_folder(folder, None)
    assert {"broken", "black"} <= {path.stem for path in pool.compared}
    everything = photos.read(pool.compared, tiny_bundle, 1000)
    assert len(everything.ids) == COUNT
    assert not {"broken", "black"} & set(everything.ids)


def test_which_photos_are_drawn_hangs_on_their_names_alone(folder: Path, tiny_bundle: bundles.Bundle) -> None:
    paths = list(photos.from_folder(folder, None).compared)
    first = photos.read(paths, tiny_bundle, 12).ids
    random.Random(5).shuffle(paths)
    assert photos.read(paths, tiny_bundle, 12).ids == first
    assert list(first) != sorted(first)


def test_int8_does_not_learn_from_photos_whose_part_nobody_knows(
    bundle_path: Path, folder: Path, tmp_path: Path
) -> None:
    done = run(bundle_path, "--to", "int8", "--images", folder, "--out", tmp_path / "out")
    assert isinstance(done.exception, variants.VariantError)
    assert "onnx-int8 takes its ranges from photos of part train, and images names none" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_a_split_that_knows_none_of_the_photos_is_refused(bundle_path: Path, folder: Path, tmp_path: Path) -> None:
    write_split({"other": Assignment("other", "train")}, tmp_path / "other.csv")
    arguments = ("--images", folder, "--split", tmp_path / "other.csv", "--out", tmp_path / "out")
    done = run(bundle_path, "--to", "fp16", *arguments)
    assert isinstance(done.exception, EpilumaError)
    assert "holds no photo to compare formats on" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "either --data MANIFEST or --images FOLDER"),
        (("--data", "x.parquet", "--images", "folder"), "either --data MANIFEST or --images FOLDER"),
        (("--data", "x.parquet", "--split", "y.csv"), "--split names the parts of --images"),
    ],
)
def test_photos_come_from_one_place(arguments: tuple[str, ...], reason: str, bundle_path: Path, tmp_path: Path) -> None:
    done = run(bundle_path, "--to", "fp16", "--out", tmp_path, *arguments)
    assert done.exit_code == 2
    assert reason in done.output


def test_a_place_that_cannot_be_written_is_named(bundle_path: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(bundle_path, "--to", "fp16", "--images", folder, "--out", tmp_path / "file")
    assert isinstance(done.exception, variants.VariantError)
    assert f"{tmp_path / 'file' / 'onnx-fp16'}: cannot be written" in str(done.exception)
