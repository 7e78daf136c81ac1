"""`epiluma convert`: a bundle's network in other formats, each with a parity certificate."""

from __future__ import annotations

from pathlib import Path

import click

from epiluma.cli_progress import progress

_PATHS = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, dir_okay=False)
_FORMATS = {"fp16": "onnx-fp16", "int8": "onnx-int8", "openvino": "openvino"}


@click.command("convert")
@click.argument("bundle", type=_PATHS)
@click.option("--to", "formats", multiple=True, required=True, type=click.Choice(list(_FORMATS)), help="Repeatable.")
@click.option("--out", type=_PATHS, required=True, metavar="FOLDER", help="Gets one folder for each format.")
@click.option("--data", type=_FILE, metavar="MANIFEST", help="Manifest (Parquet) that names photos and their parts.")
@click.option("--images", type=_PATHS, metavar="FOLDER", help="Folder of photos, instead of --data.")
@click.option("--split", type=_FILE, metavar="FILE", help="Split (CSV) that names the parts of --images.")
@click.option("--count", type=click.IntRange(1), default=1000, show_default=True, help="Photos to compare on.")
@click.option("--learn", type=click.IntRange(1), default=256, show_default=True, help="Photos that int8 learns from.")
@click.option("--reduce-range", is_flag=True, help="7-bit int8 weights, for x86 processors without VNNI.")
@click.pass_context
def convert(
    ctx: click.Context,
    *,
    bundle: Path,
    formats: tuple[str, ...],
    out: Path,
    data: Path | None,
    images: Path | None,
    split: Path | None,
    count: int,
    learn: int,
    reduce_range: bool,
) -> None:
    """Bring the network of BUNDLE into other formats, and certify how far each differs.

    Ends with 1 when a format is not within its limits; its files and its certificate, which says so, are written all
    the same.
    """
    if (data is None) == (images is None):
        raise click.UsageError("give photos to compare on: either --data MANIFEST or --images FOLDER")
    if split is not None and images is None:
        raise click.UsageError("--split names the parts of --images; a manifest names its own")
    from rich.console import Console

    from epiluma import bundle as bundles
    from epiluma.export.variants import make, photos

    verified = bundles.load(bundle)
    if data is not None:
        pool = photos.from_manifest(data)
    else:
        assert images is not None
        pool = photos.from_folder(images, split)
    names = [_FORMATS[name] for name in dict.fromkeys(formats)]
    with progress("reading photos") as step:
        certificates = make.make_variants(
            verified, names, pool, out, learn=learn, count=count, reduce_range=reduce_range, progress=step
        )
    Console().print(make.render(certificates))
    for measured in certificates:
        click.echo(f"{measured.format}: {measured.status}, on {measured.photos}")
        for reason in measured.exceeded:
            click.echo(f"{measured.format}: {reason}", err=True)
    ctx.exit(1 if any(measured.exceeded for measured in certificates) else 0)
