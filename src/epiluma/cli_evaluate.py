"""`epiluma evaluate`: figures from a table of predictions, or of segmentations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("predictions", type=_FILE)
@click.option("--part", default="test", show_default=True, help="Part of the split to score.")
@click.option("--against", type=_FILE, metavar="FILE", help="Compare with this table of the same images, pair by pair.")
@click.option("--outside", type=_FILE, metavar="FILE", help="Out-of-distribution images: both tables need ood_score.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
@click.option("--markdown", type=_FILE, metavar="FILE", help="Also write the tables to FILE as Markdown.")
@click.option("--html", type=_FILE, metavar="FILE", help="Also write tables and charts to FILE, a page by itself.")
@click.option("--allow-leakage", is_flag=True, help="Score leaking data all the same; every page then says so.")
@click.option("--seed", default=0, show_default=True, help="Seed of the bootstrap.")
def evaluate(
    *,
    predictions: Path,
    part: str,
    against: Path | None,
    outside: Path | None,
    as_json: bool,
    markdown: Path | None,
    html: Path | None,
    allow_leakage: bool,
    seed: int,
) -> None:
    """Score a PREDICTIONS table: every figure with its interval, beside the majority baseline.

    With --against, the difference of every figure instead of the figures (in the HTML page, beside them).
    """
    from epiluma.segmentations import is_segmentations

    if is_segmentations(predictions):
        if html or outside:
            raise click.UsageError(f"--html and --outside need predictions; {predictions} holds segmentations")
        _show_masks(predictions, against, as_json, markdown, part=part, allow_leakage=allow_leakage, seed=seed)
        return
    from epiluma.evaluation import paired_report, report

    compared = evaluation = None
    if against:
        compared = paired_report.compare_files(predictions, against, part=part, allow_leakage=allow_leakage, seed=seed)
    if html or not compared:
        evaluation = report.evaluate_file(
            predictions, part=part, allow_leakage=allow_leakage, seed=seed, outside=outside
        )
    found = compared or evaluation
    assert found
    if markdown:
        _write("--markdown", markdown, report.to_markdown(found))
    if html and evaluation:
        from epiluma.evaluation import page

        _write("--html", html, page.render(evaluation, compared))
    _show(report.to_json(found) if as_json else report.to_rich(found))


def _show_masks(
    path: Path, against: Path | None, as_json: bool, markdown: Path | None, *, part: str, allow_leakage: bool, seed: int
) -> None:
    from epiluma.evaluation import mask_report

    found = (
        mask_report.compare_mask_files(path, against, part=part, seed=seed)
        if against
        else mask_report.evaluate_masks(path, part=part, allow_leakage=allow_leakage, seed=seed)
    )
    if markdown:
        _write("--markdown", markdown, mask_report.to_markdown(found))
    _show(mask_report.to_json(found) if as_json else mask_report.to_rich(found))


def _show(found: str | RenderableType) -> None:
    """JSON as it is, tables as wide as the terminal."""
    from rich.console import Console

    if isinstance(found, str):
        click.echo(found)
    else:
        Console().print(found)


def _write(option: str, path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.UsageError(f"{option} {path}: cannot be written ({error.strerror})") from error
