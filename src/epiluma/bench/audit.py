"""How long it takes to look at whole data sets and audit them: cold, with nothing kept, and warm, with nothing changed.

The work: each file is read, hashed, decoded once and measured (about 12 ms of one core for 256 pixels), and goes
through the bundle's network once (about 10 ms). The limit: with c cores, 22 ms / c an image; reading 200 MB is nothing.
Warm, files are only looked up by size and date; what remains is the search for duplicates and the audit itself.
"""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import click
import msgspec
from rich.console import Console
from rich.table import Table

from epiluma.bundle import Bundle
from epiluma.datasets import audit, prepare
from epiluma.imaging.synthetic import write_folder
from epiluma.inference.locate import find_bundle

DRAWN = 200
"""Images drawn when no set is given."""


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """One look at everything."""

    name: str
    seconds: float
    images_per_second: float


class AuditBench(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured."""

    source: str
    images: int
    omitted: int
    """Rows of the publishers' tables without an image, each with its reason."""
    pairs: int
    verdict: str
    cores: int
    passes: list[Pass]
    peak_mb: float
    """Resident memory of this process at its peak, and of one worker at its peak for each core."""


def run(sets: Sequence[str], *, bundle: Path | None, features: bool = True, as_json: bool = False) -> None:
    """Measure and print; `sets` are NAME=FOLDER, drawn lesions when there are none."""
    opened = find_bundle(bundle) if features else None
    with tempfile.TemporaryDirectory() as scratch:
        given = list(sets) or [f"ham10000={write_folder(Path(scratch) / 'drawn', count=DRAWN)}"]
        measured = measure(given, bundle=opened, cache=Path(scratch) / "cache")
    if as_json:
        click.echo(msgspec.json.encode(measured))
    else:
        Console().print(render(measured))
        click.echo(f"{measured.verdict}; {measured.pairs:,} pairs; {measured.omitted:,} rows without an image")
        click.echo(
            f"{measured.cores} cores, peak {measured.peak_mb:,.0f} MB, files in the page cache or not as they were"
        )


def measure(sets: Sequence[str], *, bundle: Bundle | None, cache: Path) -> AuditBench:
    """Read, inspect, compare and audit the sets twice; the second time `cache` holds what the first one found."""
    passes = []
    for name in ("cold", "warm"):
        started = perf_counter()
        examined = prepare.examine(prepare.gather(sets), cache=cache, bundle=bundle)
        found = audit.audit(examined.manifest, examined.inspections, examined.pairs)
        seconds = perf_counter() - started
        images = len(examined.inspections)
        passes.append(Pass(name=name, seconds=seconds, images_per_second=images / seconds))
    cores = os.cpu_count() or 1
    own, worker = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return AuditBench(
        source=", ".join(source.name for source in examined.manifest.header.sources),
        images=images,
        omitted=len(examined.manifest.header.omitted),
        pairs=len(examined.pairs),
        verdict=found.verdict,
        cores=cores,
        passes=passes,
        peak_mb=(own + cores * worker) / 1024,
    )


def render(measured: AuditBench) -> Table:
    """The two passes as a table for a terminal."""
    table = Table(
        "pass", "seconds", "images/s", title=f"{measured.images:,} images of {measured.source}", title_justify="left",
        box=None, pad_edge=False,
    )  # fmt: skip
    for one in measured.passes:
        table.add_row(one.name, f"{one.seconds:.1f}", f"{one.images_per_second:,.0f}")
    return table
