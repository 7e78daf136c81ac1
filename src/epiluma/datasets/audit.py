"""Whether a manifest's parts are apart, its labels agree, and nothing but the lesion tells the class.

A leak makes every score of the test part flatter; the verdict goes into the manifest and into every prediction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from epiluma.datasets import confounding, groups, leaks, licences
from epiluma.datasets.groups import Pair
from epiluma.datasets.inspection import Inspections
from epiluma.datasets.inspection_look import read_file
from epiluma.datasets.leaks import Finding, Severity, finding
from epiluma.datasets.manifest import NOT_AUDITED, Entry, Manifest, sha256
from epiluma.datasets.record import DataError, Omitted, Reason, Sample
from epiluma.imaging.containers import read_container
from epiluma.imaging.decode import PhotoError, decode_photo


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found, worst first."""

    verdict: str
    """`clean: ...`, `leak: ...`, or `not audited: ...` while nothing is split or an image cannot be read."""
    images: int
    """Entries that take part."""
    groups: int
    pairs: int
    """Duplicate pairs among them; look-alikes are none."""
    findings: tuple[Finding, ...]
    tells: tuple[confounding.Tell, ...]
    omitted: tuple[Omitted, ...]
    """Every row of the publishers' tables that gave no entry, with its place."""

    @property
    def leaking(self) -> bool:
        """Whether anything crosses parts: the command then ends with exit code 1."""
        return any(found.severity == "leak" for found in self.findings)


def audit(manifest: Manifest, inspections: Inspections, pairs: Iterable[Pair]) -> Audit:
    """Look for leaks, conflicting labels, broken files and confounding among the entries that take part.

    `inspections` are in the entries' order, `pairs` index them. Raises DataError when they do not fit.
    """
    entries = manifest.entries
    if len(inspections) != len(entries):
        raise DataError(
            f"{len(inspections)} images were inspected, but the manifest has {len(entries)}; inspect it anew"
        )
    every = leaks.links(entries, inspections, list(pairs))
    links = leaks.used(entries, every)
    copies = [link for link in links if link.duplicate]
    parted = leaks.members(entries, copies)
    across = [
        *leaks.subjects_across(entries),
        *leaks.groups_across(entries, parted),
        *leaks.copies(entries, links, across=True),
    ]
    sizes = np.array([_bytes(entry.sample) for entry in entries], np.intp)
    tells = confounding.tells(entries, inspections, parted, sizes)
    findings = [
        *across,
        *leaks.copies(entries, links, across=False),
        *leaks.conflicts(entries, every),
        *_files(entries, inspections),
        *_masks(entries, inspections),
        *_confounding(tells),
        *_licences(entries),
        *_for_the_record(manifest, parted),
    ]
    order: tuple[Severity, ...] = ("leak", "warning", "note")
    return Audit(
        verdict=_verdict(entries, inspections, across, len(parted), len(copies)),
        images=sum(entry.used for entry in entries),
        groups=len(parted),
        pairs=len(copies),
        findings=tuple(sorted((f for f in findings if f.count), key=lambda f: order.index(f.severity))),
        tells=tuple(tells),
        omitted=manifest.header.omitted,
    )


def stamp(manifest: Manifest, found: Audit) -> Manifest:
    """The manifest with the verdict in its header, bound to its entries as they are."""
    done = manifest.header.steps
    steps = done if done[-1:] == ("audit",) else (*done, "audit")  # another look at the same entries is no further step
    header = msgspec.structs.replace(manifest.header, audit=found.verdict, audited=sha256(manifest), steps=steps)
    return Manifest(header=header, entries=manifest.entries)


def text(found: Audit) -> str:
    """The audit in lines: the verdict, each finding with examples, each suspect with its figures."""
    lines = [found.verdict, f"{found.images} images in {found.groups} groups, {found.pairs} duplicate pairs"]
    for one in found.findings:
        lines.append(f"{one.severity}: {one.what}: {one.count}")
        lines += [f"    {example}" for example in one.examples]
    return "\n".join([*lines, *(str(tell) for tell in found.tells)]) + "\n"


