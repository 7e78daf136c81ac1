"""Small photos, and a hostile server in a process of its own."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image


def jpeg(seed: int, side: int = 72) -> bytes:
    """A small photo of its own for each seed, with a name of a camera in it."""
    grid = np.random.RandomState(seed).randint(60, 200, (6, 6, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x010F] = "Secret camera"
    buffer = io.BytesIO()
    Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


class Hostile(NamedTuple):
    """A running server and what it writes down."""

    url: str
    log: Path

    def seen(self) -> list[dict[str, Any]]:
        """What it was asked, in order."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def kept(self) -> list[dict[str, Any]]:
        """What it kept for the first time."""
        return [one for one in self.seen() if one.get("new")]


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Callable[..., Hostile]]:
    """Start a server that first meets requests with the faults that are given."""
    processes = []

    def start(*faults: str) -> Hostile:
        log = tmp_path / f"server-{len(processes)}.jsonl"
        script = Path(__file__).with_name("hostile_server.py")
        process = subprocess.Popen([sys.executable, script, log, *faults], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout
        return Hostile(f"http://127.0.0.1:{process.stdout.readline().strip()}", log)

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """A file with the token that the server takes."""
    path = tmp_path / "token"
    path.write_text("right\n")
    return path
