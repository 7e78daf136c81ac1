"""`epiluma browser`: the page that screens on the visitor's own device."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def browser() -> None:
    """Screen in the browser: a static page that works without a network, and that no photo leaves."""


@browser.command("build")
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--bundle", type=click.Path(path_type=Path), metavar="PATH",
              help="Bundle folder or .epiluma file; the installed one when not given.")  # fmt: skip
@click.option("--runtime", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.tgz",
              help="The npm package onnxruntime-web; from npm's registry when not given.")  # fmt: skip
def build(*, out: Path, bundle: Path | None, runtime: Path | None) -> None:
    """Write the page, its runtime and a bundle to the folder OUT, for any web server to hand out over https."""
    from epiluma.browser import build as page
    from epiluma.browser.runtime import runtime_files
    from epiluma.inference.locate import find_bundle

    found = find_bundle(bundle)
    built = page.build(out, found, runtime_files(runtime))
    click.echo(f"{out}: {built.files} files, {built.bytes / 1e6:.1f} MB, bundle {found.manifest.name}")
