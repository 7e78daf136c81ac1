"""The page in people's hands: nothing leaves it, it works without a network, and it says what Python says."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Request, expect

from epiluma.browser.build import build
from epiluma.bundle import Bundle
from epiluma.imaging.synthetic import draw_lesion
from epiluma.inference.recommend import SYMPTOMS
from epiluma.inference.screen import Screener
from tests.browser.bundles import with_wrong_answer
from tests.browser.serving import FLAGS, Served, chromium_path, encoded, visitor
from tests.conftest import with_outline

FIRST_PAGE_BYTES = 150_000
PHOTO = encoded(draw_lesion(1).image, "JPEG")
DARK = encoded(draw_lesion(1).image // 8, "JPEG")
READY = "Ready. This page now works without a network."
OUTLINED = "The photo that was checked, with the outline of the mark"
Start = Callable[[Path], Served]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Bundle) -> Bundle:
    return with_outline(tiny_bundle)


@pytest.fixture(scope="module")
def served(serve: Callable[[Bundle], Served], bundle: Bundle) -> Served:
    return serve(bundle)


def choose(page: Page, data: bytes, name: str = "photo.jpg") -> None:
    page.set_input_files("input[name=photo]", {"name": name, "mimeType": "image/jpeg", "buffer": data})


def headline(page: Page) -> str:
    page.wait_for_selector("#verdict")
    return page.inner_text("#verdict")


def test_a_photo_is_judged_as_python_judges_it(page: Page, served: Served, bundle: Bundle) -> None:
    expected = Screener(bundle).screen(PHOTO, file="photo")
    page.goto(served.url)
    choose(page, PHOTO)
    assert f"within {expected.recommendation.within_weeks} weeks" in headline(page)
    expect(page.locator(".donut")).to_have_count(2)
    likeliest = max(expected.probabilities, key=lambda code: expected.probabilities[code])
    assert likeliest in (page.locator(".donut").nth(1).text_content() or "")
    expect(page.get_by_text("This is not a diagnosis.")).to_be_visible()
    expect(page.get_by_role("img", name=OUTLINED)).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "verdict"  # what to do is read out first


def test_a_photo_that_cannot_be_judged_gets_no_chart(page: Page, served: Served) -> None:
    page.goto(served.url)
    choose(page, DARK)
    assert headline(page) == "Take another photo."
    expect(page.get_by_text("The photo is too dark.")).to_be_visible()
    expect(page.locator(".donut")).to_have_count(0)


def test_a_file_that_is_no_photo_is_refused_and_the_next_one_is_taken(page: Page, served: Served) -> None:
    page.goto(served.url)
    choose(page, b"no photo", "note.txt")
    expect(page.get_by_role("alert")).to_contain_text("This is not a photo that can be read.")
    choose(page, PHOTO)
    headline(page)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_nothing_leaves_the_page(page: Page, served: Served) -> None:
    asked: list[Request] = []

    def note(request: Request) -> None:
        asked.append(request)

    page.context.on("request", note)
    page.goto(served.url)
    choose(page, PHOTO)
    headline(page)
    page.click("text=Check another photo")
    choose(page, DARK)
    headline(page)
    assert {request.method for request in asked} == {"GET"}
    assert [request.url for request in asked if request.post_data_buffer] == []
    assert [request.url for request in asked if not request.url.startswith((served.url, "blob:"))] == []
    assert [request.url for request in asked if "?" in request.url] == []
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    kept = page.evaluate("async () => (await caches.open((await caches.keys())[0])).keys().then((all) => all.length)")
    assert kept == len([file for file in served.folder.rglob("*") if file.is_file()]) - 2  # the list and the worker


ELSEWHERE = {
    "fetch": "fetch(to, { method: 'POST', body: 'photo', mode: 'no-cors' }).then(() => 'sent', () => 'refused')",
    "beacon": "Promise.resolve(navigator.sendBeacon(to, 'photo') ? 'sent' : 'refused')",
    "picture": "new Promise((done) => Object.assign(new Image(), "
    "{ onload: () => done('sent'), onerror: () => done('refused'), src: to + 'mark.svg' }))",
    "code": "import(to + 'js/elements.js').then(() => 'sent', () => 'refused')",
    "inline code": "new Promise((done) => { const script = document.createElement('script'); "
    "script.textContent = 'window.ran = true'; document.head.append(script); done(window.ran ? 'sent' : 'refused'); })",
}


def test_the_page_is_not_allowed_to_send_elsewhere(
    chromium: Browser, served: Served, serve: Callable[[Bundle], Served], tiny_bundle: Bundle
) -> None:
    other = serve(tiny_bundle).url
    context = chromium.new_context()
    page = context.new_page()
    page.goto(served.url)
    arrived: list[str] = []
    context.on("response", lambda answer: answer.url.startswith(other) and arrived.append(answer.url))
    page.evaluate(
        "() => addEventListener('securitypolicyviolation', (event) => { window.stopped = event.blockedURI; })"
    )
    for way, code in ELSEWHERE.items():
        page.evaluate("() => { window.stopped = null; }")
        answer = page.evaluate(f"(to) => {code}", other)
        assert answer == "refused" or way == "beacon"  # a beacon does not say what became of it
        page.wait_for_function("window.stopped")
        assert arrived == [], way
    context.close()


def test_it_works_without_a_network_after_the_first_visit(
    page: Page, start: Start, bundle: Bundle, runtime: dict[str, bytes], tmp_path: Path
) -> None:
    build(tmp_path, bundle, runtime)
    served = start(tmp_path)
    page.goto(served.url)
    expect(page.get_by_text(READY)).to_be_visible(timeout=30_000)
    served.stop()
    page.goto(served.url)
    choose(page, PHOTO)
    assert "Show this mark to a doctor" in headline(page)
    page.click("text=简体中文")
    assert "周内让医生查看" in headline(page)


def test_a_new_version_is_taken_over_as_a_whole(
    page: Page, start: Start, runtime: dict[str, bytes], tiny_bundle: Bundle, tmp_path: Path
) -> None:
    build(tmp_path, tiny_bundle, runtime)
    served = start(tmp_path)
    page.goto(served.url)
    expect(page.get_by_text(READY)).to_be_visible(timeout=30_000)
    build(tmp_path, with_outline(tiny_bundle), runtime)
    page.reload()
    page.evaluate(
        """async () => {
          const found = await navigator.serviceWorker.getRegistration();
          while (!found.waiting) await new Promise((done) => setTimeout(done, 100));
        }"""
    )
    choose(page, PHOTO)
    headline(page)
    expect(page.get_by_role("img", name=OUTLINED)).to_have_count(0)  # the old bundle, whole
    later = page.context.new_page()
    page.close()
    later.wait_for_timeout(1000)  # until the browser has noticed that nobody uses the old one
    later.goto(served.url)
    choose(later, PHOTO)
    headline(later)
    expect(later.get_by_role("img", name=OUTLINED)).to_have_count(1)
    assert len(later.evaluate("caches.keys()")) == 1


def test_what_is_reported_raises_the_level(page: Page, served: Served, bundle: Bundle) -> None:
    page.goto(served.url)
    assert page.locator("#symptoms input").evaluate_all("all => all.map((box) => box.value)") == list(SYMPTOMS)
    choose(page, DARK)
    assert headline(page) == "Take another photo."
    page.get_by_label("It itches").check()
    assert headline(page) == "Take another photo."
    page.get_by_label("It bleeds").check()
    weeks = Screener(bundle).screen(DARK, file="x", symptoms=["bleeds"]).recommendation.within_weeks
    assert headline(page) == f"Show this mark to a doctor within {weeks} weeks."
    expect(page.get_by_label("It bleeds")).to_be_focused()
    page.click("text=Check another photo")
    expect(page.get_by_label("It bleeds")).not_to_be_checked()


@pytest.mark.parametrize("name", ["model.onnx", "outline.onnx", "manifest.json"])
def test_a_bundle_that_was_changed_is_not_used(
    chromium: Browser, start: Start, served: Served, tmp_path: Path, name: str
) -> None:
    folder = shutil.copytree(served.folder, tmp_path / "page")
    file = folder / "bundle" / name
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert_unusable(chromium, start(folder), name)


def test_a_network_that_is_computed_wrongly_is_not_used(
    chromium: Browser, serve: Callable[[Bundle], Served], bundle: Bundle
) -> None:
    assert_unusable(chromium, serve(with_wrong_answer(bundle)), "does not compute the network faithfully")


def test_without_https_it_says_what_to_do(served: Served, chromium: Browser) -> None:
    port = served.url.rsplit(":", 1)[1]
    with chromium.browser_type.launch(
        executable_path=chromium_path(), args=[*FLAGS, "--host-resolver-rules=MAP skin.example 127.0.0.1"]
    ) as other:
        page = other.new_page()
        page.goto(f"http://skin.example:{port}")
        expect(page.get_by_role("alert")).to_contain_text("Open this page by an address that begins with https.")
        choose(page, PHOTO)
        expect(page.get_by_role("alert")).to_contain_text("This photo could not be used.")


def assert_unusable(chromium: Browser, served: Served, why: str) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(served.url)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The model could not be opened", timeout=30_000)
    expect(alert).to_contain_text(why)
    choose(page, PHOTO)
    expect(alert).to_contain_text("This photo could not be used.")
    expect(page.locator("#verdict")).to_have_count(0)
    context.close()


def test_the_page_speaks_the_visitors_language_and_remembers_another(chromium: Browser, served: Served) -> None:
    with visitor(chromium, locale="zh-CN") as page:
        page.goto(served.url)
        expect(page.get_by_role("heading", name="检查皮肤上的痣或斑")).to_be_visible()
        assert page.get_attribute("html", "lang") == "zh-Hans"
        choose(page, PHOTO)
        assert "周内让医生查看" in headline(page)
        page.click("text=English")
        assert "Show this mark to a doctor" in headline(page)
        page.reload()
        expect(page.get_by_role("heading", name="Check a skin mark")).to_be_visible()


@pytest.mark.parametrize(("viewport", "scheme"), [(PHONE, "light"), (DESKTOP, "dark")], ids=["phone", "desktop"])
def test_nothing_is_wider_than_the_screen(
    chromium: Browser, served: Served, viewport: dict[str, int], scheme: str
) -> None:
    phone = viewport == PHONE
    with visitor(chromium, viewport=viewport, color_scheme=scheme, is_mobile=phone, has_touch=phone) as page:
        page.goto(served.url)
        for data in (None, PHOTO, DARK):
            if data:
                page.click("text=Check another photo") if page.locator("#verdict").count() else None
                choose(page, data)
                headline(page)
            widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert widths[0] <= widths[1]
            small = page.evaluate(
                """() => [...document.querySelectorAll("button, .picker, #symptoms label")]
                  .filter((element) => element.offsetParent && element.getBoundingClientRect().height < 44)
                  .map((element) => element.outerHTML)"""
            )
            assert small == []


def test_it_can_be_installed(page: Page, served: Served) -> None:
    page.goto(served.url)
    expect(page.get_by_text(READY)).to_be_visible(timeout=30_000)
    found = page.context.new_cdp_session(page).send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert {error["errorId"] for error in found} <= {"in-incognito"}  # as every context of a test is


def test_the_first_page_is_small(served: Served) -> None:
    first = [served.folder / name for name in ("index.html", "app.css", "page.css", "mark.svg")]
    first += [*(served.folder / "js").glob("*.js"), served.folder / "runtime" / "ort.wasm.min.mjs"]
    assert sum(file.stat().st_size for file in first) <= FIRST_PAGE_BYTES


def test_the_outline_lies_on_the_photo(page: Page, served: Served, bundle: Bundle) -> None:
    page.goto(served.url)
    photo = encoded(draw_lesion(5, size=(200, 150)).image, "PNG")
    choose(page, photo)
    headline(page)
    mask = Screener(bundle).look(photo, file="x").mask
    assert mask is not None
    found = page.evaluate(
        """() => { const canvas = document.querySelector(".picture canvas");
          return Array.from(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data); }"""
    )
    pixels = np.reshape(np.uint8(found), (*mask.shape, 4))[..., :3]
    drawn = np.all(pixels == 255, axis=2)
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    edge = mask & ~inner
    edge[[0, -1]] = edge[:, [0, -1]] = False
    assert edge.sum() > 50
    assert drawn[edge].mean() > 0.95
