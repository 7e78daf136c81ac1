"""The validation report as one HTML file that needs nothing else and prints well."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from epiluma import __version__
from epiluma.datasets import manifest as manifests
from epiluma.datasets.groups import Pair
from epiluma.datasets.inspection import Inspections
from epiluma.datasets.leaks import Finding
from epiluma.datasets.manifest import Manifest
from epiluma.datasets.record import DataError
from epiluma.datasets.validation import facts, pictures
from epiluma.datasets.validation.sheet import data_sheet
from epiluma.evaluation.leakage import is_leaked
from epiluma.pages import template

SAMPLES, PAIRS = 8, 24
"""Pictures per class, and pairs, on the page."""


def render(
    manifest: Manifest,
    inspections: Inspections,
    pairs: Sequence[Pair],
    findings: Sequence[Finding],
    *,
    title: str = "Data set",
    seed: int = 0,
) -> str:
    """The page. `inspections` and `pairs` belong to the manifest's entries, in their order."""
    return template("epiluma.datasets.validation", "page.html.j2", several=facts.several).render(
        title=title,
        version=__version__,
        manifest_sha256=manifests.sha256(manifest),
        header=manifest.header,
        summary=facts.summary(manifest, inspections),
        leaking=is_leaked(manifests.verdict(manifest)),
        findings=findings,
        reasons=facts.reasons(manifest),
        pairs=pictures.pairs_side_by_side(manifest.entries, pairs, count=PAIRS),
        pair_count=sum(pair.duplicate for pair in pairs),
        look_alikes=sum(not pair.duplicate for pair in pairs),
        sheet=data_sheet(manifest),
        **_of_what_is_used(manifest, inspections, seed),
    )


def _of_what_is_used(manifest: Manifest, inspections: Inspections, seed: int) -> dict[str, Any]:
    """Charts, tables and samples: an image that is left out is counted under its reason, and nowhere else."""
    entries, measured = facts.in_use(manifest.entries, inspections)
    return {
        "charts": facts.distributions(entries),
        "tables": facts.tables(entries),
        "tones": facts.skin_tones(entries, measured),
        "measures": facts.measures(entries, measured),
        "samples": pictures.samples_per_class(entries, count=SAMPLES, seed=seed),
    }


def write(page: str, path: Path) -> None:
    """Write the page, whole or not at all. Raises DataError."""
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(page, encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path}: the report cannot be written ({error.strerror})") from error
