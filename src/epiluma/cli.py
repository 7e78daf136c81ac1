"""The command line. Each command imports what it needs when it runs, so `epiluma screen` loads no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from epiluma import __version__
from epiluma.cli_data import data
from epiluma.errors import EpilumaError

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
@click.pass_context
def screen(ctx: click.Context, photos: tuple[Path, ...], bundle: Path | None, as_json: bool, html: Path | None) -> None:
    """Screen photos and folders of photos (JPEG, PNG, WebP, BMP, TIFF).

    Ends with 1 when a file could not be read, with 2 when nothing could be screened at all.
    """
    from epiluma.inference.command import screen_files

    ctx.exit(screen_files(photos, bundle=bundle, as_json=as_json, html=html))


@main.command()
@click.argument("config", type=_FILE)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key: phases.1.learning_rate=0.02."
)
@click.option("--out", type=_PATHS, metavar="FOLDER", help="Run folder; runs/NAME when not given.")
def train(config: Path, overrides: tuple[str, ...], out: Path | None) -> None:
    """Train what the recipe CONFIG (TOML) says; goes on where an earlier run was stopped."""
    from epiluma.training import recipe as recipes
    from epiluma.training import run

    recipe = recipes.load(config, overrides)
    checkpoint = run.train(recipe, out or Path("runs") / recipe.name)
    click.echo(f"trained: {checkpoint}")


@main.command()
@click.argument("config", type=_FILE)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="The same changes as in training.")
@click.option("--run", "folder", type=_PATHS, metavar="FOLDER", help="Finished run; runs/NAME when not given.")
@click.option("--out", type=_PATHS, required=True, metavar="PATH", help="Bundle folder, or a file ending in .epiluma.")
def export(config: Path, overrides: tuple[str, ...], folder: Path | None, out: Path) -> None:
    """Make a bundle of a finished run: ONNX, parity proof, calibration, threshold, scorecard."""
    from epiluma.export import config as configs
    from epiluma.export.ship import PREDICTIONS, ship
    from epiluma.training import recipe as recipes

    recipe = recipes.load(config, overrides)
    folder = folder or Path("runs") / recipe.name
    shipped = ship(recipe, configs.load(config), folder, out)
    click.echo(f"bundle {shipped.bundle.id[:12]}: {out}")
    click.echo(f"largest probability difference from PyTorch: {shipped.parity:.1e}")
    click.echo(f"predictions: {folder / PREDICTIONS}")


@main.command()
@click.argument("config", type=_FILE)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="The same changes as in training.")
@click.option("--run", "folder", type=_PATHS, metavar="FOLDER", help="Finished run; runs/NAME when not given.")
@click.option(
    "--epoch", "epochs", multiple=True, type=click.Choice(["best", "last"]), help="Repeatable; both if not given."
)
@click.option(
    "--size", "sizes", multiple=True, type=click.IntRange(32, 1024), help="Repeatable; [bundle] size if not given."
)
@click.option("--views", multiple=True, type=click.Choice([1, 4]), help="Repeatable; both if none.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line instead of a table.")
def choose(
    *,
    config: Path,
    overrides: tuple[str, ...],
    folder: Path | None,
    epochs: tuple[Any, ...],
    sizes: tuple[int, ...],
    views: tuple[Any, ...],
    as_json: bool,
) -> None:
    """Compare epochs, input sizes and numbers of views of a finished run, on the validation part alone."""
    import msgspec
    from rich.console import Console

    from epiluma.export import choose as choices
    from epiluma.export import config as configs
    from epiluma.training import recipe as recipes

    recipe = recipes.load(config, overrides)
    folder, sizes = folder or Path("runs") / recipe.name, sizes or (configs.load(config).size,)
    found = choices.compare(recipe, folder, epochs=epochs or ("best", "last"), sizes=sizes, views=views or (1, 4))
    if as_json:
        for choice in found:
            click.echo(msgspec.json.encode(choice))
    else:
        Console().print(choices.render(found))


@main.command()
@click.argument("predictions", type=_FILE)
@click.option("--part", default="test", show_default=True, help="Part of the split to score.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
@click.option("--markdown", type=_FILE, metavar="FILE", help="Also write the tables to FILE as Markdown.")
@click.option("--allow-leakage", is_flag=True, help="Score leaking data all the same; every page then says so.")
@click.option("--seed", default=0, show_default=True, help="Seed of the bootstrap.")
def evaluate(
    *, predictions: Path, part: str, as_json: bool, markdown: Path | None, allow_leakage: bool, seed: int
) -> None:
    """Score a PREDICTIONS table: every figure with its interval, beside the majority baseline."""
    from rich.console import Console

    from epiluma.evaluation import report

    evaluation = report.evaluate_file(predictions, part=part, allow_leakage=allow_leakage, seed=seed)
    if markdown:
        try:
            markdown.parent.mkdir(parents=True, exist_ok=True)
            markdown.write_text(report.to_markdown(evaluation), encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"--markdown {markdown}: cannot be written ({error.strerror})") from error
    if as_json:
        click.echo(report.to_json(evaluation))
    else:
        Console().print(report.to_rich(evaluation))


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
    from epiluma.inference.session import Session

    verified = bundles.load(path)
    Session(verified)
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
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def bench_screen(photos: tuple[Path, ...], bundle: Path | None, as_json: bool) -> None:
    """Time whole screenings on one core; without PHOTO, on drawn lesions."""
    from epiluma.bench.screen import run

    run(photos, bundle=bundle, as_json=as_json)


@bench.command("data")
@click.argument("root", type=_PATHS, required=False)
@click.option("--originals", type=_PATHS, metavar="FOLDER", help="Larger JPEGs, to time decoding with resizing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def bench_data(root: Path | None, originals: Path | None, as_json: bool) -> None:
    """Time batches from the decoded cache against decoding the files; without ROOT, on drawn lesions."""
    from epiluma.bench.data import run

    run(root, originals=originals, as_json=as_json)


@bench.command("audit")
@click.argument("sets", nargs=-1, metavar="[NAME=FOLDER...]")
@_BUNDLE
@click.option("--no-features", is_flag=True, help="Without the bundle's network.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def bench_audit(*, sets: tuple[str, ...], bundle: Path | None, no_features: bool, as_json: bool) -> None:
    """Time looking at whole sets and auditing them, cold and warm; without sets, on drawn lesions."""
    from epiluma.bench.audit import run

    run(sets, bundle=bundle, features=not no_features, as_json=as_json)


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


if __name__ == "__main__":
    main()
