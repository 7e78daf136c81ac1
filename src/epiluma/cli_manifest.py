"""The commands of `epiluma data` that make, audit and show a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epiluma.cli_progress import progress

if TYPE_CHECKING:
    from epiluma.datasets.audit import Audit
    from epiluma.datasets.curate import Line
    from epiluma.datasets.manifest import Manifest
    from epiluma.datasets.prepare import Examined

_PATHS = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, dir_okay=False)
_METHODS = click.Choice(["holdout", "folds", "hash", "official"])
_CACHE = click.option(
    "--cache", type=_PATHS, default=Path("cache"), show_default=True, help="Where looks at images are kept."
)
_BUNDLE = click.option(
    "--bundle", type=_PATHS, metavar="PATH", help="Also compare images by this bundle's features; `installed` is one."
)
_ROOTS = click.option(
    "--root",
    "roots",
    multiple=True,
    metavar="NAME=FOLDER",
    help="Where a source lies here, if not where it was merged.",
)
_SEED = click.option("--seed", default=2026, show_default=True)
_FOLDS = click.option("--folds", "k", default=5, show_default=True, help="Number of folds, with --method folds.")


@click.command("merge")
@click.argument("sets", nargs=-1, required=True, metavar="NAME=FOLDER...")
@click.option("--out", type=_FILE, required=True, metavar="FILE", help="Manifest (Parquet) to write.")
def merge(sets: tuple[str, ...], out: Path) -> None:
    """Merge sets into one manifest: a row per image, and a reason for each row that gave none."""
    from epiluma.datasets import manifest as manifests
    from epiluma.datasets import prepare

    merged = prepare.gather(sets)
    manifests.write(merged, out)
    _account(merged)
    click.echo(f"manifest: {out}")


@click.command("split")
@click.argument("source", metavar="MANIFEST|SET")
@click.argument("root", type=_PATHS, required=False)
@click.option("--out", type=_FILE, required=True, metavar="FILE", help="Manifest to write.")
@click.option("--method", type=_METHODS, default="holdout", show_default=True, help="How parts are dealt.")
@_FOLDS
@_SEED
@click.option("--keep-copies", is_flag=True, help="Do not leave out second copies of a picture.")
@_ROOTS
@_CACHE
@_BUNDLE
@click.option(
    "--cache-size",
    type=click.IntRange(32, 1024),
    default=256,
    show_default=True,
    help="Side of the decoded squares, pixels; for a SET only.",
)
def split(
    *,
    source: str,
    root: Path | None,
    out: Path,
    method: Any,
    k: int,
    seed: int,
    keep_copies: bool,
    roots: tuple[str, ...],
    cache: Path,
    bundle: Path | None,
    cache_size: int,
) -> None:
    """Split by patient, lesion and near-duplicates: train, validation, calibration, test.

    A MANIFEST (Parquet) is written again with its parts. A SET with its ROOT folder gives a small table of ids only,
    image_id,group,part, that can be committed.
    """
    if root is not None:
        if method != "holdout" or bundle or roots or keep_copies:
            raise click.UsageError(
                "a SET is dealt to hold-out parts by ids alone; merge it into a manifest for the rest"
            )
        _split_set(source, root, out, seed=seed, cache=cache, cache_size=cache_size)
        return
    from epiluma.datasets import manifest as manifests
    from epiluma.datasets import merge as merging
    from epiluma.datasets import split as splits

    examined = _examined(_read(Path(source), roots), cache, bundle)
    single = examined.manifest if keep_copies else merging.drop_duplicates(examined.manifest, examined.pairs)
    parted = splits.split_manifest(single, examined.pairs, method=method, k=k, seed=seed)
    manifests.write(parted, out)
    _account(parted)
    _parts([entry.part for entry in parted.entries if entry.used])
    click.echo(f"manifest: {out}")


def _split_set(name: str, root: Path, out: Path, *, seed: int, cache: Path, cache_size: int) -> None:
    from epiluma.datasets import cache as caches
    from epiluma.datasets import catalog
    from epiluma.datasets import split as splits

    samples = [sample for sample in catalog.read(name, root) if sample.diagnosis]
    squares = caches.decoded(samples, size=cache_size, folder=cache)
    assignments = splits.make(samples, squares, seed=seed)
    splits.write(assignments, out)
    _parts([assignment.part for assignment in assignments.values()])


@click.command("curate")
@click.argument("manifest", type=_FILE)
@click.option(
    "--rules", type=_FILE, metavar="FILE", help="Rules (TOML), docs/reference/curation.md; the defaults if not."
)
@click.option("--out", type=_FILE, required=True, metavar="FILE", help="Manifest to write.")
@_ROOTS
@_CACHE
def curate(*, manifest: Path, rules: Path | None, out: Path, roots: tuple[str, ...], cache: Path) -> None:
    """Leave out what cannot be used, cap and weigh classes; every image keeps its reason."""
    from epiluma.datasets import curate as curation
    from epiluma.datasets import manifest as manifests

    examined = _examined(_read(manifest, roots), cache, None)
    curated = curation.curate(examined.manifest, examined.inspections, _rules(rules))
    manifests.write(curated.manifest, out)
    _account(curated.manifest)
    _curated(curated.summary)
    click.echo(f"manifest: {out}")


@click.command("audit")
@click.argument("manifest", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
@_ROOTS
@_CACHE
@_BUNDLE
@click.pass_context
def audit(
    ctx: click.Context, *, manifest: Path, as_json: bool, roots: tuple[str, ...], cache: Path, bundle: Path | None
) -> None:
    """Look for leaks and for labels that give themselves away; the verdict is written into MANIFEST.

    Ends with 1 on a leak.
    """
    from epiluma.datasets import audit as audits
    from epiluma.datasets import manifest as manifests

    examined = _examined(_read(manifest, roots), cache, bundle)
    found = audits.audit(examined.manifest, examined.inspections, examined.pairs)
    manifests.write(audits.stamp(examined.manifest, found), manifest)
    click.echo(audits.json(found) if as_json else audits.text(found), nl=False)
    ctx.exit(1 if found.leaking else 0)


@click.command("report")
@click.argument("manifest", type=_FILE)
@click.option("--out", type=_FILE, required=True, metavar="FILE", help="HTML page to write.")
@_ROOTS
@_CACHE
@_BUNDLE
def report(*, manifest: Path, out: Path, roots: tuple[str, ...], cache: Path, bundle: Path | None) -> None:
    """Write the validation report: one HTML page with counts, pictures, duplicates, findings and a data sheet."""
    from epiluma.datasets import audit as audits

    examined = _examined(_read(manifest, roots), cache, bundle)
    found = audits.audit(examined.manifest, examined.inspections, examined.pairs)
    _report(examined._replace(manifest=audits.stamp(examined.manifest, found)), found, out, title=manifest.stem)


@click.command("prepare")
@click.argument("sets", nargs=-1, required=True, metavar="NAME=FOLDER...")
@click.option("--out", type=_PATHS, required=True, metavar="FOLDER", help="Gets manifest.parquet and report.html.")
@click.option("--rules", type=_FILE, metavar="FILE", help="Curation rules (TOML); the defaults when not given.")
@click.option("--method", type=_METHODS, default="holdout", show_default=True, help="How parts are dealt.")
@_FOLDS
@_SEED
@_CACHE
@_BUNDLE
@click.pass_context
def prepare(
    ctx: click.Context,
    *,
    sets: tuple[str, ...],
    out: Path,
    rules: Path | None,
    method: Any,
    k: int,
    seed: int,
    cache: Path,
    bundle: Path | None,
) -> None:
    """Merge, compare, split, curate, audit and report in one go. Ends with 1 on a leak."""
    from epiluma.datasets import audit as audits
    from epiluma.datasets import manifest as manifests
    from epiluma.datasets import prepare as steps

    if out.exists() and not out.is_dir():
        raise click.UsageError(f"--out {out}: is a file; name a folder")
    examined = _examined(steps.gather(sets), cache, bundle)
    manifest, found = steps.prepared(examined, rules=_rules(rules), method=method, seed=seed, k=k)
    manifests.write(manifest, out / "manifest.parquet")
    _account(manifest)
    _parts([entry.part for entry in manifest.entries if entry.used])
    click.echo(audits.text(found), nl=False)
    click.echo(f"manifest: {out / 'manifest.parquet'}")
    _report(examined._replace(manifest=manifest), found, out / "report.html", title=out.name)
    ctx.exit(1 if found.leaking else 0)


def _examined(manifest: Manifest, cache: Path, bundle: Path | None) -> Examined:
    from epiluma.datasets import prepare
    from epiluma.inference.locate import find_bundle

    opened = None if bundle is None else find_bundle(None if str(bundle) == "installed" else bundle)
    with progress("looking at images") as step:
        return prepare.examine(manifest, cache=cache, bundle=opened, progress=step)


def _read(path: Path, roots: tuple[str, ...]) -> Manifest:
    from epiluma.datasets import manifest as manifests

    pairs = [given.partition("=") for given in roots]
    if bad := [name for name, separator, folder in pairs if not separator or not folder]:
        raise click.UsageError(f"--root {bad[0]}: expected NAME=FOLDER")
    return manifests.read(path, roots={name: Path(folder) for name, _, folder in pairs})


def _rules(path: Path | None) -> Any:
    from epiluma.datasets import rules

    found = rules.load(path) if path else rules.Rules()
    if found.augmentation:
        from epiluma.augmentation import recipe

        for name in found.augmentation.values():
            recipe(name)  # raises for an unknown one now, not in the middle of a training
    return found


def _report(examined: Examined, found: Audit, out: Path, *, title: str) -> None:
    from epiluma.datasets.validation import page

    html = page.render(examined.manifest, examined.inspections, examined.pairs, found.findings, title=title)
    page.write(html, out)
    click.echo(f"report: {out}")


def _account(manifest: Manifest) -> None:
    """Rows in = images used + images left out + rows explained; every broken row with its place."""
    from collections import Counter

    from epiluma.datasets.manifest import exclusion_kind

    rows = sum(source.rows for source in manifest.header.sources)
    used = sum(entry.used for entry in manifest.entries)
    click.echo(f"{rows:,} rows read = {used:,} images used", nl=False)
    reasons = Counter(exclusion_kind(entry.excluded) for entry in manifest.entries if not entry.used)
    reasons.update(f"{row.kind} rows" for row in manifest.header.omitted)
    for reason, count in reasons.most_common():
        click.echo(f" + {count:,} {reason}", nl=False)
    click.echo()
    for row in manifest.header.omitted:
        if row.kind == "broken":
            click.echo(f"broken: {row.where}: {row.reason}", err=True)


def _curated(summary: list[Line]) -> None:
    """By part and class: images before and after, why the others went, and how the rest is drawn and weighed."""
    from rich.console import Console
    from rich.table import Table

    table = Table("part", "class", "before", "after", "left out", "drawn", "weight", "augmentation", box=None)
    for line in summary:
        why = ", ".join(f"{kind} {count:,}" for kind, count in line.why.items())
        counts = (f"{line.before:,}", f"{line.after:,}", why, f"x{line.repeats}", f"{line.weight:.2f}")
        table.add_row(line.part or "-", line.diagnosis, *counts, line.augmentation)
    Console().print(table)


def _parts(parts: list[str]) -> None:
    from collections import Counter

    counts = Counter(parts)
    for part, count in counts.items():
        click.echo(f"{part:12} {count:6} images  {count / len(parts):6.1%}")
