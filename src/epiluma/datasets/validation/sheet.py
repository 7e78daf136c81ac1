"""The data sheet: what "Datasheets for Datasets" (Gebru et al. 2021, arXiv:1803.09010) asks, as a manifest knows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from epiluma.datasets import licences
from epiluma.datasets.groups import class_of, lesion_of, patient_of
from epiluma.datasets.manifest import Entry, Header, Manifest
from epiluma.datasets.record import Sample
from epiluma.datasets.validation.facts import several, skin_of

_UNKNOWN = "Not in the publishers' tables; see the cited papers."


class Answer(NamedTuple):
    """One question of the sheet."""

    question: str
    answer: str


def data_sheet(manifest: Manifest) -> dict[str, list[Answer]]:
    """The answered questions by section, in the paper's order of sections."""
    header, entries = manifest.header, manifest.entries
    samples = [entry.sample for entry in entries]
    cited = " ".join(f"{source.name}: {source.citation}." for source in header.sources)
    return {
        "Motivation": [Answer("Who made the images, and where are they described?", cited)],
        "Composition": _composition(header, entries),
        "Collection": [
            Answer("How was the truth established?", f"{_listed(s.confirmation or 'not told' for s in samples)}."),
            Answer("Did the people consent?", _UNKNOWN),
        ],
        "Preprocessing": [
            Answer(
                "What was done to the frame?",
                f"{_listed(s.geometry for s in samples)}; `original` also where nobody says otherwise.",
            ),
            Answer("What was done here?", "; ".join(header.steps) or "Nothing but reading the tables."),
        ],
        "Uses": [
            Answer(
                "What should it not be used for?",
                "Any claim about people, devices or skin types that the tables above show few of; any score on a part "
                "that the audit calls leaking.",
            )
        ],
        "Distribution": [Answer("Under which licence?", _terms(header.licence))],
        "Maintenance": [Answer("How is a change noticed?", "By the manifest's hash, which every result carries.")],
    }


def _composition(header: Header, entries: Sequence[Entry]) -> list[Answer]:
    samples = [entry.sample for entry in entries]
    counts = (
        several(len(entries), "photo"),
        several(_names(lesion_of, samples), "named lesion"),
        several(_names(patient_of, samples), "named patient"),
    )
    left_out = sum(not entry.used for entry in entries)
    return [
        Answer("What does a row stand for?", _row(samples)),
        Answer("How many are there?", f"{'; '.join(counts)}."),
        Answer(
            "Is anything missing?",
            f"Rows of the tables that gave no photo: {len(header.omitted):,}. Photos left out: {left_out:,}. "
            "The reasons are counted above.",
        ),
        Answer("Do photos belong together?", _together(entries)),
        Answer(
            "Are there recommended parts?",
            f"By the publishers: {_listed(s.part for s in samples if s.part) or 'none'}. "
            f"Here: {_listed(entry.part for entry in entries if entry.part) or 'none yet'}.",
        ),
        Answer("Could a person be recognised?", _recognisable(entries)),
    ]


def _names(name_of: Callable[[Sample], str], samples: Sequence[Sample]) -> int:
    return len({name_of(sample) for sample in samples} - {""})


def _row(samples: Sequence[Sample]) -> str:
    leaves = sum(bool(sample.diagnosis) for sample in samples)
    nameless = sum(not class_of(sample) for sample in samples)
    return (
        f"One photo ({_listed(sample.modality for sample in samples)}). Diagnosis of the taxonomy: {leaves:,}; "
        f"only malignant or benign: {len(samples) - leaves - nameless:,}; no label: {nameless:,}."
    )


def _together(entries: Sequence[Entry]) -> str:
    grouped = Counter(entry.group for entry in entries if entry.group)
    if not grouped:
        return "Not grouped yet; a split groups the photos of one patient, one lesion or one picture."
    several_photos = sum(n > 1 for n in grouped.values())
    return (
        f"{several(len(grouped), 'group')}, each of one patient, lesion or picture as far as tables and pixels tell; "
        f"with more than one photo: {several_photos:,}."
    )


def _recognisable(entries: Sequence[Entry]) -> str:
    """What the tables tell of a person; whether that is enough, no table tells."""
    samples = [entry.sample for entry in entries]
    ages = [sample.age for sample in samples if sample.age is not None]
    rounded = f", {'' if all(age % 5 == 0 for age in ages) else 'not '}all multiples of five" if ages else ""
    return (
        f"Nothing here looks for faces or tattoos. Ages: {several(len(ages), 'photo')}{rounded}; "
        f"sex: {sum(bool(s.sex) for s in samples):,}; site on the body: {sum(bool(s.site) for s in samples):,}; "
        f"skin type: {sum(bool(skin_of(entry)) for entry in entries):,}; "
        f"a patient's identifier: {sum(bool(s.patient) for s in samples):,}."
    )


def _terms(licence: str) -> str:
    if not licences.is_known(licence):
        return f"{licence}: its terms are not known here; ask its owner before any use."
    return f"{licence}: it {'allows' if licences.terms(licence).commercial else 'forbids'} commercial use."


def _listed(values: Iterable[str]) -> str:
    """`train 5, test 1`: each value with its count, most frequent first."""
    return ", ".join(f"{name} {count:,}" for name, count in Counter(values).most_common())
