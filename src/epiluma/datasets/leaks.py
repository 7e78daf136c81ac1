"""What a set must not hold twice: findings on patients, lesions and copies, across parts and within."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from epiluma.datasets import groups
from epiluma.datasets.groups import Pair
from epiluma.datasets.inspection import Inspections
from epiluma.datasets.manifest import Entry, exclusion_kind
from epiluma.datasets.record import DataError, Sample
from epiluma.taxonomy import ISIC_2019

EXAMPLES = 5
Severity = Literal["leak", "warning", "note"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, or worth knowing."""

    severity: Severity
    """`leak`: scores would flatter. `warning`: look at it. `note`: for the record."""
    what: str
    count: int
    examples: tuple[str, ...] = ()
    """The first few."""


def finding(severity: Severity, what: str, examples: Sequence[str]) -> Finding:
    """A finding that counts its examples and keeps the first few."""
    return Finding(severity=severity, what=what, count=len(examples), examples=tuple(examples[:EXAMPLES]))


def links(entries: Sequence[Entry], inspections: Inspections, pairs: Sequence[Pair]) -> list[Pair]:
    """Each pair once, a < b, best score first; files of the same bytes are pairs whether listed or not.

    A file that is left out as a copy is listed for all of its copies: its pairs are those of the one that stays, too.
    """
    stays = {digest: i for i, digest in enumerate(inspections.sha256.tolist()) if digest and entries[i].used}

    def standing(i: int) -> int:
        return i if entries[i].used else stays.get(inspections.sha256[i], i)

    found: dict[tuple[int, int], Pair] = {}
    for a, b in groups.same_file(inspections.sha256.tolist()):
        found[a, b] = Pair(a, b, 1.0, "exact")
    for pair in pairs:
        if not (0 <= pair.a < len(entries) and 0 <= pair.b < len(entries)):
            raise DataError(f"pair ({pair.a}, {pair.b}) is not of this manifest: it has {len(entries)} entries")
        for a, b in map(sorted, [(pair.a, pair.b), (standing(pair.a), standing(pair.b))]):
            same = bool(inspections.sha256[a]) and inspections.sha256[a] == inspections.sha256[b]
            if a != b:
                found.setdefault((a, b), Pair(a, b, float(pair.score), "exact" if same else pair.kind))
    return sorted(found.values(), key=lambda link: (-link.score, link.a, link.b))


def used(entries: Sequence[Entry], links: Sequence[Pair]) -> list[Pair]:
    """Those among the entries that take part."""
    return [link for link in links if entries[link.a].used and entries[link.b].used]


def members(entries: Sequence[Entry], links: Sequence[Pair]) -> list[list[int]]:
    """Groups of the entries that take part: as the manifest says, and as patients, lesions and `links` demand."""
    rows = [i for i, entry in enumerate(entries) if entry.used]
    at = {i: position for position, i in enumerate(rows)}
    named = groups.same_file([entries[i].group for i in rows])
    linked = named + [(at[link.a], at[link.b]) for link in used(entries, links)]
    return [[rows[k] for k in group] for group in groups.members([entries[i].sample for i in rows], linked)]


def subjects_across(entries: Sequence[Entry]) -> list[Finding]:
    """Patients and lesions whose photos are in two parts."""
    found = []
    kinds: dict[str, Callable[[Sample], str]] = {"patients": groups.patient_of, "lesions": groups.lesion_of}
    for what, name_of in kinds.items():
        photos: dict[str, list[int]] = {}
        for i, entry in enumerate(entries):
            if entry.used and (name := name_of(entry.sample)):
                photos.setdefault(name, []).append(i)
        crossing = {name: held for name, held in photos.items() if _crosses(entries, held)}
        examples = [f"{name}: {_placed(entries, held)}" for name, held in crossing.items()]
        found.append(finding("leak", f"{what} in two parts", examples))
    return found


