"""`epiluma edge`: an archive for devices without a network, and what runs on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from epiluma.inference.providers import CPU, PROVIDERS

if TYPE_CHECKING:
    import threading

    from epiluma.edge.queue import Queue
    from epiluma.edge.sources import Source

_PATHS = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, dir_okay=False)
_QUEUE = click.option("--queue", "folder", required=True, type=_PATHS, metavar="DIR", help="Folder of the queue.")
_PROVIDER = click.option(
    "--provider", type=click.Choice(list(PROVIDERS)), default=CPU, show_default=True, help="What the network runs on."
)
_BUNDLE = click.option(
    "--bundle", type=_PATHS, metavar="PATH", help="Bundle folder or .epiluma file; the installed one when not given."
)


@click.group()
def edge() -> None:
    """Screen on a device: with no network, with a queue that survives power cuts, and a server when there is one."""


@edge.command("build")
@click.option("--out", required=True, type=_FILE, metavar="FILE.tar.gz", help="The archive to write.")
@_BUNDLE
@click.option("--platform", type=click.Choice(["x86_64", "aarch64"]), default="x86_64", show_default=True)
@click.option("--python", type=click.Choice(["3.11", "3.12", "3.13"]), default="3.11", show_default=True)
@click.option("--wheels", type=_PATHS, metavar="DIR", help="Folder of wheels; from the package index when not given.")
def build(*, out: Path, bundle: Path | None, platform: str, python: str, wheels: Path | None) -> None:
    """Make one archive that installs Epiluma and a bundle on Linux without a network."""
    from epiluma.edge import archive
    from epiluma.inference.locate import find_bundle

    built = archive.build(out, find_bundle(bundle), platform=platform, python=python, wheel_folder=wheels)
    click.echo(f"{out}: {built.files} files, {built.bytes / 1e6:.1f} MB")
    click.echo(f"SHA-256 {built.sha256}")


@edge.command("self-test")
@click.argument("folder", type=_PATHS)
@_PROVIDER
@click.pass_context
def self_test(ctx: click.Context, *, folder: Path, provider: str) -> None:
    """Check an unpacked archive in FOLDER: every file, the known answers, and the results of the example photos.

    Ends with 1 when anything differs.
    """
    from epiluma.edge.self_test import run as test

    problems = test(folder, provider=provider)
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        click.echo(f"{folder}: NOT fit for use: {len(problems)} differences", err=True)
        ctx.exit(1)
    click.echo(f"{folder}: every file is what was delivered; known answers and example photos hold on {provider}")


@edge.command("run")
@click.option("--watch", type=_PATHS, metavar="FOLDER", help="Take the photos that arrive in FOLDER.")
@click.option("--camera", metavar="DEVICE", help="Take photos with a camera, such as /dev/video0; needs ffmpeg.")
@_QUEUE
@_BUNDLE
@click.option("--server", metavar="URL", help="Send screenings and photos there; kept in the queue when not given.")
@click.option("--token-file", type=_FILE, metavar="FILE", help="Holds the device's token for the server.")
@_PROVIDER
@click.option("--once", is_flag=True, help="Take what is there, screen and send it, and end.")
@click.option("--settle", type=click.FloatRange(0), default=2.0, show_default=True, metavar="S",
              help="A file is whole when it has not changed for S seconds.")  # fmt: skip
@click.option("--every", type=click.FloatRange(1), default=60.0, show_default=True, metavar="S",
              help="Seconds from one photo of the camera to the next.")  # fmt: skip
@click.option("--keep-free", type=click.IntRange(1), default=500, show_default=True, metavar="MB",
              help="Take no photo while the queue's disk has less room.")  # fmt: skip
@click.option("--retry-rejected", is_flag=True, help="Send again what the server rejected.")
@click.pass_context
def run(
    ctx: click.Context,
    *,
    watch: Path | None,
    camera: str | None,
    folder: Path,
    bundle: Path | None,
    server: str | None,
    token_file: Path | None,
    provider: str,
    once: bool,
    settle: float,
    every: float,
    keep_free: int,
    retry_rejected: bool,
) -> None:
    """Screen photos as they come, each once, and send the screenings to a server when it can be reached.

    SIGTERM ends it: what was taken is screened, the rest waits. With --once, ends with 1 when something is left over.
    """
    if (watch is None) == (camera is None):
        raise click.UsageError("give either --watch FOLDER or --camera DEVICE")
    if (server is None) != (token_file is None):
        raise click.UsageError("--server and --token-file belong together")
    from epiluma.edge.runner import Runner
    from epiluma.edge.sources import Camera, Folder
    from epiluma.edge.sync import server_at
    from epiluma.inference.locate import find_bundle
    from epiluma.inference.screen import Screener

    source: Source = Folder(watch, settle=settle) if watch else Camera(str(camera), every=every)
    there = server_at(server, token_file) if server and token_file else None
    screener = Screener(find_bundle(bundle), provider=provider)
    runner = Runner(folder, source, screener, server=there, keep_free=keep_free << 20, say=click.echo, warn=_warn)
    if retry_rejected:
        click.echo(f"{runner.queue.retry_rejected()} rejected screenings wait again")
    stop = _stopped_by_signals()
    if not once:
        runner.run(stop)
    elif not runner.run_once(stop, patience=2 * settle + 2):
        ctx.exit(1)


@edge.command("status")
@_QUEUE
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(*, folder: Path, as_json: bool) -> None:
    """Print how many photos are in which state, what failed, and what is wrong with the server."""
    with _existing(folder) as queue:
        counts, failures, trouble = queue.counts(), queue.failures(), queue.trouble()
    if as_json:
        import msgspec

        found = {**counts, "trouble": trouble, "failures": [failure._asdict() for failure in failures]}
        click.echo(msgspec.json.encode(found).decode())
        return
    for state, count in counts.items():
        click.echo(f"{state:<11}{count:>7}")
    if trouble:
        click.echo(f"server, since {trouble}")
    for failure in failures:
        click.echo(f"{failure.name}: {failure.state}: {failure.note}")


@edge.command("results")
@_QUEUE
def results(*, folder: Path) -> None:
    """Print every screening in the queue, one JSON object per line, as docs/reference/screening.md says."""
    with _existing(folder) as queue:
        for line in queue.screenings():
            click.echo(line)


def _warn(text: str) -> None:
    click.echo(text, err=True)


def _existing(folder: Path) -> Queue:
    from epiluma.edge.queue import FILE, Queue, QueueError

    if not (folder / FILE).is_file():
        raise QueueError(f"{folder}: holds no queue")
    return Queue(folder)


def _stopped_by_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    import signal
    import threading

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
