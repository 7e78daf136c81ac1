"""The command line. Each command imports what it needs when it runs, so `epiluma screen` loads no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from epiluma import __version__
from epiluma.bench.screening import SECTIONS
from epiluma.cli_browser import browser
from epiluma.cli_compare import compare
from epiluma.cli_convert import convert
from epiluma.cli_data import data
from epiluma.cli_edge import edge
from epiluma.cli_evaluate import evaluate
from epiluma.cli_lab import choose, export, predict, train
from epiluma.cli_progress import progress
from epiluma.cli_search import search
from epiluma.errors import EpilumaError
from epiluma.inference.providers import CPU, PROVIDERS

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
        except EpilumaError as error:
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
@click.option("--masks", type=_PATHS, metavar="DIR", help="Also write each lesion's mask to DIR, in the photo's size.")
@click.option(
    "--overlay", "overlays", type=_PATHS, metavar="DIR", help="Also write photos with contour and heat map to DIR."
)
@click.option(
    "--workers", type=click.IntRange(min=1), metavar="N", help="Processes; one per core for many photos when not given."
)
@click.option(
    "--provider", type=click.Choice(list(PROVIDERS)), default=CPU, show_default=True, help="What the network runs on."
)
@click.option("--graph", metavar="NAME", help="Which of the bundle's graphs runs; the preferred one when not given.")
@click.option("--mm-per-pixel", type=float, metavar="MM", help="Size of a pixel on the skin: sizes in millimetres.")
@click.option("--ruler", type=float, metavar="MM", help="Look for a ruler whose ticks are so far apart, as a scale.")
@click.option(
    "--symptom",
    "symptoms",
    multiple=True,
    type=click.Choice(["bleeds", "grew", "changed", "itches"]),
    help="What is reported of the mark; repeatable. The first three are always shown to a doctor.",
)
@click.pass_context
def screen(
    ctx: click.Context,
    *,
    photos: tuple[Path, ...],
    bundle: Path | None,
    as_json: bool,
    html: Path | None,
    masks: Path | None,
    overlays: Path | None,
    workers: int | None,
    provider: str,
    graph: str | None,
    mm_per_pixel: float | None,
    ruler: float | None,
    symptoms: tuple[Any, ...],
) -> None:
    """Screen photos and folders of photos (JPEG, PNG, WebP, BMP, TIFF).

    Ends with 1 when a file could not be read, with 2 when nothing could be screened at all.
    """
    from epiluma.imaging.measure import given_scale
    from epiluma.inference.command import screen_files

    code = screen_files(
        photos,
        bundle=bundle,
        as_json=as_json,
        html=html,
        masks=masks,
        overlays=overlays,
        symptoms=symptoms,
        scale=None if mm_per_pixel is None else given_scale(mm_per_pixel),
        workers=workers,
        provider=provider,
        graph=graph,
        ruler=None if ruler is None else given_scale(ruler).mm_per_pixel,
    )
    ctx.exit(code)


@main.command()
@click.argument("earlier", type=_FILE)
@click.argument("later", type=_FILE)
@_BUNDLE
@click.option("--json", "as_json", is_flag=True, help="One JSON object, as docs/reference/visits.schema.json says.")
@click.option("--overlay", type=_FILE, metavar="FILE", help="Also write both photos with contours and change to FILE.")
@click.option("--mm-per-pixel", type=float, metavar="MM", help="Size of a pixel on the skin, the same in both photos.")
@click.option(
    "--symptom",
    "symptoms",
    multiple=True,
    type=click.Choice(["bleeds", "grew", "changed", "itches"]),
    help="What is reported of the mark at the later visit; repeatable.",
)
def visits(
    *,
    earlier: Path,
    later: Path,
    bundle: Path | None,
    as_json: bool,
    overlay: Path | None,
    mm_per_pixel: float | None,
    symptoms: tuple[Any, ...],
) -> None:
    """Compare two photos of one mark, EARLIER and LATER."""
    from epiluma.imaging.measure import given_scale
    from epiluma.inference.visits_command import run

    scale = None if mm_per_pixel is None else given_scale(mm_per_pixel)
    run(earlier, later, bundle=bundle, as_json=as_json, overlay=overlay, symptoms=symptoms, scale=scale)


for command in (train, predict, export, convert, choose, evaluate, compare, search, edge, browser):
    main.add_command(command)
main.add_command(data)


@main.command()
@click.argument("folder", type=_PATHS)
@click.option("--online", is_flag=True, help="Also fetch CC0 images from the ISIC Archive, each with its attribution.")
@click.option("--count", default=6, show_default=True, help="Number of images to fetch.")
def examples(folder: Path, online: bool, count: int) -> None:
    """Write example photos into FOLDER."""
    from epiluma import examples as library

    for path in library.write_examples(folder):
        click.echo(path)
    if online:
        for path in library.fetch_online(folder, count=count):
            click.echo(path)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--demo", is_flag=True, help="With a demo account, for trying out on this machine.")
@click.option("--data-dir", type=_PATHS, metavar="FOLDER", help="Where database and photos are kept.")
@_BUNDLE
@click.option("--workers", default=1, show_default=True, help="Processes.")
def serve(*, host: str, port: int, demo: bool, data_dir: Path | None, bundle: Path | None, workers: int) -> None:
    """Serve the web page."""
    from epiluma.service import command

    command.serve(host=host, port=port, demo=demo, data_dir=data_dir, bundle=bundle, workers=workers, say=click.echo)


@main.group()
def account() -> None:
    """Manage who may sign in."""


@account.command("add")
@click.argument("email")
@click.option("--name", default="", help="Shown on the page.")
@click.password_option(help="Asked for when not given.")
@click.option("--data-dir", type=_PATHS, metavar="FOLDER", help="Where database and photos are kept.")
def account_add(*, email: str, name: str, password: str, data_dir: Path | None) -> None:
    """Add an account that signs in with EMAIL."""
    from epiluma.service import command

    command.create_account(email=email, password=password, name=name, data_dir=data_dir)
    click.echo(f"added: {email}")


@main.group()
def bundle() -> None:
    """Look into bundles."""


@bundle.command("verify")
@click.argument("path", type=_PATHS)
def bundle_verify(path: Path) -> None:
    """Check every byte of the bundle at PATH, and that this machine computes its known answers."""
    from epiluma import bundle as bundles
    from epiluma.inference.outline import Outliner
    from epiluma.inference.session import Session

    verified = bundles.load(path)
    Session(verified)
    if verified.manifest.outline:
        Outliner.of(verified)
    click.echo(f"{path}: intact, known answers hold, id {verified.id}")


@bundle.command("show")
@click.argument("path", type=_PATHS, required=False)
def bundle_show(path: Path | None) -> None:
    """Print the manifest of the bundle at PATH (the installed one when not given)."""
    import msgspec

    from epiluma.inference.locate import find_bundle

    found = find_bundle(path)
    click.echo(f"id {found.id}", err=True)
    click.echo(msgspec.json.format(found.manifest.canonical(), indent=2).decode())


@main.group()
def bench() -> None:
    """Measure throughput, latency and memory against named peers."""


@bench.command("screen")
@click.argument("photos", nargs=-1, type=_PATHS, metavar="[PHOTO...]")
@_BUNDLE
@click.option(
    "--section", "sections", multiple=True, type=click.Choice(list(SECTIONS)), help="Repeatable; all if none."
)
@click.option("--screenings", type=click.IntRange(1), default=2000, show_default=True, help="Of each run.")
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True, help="Their median is given.")
@click.option("--decoded", type=click.IntRange(1), default=1000, show_default=True, help="At most so many of PHOTO.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def bench_screen(
    *,
    photos: tuple[Path, ...],
    bundle: Path | None,
    sections: tuple[str, ...],
    screenings: int,
    runs: int,
    decoded: int,
    as_json: bool,
) -> None:
    """Time whole screenings and their parts beside others' work; without PHOTO, on drawn lesions."""
    from epiluma.bench.screen import run
    from epiluma.bench.screening.subject import Effort

    effort = Effort(screenings=screenings, runs=runs, decoded=decoded)
    run(photos, bundle=bundle, sections=sections, effort=effort, as_json=as_json, progress=progress)


