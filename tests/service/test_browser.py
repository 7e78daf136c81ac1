"""The page as people meet it: a real server, a real browser, a phone and a desktop, light and dark."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

FIRST_PAGE_BYTES = 150_000
PHONE, DESKTOP = (390, 844), (1440, 900)
SETTINGS = [(PHONE, "light"), (PHONE, "dark"), (DESKTOP, "light"), (DESKTOP, "dark")]


@dataclass
class Visit:
    """A page and everything it asked for or complained about."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    posts: int = 0
    received: int = 0

    def watch(self) -> None:
        self.page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note)
        self.page.on("requestfinished", self._count)

    def _note(self, request: Request) -> None:
        self.requests.append(request.url)
        self.posts += request.method == "POST"

    def _count(self, request: Request) -> None:
        sizes = request.sizes()
        self.received += sizes["responseBodySize"] + sizes["responseHeadersSize"]

    def check(self) -> None:
        """Nothing in the console, nothing from elsewhere, nothing wider than the screen."""
        assert self.complaints == []
        assert [url for url in self.requests if not url.startswith((self.address, "blob:"))] == []
        widths = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1], "the page is wider than the screen"


def chromium() -> str:
    found = os.environ.get("EPILUMA_CHROMIUM") or shutil.which("chromium")
    if not found:
        if os.environ.get("EPILUMA_REQUIRE") == "all":
            pytest.fail("no Chromium: set EPILUMA_CHROMIUM or put `chromium` on PATH")
        pytest.skip("no Chromium: set EPILUMA_CHROMIUM or put `chromium` on PATH")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=SETTINGS, ids=lambda setting: f"{setting[0][0]}x{setting[0][1]}-{setting[1]}")
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    (width, height), scheme = request.param
    phone = (width, height) == PHONE
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=phone, is_mobile=phone
    )
    yield context
    context.close()


@pytest.fixture
def visit(context: BrowserContext, server: str) -> Visit:
    visit = Visit(context.new_page(), server)
    visit.watch()
    return visit


def test_first_page_is_light(visit: Visit) -> None:
    page = visit.page
    page.goto(visit.address)
    for image in page.locator("img[loading=lazy]").all():
        image.scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('.example img')].filter(i => i.naturalWidth).length === 6")
    page.wait_for_timeout(200)  # the last sizes are reported after the last picture is shown
    assert 50_000 < visit.received <= FIRST_PAGE_BYTES, "all of it was counted, and it is light"
    visit.check()


def test_photo_to_donuts_to_clear(visit: Visit, photo_bytes: bytes) -> None:
    page = visit.page
    page.goto(visit.address)
    photo = {"name": "mark.jpg", "mimeType": "image/jpeg", "buffer": photo_bytes}
    page.locator("input[name=photo]").set_input_files(photo)
    page.wait_for_url("**/screenings/*/")
    expect(page.locator("figure svg")).to_have_count(2)
    expect(page.get_by_text("This is not a diagnosis.")).to_be_visible()
    expect(page.locator("p", has_text="actinic keratosis (premalignant)")).to_be_visible()
    expect(page.get_by_text("threshold 0.200")).to_be_visible()
    assert page.evaluate("document.querySelector('.picture img').naturalWidth") == 220
    visit.check()
    page.get_by_role("link", name="Clear").click()
    expect(page.get_by_role("heading", name="Check a skin mark")).to_be_visible()
    expect(page.locator(".sending")).to_be_hidden()
    visit.check()


