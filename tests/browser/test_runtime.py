"""Which runtime is let in."""

from __future__ import annotations

from pathlib import Path

import pytest

from epiluma.browser.runtime import FILES, RuntimeFilesError, runtime_files


def test_another_runtime_is_refused(tmp_path: Path) -> None:
    (tmp_path / "package.tgz").write_bytes(b"something else")
    with pytest.raises(RuntimeFilesError, match="is not onnxruntime-web"):
        runtime_files(tmp_path / "package.tgz")


def test_a_runtime_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFilesError, match="cannot be read"):
        runtime_files(tmp_path / "package.tgz")
    with pytest.raises(RuntimeFilesError, match="--runtime"):
        runtime_files(address="http://127.0.0.1:9/package.tgz")


def test_the_package_holds_the_runtime(runtime: dict[str, bytes]) -> None:
    assert tuple(runtime) == FILES
    assert runtime["ort-wasm-simd-threaded.wasm"].startswith(b"\0asm")
