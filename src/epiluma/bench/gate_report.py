"""What `epiluma bench gate` measured, as records and as tables."""

from __future__ import annotations

import msgspec
from rich.console import Console
from rich.table import Table

from epiluma.bench.gate_pictures import CORRUPTIONS


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures of one family against the in-scope test part."""

    name: str
    n: int
    auroc: float
    lower: float
    """95% interval: a bootstrap by lesion on the one side, by picture on the other."""
    upper: float
    refused: float
    """Share above the threshold."""
    shape: list[float]
    """Components, weight of the residual, weight of energy: chosen by the other families."""
    energy: float
    """AUROC of energy alone."""
    neighbours: float
    """AUROC of the distance to the fifth nearest training photo."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Share of the photos of a set that the gate refuses; framing is checked where the publisher gives masks."""

    name: str
    n: int
    refused: float
    lower: float
    """95% interval (Wilson)."""
    upper: float
    findings: dict[str, int]
    """Photos with each finding, refusals and notes."""


class Spoilt(msgspec.Struct, frozen=True, kw_only=True):
    """Melanomas of the test part, spoilt."""

    name: str
    severity: int
    parameter: float | None
    n: int
    referred: int
    """Judged, and shown to a doctor."""
    missed: int
    """Judged, and not shown to a doctor."""
    refused: int


class GateBench(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured."""

    bundle: str
    threshold: float
    chosen: list[float]
    """Components and weights that all families together choose."""
    families: list[Family]
    refused: list[Refused]
    spoilt: list[Spoilt]
    checks_ms: float
    """Median of all checks of photo and mask, quality excluded, at 256 pixels."""
    score_ms: float


def show(measured: GateBench) -> None:
    """Print three tables and what they hold for."""
    console = Console(highlight=False)
    for table in (families(measured), refused(measured), spoilt(measured)):
        console.print(table, "", sep="\n", soft_wrap=True)
    units = "; ".join(f"{name}: {corruption.unit}" for name, corruption in CORRUPTIONS.items())
    console.print(units, soft_wrap=True)
    shape = ", ".join(f"{value:g}" for value in measured.chosen)
    console.print(f"chosen by all families together: components, residual, energy = {shape}", soft_wrap=True)
    console.print(
        f"checks {measured.checks_ms:.2f} ms, score {measured.score_ms:.2f} ms a photo (medians), "
        f"threshold {measured.threshold:.3f}, bundle {measured.bundle[:12]}",
        soft_wrap=True,
    )


def families(measured: GateBench) -> Table:
    """AUROC by family."""
    table = _table("family", "n", "AUROC", "95% interval", "refused", "shape", "energy", "5th neighbour")
    for one in measured.families:
        table.add_row(
            one.name, str(one.n), f"{one.auroc:.3f}", f"{one.lower:.3f} to {one.upper:.3f}", f"{one.refused:.1%}",
            "/".join(f"{value:g}" for value in one.shape), f"{one.energy:.3f}", f"{one.neighbours:.3f}",
        )  # fmt: skip
    return table


def refused(measured: GateBench) -> Table:
    """Share refused by set."""
    table = _table("photos", "n", "refused", "95% interval", "found in")
    for one in measured.refused:
        found = ", ".join(f"{code} {count / one.n:.1%}" for code, count in one.findings.items())
        table.add_row(one.name, str(one.n), f"{one.refused:.1%}", f"{one.lower:.1%} to {one.upper:.1%}", found)
    return table


def spoilt(measured: GateBench) -> Table:
    """What becomes of melanomas."""
    table = _table("melanomas", "severity", "parameter", "n", "referred", "missed", "refused")
    for one in measured.spoilt:
        parameter = "" if one.parameter is None else f"{one.parameter:g}"
        table.add_row(
            one.name, str(one.severity), parameter, str(one.n), str(one.referred), str(one.missed), str(one.refused)
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if not i else "right")
    return table
