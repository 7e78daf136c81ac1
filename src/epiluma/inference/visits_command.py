"""The body of `epiluma visits`: two photos in, what changed as text or JSON out."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path

import msgspec
from rich.console import Console

from epiluma.imaging.measure import Evolution, Scale
from epiluma.inference.locate import find_bundle
from epiluma.inference.recommend import Symptom
from epiluma.inference.screen import Screener
from epiluma.inference.visits import Visits, compare_photos, save_picture


def run(
    earlier: Path,
    later: Path,
    *,
    bundle: Path | None,
    as_json: bool,
    overlay: Path | None,
    symptoms: Collection[Symptom] = (),
    scale: Scale | None = None,
) -> None:
    """Compare and print. Raises PhotoError, PicturesError, BundleError and SessionError."""
    compared = compare_photos(Screener(find_bundle(bundle)), earlier, later, symptoms=symptoms, scale=scale)
    if overlay:
        save_picture(compared, overlay)
    if as_json:
        sys.stdout.write(msgspec.json.encode(compared.visits).decode() + "\n")
    else:
        Console(highlight=False, soft_wrap=True).print("\n".join(lines(compared.visits)), markup=False)


def lines(visits: Visits) -> list[str]:
    """What the visits come to, in plain sentences, what to do first."""
    said = [visits.recommendation.text, visits.recommendation.reason, ""]
    for name, screening in (("Earlier", visits.earlier), ("Later", visits.later)):
        risk = "not judged" if screening.malignancy_risk is None else f"malignancy risk {screening.malignancy_risk:.2f}"
        said.append(f"{name}: {screening.file}, {risk}")
    said += [*visits.changes, *visits.unknown]
    if visits.evolution:
        said += _figures(visits.evolution)
        said += [note for note in visits.evolution.notes if not any(note in line for line in visits.unknown)]
    return [*said, "", visits.warning]


def _figures(evolution: Evolution) -> list[str]:
    said = []
    if size := evolution.size:
        by = "the photos laid over each other" if size.by == "registration" else "the scales given"
        said.append(f"Area {size.area:+.0%}, largest diameter {size.largest_diameter:+.0%}, by {by}.")
        if size.largest_diameter_mm is not None and size.area_mm2 is not None:
            said.append(f"Largest diameter {size.largest_diameter_mm:+.1f} mm, area {size.area_mm2:+.1f} mm².")
    colour = evolution.colour
    against = colour.lesion_against_skin
    less = "" if against is None else f", {against:.1f} once the skin's own change is taken off"
    said.append(f"Colour of the mark: difference {colour.lesion:.1f} (CIEDE2000){less}.")
    return said
