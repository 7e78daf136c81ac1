"""Where the bundle is: named, in the environment, or installed as a package."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from epiluma import bundle as bundles
from epiluma.bundle import BUNDLE_ID, Bundle, BundleError

VARIABLE = "EPILUMA_BUNDLE"
GROUP = "epiluma.bundles"
"""Entry-point group of model packages; each entry is a function without arguments that returns the bundle's path."""


def find_bundle(path: Path | None = None) -> Bundle:
    """The verified bundle at `path`, else at $EPILUMA_BUNDLE, else the one installed. Raises BundleError."""
    if path is not None:
        return bundles.load(path)
    if named := os.environ.get(VARIABLE):
        return bundles.load(named)
    installed = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    if not installed:
        raise BundleError(
            "no bundle",
            "install one with 'pip install epiluma-model-ham10000', "
            f"or name one with --bundle PATH or the variable {VARIABLE}",
        )
    if len(installed) > 1:
        names = ", ".join(_label(entry) for entry in installed)
        raise BundleError("several bundles", f"{names} are installed; choose one with --bundle PATH or {VARIABLE}")
    return bundles.load(_path(installed[0]))


def licence_of(bundle: Bundle) -> str:
    """The licence that comes with the installed package that holds this very bundle; empty when there is none."""
    for entry in entry_points(group=GROUP):
        if entry.dist and (_path(entry) / BUNDLE_ID).read_text(encoding="ascii").strip() == bundle.id:
            return entry.dist.read_text("licenses/LICENSE") or ""
    return ""


def _path(entry: EntryPoint) -> Path:
    try:
        return Path(entry.load()())
    except Exception as error:  # code of another package
        raise BundleError(_label(entry), f"the installed package does not give its bundle ({error!r})") from error


def _label(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.name
