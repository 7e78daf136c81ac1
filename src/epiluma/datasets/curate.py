"""Which images are used and how often, by rules: each one that is left out carries its reasons in plain words.

The quality filter looks at every part. Caps, repeats, weights and augmentation touch only what is trained on (part
`train`; but for caps, everything before a split): a validation or test part is never balanced, nor is a fold, which
is validated in its turn.
"""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from epiluma.datasets import groups
from epiluma.datasets.groups import class_of
from epiluma.datasets.inspection import Inspections
from epiluma.datasets.manifest import NOT_AUDITED, PARTS, Entry, Header, Manifest, exclusion_kind
from epiluma.datasets.record import DataError
from epiluma.datasets.rules import Balance, FlagName, Flags, Quality, Rules
from epiluma.taxonomy import ISIC_2019

__all__ = ["Curated", "Line", "curate", "flags_of"]

TRAINED_ON = frozenset({"", "train"})
FLAG_NAMES: tuple[FlagName, ...] = get_args(FlagName)
_UNREADABLE, _OVER_CAP = "cannot be read", "over the cap"
_SHOWN = {"hair": "shows hair", "ruler": "shows a ruler", "ink": "shows ink", "dark_corners": "shows dark corners"}
_AT_LEAST = (
    ("too small", "side", "min_side"),
    ("too dark", "brightness", "min_brightness"),
    ("one colour", "contrast", "min_contrast"),
    ("blurred", "sharpness", "min_sharpness"),
    ("lesion too small", "lesion_share", "min_lesion_share"),
)
"""What it is called, the measure, the bound."""
_AT_MOST = (
    ("too bright", "brightness", "max_brightness"),
    ("shadows without detail", "clipped_dark", "max_clipped_dark"),
    ("highlights without detail", "clipped_bright", "max_clipped_bright"),
    ("flat bars", "border", "max_border"),
    ("lesion too large", "lesion_share", "max_lesion_share"),
    ("lesion cut off", "lesion_touches", "max_lesion_touches"),
)
_OWN = frozenset({_UNREADABLE, _OVER_CAP, *_SHOWN.values(), *(kind for kind, _, _ in _AT_LEAST + _AT_MOST)})
"""Kinds of exclusion that a curation makes, and that the next one judges anew."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One class in one part, before and after: before = after + the sum of `why`."""

    part: str
    diagnosis: str
    """The class; empty for images without one."""
    before: int
    """Images of the manifest."""
    after: int
    """Images that are used."""
    why: dict[str, int]
    """Kind of the first reason (`exclusion_kind`) -> images."""
    flagged: dict[str, int]
    """Flag -> images among those used."""
    repeats: int
    weight: float
    augmentation: str


class Curated(NamedTuple):
    """A manifest by the rules, and what they did."""

    manifest: Manifest
    summary: list[Line]
    """By part and class."""


def curate(manifest: Manifest, inspections: Inspections, rules: Rules) -> Curated:
    """Apply the rules to every entry; `inspections` has a row per entry, in the entries' order.

    What an earlier curation left out is judged anew; an entry that was excluded for another reason, such as being a
    duplicate, keeps it. Raises DataError when the rows are not the entries', when a rule names a class that neither
    the manifest nor the taxonomy knows, when folds are to be balanced, or classes capped before the split.
    """
    entries = _with_facts(manifest.entries, inspections)
    _check_classes(rules, {class_of(entry.sample) for entry in entries} - {""})
    _check_parts(rules, {entry.part for entry in entries})
    flags = flags_of(inspections, rules.flags)
    kept = [bool(entry.excluded) and exclusion_kind(entry.excluded) not in _OWN for entry in entries]
    for i, entry in enumerate(entries):
        if not kept[i]:
            faults = _faults(i, inspections, flags, rules)
            entries[i] = msgspec.structs.replace(entry, excluded="; ".join(faults))
    for i, cap in _over_cap(entries, rules).items():
        reason = f"{_OVER_CAP} of {cap:,} training images of {class_of(entries[i].sample)}"
        entries[i] = msgspec.structs.replace(entries[i], excluded=reason)
    entries = _balanced(entries, rules)
    left_out = sum(not entry.used and not before for entry, before in zip(entries, kept, strict=True))
    curated = Manifest(header=_header(manifest.header, rules, left_out), entries=tuple(entries))
    return Curated(curated, _summary(entries, flags))