def groups_across(entries: Sequence[Entry], parted: Sequence[list[int]]) -> list[Finding]:
    """Groups whose photos are in two parts, however they hang together."""
    examples = [_placed(entries, held) for held in parted if _crosses(entries, held)]
    return [finding("leak", "groups in two parts", examples)]


def _crosses(entries: Sequence[Entry], held: Sequence[int]) -> bool:
    return len({entries[i].part for i in held} - {""}) > 1


def _placed(entries: Sequence[Entry], held: Sequence[int]) -> str:
    """One photo in each part."""
    first = {entries[i].part: entries[i].sample.key for i in reversed(held) if entries[i].part}
    return ", ".join(f"{key} ({part})" for part, key in sorted(first.items()))


def copies(entries: Sequence[Entry], links: Sequence[Pair], *, across: bool) -> list[Finding]:
    """Exact and near duplicates and look-alikes, either those in two parts or the others."""
    severities: dict[str, tuple[str, Severity, Severity]] = {
        "exact": ("exact-duplicate pairs", "leak", "warning"),
        "near": ("near-duplicate pairs", "leak", "note"),
        "alike": ("look-alike pairs (other details: perhaps two lesions of one sitting)", "warning", "note"),
    }
    where = "across parts" if across else "within a part" if any(e.part for e in entries) else "within the set"
    found = []
    for kind, (what, crossing, inside) in severities.items():
        chosen = [k for k in links if k.kind == kind and _crosses(entries, (k.a, k.b)) == across]
        severity = crossing if across else inside
        found.append(finding(severity, f"{what} {where}", [_shown(entries, k) for k in chosen]))
    return found


def _shown(entries: Sequence[Entry], link: Pair) -> str:
    a, b = entries[link.a].sample, entries[link.b].sample
    return f"{a.key} / {b.key} (score {link.score:.3f})"


def conflicts(entries: Sequence[Entry], links: Sequence[Pair]) -> list[Finding]:
    """The same picture, or the same lesion, under two labels.

    `links` are of all entries: a copy that was left out for being one is asked too, or its label would be lost.
    Pictures are the same by a link, by their bytes, or by their ISIC number.
    """

    def disagreeing(pair: tuple[int, int]) -> bool:
        return disagree(entries[pair[0]].sample, entries[pair[1]].sample)

    asked = [
        i
        for i, entry in enumerate(entries)
        if groups.class_of(entry.sample) and (entry.used or exclusion_kind(entry.excluded) == "duplicate")
    ]
    known = set(asked)
    copies = {(k.a, k.b) for k in links if k.duplicate and k.a in known and k.b in known}
    for names in ([groups.image_of(entries[i].sample) for i in asked], [entries[i].sha256 for i in asked]):
        copies |= {(asked[a], asked[b]) for a, b in groups.same_file(names)}
    lesions: dict[str, list[int]] = {}
    for i in asked:
        if name := groups.lesion_of(entries[i].sample):
            lesions.setdefault(name, []).append(i)
    firsts = (next(filter(disagreeing, itertools.combinations(held, 2)), None) for held in lesions.values())
    return [
        finding("warning", what, [_labelled(entries, pair) for pair in pairs])
        for what, pairs in (
            ("duplicate pairs with two labels", sorted(filter(disagreeing, copies))),
            ("lesions with two labels", [pair for pair in firsts if pair]),
        )
    ]


def disagree(a: Sample, b: Sample) -> bool:
    """Whether two labels cannot both be true: two leaves, or a malignant and a benign one."""
    if a.diagnosis and b.diagnosis:
        return a.diagnosis != b.diagnosis
    first, second = _malignant(a), _malignant(b)
    return first is not None and second is not None and first != second


def _malignant(sample: Sample) -> bool | None:
    built_in = sample.diagnosis in ISIC_2019.codes  # an owner's own diagnoses say it beside them
    return ISIC_2019[sample.diagnosis].malignant if built_in else sample.malignant


def _labelled(entries: Sequence[Entry], pair: tuple[int, int]) -> str:
    return " / ".join(f"{entries[i].sample.key} ({groups.class_of(entries[i].sample)})" for i in pair)
