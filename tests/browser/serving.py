"""What the tests of the page share: a plain web server, and a photo's way through the page's modules."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from epiluma.bundle import Bundle
from epiluma.imaging.preprocess import normalise
from epiluma.inference.decide import probabilities_from_logits
from epiluma.inference.result import Screening
from epiluma.inference.screen import Screened, Screener

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_OPEN = """async () => {
  const { Screener } = await import(new URL("js/screen.js", location.href));
  window.screener = await Screener.open();
}"""
_SCREEN = """async ([data, symptoms]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  try {
    const { photo, mask, ...found } = await window.screener.screen(new Blob([bytes]));
    return { ...found, size: [photo.width, photo.height], ...window.screener.recommendation(found, symptoms) };
  } catch (error) { return { error: `${error.constructor.name}: ${error.message}` }; }
}"""

_ANSWER = """async (data) => {
  const { probabilitiesFromLogits } = await import(new URL("js/decide.js", location.href));
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const { photo, mask } = await window.screener.screen(new Blob([bytes]));
  const { logits } = await window.screener.look(photo, mask);
  return probabilitiesFromLogits(logits, window.screener.manifest.calibration);
}"""


def missing(reason: str) -> NoReturn:
    """Skip, or fail where everything is required."""
    if os.environ.get("EPILUMA_REQUIRE") == "all":
        pytest.fail(reason)
    pytest.skip(reason)


def chromium_path() -> str:
    """Of the browser that the tests use."""
    found = os.environ.get("EPILUMA_CHROMIUM") or shutil.which("chromium")
    return found or missing("no Chromium: set EPILUMA_CHROMIUM or put `chromium` on PATH")


class Served:
    """Python's own web server over a folder, on a free port of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        found = re.search(r"port (\d+)", said)
        assert found, said
        self.url = f"http://127.0.0.1:{found[1]}/"

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


@contextmanager
def visitor(browser: Browser, **options: Any) -> Iterator[Page]:
    """A new visitor, with a phone unless said; a line in the console, or an uncaught error, is a failure."""
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "locale": "en-GB"}
    context = browser.new_context(**{**phone, **options})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: message.type in {"error", "warning"} and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def opened(page: Page, served: Served) -> Page:
    """The page with its screener, in `window.screener`."""
    page.goto(served.url)
    page.evaluate(_OPEN)
    return page


def screen(page: Page, data: bytes, symptoms: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the page's modules make of a file."""
    found: dict[str, Any] = page.evaluate(_SCREEN, [base64.b64encode(data).decode(), list(symptoms)])
    return found


def encoded(pixels: npt.NDArray[np.uint8], kind: str, **options: Any) -> bytes:
    """A file with these (h, w, 3) pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


class Compared(NamedTuple):
    """The page beside Python, over many photos."""

    difference: float
    """Largest, of any probability, of photos that are refused too."""
    same: int
    """Photos with the same level and the same findings that refuse."""
    judged: int
    """Photos that Python judges."""


def compare(page: Page, bundle: Bundle, photos: list[bytes]) -> Compared:
    """Both on the same files."""
    screener = Screener(bundle)
    worst, same, judged = 0.0, 0, 0
    for data in photos:
        looked, found = screener.look(data, file="photo"), screen(page, data)
        assert "error" not in found, found
        same += agree(looked.screening, found)
        judged += looked.screening.diagnosis is not None
        answered = page.evaluate(_ANSWER, base64.b64encode(data).decode())
        worst = max(worst, float(np.abs(answer_of(screener, looked) - answered).max()))
    return Compared(worst, same, judged)


def answer_of(screener: Screener, looked: Screened) -> npt.NDArray[np.float64]:
    """(leaves,) probabilities of a photo, whether or not the gate lets it pass."""
    spec = screener.bundle.manifest.preprocessing
    square = screener.view.square(looked.photo, looked.box, spec.size)
    logits = screener.session.logits(normalise(square[None], mean=spec.mean, std=spec.std))
    return probabilities_from_logits(logits, screener.bundle.manifest.calibration)[0]


def agree(expected: Screening, found: dict[str, Any]) -> bool:
    """Whether level, weeks and refusals are the same."""
    refusals = [f.code for f in expected.findings if f.severity == "refuse"]
    advice = expected.recommendation
    return (advice.level, advice.within_weeks, refusals) == (
        found["level"],
        found["weeks"],
        [f["code"] for f in found["findings"] if f["severity"] == "refuse"],
    )