def _header(header: Header, rules: Rules, left_out: int) -> Header:
    """With the step that this is; the verdict was on other entries."""
    digest = hashlib.sha256(msgspec.json.encode(rules, order="deterministic")).hexdigest()
    steps = (*header.steps, f"curate {digest[:12]} ({left_out} left out)")
    return msgspec.structs.replace(header, steps=steps, audit=NOT_AUDITED, audited="")


def flags_of(inspections: Inspections, flags: Flags) -> dict[FlagName, npt.NDArray[np.bool_]]:
    """Flag -> (n,) whether the measure reaches the rule; a missing measure raises no flag."""
    return {name: inspections.measures[name] >= getattr(flags, name) for name in FLAG_NAMES}


def _with_facts(entries: Sequence[Entry], inspections: Inspections) -> list[Entry]:
    """The entries with hash and size as inspected."""
    if len(entries) != len(inspections):
        raise DataError(f"the manifest has {len(entries):,} images, {len(inspections):,} were inspected")
    result = []
    for entry, sha256, width, height in zip(
        entries, inspections.sha256.tolist(), inspections.width.tolist(), inspections.height.tolist(), strict=True
    ):
        if entry.sha256 and sha256 and entry.sha256 != sha256:
            raise DataError(f"{entry.sample.path}: has changed since the manifest was made; merge anew")
        facts = {"sha256": sha256, "width": width, "height": height}
        result.append(msgspec.structs.replace(entry, **facts) if width else entry)
    return result


def _check_classes(rules: Rules, present: set[str]) -> None:
    known = sorted(present | set(ISIC_2019.codes))
    for where, names in (("balance.caps", rules.balance.caps), ("augmentation", rules.augmentation)):
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
                raise DataError(f"{where}: unknown class {name!r}; did you mean {near[0]!r}?")


def _check_parts(rules: Rules, parts: set[str]) -> None:
    """Raises DataError where no part is there to be trained on, and a cap or a balance would touch the others."""
    capped = bool(rules.balance.cap or any(rules.balance.caps.values()))
    balanced = rules.balance.repeat_power > 0 or rules.balance.weight != "none" or bool(rules.augmentation)
    if (capped or balanced) and parts - {"", *PARTS}:
        raise DataError(
            "the manifest is in folds, each of which is validated in its turn: caps, repeats, weights and augmentation "
            "are for training images; take one fold first (split.for_fold; in a recipe, the key data.fold)"
        )
    if capped and not parts - {""}:
        raise DataError("a cap is for training images, and nothing is split yet; split first")


def _faults(
    i: int, inspections: Inspections, flags: Mapping[FlagName, npt.NDArray[np.bool_]], rules: Rules
) -> list[str]:
    """What is wrong with one image, with figure and bound, worst first."""
    if error := str(inspections.error[i]):
        return [f"{_UNREADABLE}: {error}"]
    values = {name: float(column[i]) for name, column in inspections.measures.items()}
    values["side"] = float(min(inspections.width[i], inspections.height[i]))
    faults = _quality_faults(values, rules.quality)
    for name in FLAG_NAMES:
        if name in rules.flags.exclude and flags[name][i]:
            faults.append(f"{_SHOWN[name]} ({values[name]:.3g}, flagged from {getattr(rules.flags, name):g})")
    return faults


def _quality_faults(values: Mapping[str, float], bounds: Quality) -> list[str]:
    least = [(kind, name, getattr(bounds, bound)) for kind, name, bound in _AT_LEAST]
    most = [(kind, name, getattr(bounds, bound)) for kind, name, bound in _AT_MOST]
    # A missing measure is NaN, and every comparison with it is false.
    low = [f"{kind} ({name} {values[name]:.3g}, at least {b:g})" for kind, name, b in least if values[name] < b]
    high = [f"{kind} ({name} {values[name]:.3g}, at most {b:g})" for kind, name, b in most if values[name] > b]
    return [*low, *high]


