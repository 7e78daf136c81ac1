"""The loop on a device: take photos, screen each once, and send what is screened."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from epiluma.edge.queue import Queue, QueueError, only_user
from epiluma.edge.sources import Closed, Found, Source, SourceError
from epiluma.edge.sync import Later, Pace, Rejected, Sent, Server, send
from epiluma.errors import EpilumaError
from epiluma.imaging.decode import PhotoError
from epiluma.imaging.metadata import strip_metadata
from epiluma.inference.result import to_json
from epiluma.inference.screen import Screener

POLL_S = 0.5
DRAIN_S = 30.0
"""Longest wait at the end for an answer that is on its way."""


class Runner:
    """One queue, one source, one bundle; perhaps a server."""

    def __init__(
        self,
        folder: Path,
        source: Source,
        screener: Screener,
        *,
        server: Server | None,
        keep_free: int,
        say: Callable[[str], object],
        warn: Callable[[str], object],
    ) -> None:
        """`keep_free` are the bytes on the queue's disk below which no photo is taken. Raises QueueError."""
        self.queue = Queue(folder)
        self._source, self._screener, self._server = source, screener, server
        self._keep_free, self._say, self._warn = keep_free, say, warn
        self._warned = ""

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set: then what is taken is screened, and the answer on its way awaited. Raises QueueError."""
        with only_user(self.queue.folder):
            sender = Sender(self.queue.folder, self._server, self._say, self._warn) if self._server else None
            if sender:
                sender.start()
            try:
                while not stop.is_set():
                    self._take(stop)
                    self._screen_all()
                    if sender and sender.failed:
                        raise sender.failed
                    stop.wait(POLL_S)
                self._screen_all()
            finally:
                if sender:
                    sender.finish()

    def run_once(self, stop: threading.Event, *, patience: float) -> bool:
        """Take what is there now, screen it, send what waits, and stop sending at the first failure.

        A file that still changes after `patience` seconds is left out. Whether nothing is left over: all was taken,
        nothing in the queue was unreadable, rejected or, with a server, is still to be sent. Raises QueueError,
        SourceError and NoSpace.
        """
        end = time.monotonic() + patience
        with only_user(self.queue.folder):
            self._screen_all()
            self._take(stop, patient=False)
            while self._source.changing and time.monotonic() < end and not stop.wait(POLL_S):
                self._take(stop, patient=False)
            for name in self._source.changing:
                self._warn(f"{name}: is still being written; it was not taken")
            if self._server:
                sender = Sender(self.queue.folder, self._server, self._say, self._warn)
                while not stop.is_set() and sender.send_next(self.queue) == 0:
                    pass
        counts = self.queue.counts()
        left = counts["taken"] + counts["unreadable"] + counts["rejected"] + len(self._source.changing)
        return not left and not (self._server and counts["screened"])

    def _take(self, stop: threading.Event, *, patient: bool = True) -> None:
        """Take photo after photo, screening in between. What goes wrong is said once, and tried again when patient."""
        try:
            for found in self._source.ready(self.queue):
                if stop.is_set():
                    return
                self._check_space()
                if isinstance(found, Closed):
                    self._warn_once(f"{found.name}: {found.why}")
                else:
                    self._take_one(found)
                    self._screen_all()
        except (SourceError, NoSpace) as error:
            if not patient:
                raise
            self._warn_once(str(error))
        else:
            self._warned = ""

    def _check_space(self) -> None:
        free = shutil.disk_usage(self.queue.folder).free
        if free < self._keep_free:
            raise NoSpace(
                f"{self.queue.folder}: {free >> 20} MB free, less than the {self._keep_free >> 20} MB that are kept; "
                "no photo is taken until there is room"
            )

    def _take_one(self, found: Found) -> None:
        sha256 = hashlib.sha256(found.data).hexdigest()
        try:
            photo, note = strip_metadata(found.data), ""
        except PhotoError as error:
            photo, note = None, error.reason
        kept = self.queue.take(sha256, found.name, photo, note=note, file=found.file)
        if kept != found.name:
            self._say(f"{found.name}: the same photo as {kept}, which is in the queue")
        elif note:
            self._warn(f"{found.name}: {note}")

    def _screen_all(self) -> None:
        while (item := self.queue.next_to_screen()) is not None:
            try:
                screening = self._screener.screen(item.photo, file=item.name)
            except PhotoError as error:
                self.queue.unreadable(item.sha256, error.reason)
                self._warn(f"{item.name}: {error.reason}")
            else:
                self.queue.screened(item.sha256, to_json(screening), self._screener.bundle.id)
                self._say(f"{item.name}: {screening.recommendation.level}")

    def _warn_once(self, text: str) -> None:
        if text != self._warned:
            self._warn(text)
        self._warned = text


class NoSpace(EpilumaError):
    """Too little room on the queue's disk."""


class Sender(threading.Thread):
    """Sends what is screened, oldest first, beside the screening, so that a slow server holds up no photo."""

    def __init__(
        self, folder: Path, server: Server, say: Callable[[str], object], warn: Callable[[str], object]
    ) -> None:
        super().__init__(name="sender", daemon=True)
        self.failed: QueueError | None = None
        self._folder, self._server, self._say, self._warn = folder, server, say, warn
        self._pace, self._stop_asked = Pace(), threading.Event()
        self._last = ""

    def run(self) -> None:
        """Until `finish`."""
        try:
            with Queue(self._folder) as queue:
                while not self._stop_asked.is_set():
                    wait = self.send_next(queue)
                    self._stop_asked.wait(POLL_S if wait is None else wait)
        except QueueError as error:
            self.failed = error

    def finish(self) -> None:
        """Let the request on its way end, but not for ever: what has no answer is sent again another time."""
        self._stop_asked.set()
        self.join(DRAIN_S)

    def send_next(self, queue: Queue) -> float | None:
        """Send one screening; seconds to wait before the next, None when there was none."""
        item = queue.next_to_send()
        if item is None:
            return None
        outcome = send(self._server, item)
        if isinstance(outcome, Sent):
            queue.sent(item.sha256, outcome.receipt)
            self._say(f"sent: {outcome.receipt}")
        elif isinstance(outcome, Rejected):
            queue.rejected(item.sha256, outcome.why)
            self._warn(f"rejected: {outcome.why}")
        self._note(queue, outcome.why if isinstance(outcome, Later) else "")
        return self._pace.after(outcome)

    def _note(self, queue: Queue, trouble: str) -> None:
        if trouble != self._last:
            queue.set_trouble(trouble)
            if trouble:
                self._warn(f"not sent: {trouble}; it is tried again")
        self._last = trouble
