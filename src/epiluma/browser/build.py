"""One folder that any web server can hand out: the page, its runtime, and a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

import msgspec

from epiluma.browser.icons import icon
from epiluma.browser.rules import rules
from epiluma.browser.words import chinese
from epiluma.bundle import BUNDLE_ID, MANIFEST, Bundle, Manifest
from epiluma.errors import EpilumaError
from epiluma.inference.locate import licence_of

FILES = "files.json"
"""Name and SHA-256 of every file that is needed without a network."""
_WORKER = "sw.js"
_STATIC = Path(__file__).with_name("static")
_SERVICE = Path(__file__).parents[1] / "service" / "static" / "epiluma"
"""The service's stylesheet and mark, as files: both pages look the same."""
_ICONS = (180, 192, 512)


class PageError(EpilumaError):
    """A folder that the page cannot be written to."""


class Built(NamedTuple):
    """What was written."""

    files: int
    bytes: int


def build(out: Path, bundle: Bundle, runtime: Mapping[str, bytes]) -> Built:
    """Write the page to a folder that is new, empty, or holds an older page; `runtime` as `runtime_files` gives it.

    Files of others in that folder stay. The same bundle and version give the same bytes. Raises PageError.
    """
    contents = page_files(bundle, runtime)
    try:
        out.mkdir(parents=True, exist_ok=True)
        older = _older(out)
        for name, data in contents.items():
            (out / name).parent.mkdir(exist_ok=True)
            (out / name).write_bytes(data)
        for name in older - contents.keys():
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise PageError(f"{out}: the page cannot be written ({error.strerror})") from error
    return Built(len(contents), sum(map(len, contents.values())))


def page_files(bundle: Bundle, runtime: Mapping[str, bytes]) -> dict[str, bytes]:
    """Every file by its name in the folder; the service worker comes last, as it promises all the others."""
    static = {
        path.relative_to(_STATIC).as_posix(): path.read_bytes()
        for path in sorted(_STATIC.rglob("*"))
        if path.is_file() and path.name != _WORKER
    }
    contents = {
        **static,
        **{name: (_SERVICE / name).read_bytes() for name in ("app.css", "mark.svg")},
        **{f"icon-{side}.png": icon(side) for side in _ICONS},
        "rules.json": msgspec.json.encode(rules(bundle.manifest), order="sorted"),
        "zh.json": msgspec.json.encode(chinese(), order="sorted"),
        **{f"runtime/{name}": data for name, data in runtime.items()},
        **_bundle_files(bundle),
        **_licences(bundle),
    }
    listed = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    contents[FILES] = msgspec.json.encode(listed, order="sorted")
    version = hashlib.sha256(contents[FILES]).hexdigest()
    contents[_WORKER] = (_STATIC / _WORKER).read_bytes().replace(b"{version}", version.encode())
    return contents


def _bundle_files(bundle: Bundle) -> dict[str, bytes]:
    """The manifest and what its default graph needs: other graphs would only be downloaded in vain."""
    return {
        f"bundle/{MANIFEST}": bundle.manifest.canonical(),
        f"bundle/{BUNDLE_ID}": f"{bundle.id}\n".encode(),
        **{f"bundle/{name}": bundle.files[name] for name in _needed(bundle.manifest)},
    }


def _licences(bundle: Bundle) -> dict[str, bytes]:
    """Those of Epiluma and of the model, as far as they are installed; the runtime's stands in its own files."""
    try:
        own = distribution("epiluma").read_text("licenses/LICENSE") or ""
    except PackageNotFoundError:  # run from a folder of sources
        own = ""
    texts = {"licences/epiluma.txt": own, "licences/model.txt": licence_of(bundle)}
    return {name: text.encode() for name, text in texts.items() if text}


def _needed(manifest: Manifest) -> list[str]:
    needed = [manifest.graph]
    if manifest.scope:
        needed.append(manifest.scope.file)
    if manifest.outline:
        needed.append(manifest.outline.graph)
    return needed


def _older(out: Path) -> set[str]:
    """Names of the files of the page that was there. Raises PageError when the folder holds something else."""
    if (out / FILES).is_file():
        try:
            names = set(msgspec.json.decode((out / FILES).read_bytes(), type=dict[str, str]))
        except msgspec.DecodeError as error:
            raise PageError(f"{out / FILES}: is damaged ({error}); give a new folder") from error
        if not all((out / name).resolve().is_relative_to(out.resolve()) for name in names):
            raise PageError(f"{out / FILES}: names files of other folders; give a new folder")
        return names
    if any(out.iterdir()):
        raise PageError(f"{out}: holds files that are no page of Epiluma's; give an empty or a new folder")
    return set()
