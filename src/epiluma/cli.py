"""The command line. Each command imports what it needs when it runs, so `epiluma screen` loads no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from epiluma import __version__

DOMAIN_ERRORS = {
    "epiluma.bench.screen:BenchError",
    "epiluma.bundle:BundleError",
    "epiluma.imaging.containers:PhotoError",
    "epiluma.inference.report:ReportError",
    "epiluma.inference.session:SessionError",
    "epiluma.predictions:PredictionsError",
    "epiluma.taxonomy:UnknownDiagnosis",
}
"""Errors that speak to the user: one line on stderr and exit code 2. Named as text, so that nothing is imported."""

_PATHS = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, dir_okay=False)
_BUNDLE = click.option(
    "--bundle", type=_PATHS, metavar="PATH", help="Bundle folder or .epiluma file; the installed one when not given."
)


class _DomainErrors(click.Group):
    """A group that turns a domain error into one line and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            kinds = {f"{kind.__module__}:{kind.__qualname__}" for kind in type(error).__mro__}
            if kinds.isdisjoint(DOMAIN_ERRORS):
                raise
            click.echo(f"epiluma: {error}", err=True)
            ctx.exit(2)


@click.group(cls=_DomainErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="epiluma")
def main() -> None:
    """Skin-lesion screening: from a photo to a screening, and from raw data to a verified model."""


@main.command()
@click.argument("photos", nargs=-1, required=True, type=_PATHS, metavar="PHOTO...")
@_BUNDLE
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, as docs/reference/screening.md says.")
@click.option("--html", type=_FILE, metavar="FILE", help="Also write a report with pictures to FILE.")
@click.pass_context
def screen(ctx: click.Context, photos: tuple[Path, ...], bundle: Path | None, as_json: bool, html: Path | None) -> None:
    """Screen photos and folders of photos (JPEG, PNG, WebP, BMP, TIFF).

    Ends with 1 when a file could not be read, with 2 when nothing could be screened at all.
    """
    from epiluma.inference.command import screen_files

    ctx.exit(screen_files(photos, bundle=bundle, as_json=as_json, html=html))


@main.group()
def bench() -> None:
    """Measure throughput, latency and memory against named peers."""


@bench.command("screen")
@click.argument("photos", nargs=-1, type=_PATHS, metavar="[PHOTO...]")
@_BUNDLE
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def bench_screen(photos: tuple[Path, ...], bundle: Path | None, as_json: bool) -> None:
    """Time whole screenings on one core; without PHOTO, on drawn lesions."""
    from epiluma.bench.screen import run

    run(photos, bundle=bundle, as_json=as_json)


if __name__ == "__main__":
    main()
