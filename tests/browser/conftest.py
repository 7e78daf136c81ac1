"""The page as people meet it: built from a bundle, handed out by a plain web server, opened in a real Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from epiluma.browser.build import build
from epiluma.browser.runtime import VERSION, runtime_files
from epiluma.bundle import Bundle
from tests.browser.serving import FLAGS, Served, chromium_path, missing, visitor

RUNTIME = "EPILUMA_WEB_RUNTIME"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def package() -> Path:
    """The npm package onnxruntime-web: named in the environment, or fetched once through npm."""
    if named := os.environ.get(RUNTIME):
        return Path(named)
    cached = ROOT / "cache" / "npm" / f"onnxruntime-web-{VERSION}.tgz"
    if not cached.is_file():
        npm = shutil.which("npm")
        cached.parent.mkdir(parents=True, exist_ok=True)
        command = [str(npm), "pack", f"onnxruntime-web@{VERSION}", "--pack-destination", str(cached.parent)]
        if not npm or subprocess.run(command, capture_output=True, timeout=120, check=False).returncode:
            missing(f"no onnxruntime-web: put npm on PATH, or name the package in {RUNTIME}")
    return cached


@pytest.fixture(scope="session")
def runtime(package: Path) -> dict[str, bytes]:
    return runtime_files(package)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """For one module at a time: while it is there an event loop runs, in which Django's own tests cannot."""
    found = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[[Path], Served]]:
    """A folder, handed out until the tests end."""
    running: list[Served] = []

    def begin(folder: Path) -> Served:
        running.append(Served(folder))
        return running[-1]

    yield begin
    for served in running:
        served.stop()


@pytest.fixture(scope="session")
def serve(
    runtime: dict[str, bytes], start: Callable[[Path], Served], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Bundle], Served]:
    """A bundle's page, built and handed out."""

    def begin(bundle: Bundle) -> Served:
        folder = tmp_path_factory.mktemp("page")
        build(folder, bundle, runtime)
        return start(folder)

    return begin


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A new visitor with a phone."""
    with visitor(chromium) as page:
        yield page
