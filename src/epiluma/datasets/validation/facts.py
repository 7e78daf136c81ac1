"""The figures of the validation report: counts, histograms and a five-line summary, from a manifest and its pixels."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from epiluma.datasets import manifest as manifests
from epiluma.datasets.inspection import MEASURES, Inspections
from epiluma.datasets.manifest import Entry, Manifest, exclusion_kind
from epiluma.datasets.record import Omitted
from epiluma.imaging.skin import category_of
from epiluma.taxonomy import ISIC_2019

NOT_GIVEN = "not given"
_FITZPATRICK = ("I", "II", "III", "IV", "V", "VI")
_BINS = 24
_TOP = 12
"""Rows of a bar chart; the rest are summed."""


class Bar(NamedTuple):
    """One row of a bar chart."""

    label: str
    n: int
    share: float
    """Of all counted images, 0 to 1."""


class Bars(NamedTuple):
    """A bar chart."""

    title: str
    bars: tuple[Bar, ...]
    note: str = ""


class Histogram(NamedTuple):
    """How a measure is distributed in one source."""

    source: str
    heights: tuple[float, ...]
    """Share of the source's images in each bin, over the largest."""
    median: float
    n: int


class Measure(NamedTuple):
    """One measure, source by source, over a common range."""

    name: str
    meaning: str
    low: float
    high: float
    histograms: tuple[Histogram, ...]


class Cross(NamedTuple):
    """A table of counts: a row per value of one column, a column per value of another."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]


def several(n: int, one: str) -> str:
    """`1 pair`, `2 pairs`: the number with its noun."""
    return f"{n:,} {one}{'' if n == 1 else 's'}"


def in_use(entries: Sequence[Entry], inspections: Inspections) -> tuple[list[Entry], Inspections]:
    """The entries that are used, and their rows of the inspections."""
    rows = [i for i, entry in enumerate(entries) if entry.used]
    columns = {f.name: getattr(inspections, f.name) for f in dataclasses.fields(inspections) if f.name != "measures"}
    measured = {name: values[rows] for name, values in inspections.measures.items()}
    taken = Inspections(**{name: values[rows] for name, values in columns.items()}, measures=measured)
    return [entries[i] for i in rows], taken


def counted(title: str, values: Iterable[str], *, top: int = _TOP, by_label: bool = False, note: str = "") -> Bars:
    """A bar chart of how often each value occurs, most frequent (or first label) first; empty means not given."""
    counts = Counter(value or NOT_GIVEN for value in values)
    total = counts.total() or 1
    order = sorted(counts.items(), key=lambda item: item[0] if by_label else (-item[1], item[0]))
    shown, rest = order[:top], order[top:]
    bars = [Bar(label, count, count / total) for label, count in shown]
    if rest:
        others = sum(count for _, count in rest)
        bars.append(Bar(f"{len(rest):,} others", others, others / total))
    return Bars(title, tuple(bars), note)


def crossed(
    title: str,
    entries: Sequence[Entry],
    row: Callable[[Entry], str],
    column: Callable[[Entry], str],
    *,
    by_label: bool = False,
) -> Cross:
    """Counts of entries by two of their facts, most frequent first (columns by label if asked); not given is last."""
    counts = Counter((row(entry) or NOT_GIVEN, column(entry) or NOT_GIVEN) for entry in entries)
    rows, columns = _by_frequency(row, entries), _by_frequency(column, entries)
    if by_label:
        columns = tuple(sorted(columns, key=lambda label: (label == NOT_GIVEN, label)))
    return Cross(title, columns, tuple((r, tuple(counts[r, c] for c in columns)) for r in rows))


def _by_frequency(fact: Callable[[Entry], str], entries: Sequence[Entry]) -> tuple[str, ...]:
    found = [value for value, _ in Counter(fact(entry) or NOT_GIVEN for entry in entries).most_common()]
    return tuple(sorted(found, key=lambda value: value == NOT_GIVEN))


def tables(entries: Sequence[Entry]) -> list[Cross]:
    """The diagnoses by every fact that has at least two values in the set: who and what the classes consist of."""
    facts: tuple[tuple[str, Callable[[Entry], str], bool], ...] = (
        ("source", lambda e: e.sample.source, False),
        ("part", lambda e: e.part, False),
        ("confirmation", lambda e: e.sample.confirmation, False),
        ("modality", lambda e: e.sample.modality, False),
        ("sex", lambda e: e.sample.sex, False),
        ("age, years", decade_of, True),
        ("skin type", skin_of, True),
    )
    return [
        crossed(f"Diagnosis by {name}", entries, diagnosis_of, fact, by_label=by_label)
        for name, fact, by_label in facts
        if len({fact(entry) for entry in entries} - {""}) >= 2
    ]


def diagnosis_of(entry: Entry) -> str:
    """The leaf, or as much as the publisher tells."""
    sample = entry.sample
    if sample.diagnosis or sample.malignant is None:
        return sample.diagnosis
    return "malignant, not told which" if sample.malignant else "benign, not told which"


def decade_of(entry: Entry) -> str:
    """The decade of the age, `40-49`."""
    age = entry.sample.age
    return "" if age is None else f"{age // 10 * 10:02}-{age // 10 * 10 + 9:02}"


def skin_of(entry: Entry) -> str:
    """The labelled Fitzpatrick type, `III`, or the group of types where a set tells no more, `III-IV`."""
    kind = entry.sample.skin_type
    return entry.sample.skin_tone if kind is None else _FITZPATRICK[kind - 1]


def distributions(entries: Sequence[Entry]) -> list[Bars]:
    """The bar charts of the report's first part."""
    samples = [entry.sample for entry in entries]
    return [
        counted("Diagnosis", map(diagnosis_of, entries)),
        counted("Source", (s.source for s in samples)),
        counted("Part", (entry.part for entry in entries)),
        counted(
            "How the diagnosis was confirmed", (s.confirmation for s in samples), note="Never an input of a model."
        ),
        counted("Modality", (s.modality for s in samples)),
        counted("Licence", (s.licence for s in samples)),
        counted("Sex", (s.sex for s in samples)),
        counted("Age, years", map(decade_of, entries), by_label=True),
        counted("Site on the body", (s.site for s in samples)),
        counted(
            "Frame",
            (s.geometry for s in samples),
            note="Mixed frames teach a model the frame. `original` also where nobody says otherwise.",
        ),
        counted("Image size, pixels", (f"{e.width} x {e.height}" if e.width else "unreadable" for e in entries)),
    ]


