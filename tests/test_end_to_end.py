"""From drawn lesions to a screening in a browser's words: train, export, evaluate, screen, serve."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from epiluma import bundle as bundles
from epiluma import predictions
from epiluma.cli import main
from epiluma.datasets import split
from epiluma.export.predict import PREDICTIONS


def epiluma(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def exported(tiny_run: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle file made by the command line from a run on drawn lesions."""
    toml, run = tiny_run
    out = tmp_path_factory.mktemp("exported") / "tiny.epiluma"
    result = epiluma("export", toml, "--run", run, "--out", out)
    assert bundles.load(out).id[:12] in result.output
    return out


@pytest.fixture
def server(exported: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a real server process with the exported bundle."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--demo", "--port", str(port), "--data-dir", str(tmp_path), "--bundle", str(exported)]
    process = subprocess.Popen([sys.executable, "-m", "epiluma.cli", "serve", *options])
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(1200):
            try:
                httpx.get(f"{address}/healthz").raise_for_status()
                break
            except httpx.HTTPError:
                assert process.poll() is None, "the server ended before it listened"
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


def test_the_exported_bundle_verifies(exported: Path) -> None:
    assert "known answers hold" in epiluma("bundle", "verify", exported).output
    shown = json.loads(epiluma("bundle", "show", exported).stdout)
    assert shown["provenance"]["training_data"] == "drawn lesions"


def test_evaluate_prints_and_writes_the_scorecard(exported: Path, tiny_run: tuple[Path, Path], tmp_path: Path) -> None:
    table = tiny_run[1] / PREDICTIONS
    page = tmp_path / "results.md"
    assert "alanced accuracy" in epiluma("evaluate", table, "--markdown", page).output
    assert "alanced accuracy" in page.read_text()
    assert json.loads(epiluma("evaluate", table, "--json").stdout)["part"] == "test"


def test_screen_a_folder_with_the_exported_bundle(exported: Path, tmp_path: Path) -> None:
    epiluma("examples", tmp_path / "photos")
    lines = epiluma("screen", tmp_path / "photos", "--bundle", exported, "--json").stdout.splitlines()
    assert len(lines) == 6
    for line in map(json.loads, lines):
        assert line["bundle"]["id"] == bundles.load(exported).id
        refused = [finding["code"] for finding in line["findings"] if finding["severity"] == "refuse"]
        assert sum(line["probabilities"].values()) == pytest.approx(0 if refused else 1)
        assert (line["recommendation"]["level"] == "cannot_judge") == bool(refused)


def test_a_screening_judges_the_photos_that_the_export_judged(exported: Path, tiny_run: tuple[Path, Path]) -> None:
    table = predictions.read(tiny_run[1] / PREDICTIONS)
    lines = epiluma("screen", tiny_run[0].parent / "data", "--bundle", exported, "--json").stdout.splitlines()
    said = {Path(line["file"]).stem: line for line in map(json.loads, lines)}
    found = [said[str(image_id)]["diagnosis"] for image_id in table.image_id]
    expected = [table.header.codes[leaf] if leaf >= 0 else None for leaf in table.diagnosis]
    assert len(found) > 30
    assert sum(code is not None for code in expected) > 20
    # The runtime goes from the photo to the network's size in one step, the export by way of the cache.
    assert sum(a != b for a, b in zip(found, expected, strict=True)) <= 0.1 * len(found)


def test_serve_the_exported_bundle(server: str) -> None:
    with httpx.Client(base_url=server, follow_redirects=True) as visitor:
        page = visitor.get("/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        example = re.search(r'name="example" value="([\w-]+)"', page.text)
        action = re.search(r'class="examples" action="([^"]+)"', page.text)
        assert token
        assert example
        assert action
        answer = visitor.post(action[1], data={"csrfmiddlewaretoken": token[1], "example": example[1]})
        assert answer.status_code == 200
        assert answer.text.count("<svg") >= 2
        assert "not a diagnosis" in answer.text
        assert len(re.findall(r"/screenings/[\w-]{36}/", visitor.get("/screenings/").text)) >= 1


def test_synthesize_and_split(tmp_path: Path) -> None:
    epiluma("data", "synthesize", tmp_path / "drawn", "--count", "40")
    manifest = tmp_path / "split.csv"
    options = ["--cache", tmp_path / "cache", "--cache-size", "64"]
    assert "calibration" in epiluma("data", "split", "ham10000", tmp_path / "drawn", "--out", manifest, *options).output
    assert len(split.read(manifest).of) == 40
