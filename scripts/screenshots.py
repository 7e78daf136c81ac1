"""Take the README's picture: a drawn example, screened by the installed bundle. Needs Chromium on PATH."""

import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parents[1] / "docs" / "images"


def main() -> None:
    """Serve in demo mode on a free port, screen an example, and write docs/images/result.png."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-m", "epiluma.cli", "serve", "--demo", "--port", port, "--data-dir", data]
        server = subprocess.Popen(command)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/healthz")
            take(address, IMAGES / "result.png")
        finally:
            server.terminate()
            server.wait(timeout=20)


def wait_for(url: str) -> None:
    """Return when the server answers; give up after a minute."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise TimeoutError(url)


def take(address: str, path: Path) -> None:
    """Pick the second example and save what follows, as a palette PNG to stay small."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.goto(address)
        page.locator(".example").nth(1).click()
        page.wait_for_selector("svg")
        page.screenshot(path=path)
        browser.close()
    Image.open(path).convert("RGB").quantize(192).save(path, optimize=True)


if __name__ == "__main__":
    main()
