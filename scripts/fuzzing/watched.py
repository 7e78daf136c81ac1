"""Decode a file in a child process that may die of it, and say what it cost.

The child answers file after file, so that a file costs milliseconds and not the start of a process. It is killed by
the system when it computes for too long, and started again. Linux only: the peak of memory is read from /proc.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import select
import signal
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from epiluma.imaging.decode import PhotoError, decode_photo
from epiluma.imaging.metadata import strip_metadata

MAX_SECONDS = 2.0
"""Of one core for one file, whatever it holds."""
MAX_MEGABYTES = 512
"""By which memory may grow above what was in use when the file had been read, 2^20 bytes each."""
_KILL_SECONDS, _KILL_BYTES, _PATIENCE = 4, 4 << 30, 120
"""The child's own end: seconds of a core, address space, and seconds of the clock, on a machine that may be busy."""
_HEADER = struct.Struct("<II")


@dataclass(frozen=True)
class Outcome:
    """What became of one file."""

    kind: str
    """decoded, refused, raised (an error that is no PhotoError) or killed."""
    seconds: float
    """Of a core."""
    megabytes: float
    """By which memory grew at its peak."""
    detail: str = ""
    """The reason of a refusal, the error, or the signal."""

    @property
    def violation(self) -> str:
        """Which promise was broken; empty when none was."""
        if self.kind in ("raised", "killed"):
            return f"{self.kind}: {self.detail}"
        if self.seconds > MAX_SECONDS:
            return f"took {self.seconds:.1f} s"
        if self.megabytes > MAX_MEGABYTES:
            return f"took {self.megabytes:.0f} MB"
        return ""


class WatchedDecoder:
    """A child process that decodes; a context manager."""

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._child.kill()
        self._bury()

    def decode(self, data: bytes, *, shorter_side: int = 0) -> Outcome:
        """Decode and strip the bytes of a file; `shorter_side` as for `decode_photo`, 0 for the whole picture."""
        if self._child.poll() is not None:
            self._bury()
            self._start()
        wanted, given = self._pipes()
        wanted.write(_HEADER.pack(len(data), shorter_side) + data)
        wanted.flush()
        begun = time.monotonic()
        ready, _, _ = select.select([given], [], [], _PATIENCE)
        line = given.readline() if ready else b""
        if line:
            return Outcome(**json.loads(line))
        if not ready:
            self._child.kill()
        ended = -self._child.wait()
        self._bury()
        return Outcome("killed", time.monotonic() - begun, 0, signal.Signals(ended).name if ended > 0 else "exit")

    def _start(self) -> None:
        # Freed blocks go back to the system at once, else the next file's growth would hide in them.
        environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
        command = [sys.executable, "-m", "scripts.fuzzing.watched"]
        root = Path(__file__).parents[2]
        self._child = subprocess.Popen(
            command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def _bury(self) -> None:
        for pipe in self._pipes():
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self._child.wait()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        return self._child.stdin, self._child.stdout


def _memory(name: str) -> float:
    """A figure of this process in MB: VmRSS now, VmHWM at its peak."""
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) / 1024 if found else 0.0


def _answer(data: bytes, shorter_side: int) -> Outcome:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts again from here
    before, begun = _memory("VmRSS"), time.process_time()
    kind, detail = "decoded", ""
    try:
        with contextlib.suppress(PhotoError):  # only three of the formats
            strip_metadata(data)
        decode_photo(data, shorter_side=shorter_side or None)
    except PhotoError as error:
        kind, detail = "refused", error.reason
    except Exception as error:  # whatever it is, it is the finding
        kind, detail = "raised", repr(error)
    return Outcome(kind, time.process_time() - begun, _memory("VmHWM") - before, detail)


def _serve() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_KILL_BYTES, _KILL_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    asked, told = sys.stdin.buffer, sys.stdout.buffer
    while header := asked.read(_HEADER.size):
        length, shorter_side = _HEADER.unpack(header)
        data = asked.read(length)
        signal.setitimer(signal.ITIMER_PROF, _KILL_SECONDS)  # of processor time; the signal ends the process
        outcome = _answer(data, shorter_side)
        signal.setitimer(signal.ITIMER_PROF, 0)
        told.write(json.dumps(outcome.__dict__).encode() + b"\n")
        told.flush()


if __name__ == "__main__":
    _serve()