def json(found: Audit) -> bytes:
    """The audit as JSON, indented."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"


def _verdict(
    entries: Sequence[Entry], inspections: Inspections, across: Sequence[Finding], parted: int, copies: int
) -> str:
    if wrong := [one for one in across if one.count and one.severity == "leak"]:
        what = ", ".join(f"{one.count} {one.what}" for one in wrong)
        return f"leak: {what} ({wrong[0].examples[0]})"
    used = [i for i, entry in enumerate(entries) if entry.used]
    if not used:
        return f"{NOT_AUDITED}: no image is used"
    if unread := [i for i in used if inspections.error[i]]:
        first = entries[unread[0]].sample.key
        return f"{NOT_AUDITED}: {len(unread)} of {len(used)} used images cannot be read ({first})"
    if not any(entry.part for entry in entries):
        return f"{NOT_AUDITED}: nothing is split yet; {parted} groups and {copies} duplicate pairs are known"
    return f"clean: no group of {parted} and no duplicate pair of {copies} is in two parts"


_OTHER_SIZE = "masks of another size than their image"
_OF_THE_PATIENT = {"age", "sex", "site", "skin type"}
_OF_THE_LESION = {"colour cast (mean RGB)"}


def _files(entries: Sequence[Entry], inspections: Inspections) -> list[Finding]:
    bad = [i for i, entry in enumerate(entries) if entry.used and inspections.error[i]]
    missing = [i for i in bad if not entries[i].sample.path.is_file()]
    corrupt = sorted(set(bad) - set(missing))
    return [
        finding("warning", "missing image files", [str(entries[i].sample.path) for i in missing]),
        finding(
            "warning", "corrupt image files", [f"{entries[i].sample.path}: {inspections.error[i]}" for i in corrupt]
        ),
    ]


def _masks(entries: Sequence[Entry], inspections: Inspections) -> list[Finding]:
    """Masks that cannot be read, are of another size than their image, or mark nothing."""
    faults: dict[str, list[str]] = {"unreadable masks": [], _OTHER_SIZE: [], "empty masks": []}
    shares = inspections.measures.get("lesion_share", np.full(len(entries), np.nan, np.float32))
    for i, entry in enumerate(entries):
        mask = entry.sample.mask
        if mask is None or not entry.used or inspections.error[i]:
            continue
        try:
            data, _ = read_file(mask)
            frame = read_container(data)
            wanted = int(inspections.width[i]), int(inspections.height[i])
            if (frame.width, frame.height) != wanted:
                fault = f"{mask}: {frame.width}x{frame.height}, its image {wanted[0]}x{wanted[1]}"
                faults[_OTHER_SIZE].append(fault)
            if not shares[i] > 0 and not np.asarray(decode_photo(data).image).any():  # decoded only where in doubt
                faults["empty masks"].append(str(mask))
        except OSError as error:
            faults["unreadable masks"].append(f"{mask}: {error.strerror}")
        except PhotoError as error:
            faults["unreadable masks"].append(f"{mask}: {error}")
    masked = {entry.sample.source for entry in entries if entry.sample.mask is not None}
    bare = [e.sample.key for e in entries if e.used and e.sample.mask is None and e.sample.source in masked]
    without = finding("note", "images without a mask, of sources that have masks", bare)
    return [*(finding("warning", what, examples) for what, examples in faults.items()), without]


def _bytes(sample: Sample) -> int:
    """Size of the image's file; 0 when it is missing."""
    try:
        return sample.path.stat().st_size
    except OSError:
        return 0