def test_drop_a_photo(visit: Visit, photo_bytes: bytes) -> None:
    page = visit.page
    page.goto(visit.address)
    page.evaluate(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "mark.jpg", {type: "image/jpeg"}));
            document.getElementById("upload").dispatchEvent(
                new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
        }""",
        list(photo_bytes),
    )
    page.wait_for_url("**/screenings/*/")
    visit.check()


def test_pick_an_example_and_delete_it(visit: Visit) -> None:
    page = visit.page
    page.goto(visit.address)
    page.locator(".example").first.click()
    page.wait_for_url("**/screenings/*/")
    address = page.url
    page.get_by_text("Delete this screening").click()
    page.get_by_role("button", name="Delete for good").click()
    page.wait_for_url("**/screenings/")
    expect(page.get_by_text("The screening and its photo were deleted.")).to_be_visible()
    visit.check()
    assert page.goto(address).status == 404
    expect(page.get_by_text("There is nothing here.")).to_be_visible()


def test_a_failed_upload_says_what_to_do(visit: Visit, photo_bytes: bytes) -> None:
    page = visit.page
    page.goto(visit.address)
    chooser = page.locator("input[name=photo]")
    chooser.set_input_files({"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"not a photo"})
    expect(page.get_by_role("alert")).to_contain_text("Use JPEG, PNG or WebP.")
    chooser.set_input_files({"name": "mark.jpg", "mimeType": "image/jpeg", "buffer": photo_bytes[:3000]})
    expect(page.get_by_role("alert")).to_contain_text("cut off or damaged")
    visit.complaints = [text for text in visit.complaints if "422" not in text]  # Chromium logs each answer of 4xx
    visit.check()


def test_a_photo_above_the_limit_is_not_even_sent(visit: Visit) -> None:
    page = visit.page
    page.goto(visit.address)
    page.evaluate("document.getElementById('upload').dataset.limit = 1000")
    page.locator("input[name=photo]").set_input_files(
        {"name": "mark.jpg", "mimeType": "image/jpeg", "buffer": b"x" * 2000}
    )
    expect(page.get_by_role("alert")).to_contain_text("larger than 32 MB")
    assert visit.posts == 0


def test_a_broken_connection_says_so(visit: Visit, photo_bytes: bytes) -> None:
    page = visit.page
    page.goto(visit.address)
    page.context.set_offline(True)
    page.locator("input[name=photo]").set_input_files(
        {"name": "mark.jpg", "mimeType": "image/jpeg", "buffer": photo_bytes}
    )
    expect(page.get_by_role("alert")).to_contain_text("The connection broke.")
    expect(page.locator(".choose")).to_be_visible()


def test_touch_targets_and_chinese(visit: Visit) -> None:
    page = visit.page
    page.goto(visit.address)
    page.get_by_role("button", name="简体中文").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("检查皮肤上的痣或斑")
    assert page.locator("html").get_attribute("lang") == "zh-hans"
    for target in page.locator("button:visible, a.button:visible, nav a:visible, .picker:visible").all():
        box = target.bounding_box()
        assert box["height"] >= 44, target.inner_text()
    visit.check()


@pytest.mark.parametrize("context", [SETTINGS[0]], indirect=True, ids=["second account"])
def test_another_account_has_an_empty_list(visit: Visit) -> None:
    page = visit.page
    page.goto(visit.address)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in/")
    page.get_by_label("E-mail address").fill("ben@demo.example")
    page.get_by_label("Password").fill("epiluma-demo")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("Nothing is kept yet.")).to_be_visible()
    visit.check()


@pytest.mark.parametrize("phone", [True, False], ids=["phone", "desktop"])
def test_without_javascript(browser: Browser, server: str, photo_bytes: bytes, phone: bool) -> None:
    width, height = PHONE if phone else DESKTOP
    context = browser.new_context(
        java_script_enabled=False, viewport={"width": width, "height": height}, has_touch=phone, is_mobile=phone
    )
    page = context.new_page()
    page.goto(server)
    page.locator("input[name=photo]").set_input_files(
        {"name": "mark.jpg", "mimeType": "image/jpeg", "buffer": photo_bytes}
    )
    page.get_by_role("button", name="Check this photo").click()
    page.wait_for_url("**/screenings/*/")
    expect(page.locator("figure svg")).to_have_count(2)
    context.close()
