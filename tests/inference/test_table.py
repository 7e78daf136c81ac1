"""Rows line up whether they are printed together or one by one."""

from __future__ import annotations

import io
from collections import Counter

import msgspec
import pytest
from PIL import Image
from rich.console import Console

from epiluma.bundle import Bundle
from epiluma.imaging.synthetic import draw_lesion
from epiluma.inference.result import Recommendation, Screening, ScreeningError
from epiluma.inference.screen import Screener
from epiluma.inference.table import render_table, summary, tally


@pytest.fixture(scope="module")
def results(tiny_bundle: Bundle) -> list[Screening]:
    screener, found = Screener(tiny_bundle), []
    for name, image in (
        ("lesion.png", Image.fromarray(draw_lesion(1, size=(200, 150)).image)),
        ("[bold]odd[/].png", Image.fromarray(draw_lesion(2, size=(200, 150)).image)),
        ("black.png", Image.new("RGB", (200, 150))),
    ):
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        found.append(screener.screen(buffer.getvalue(), file=name))
    return found


def printed(*tables: object) -> list[str]:
    console = Console(file=io.StringIO(), width=140)
    for table in tables:
        console.print(table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_one_by_one_equals_all_at_once(results: list[Screening], tiny_bundle: Bundle) -> None:
    taxonomy = tiny_bundle.manifest.taxonomy
    together = printed(render_table(results, taxonomy))
    rows = (render_table([result], taxonomy, header=i == 0) for i, result in enumerate(results))
    assert printed(*rows) == together
    assert together[0].split() == ["File", "What", "to", "do", "Diagnosis", "p", "Risk", "Note"]
    assert together[2].startswith("[bold]odd[/].png")


def test_a_row_holds_the_figures(results: list[Screening], tiny_bundle: Bundle) -> None:
    result = results[0]
    line = printed(render_table([result], tiny_bundle.manifest.taxonomy))[1]
    assert result.diagnosis is not None
    assert f"{result.probabilities[result.diagnosis]:.2f}  {result.malignancy_risk:.2f}" in line
    assert "▲ Doctor, 2 weeks" in line
    black = " ".join(printed(render_table([results[2]], tiny_bundle.manifest.taxonomy)))
    assert "? Take again" in black
    assert "too dark" in black


def test_a_low_risk_that_is_referred_says_why(results: list[Screening], tiny_bundle: Bundle) -> None:
    low = msgspec.structs.replace(
        results[0],
        malignancy_risk=0.1,
        recommendation=Recommendation(level="refer", text="", reason="Because.", threshold=0.2, within_weeks=4),
    )
    assert printed(render_table([low], tiny_bundle.manifest.taxonomy))[1].endswith("Because.")


def test_summary_counts(results: list[Screening], tiny_bundle: Bundle) -> None:
    counts: Counter[str] = Counter()
    for result in [*results, ScreeningError(file="a", error="b")]:
        tally(counts, result)
    lines = summary(counts, tiny_bundle.manifest).splitlines()
    assert lines[0] == (
        "4 photos: 2 to show to a doctor (2 of them within 2 weeks), 0 to photograph again in 12 weeks, "
        "0 without a sign, 1 to take again, 1 not read."
    )
    assert "0.20" in lines[1]
    assert "actinic keratosis (premalignant)" in lines[1]
    assert lines[2].startswith("This is not a diagnosis.")