def _confounding(tells: Sequence[confounding.Tell]) -> list[Finding]:
    """What tells the class without the lesion; the source first, when pixels show which source it is."""
    found = []
    telling = {tell.suspect: tell for tell in tells if tell.telling}
    source, pixels = telling.get("source"), next((t for t in telling.values() if t.of == "source"), None)
    if source and pixels:
        what = "source confounding: a model can tell the source, and by it the class; score it within each source"
        found.append(finding("warning", what, [f"{source}; {pixels}"]))
    for name, tell in telling.items():
        severity: Severity = "warning"
        what = f"the class is given away by {name}"
        if name == "confirmation":
            what += ", which is never an input: how a diagnosis was confirmed follows from what was suspected"
        elif name in _OF_THE_PATIENT | _OF_THE_LESION:
            severity = "note"
            what = f"{name} is related to the class, as in the clinic; without the photo it already scores this"
        if tell.of == "class":
            found.append(finding(severity, what, [str(tell)]))
    return found


def _licences(entries: Sequence[Entry]) -> list[Finding]:
    """What holds for a work that is made of all images that take part."""
    names = sorted({entry.sample.licence.strip() or licences.NOT_STATED for entry in entries if entry.used})
    if not names:
        return []
    whole = licences.combine(names)
    what = "; ".join((f"licences: {whole.licence}", *whole.conflicts))
    return [finding("note" if whole.allowed else "warning", what, names)]


def _for_the_record(manifest: Manifest, parted: Sequence[list[int]]) -> list[Finding]:
    """What is left out, counted."""
    excluded = [f"{e.sample.key}: {e.excluded}" for e in manifest.entries if e.excluded]
    omitted: dict[Reason, list[str]] = {"broken": [], "missing": [], "out of scope": []}
    for row in manifest.header.omitted:
        omitted[row.kind].append(f"{row.where}: {row.image_id}: {row.reason}")
    rows = [
        finding("warning" if kind == "broken" else "note", f"{kind} rows of the publishers' tables", said)
        for kind, said in omitted.items()
    ]
    nameless = [e.sample.key for e in manifest.entries if e.used and not groups.class_of(e.sample)]
    split = any(e.part for e in manifest.entries)
    partless = [e.sample.key for e in manifest.entries if split and e.used and not e.part]
    few = [f"{name}: {n} images" for name, n in confounding.few(manifest.entries, parted).items()]
    return [
        finding("warning", "images that the split puts nowhere", partless),
        finding("note", "entries excluded", excluded),
        *rows,
        finding("note", "images without a class", nameless),
        finding("note", f"classes with fewer than {confounding.LEAST_GROUPS} groups, not asked about", few),
    ]


class Spread(NamedTuple):
    """Over random splits."""

    mean: float
    least: int
    most: int


class RandomLeak(NamedTuple):
    """What a split by image, blind to lesions, leaks from training into the test part."""

    lesions: Spread
    """Groups with photos in both parts."""
    images: Spread
    """Test images whose group is in training too."""
    tested: int
    """Images of the test part."""
    several: int
    """Groups of more than one photo, which alone can leak."""


def random_split_leak(
    samples: Sequence[Sample], seeds: Iterable[int] = range(20), *, test_share: float = 0.2
) -> RandomLeak:
    """Draw the test part image by image, once per seed. Raises DataError when a part would be empty."""
    parted = groups.members(samples, [])
    tested = round(len(samples) * test_share)
    if not 0 < tested < len(samples):
        raise DataError(f"{tested} of {len(samples)} images are no test part")
    group = np.empty(len(samples), np.intp)
    for name, held in enumerate(parted):
        group[held] = name
    sizes = np.bincount(group)
    lesions, images = [], []
    for seed in seeds:
        drawn = np.random.default_rng(seed).permutation(len(samples))[:tested]
        inside = np.bincount(group[drawn], minlength=len(sizes))
        both = (inside > 0) & (inside < sizes)
        lesions.append(int(both.sum()))
        images.append(int(inside[both].sum()))
    return RandomLeak(_spread(lesions), _spread(images), tested, int((sizes > 1).sum()))


def _spread(counts: Sequence[int]) -> Spread:
    return Spread(float(np.mean(counts)), min(counts), max(counts))
