"""Who is at work: locks that the operating system takes back when their process ends, however it ends."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO


def hold(path: Path, *, wait: bool) -> IO[str] | None:
    """Lock a file until it is closed; None when another process has it and `wait` is false.

    The lock belongs to the process, not to its children: closing the file anywhere in the process ends it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a", encoding="utf-8")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except (BlockingIOError, PermissionError):  # POSIX allows either
        file.close()
        return None
    return file
