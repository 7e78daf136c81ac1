"""`epiluma train`, `predict`, `export` and `choose`: from a recipe to a run, its tables, and a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_PATHS = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, dir_okay=False)
_SET = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key: phases.1.learning_rate=0.02."
)
_SAME = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="The same changes as in training.")
_RUN = click.option("--run", "folder", type=_PATHS, metavar="FOLDER", help="Finished run; runs/NAME when not given.")


@click.command()
@click.argument("config", type=_FILE)
@_SET
@click.option("--out", type=_PATHS, metavar="FOLDER", help="Run folder; runs/NAME when not given.")
@click.option(
    "--track",
    multiple=True,
    type=click.Choice(["tensorboard", "mlflow", "none"]),
    help="Repeatable; tensorboard if not given.",
)
@click.option("--accelerator", default="auto", show_default=True, help="As Lightning names it: cpu, cuda, mps.")
@click.option("--devices", type=click.IntRange(1), default=1, show_default=True, help="That share each batch.")
@click.option("--workers", type=click.IntRange(1), help="Processes of a Ray cluster that share each batch.")
@click.option("--cluster", metavar="ADDRESS", help="Of the Ray cluster; one that runs here if not given.")
def train(
    *,
    config: Path,
    overrides: tuple[str, ...],
    out: Path | None,
    track: tuple[str, ...],
    accelerator: str,
    devices: int,
    workers: int | None,
    cluster: str | None,
) -> None:
    """Train what the recipe CONFIG (TOML) says; goes on where an earlier run was stopped."""
    from epiluma.training import recipe as recipes

    recipe = recipes.load(config, overrides)
    trackers = [name for name in track or ("tensorboard",) if name != "none"]
    folder = out or Path("runs") / recipe.name
    if workers:
        from epiluma.training import cluster as clusters

        gpu = accelerator == "cuda"
        checkpoint = clusters.train(recipe, folder, workers=workers, address=cluster, gpu=gpu, track=trackers)
    else:
        from epiluma.training import run

        checkpoint = run.train(recipe, folder, accelerator=accelerator, devices=devices, track=trackers)
    click.echo(f"trained: {checkpoint}")


@click.command()
@click.argument("config", type=_FILE)
@_SAME
@_RUN
@click.option("--epoch", type=click.Choice(["best", "last"]), default="best", show_default=True)
@click.option("--size", type=click.IntRange(32, 1024), help="Side of the input; as in the last phase if not given.")
@click.option("--views", type=click.Choice([1, 4]), default=1, show_default=True)
@click.option("--uncalibrated", is_flag=True, help="The network's own softmax, to see what calibration changes.")
def predict(
    *,
    config: Path,
    overrides: tuple[str, ...],
    folder: Path | None,
    epoch: Any,
    size: int | None,
    views: Any,
    uncalibrated: bool,
) -> None:
    """Write what a finished run says of the held-out parts into its folder, for `evaluate` and `compare`."""
    from epiluma.export import config as configs
    from epiluma.export import predict as predicting
    from epiluma.training import recipe as recipes

    recipe = recipes.load(config, overrides)
    shipping = configs.unshipped(
        recipe, epoch=epoch, size=size, views=views, calibration="none" if uncalibrated else "best"
    )
    for path in predicting.predict(recipe, shipping, folder or Path("runs") / recipe.name):
        click.echo(path)


@click.command()
@click.argument("config", type=_FILE)
@_SAME
@_RUN
@click.option("--out", type=_PATHS, required=True, metavar="PATH", help="Bundle folder, or a file ending in .epiluma.")
def export(config: Path, overrides: tuple[str, ...], folder: Path | None, out: Path) -> None:
    """Make a bundle of a finished run: ONNX, parity proof, calibration, threshold, scorecard."""
    from epiluma.export import config as configs
    from epiluma.export.predict import PREDICTIONS
    from epiluma.export.ship import ship
    from epiluma.training import recipe as recipes

    recipe = recipes.load(config, overrides)
    folder = folder or Path("runs") / recipe.name
    shipped = ship(recipe, configs.load(config), folder, out)
    click.echo(f"bundle {shipped.bundle.id[:12]}: {out}")
    click.echo(f"largest probability difference from PyTorch: {shipped.parity:.1e}")
    click.echo(f"predictions: {folder / PREDICTIONS}")


@click.command()
@click.argument("config", type=_FILE)
@_SAME
@_RUN
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
    from epiluma.export import outline as outlines
    from epiluma.training import recipe as recipes

    recipe, shipping = recipes.load(config, overrides), configs.load(config)
    found = choices.compare(
        recipe,
        folder or Path("runs") / recipe.name,
        shown=outlines.shown(recipe, shipping),
        epochs=epochs or ("best", "last"),
        sizes=sizes or (shipping.size,),
        views=views or (1, 4),
    )
    if as_json:
        for choice in found:
            click.echo(msgspec.json.encode(choice))
    else:
        Console().print(choices.render(found))