def _over_cap(entries: Sequence[Entry], rules: Rules) -> dict[int, int]:
    """Index -> cap, of the images that a cap leaves out.

    One photo of each lesion is kept before any second one. Which, a hash of seed and name decides: the choice does
    not depend on the order of the entries, and hardly changes when images are added.
    """
    of_class: dict[str, list[int]] = {}
    for i, entry in enumerate(entries):
        if _trained(entry):
            of_class.setdefault(class_of(entry.sample), []).append(i)
    result = {}
    for name, members in of_class.items():
        cap = rules.balance.caps.get(name, rules.balance.cap)
        if cap:
            result.update(dict.fromkeys(_ranked(members, entries, rules.seed)[cap:], cap))
    return result


def _ranked(members: Iterable[int], entries: Sequence[Entry], seed: int) -> list[int]:
    """First photos of all lesions, then second ones, and so on."""

    def chance(name: str) -> str:
        return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()

    seen: Counter[str] = Counter()
    ranks = []
    for i in sorted(members, key=lambda i: chance(entries[i].sample.key)):
        sample = entries[i].sample
        lesion = groups.lesion_of(sample) or entries[i].group or sample.key
        ranks.append((seen[lesion], chance(lesion), i))
        seen[lesion] += 1
    return [i for _, _, i in sorted(ranks)]


def _balanced(entries: Sequence[Entry], rules: Rules) -> list[Entry]:
    """Repeats, weight and augmentation of what is trained on; defaults for everything else."""
    counts = Counter(class_of(entry.sample) for entry in entries if _trained(entry))
    repeats = _repeats(counts, rules.balance)
    weights = _weights({name: n * repeats[name] for name, n in counts.items()}, rules.balance)
    result = []
    for entry in entries:
        name = class_of(entry.sample)
        trained = _trained(entry)
        result.append(
            msgspec.structs.replace(
                entry,
                repeats=repeats[name] if trained else 1,
                weight=weights[name] if trained else 1.0,
                augmentation=rules.augmentation.get(name, "") if trained else "",
            )
        )
    return result


def _trained(entry: Entry) -> bool:
    """Whether a class is trained on it; an image without a class is neither capped nor weighed."""
    return entry.used and entry.part in TRAINED_ON and bool(class_of(entry.sample))


def _repeats(counts: Mapping[str, int], balance: Balance) -> dict[str, int]:
    largest = max(counts.values(), default=0)
    return {
        name: min(balance.max_repeats, max(1, round((largest / n) ** balance.repeat_power)))
        for name, n in counts.items()
    }


def _weights(drawn: Mapping[str, int], balance: Balance) -> dict[str, float]:
    """Class -> weight, 1 on average over the images that an epoch draws, so that the loss keeps its size."""
    if balance.weight == "none" or not drawn:
        return dict.fromkeys(drawn, 1.0)
    if balance.weight == "inverse":
        raw = {name: n**-balance.weight_power for name, n in drawn.items()}
    else:
        raw = {name: (1 - balance.beta) / (1 - balance.beta**n) for name, n in drawn.items()}
    mean = sum(raw[name] * n for name, n in drawn.items()) / sum(drawn.values())
    return {name: value / mean for name, value in raw.items()}


def _summary(entries: Sequence[Entry], flags: Mapping[FlagName, npt.NDArray[np.bool_]]) -> list[Line]:
    members: dict[tuple[str, str], list[int]] = {}
    for i, entry in enumerate(entries):
        members.setdefault((entry.part, class_of(entry.sample)), []).append(i)
    lines = []
    for (part, name), rows in sorted(members.items()):
        used = [i for i in rows if entries[i].used]
        example = entries[used[0] if used else rows[0]]
        lines.append(
            Line(
                part=part,
                diagnosis=name,
                before=len(rows),
                after=len(used),
                why=dict(Counter(exclusion_kind(entries[i].excluded) for i in rows if not entries[i].used)),
                flagged={flag: int(raised[used].sum()) for flag, raised in flags.items()},
                repeats=example.repeats,
                weight=example.weight,
                augmentation=example.augmentation,
            )
        )
    return lines
