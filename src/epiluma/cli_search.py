"""`epiluma search`: many runs that differ in a few recipe fields, and a report of them."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("study", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--trials", type=click.IntRange(1), metavar="N", help="Trials in all, earlier ones included; as STUDY says."
)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Processes that train at once.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="runs/NAME of the file if not given.")
@click.option("--ray", metavar="ADDRESS", help="Spread the jobs over a Ray cluster: `auto`, its address, or `local`.")
@click.option("--report-only", is_flag=True, help="Train nothing; write the report of FOLDER's trials again.")
def search(*, study: Path, trials: int | None, jobs: int, out: Path | None, ray: str | None, report_only: bool) -> None:
    """Search recipe fields as the file STUDY (TOML) says; goes on where an earlier search was stopped."""
    from epiluma.training.search import report, space

    plan = space.load(study)
    folder = out or Path("runs") / study.stem
    if not report_only:
        from epiluma.training.search.objective import run_search

        run_search(plan, folder, trials=trials or plan.trials, jobs=jobs, ray=ray, say=click.echo)
        from epiluma.export.trials import time_trials

        time_trials(plan, folder)
    rows = report.write(plan, folder)
    for line in report.summary(plan, rows):
        click.echo(line)
    click.echo(f"report: {folder / report.HTML}")
