"""The body of `epiluma screen`: files and folders in, a table, JSON lines or an HTML report out."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from epiluma.imaging.measure import Scale
from epiluma.inference.locate import find_bundle
from epiluma.inference.pictures import Pictures, PicturesError
from epiluma.inference.pool import Asked, screen_in_processes, screen_one, workers_for
from epiluma.inference.recommend import Symptom
from epiluma.inference.report import HtmlReport, make_thumbnail
from epiluma.inference.result import Screening, ScreeningError, to_json
from epiluma.inference.screen import Screener
from epiluma.inference.session import DEFAULT_PROVIDER
from epiluma.inference.table import FILE_WIDTH, render_table, summary, tally

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
"""Files that are taken from a folder; a file that is named itself is always tried."""
_PIPE_WIDTH, _PIPE_FILE_WIDTH = 200, 80
"""Columns of a table, and of its file names, that goes into a file or a pipe, where no terminal tells its width."""


def screen_files(
    paths: Iterable[Path],
    *,
    bundle: Path | None,
    as_json: bool,
    html: Path | None,
    masks: Path | None = None,
    overlays: Path | None = None,
    symptoms: Collection[Symptom] = (),
    scale: Scale | None = None,
    workers: int | None = None,
    provider: str = DEFAULT_PROVIDER,
    graph: str | None = None,
    ruler: float | None = None,
) -> int:
    """Screen every photo and print each result as it comes. Returns 1 when any file could not be read, else 0.

    `workers` processes share the photos; unset, one per core when there are many, and one on any other `provider`
    than the processor, since they would share the device. `graph` names one of the bundle's. Raises BundleError,
    SessionError, ProviderError, ReportError, PicturesError and WorkerLost.
    """
    screener = Screener(find_bundle(bundle), graph=graph, provider=provider)
    photos = list(photo_files(paths))
    if (masks or overlays) and screener.view.outliner is None:
        raise PicturesError(f"bundle {screener.bundle.manifest.name!r} outlines no lesion, so there is no picture")
    pictures = Pictures((p for p in photos if isinstance(p, Path)), masks=masks, overlays=overlays)
    asked = Asked(bundle, pictures, tuple(symptoms), scale, provider, screener.bundle.running, ruler)
    if workers is None and provider != DEFAULT_PROVIDER:
        workers = 1
    with ExitStack() as stack:
        stack.enter_context(_libraries_silenced())
        output = stack.enter_context(_Output(screener, photos, as_json=as_json))
        report = stack.enter_context(HtmlReport(html, screener.bundle)) if html else None
        for result in _results(screener, photos, asked, workers):
            output.show(result)
            if report:
                report.add(result, make_thumbnail(result.file) if isinstance(result, Screening) else None)
    return 1 if output.counts["error"] else 0


def _results(
    screener: Screener, photos: list[Path | ScreeningError], asked: Asked, wanted: int | None
) -> Iterator[Screening | ScreeningError]:
    """In the order of `photos`; an entry that is an error stays one."""
    files = [photo for photo in photos if isinstance(photo, Path)]
    workers = workers_for(len(files), wanted)
    if workers > 1:
        found = screen_in_processes(files, asked, workers=workers, bundle_id=screener.bundle.id)
    else:
        found = (screen_one(screener, photo, asked) for photo in files)
    for photo in photos:
        yield photo if isinstance(photo, ScreeningError) else next(found)


def photo_files(paths: Iterable[Path]) -> Iterator[Path | ScreeningError]:
    """Named files as they are; folders as their photos, sorted, with those of folders inside."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = False
        for folder, inner, names in os.walk(path):
            inner.sort()
            for name in sorted(names):
                if Path(name).suffix.lower() in SUFFIXES:
                    found = True
                    yield Path(folder, name)
        if not found:
            yield ScreeningError(file=str(path), error="The folder holds no photos (JPEG, PNG, WebP, BMP or TIFF).")


class _Output:
    """Results on stdout, unreadable files and progress on stderr."""

    def __init__(self, screener: Screener, photos: list[Path | ScreeningError], *, as_json: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._manifest = screener.bundle.manifest
        self._as_json = as_json
        names = [len(photo.file if isinstance(photo, ScreeningError) else str(photo)) for photo in photos]
        self._file_width = max(4, min(FILE_WIDTH if sys.stdout.isatty() else _PIPE_FILE_WIDTH, max(names, default=0)))
        self._photos = len(photos)

    def __enter__(self) -> _Output:
        on_terminal = sys.stderr.isatty() and self._photos > 1
        self._errors = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("Screening"), BarColumn(), MofNCompleteColumn(), _RateColumn(), TimeRemainingColumn(),
            console=self._errors, disable=not on_terminal, transient=True, redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        if on_terminal and sys.stdout.isatty():
            self._out = self._errors  # one terminal: what is printed must go above the bar
        else:
            self._out = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
        self._progress.start()
        self._task = self._progress.add_task("", total=self._photos)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._progress.stop()
        if kind is None and not self._as_json:
            self._out.print(f"\n{summary(self.counts, self._manifest)}", markup=False)

    def show(self, result: Screening | ScreeningError) -> None:
        tally(self.counts, result)
        if self._as_json:
            self._out.out(to_json(result), highlight=False)
        elif isinstance(result, ScreeningError):
            self._errors.print(Text(f"{result.file}: {result.error}", style="red"))
        else:
            self._show_row(result)
        self._progress.advance(self._task)

    def _show_row(self, result: Screening) -> None:
        first = self.counts.total() == self.counts["error"] + 1
        row = render_table([result], self._manifest.taxonomy, file_width=self._file_width, header=first)
        self._out.print(row, soft_wrap=False)


class _RateColumn(ProgressColumn):
    """Photos per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} photos/s" if task.speed else "")


@contextmanager
def _libraries_silenced() -> Iterator[None]:
    """Keep C libraries off the terminal: libtiff writes its own complaint about a damaged file to descriptor 2.

    Python's stderr moves to a copy of the descriptor meanwhile.
    """
    original = sys.__stderr__
    if original is None or sys.stderr is not original or original.fileno() != 2:
        yield  # a test or an embedding program has taken stderr over
        return
    copy = os.dup(2)
    with Path(os.devnull).open("wb") as nothing, os.fdopen(copy, "w", buffering=1, encoding=original.encoding) as kept:
        original.flush()
        sys.stderr = kept
        os.dup2(nothing.fileno(), 2)
        try:
            yield
        finally:
            kept.flush()
            os.dup2(copy, 2)
            sys.stderr = original