@bench.command("data")
@click.argument("root", type=_PATHS, required=False)
@click.option("--originals", type=_PATHS, metavar="FOLDER", help="Larger JPEGs, to time decoding with resizing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def bench_data(root: Path | None, originals: Path | None, as_json: bool) -> None:
    """Time batches from the decoded cache against decoding the files; without ROOT, on drawn lesions."""
    from epiluma.bench.data import run

    run(root, originals=originals, as_json=as_json)


@bench.command("train")
@click.argument("originals", type=_PATHS, required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def bench_train(originals: Path | None, as_json: bool) -> None:
    """Time our training step against a plain PyTorch loop; without ORIGINALS, on drawn lesions."""
    from epiluma.bench.train import run

    run(originals, as_json=as_json)


@bench.command("audit")
@click.argument("sets", nargs=-1, metavar="[NAME=FOLDER...]")
@_BUNDLE
@click.option("--no-features", is_flag=True, help="Without the bundle's network.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def bench_audit(*, sets: tuple[str, ...], bundle: Path | None, no_features: bool, as_json: bool) -> None:
    """Time looking at whole sets and auditing them, cold and warm; without sets, on drawn lesions."""
    from epiluma.bench.audit import run

    run(sets, bundle=bundle, features=not no_features, as_json=as_json)


@bench.command("visits")
@click.argument("root", type=_PATHS)
@click.option("--set", "name", default="ham10000", show_default=True, help="Set that names lesions.")
@click.option("--pairs", type=click.IntRange(min=1), default=400, show_default=True)
@_BUNDLE
@click.option("--json", "as_json", is_flag=True)
def bench_visits(*, root: Path, name: str, pairs: int, bundle: Path | None, as_json: bool) -> None:
    """Compare published photos of one mark, taken without time between them: how much seems to change."""
    from epiluma.bench.visits import run

    run(root, name, pairs=pairs, bundle=bundle, as_json=as_json)


@bench.command("duplicates")
@click.argument("photos", nargs=-1, type=_PATHS, metavar="[PHOTO...]")
@click.option(
    "--rows", "sizes", multiple=True, type=click.IntRange(100), help="Repeatable; 10k, 30k, 100k if not given."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def bench_duplicates(*, photos: tuple[Path, ...], sizes: tuple[int, ...], as_json: bool) -> None:
    """Time the search for duplicates as the set grows, and count how many planted copies it finds.

    Copies are planted among PHOTO files, or among drawn lesions when none is given.
    """
    from epiluma.bench.duplicates import run

    run(sizes or (10_000, 30_000, 100_000), photos=photos, as_json=as_json)


@bench.command("gate")
@click.argument("ham10000", type=_PATHS)
@click.option("--split", type=_FILE, default=Path("configs/splits/ham10000.csv"), show_default=True, metavar="FILE")
@click.option("--isic2017", type=_PATHS, metavar="FOLDER", help="Dermoscopy from elsewhere.")
@click.option("--padufes20", type=_PATHS, metavar="FOLDER", help="Phone photos.")
@_BUNDLE
@click.option("--each", type=click.IntRange(1), default=140, show_default=True, help="Drawings of each family.")
@click.option("--photos", type=click.IntRange(1), help="At most so many of each part; all if not given.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
def bench_gate(
    *,
    ham10000: Path,
    split: Path,
    isic2017: Path | None,
    padufes20: Path | None,
    bundle: Path | None,
    each: int,
    photos: int | None,
    as_json: bool,
) -> None:
    """Measure what is refused: drawings, phone photos, dermoscopy and spoilt melanomas; HAM10000 is its folder."""
    from epiluma.bench.gate import Limits, Sources, run

    run(Sources(ham10000, split, isic2017, padufes20), Limits(each, photos), bundle=bundle, as_json=as_json)


if __name__ == "__main__":
    main()
