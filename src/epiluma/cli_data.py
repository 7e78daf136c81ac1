"""`epiluma data`: from published sets to an audited manifest, and everything on the way."""

from __future__ import annotations

from pathlib import Path

import click

from epiluma import cli_manifest
from epiluma.cli_progress import progress

_PATHS = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, dir_okay=False)
_SEED = click.option("--seed", default=2026, show_default=True)


@click.group()
def data() -> None:
    """Read, merge, audit, curate, split and draw data sets."""


for _name in ("merge", "split", "curate", "audit", "report", "prepare"):
    data.add_command(getattr(cli_manifest, _name))


@data.command("sets")
def sets() -> None:
    """List the sets that can be read, with licence and citation."""
    from rich.console import Console
    from rich.table import Table

    from epiluma.datasets.catalog import CATALOG

    table = Table("name", "licence", "cite", box=None, pad_edge=False)
    for name, entry in sorted(CATALOG.items()):
        table.add_row(name, entry.licence, entry.citation)
    Console().print(table)


@data.command("fetch")
@click.argument("query")
@click.option("--out", type=_PATHS, required=True, metavar="FOLDER", help="Where images and metadata go.")
@click.option("--limit", type=click.IntRange(1), help="Largest number of images; all when not given.")
def fetch(query: str, out: Path, limit: int | None) -> None:
    """Fetch the images of QUERY from the ISIC Archive; run it again to go on where it stopped.

    QUERY is the archive's own: 'diagnosis_3:"Melanoma Invasive" AND image_type:dermoscopic'.
    """
    from epiluma.datasets import isic_archive

    with progress("fetching") as step:
        fetched = isic_archive.fetch(query, out, limit=limit, progress=step)
    click.echo(
        f"{fetched.saved:,} images fetched, {fetched.kept:,} were there, {len(fetched.omitted):,} left out: {out}"
    )
    for row in fetched.omitted:
        click.echo(f"  {row.image_id}: {row.reason}")


@data.command("convert")
@click.argument("source", type=_PATHS)
@click.argument("out", type=_PATHS)
@click.option(
    "--from", "source_format", metavar="FORMAT", help="png, labelme, coco, cvat or voc; found out if not given."
)
@click.option("--to", "out_format", required=True, metavar="FORMAT", help="png, labelme, coco, cvat or voc.")
@click.option("--images", type=_PATHS, metavar="FOLDER", help="The photos, when a format needs their names or sizes.")
@click.option("--labels", default="", metavar="A,B", help="Class names in the order of their numbers, from 1.")
def convert(
    *, source: Path, out: Path, source_format: str | None, out_format: str, images: Path | None, labels: str
) -> None:
    """Convert segmentation annotations between formats, within one pixel."""
    from epiluma.datasets.annotations import convert as conversion

    names = [name.strip() for name in labels.split(",") if name.strip()]
    found = conversion.convert(source, source_format, out, out_format, images=images, labels=names)
    click.echo(f"{found.images_in:,} images read, {found.images_out:,} written as {found.out_format}: {out}")
    click.echo(f"{found.regions_in:,} regions read, {found.regions_out:,} written; classes: {', '.join(found.classes)}")
    for row in (*found.omitted, *found.regions_omitted):
        click.echo(f"  {row.where}: {row.image_id}: {row.reason}")
    for note in found.notes:
        click.echo(f"  {note}")


@data.command("preview-augmentation")
@click.argument("photos", nargs=-1, type=_PATHS, metavar="[PHOTO...]")
@click.option("--recipe", "recipes", multiple=True, metavar="NAME", help="Repeatable; all recipes when not given.")
@click.option("--out", type=_FILE, required=True, metavar="FILE", help="PNG sheet to write.")
@_SEED
def preview_augmentation(*, photos: tuple[Path, ...], recipes: tuple[str, ...], out: Path, seed: int) -> None:
    """Show on one sheet what augmentation recipes do to photos; without PHOTO, to drawn lesions."""
    from epiluma.augmentation.preview import preview

    preview(list(photos), recipes, out, seed=seed)
    click.echo(f"sheet: {out}")


@data.command("synthesize")
@click.argument("out", type=_PATHS)
@click.option("--count", default=400, show_default=True, help="Number of photos.")
@click.option("--seed", default=0, show_default=True)
def synthesize(out: Path, count: int, seed: int) -> None:
    """Draw a data set of lesions into OUT, in HAM10000's layout: no real patient, no licence to mind."""
    from epiluma.imaging.synthetic import write_folder

    try:
        click.echo(f"drawn: {write_folder(out, count=count, seed=seed)}")
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
