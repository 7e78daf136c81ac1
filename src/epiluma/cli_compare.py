"""`epiluma compare`: runs side by side."""

from __future__ import annotations

from pathlib import Path

import click

from epiluma.cli_progress import progress

_PATHS = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=_PATHS, metavar="RUN...")
@click.option(
    "--bundle", "bundles", multiple=True, type=_PATHS, metavar="PATH", help="Exported network of a run; repeatable."
)
@click.option("--images", type=click.IntRange(0), default=200, show_default=True, help="Timed images a graph; 0: none.")
@click.option("--price", type=click.FloatRange(0), metavar="AMOUNT", help="Of one core for one hour.")
@click.option("--currency", default="", help="Written behind the price.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
@click.option("--markdown", type=_FILE, metavar="FILE", help="Also write the tables to FILE as Markdown.")
@click.option("--html", type=_FILE, metavar="FILE", help="Also write tables and plots to FILE.")
def compare(
    *,
    runs: tuple[Path, ...],
    bundles: tuple[Path, ...],
    images: int,
    price: float | None,
    currency: str,
    as_json: bool,
    markdown: Path | None,
    html: Path | None,
) -> None:
    """Compare finished runs: how good, what training took, what use takes. Nothing is trained.

    RUN is a run folder, or the records of one that were kept: recipe.json and, as far as there, environment.json,
    log.jsonl, usage.csv, predictions.csv, masks.csv, timing.json. What is missing is shown as missing, with the reason.
    """
    from rich.console import Console

    from epiluma import bundle as verified
    from epiluma.comparison import compare as comparing
    from epiluma.comparison import html as pages
    from epiluma.comparison import report
    from epiluma.comparison.cost import Price
    from epiluma.datasets.validation.page import write

    read = comparing.read_all(runs)
    with progress("comparing") as step:
        comparison = comparing.compare(
            read,
            bundles=[verified.load(path) for path in bundles],
            installed=comparing.installed_bundles(),
            price=None if price is None else Price(price, currency),
            images=images,
            progress=step,
        )
    if markdown:
        write(report.to_markdown(comparison), markdown)
    if html:
        write(pages.render(comparison, read), html)
    if as_json:
        click.echo(report.to_json(comparison))
    else:
        Console().print(report.to_rich(comparison))
