"""The page refuses what Python refuses, and whatever it cannot check."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from epiluma.bundle import Bundle
from epiluma.imaging.decode import PhotoError
from epiluma.imaging.framing import measure_framing
from epiluma.imaging.synthetic import draw_lesion
from epiluma.inference.gate import Code, framing_findings
from epiluma.inference.recommend import ALARMING, LEVELS, SYMPTOMS
from epiluma.inference.screen import Screener
from tests.browser.bundles import fully_fitted
from tests.browser.serving import Served, agree, encoded, opened, screen, visitor
from tests.conftest import with_outline

PIXELS = draw_lesion(11, size=(200, 150)).image
many = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Bundle) -> Bundle:
    return fully_fitted(with_outline(tiny_bundle))


@pytest.fixture(scope="module")
def ready(chromium: Browser, serve: Callable[[Bundle], Served], bundle: Bundle) -> Iterator[Page]:
    with visitor(chromium) as page:
        yield opened(page, serve(bundle))


def blurred(pixels: np.ndarray) -> np.ndarray:
    smooth = np.asarray(pixels, float)
    for axis in (0, 1):
        for _ in range(60):
            smooth = (np.roll(smooth, 1, axis) + 2 * smooth + np.roll(smooth, -1, axis)) / 4
    return smooth.astype(np.uint8)


BAD: dict[str, np.ndarray] = {
    "dark": PIXELS // 8,
    "bright": 255 - (255 - PIXELS) // 16,
    "blurred": blurred(PIXELS),
    "one colour": np.full_like(PIXELS, 150),
    "small": PIXELS[:90, :90],
    "no skin": np.roll(PIXELS, 1, axis=2),
    "nothing on it": np.maximum(PIXELS, 150),
}


@pytest.mark.parametrize("name", BAD)
def test_refused_there_is_refused_here(ready: Page, bundle: Bundle, name: str) -> None:
    data = encoded(np.ascontiguousarray(BAD[name]), "PNG")
    expected, found = Screener(bundle).screen(data, file=name), screen(ready, data)
    assert expected.diagnosis is None
    assert found["diagnosis"] is None
    assert found["probabilities"] == {}
    assert found["level"] == "cannot_judge"
    assert found["quality"]["reasons"] == list(expected.quality.reasons)
    assert agree(expected, found), (expected.findings, found["findings"])


@many
@given(st.integers(0, 2**31), st.tuples(st.floats(0.2, 1.8), st.floats(-90, 90)), st.integers(0, 2))
def test_any_photo_is_refused_alike(
    ready: Page, bundle: Bundle, seed: int, light: tuple[float, float], turn: int
) -> None:
    lesion = draw_lesion(seed % 1000, size=(120, 110)).image.astype(float)
    pixels = np.roll(np.clip((lesion - 128) * light[0] + 128 + light[1], 0, 255).astype(np.uint8), turn, axis=2)
    data = encoded(np.ascontiguousarray(pixels), "PNG")
    expected, found = Screener(bundle).screen(data, file="x"), screen(ready, data)
    assert agree(expected, found), (expected, found)
    assert found["score"] == pytest.approx(expected.ood_score, abs=1e-4)


JPEG, PNG, WEBP = (encoded(PIXELS, kind) for kind in ("JPEG", "PNG", "WEBP"))
BROKEN = {
    "empty": b"",
    "text": b"hello",
    "HEIC": b"\0\0\0\x18ftypheic" + bytes(100),
    "half a JPEG": JPEG[: len(JPEG) // 2],
    "a JPEG without its end": JPEG[:-2],
    "a JPEG's head": JPEG[:20],
    "half a PNG": PNG[: len(PNG) // 2],
    "a PNG without its end": PNG[:-12],
    "half a WebP": WEBP[: len(WEBP) // 2],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_whole_photo_is_refused(ready: Page, bundle: Bundle, name: str) -> None:
    with pytest.raises(PhotoError):
        Screener(bundle).screen(BROKEN[name], file=name)
    assert screen(ready, BROKEN[name])["error"].startswith("PhotoError: ")


@many
@given(st.sampled_from([JPEG, PNG, WEBP]), st.data())
def test_a_damaged_file_gives_a_result_or_a_reason(ready: Page, whole: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + data.draw(st.binary(min_size=1, max_size=4)) + whole[at + 4 :]
    found = screen(ready, damaged[: data.draw(st.integers(1, len(damaged)))])
    assert found.get("error", "PhotoError: ").startswith("PhotoError: ")


@many
@given(st.integers(8, 90), st.integers(8, 90), st.integers(0, 2**31), st.floats(0, 1))
def test_framing_is_that_of_python(ready: Page, width: int, height: int, seed: int, share: float) -> None:
    random = np.random.RandomState(seed)
    coarse = random.random_sample((height // 8 + 1, width // 8 + 1)) < share
    mask = np.repeat(np.repeat(coarse, 8, 0), 8, 1)[:height, :width]
    expected = [(finding.code, finding.value) for finding in framing_findings(measure_framing(mask))]
    found = ready.evaluate(
        """async ([width, height, data]) => {
          const { framingFindings } = await import(new URL("js/gate.js", location.href));
          const { measureFraming } = await import(new URL("js/framing.js", location.href));
          const { rules } = window.screener;
          const mask = { width, height, data: Uint8Array.from(data) };
          return framingFindings(measureFraming(mask, rules.framing), rules.gate, (code, value) => [code, value]);
        }""",
        [width, height, mask.ravel().astype(int).tolist()],
    )
    assert [code for code, _ in found] == [code for code, _ in expected]
    assert [value for _, value in found] == pytest.approx([value for _, value in expected], abs=1e-12)


BREAKS: dict[str, tuple[str, Code]] = {
    "no features": ("answer.features = null", "cannot_judge"),
    "features that are no numbers": ("answer.features[0] = NaN", "cannot_judge"),
    "fewer features": ("answer.features = answer.features.slice(1)", "cannot_judge"),
    "logits that are no numbers": ("answer.own[0] = NaN", "cannot_judge"),
    "far from anything known": ("answer.features[0] = 1e6", "out_of_scope"),
    "a mask that breaks": ("mask.data = null", "cannot_judge"),
    "a quality that is no number": ("quality.contrast = NaN", "cannot_judge"),
}


_BEFORE_AND_AFTER = """async () => {
  const { check } = await import(new URL("js/gate.js", location.href));
  const { rules, scope } = window.screener;
  const side = 64;
  const spot = (i) => Math.hypot(i %% side - 32, Math.floor(i / side) - 32) < 12;
  const of = (channels) => ({ width: side, height: side, channels });
  const photo = { ...of(3), data: new Uint8ClampedArray(3 * side * side).fill(170) };
  const mask = { ...of(1), data: Uint8Array.from({ length: side * side }, (_, i) => spot(i)) };
  const quality = { usable: true, reasons: [], sharpness: 9, brightness: 120, contrast: 30 };
  const logits = new Float32Array(8);
  const answer = { own: logits, logits, features: Float32Array.of(0.5, 0.1, 0.2) };
  const before = check(photo, mask, quality, answer, scope, rules).passes;
  %s;
  const after = check(photo, mask, quality, answer, scope, rules);
  return [before, after.passes, after.findings.map((finding) => finding.code)];
}"""


@pytest.mark.parametrize("name", BREAKS)
def test_what_breaks_refuses(ready: Page, name: str) -> None:
    change, code = BREAKS[name]
    found = ready.evaluate(_BEFORE_AND_AFTER % change)
    assert found[:2] == [True, False]
    assert code in found[2]


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_reported_raises_the_level_and_never_lowers_it(ready: Page, level: str) -> None:
    found = ready.evaluate(
        """async ([level, symptoms]) => {
          const { withSymptoms } = await import(new URL("js/recommend.js", location.href));
          return symptoms.map((one) => withSymptoms(level, [one], window.screener.rules.recommend).level);
        }""",
        [level, list(SYMPTOMS)],
    )
    raised = max(level, "refer", key=LEVELS.index)
    assert found == [raised if symptom in ALARMING else level for symptom in SYMPTOMS]
