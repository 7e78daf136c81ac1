"""Damage photos, guided by which lines of the readers each file reaches. Needs atheris, which is not locked.

    python -m scripts.fuzz_decode_guided FOLDER -max_total_time=600

FOLDER keeps the files that reached something new, and begins with the valid ones. Options are libFuzzer's. Only Python
code is followed: the readers' and Pillow's plugins, not the decoders in C. A file that takes more than 2 seconds or
lets the process grow by 512 MB ends the run and is kept as `timeout-*` or `oom-*`, an error as `crash-*`.
"""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

with atheris.instrument_imports(include=["epiluma.imaging", "PIL"]):
    from epiluma.imaging.decode import PhotoError, decode_photo
    from epiluma.imaging.metadata import strip_metadata

from scripts.fuzzing.seeds import seeds
from scripts.fuzzing.watched import MAX_MEGABYTES, MAX_SECONDS


def open_photo(data: bytes) -> None:
    """Decode and strip; anything but a PhotoError is a finding."""
    with contextlib.suppress(PhotoError):
        decode_photo(data)
    with contextlib.suppress(PhotoError):
        strip_metadata(data)


def main() -> None:
    """Fill the folder with the valid files and start libFuzzer on it."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in seeds().items():
        (folder / name.replace(" ", "_").replace(",", "").replace(":", "-")).write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    limits = [f"-timeout={MAX_SECONDS:.0f}", f"-rss_limit_mb={before + MAX_MEGABYTES}", "-max_len=200000"]
    atheris.Setup([sys.argv[0], str(folder), *limits, *sys.argv[2:]], open_photo)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
