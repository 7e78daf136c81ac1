"""What the folder holds, what it never overwrites, and which runtime is let in."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from epiluma.browser.build import PageError, build, page_files
from epiluma.browser.runtime import FILES
from epiluma.bundle import Bundle, load
from epiluma.cli import main
from tests.browser.bundles import fully_fitted
from tests.conftest import make_tiny_bundle, with_outline

STAND_IN = {name: name.encode() for name in FILES}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return fully_fitted(with_outline(make_tiny_bundle()))


def test_the_same_bundle_gives_the_same_bytes(bundle: Bundle) -> None:
    assert page_files(bundle, STAND_IN) == page_files(bundle, dict(reversed(STAND_IN.items())))


def test_the_bundle_in_it_is_the_bundle(tmp_path: Path, bundle: Bundle) -> None:
    build(tmp_path / "page", bundle, STAND_IN)
    found = load(tmp_path / "page" / "bundle")
    assert (found.id, found.files) == (bundle.id, bundle.files)


def test_every_file_is_listed_with_its_hash_and_the_worker_knows_the_list(tmp_path: Path, bundle: Bundle) -> None:
    build(tmp_path, bundle, STAND_IN)
    listed = json.loads((tmp_path / "files.json").read_bytes())
    present = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert set(listed) == present - {"files.json", "sw.js"}
    for name, sha256 in listed.items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == sha256
    version = hashlib.sha256((tmp_path / "files.json").read_bytes()).hexdigest()
    assert f'VERSION = "{version}"' in (tmp_path / "sw.js").read_text()


def test_what_can_be_installed_has_its_icons(tmp_path: Path, bundle: Bundle) -> None:
    build(tmp_path, bundle, STAND_IN)
    manifest = json.loads((tmp_path / "page.webmanifest").read_text())
    for icon in manifest["icons"]:
        with Image.open(tmp_path / icon["src"]) as picture:
            assert f"{picture.width}x{picture.height}" == icon["sizes"]


def test_an_older_page_is_replaced_and_what_is_of_others_stays(tmp_path: Path, bundle: Bundle) -> None:
    build(tmp_path, bundle, STAND_IN)
    (tmp_path / "CNAME").write_text("skin.example.org")
    build(tmp_path, make_tiny_bundle(), STAND_IN)
    assert (tmp_path / "CNAME").read_text() == "skin.example.org"
    assert not (tmp_path / "bundle" / "outline.onnx").exists()


@pytest.mark.parametrize("name", ["letters.txt", "files.json"])
def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path, bundle: Bundle, name: str) -> None:
    (tmp_path / name).write_text("dear diary")
    with pytest.raises(PageError, match=str(tmp_path)):
        build(tmp_path, bundle, STAND_IN)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_list_cannot_name_files_outside_its_folder(tmp_path: Path, bundle: Bundle) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "mine.txt").write_text("keep")
    (tmp_path / "page" / "files.json").write_text('{"../mine.txt": "0"}')
    with pytest.raises(PageError):
        build(tmp_path / "page", bundle, STAND_IN)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_the_command_writes_a_page(tmp_path: Path, tiny_bundle_path: Path, package: Path) -> None:
    out = tmp_path / "page"
    arguments = ["browser", "build", str(out), "--bundle", str(tiny_bundle_path), "--runtime", str(package)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "bundle tiny" in result.output
    assert (out / "index.html").is_file()
