"""A bundle is found where it was named, and an ambiguous choice is never made."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from epiluma.bundle import Bundle, BundleError
from epiluma.inference.locate import VARIABLE, find_bundle


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Install a model package: a real distribution with an entry point, on the path of this test only."""
    monkeypatch.delenv(VARIABLE, raising=False)
    site = tmp_path / "site"
    site.mkdir()
    # Only this folder: model packages of the machine that runs the test must not count.
    monkeypatch.setattr(sys, "path", [str(site), *(part for part in sys.path if "site-packages" not in part)])

    def add(name: str, returns: str) -> None:
        module = name.replace("-", "_")
        (site / f"{module}.py").write_text(f"def path():\n    return {returns}\n")
        metadata = site / f"{module}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[epiluma.bundles]\n{module} = {module}:path\n")

    return add


Install = Callable[[str, str], None]


def test_explicit_path_comes_first(
    tiny_bundle: Bundle, tiny_bundle_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "elsewhere"))
    assert find_bundle(tiny_bundle_path).id == tiny_bundle.id


def test_environment_comes_second(
    tiny_bundle: Bundle, tiny_bundle_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("other-model", "'/nowhere'")
    monkeypatch.setenv(VARIABLE, str(tiny_bundle_path))
    assert find_bundle().id == tiny_bundle.id


def test_installed_package_comes_third(tiny_bundle: Bundle, tiny_bundle_path: Path, install: Install) -> None:
    install("epiluma-model-a", repr(str(tiny_bundle_path)))
    assert find_bundle().id == tiny_bundle.id


def test_two_installed_packages_are_ambiguous(tiny_bundle_path: Path, install: Install) -> None:
    for name in ("epiluma-model-b", "epiluma-model-c"):
        install(name, repr(str(tiny_bundle_path)))
    with pytest.raises(BundleError, match="epiluma-model-b, epiluma-model-c are installed; choose one with --bundle"):
        find_bundle()


def test_nothing_installed_says_what_to_install(install: Install) -> None:
    with pytest.raises(BundleError, match=r"pip install epiluma-model-ham10000.*--bundle"):
        find_bundle()


def test_a_broken_package_is_named(install: Install) -> None:
    install("epiluma-model-d", "1 / 0")
    with pytest.raises(BundleError, match=r"epiluma-model-d: .*ZeroDivisionError"):
        find_bundle()


def test_a_path_without_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such bundle"):
        find_bundle(tmp_path / "missing")