def skin_tones(entries: Sequence[Entry], inspections: Inspections) -> list[Bars]:
    """Labelled Fitzpatrick types, and the tone estimated from the skin around the lesion."""
    ita, error = inspections.measures["ita"], inspections.measures["ita_error"]
    known = np.isfinite(ita)
    spread = f"; median uncertainty {np.median(error[known]):.0f} degrees" if known.any() else ""
    estimated = (category_of(float(angle)) if np.isfinite(angle) else "cannot be estimated" for angle in ita)
    return [
        counted("Fitzpatrick type, as labelled", map(skin_of, entries), by_label=True),
        counted(
            "Skin tone, estimated (individual typology angle)",
            estimated,
            note=f"From the skin around the lesion, without colour calibration{spread}. An estimate of a group, "
            "not of a person.",
        ),
    ]


def measures(entries: Sequence[Entry], inspections: Inspections) -> list[Measure]:
    """A histogram of each measure for each source, over the range that holds 98% of all values."""
    sources = np.array([entry.sample.source for entry in entries])
    result = []
    for name, meaning in MEASURES.items():
        values = inspections.measures[name]
        finite = values[np.isfinite(values)]
        if not len(finite):
            continue
        low, high = (float(q) for q in np.percentile(finite, [1, 99]))
        if high <= low:
            high = low + max(abs(low), 1.0) * 1e-3  # wide enough for bins that float32 can tell apart
        histograms = tuple(
            _histogram(source, values[(sources == source) & np.isfinite(values)], low, high)
            for source in dict.fromkeys(sources.tolist())
        )
        result.append(Measure(name, meaning, low, high, histograms))
    return result


def _histogram(source: str, values: npt.NDArray[np.float32], low: float, high: float) -> Histogram:
    counts, _ = np.histogram(np.clip(values, low, high), bins=_BINS, range=(low, high))
    tallest = max(int(counts.max()), 1)
    median = float(np.median(values)) if len(values) else float("nan")
    return Histogram(source, tuple(float(count) / tallest for count in counts), median, len(values))


def summary(manifest: Manifest, inspections: Inspections) -> list[str]:
    """What a reader should know before anything else, in five lines; of all entries, used or not."""
    entries, header = manifest.entries, manifest.header
    groups = len({entry.group for entry in entries if entry.group})
    leaves = Counter(entry.sample.diagnosis for entry in entries if entry.used and entry.sample.diagnosis)
    used = sum(entry.used for entry in entries)
    together = f" in {several(groups, 'group')}" if groups else ""
    skin = sum(bool(skin_of(entry)) for entry in entries)
    return [
        (
            f"{several(len(entries), 'image')}{together} from "
            f"{', '.join(source.name for source in header.sources)}; licence: {header.licence}."
        ),
        f"Audit: {manifests.verdict(manifest)}.",
        (
            f"Used: {several(used, 'image')}. Left out with a reason: {several(len(entries) - used, 'image')}. "
            f"Rows of the publishers' tables that gave no image: {len(header.omitted):,}."
        ),
        _balance(leaves),
        (
            f"Cannot be read: {several(int((inspections.error != '').sum()), 'file')}. "
            f"Labelled with a skin type: {several(skin, 'image')}."
        ),
    ]


def _balance(leaves: Counter[str]) -> str:
    if not leaves:
        return "No image that is used has a diagnosis of the taxonomy."
    (most, n), (least, few) = leaves.most_common()[0], leaves.most_common()[-1]
    absent = [code for code in ISIC_2019.codes if code not in leaves]
    gap = f"; none of {', '.join(absent)}" if absent else ""
    if len(leaves) == 1:
        return f"The only class is {most} ({n:,}){gap}."
    return f"Largest class {most} ({n:,}), smallest {least} ({few:,}): {n / few:.0f} to 1{gap}."


def reasons(manifest: Manifest) -> list[Bars]:
    """Why images and rows were left out."""
    charts = []
    if excluded := [exclusion_kind(entry.excluded) for entry in manifest.entries if not entry.used]:
        charts.append(counted("Images left out", excluded, note="By the first reason of each image."))
    if omitted := [f"{row.kind}: {_impersonal(row)}" for row in manifest.header.omitted]:
        kinds = counted("Rows that gave no image", (row.kind for row in manifest.header.omitted))
        charts += [kinds, counted("The most frequent reasons", omitted, top=8)]
    return charts


def _impersonal(row: Omitted) -> str:
    """The reason without the image's own name, with or without its suffix, so that equal reasons count as one."""
    reason = row.reason
    for name in filter(None, (row.image_id, PurePosixPath(row.image_id).stem)):
        reason = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "…", reason)
    return reason
