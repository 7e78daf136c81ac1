"""Licences of data sets: which is the strictest, and whether works under several may be joined and passed on.

Judged is sharing one work adapted from all of them (crops, masks drawn anew, a joint set under one licence). Using
each for oneself under its own terms needs no joint licence. Rules: the compatibility chart in Creative Commons'
FAQ, "Can I combine material under different Creative Commons licenses in my work?". This is no legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

NOT_STATED = "not stated"


class Terms(NamedTuple):
    """What a licence asks, apart from naming the author."""

    family: str
    """`CC BY-NC` of `CC BY-NC 4.0`; empty for an unknown licence."""
    strictness: int
    """0 for CC0; the larger, the less is allowed."""
    commercial: bool
    """Commercial use is allowed."""
    share_alike: bool = False
    """What is made of it must carry the same licence."""
    adaptations: bool = True
    """What is made of it may be passed on."""


_KNOWN = (
    Terms("CC0", 0, commercial=True),
    Terms("CC BY", 1, commercial=True),
    Terms("CC BY-SA", 2, commercial=True, share_alike=True),
    Terms("CC BY-NC", 3, commercial=False),
    Terms("CC BY-NC-SA", 4, commercial=False, share_alike=True),
    Terms("CC BY-ND", 5, commercial=True, adaptations=False),
    Terms("CC BY-NC-ND", 6, commercial=False, adaptations=False),
    Terms("research only", 7, commercial=False, adaptations=False),
)
_BY_FAMILY = {terms.family: terms for terms in _KNOWN}
_UNKNOWN = Terms("", 8, commercial=False, adaptations=False)
"""Nothing is allowed that nobody has read."""
_CREATIVE_COMMONS = re.compile(r"cc by((?: (?:nc|sa|nd))*)(?: \d(?: \d)?)?(?: (?:international|unported|igo|deed))?")
_CC0 = {"cc0", "cc 0", "cc0 1 0", "cc 0 1 0", "cc0 1 0 universal", "public domain"}
_RESEARCH = re.compile(r"\b(research|education\w*|academic)\b.*\b(only|agreement|purposes?)\b|\bresearch use\b")


class Combination(NamedTuple):
    """What holds for a set that was merged from works under several licences."""

    licence: str
    """The strictest, as it was written."""
    commercial: bool
    """Every one of them allows commercial use."""
    allowed: bool
    """One work made of all may be passed on."""
    conflicts: tuple[str, ...]
    """Why not, in words."""


def terms(licence: str) -> Terms:
    """The terms of a licence by its usual name, in any version and spelling; those of an unknown one forbid all."""
    words = re.sub(r"[\s\-_.,()]+", " ", licence.casefold()).strip()
    words = words.replace("creative commons attribution", "cc by").replace("creative commons zero", "cc0")
    words = words.replace("noncommercial", "nc").replace("non commercial", "nc")
    words = words.replace("sharealike", "sa").replace("share alike", "sa").replace("noderivatives", "nd")
    if words in _CC0:
        return _BY_FAMILY["CC0"]
    if match := _CREATIVE_COMMONS.fullmatch(words):
        return _BY_FAMILY.get("CC BY" + "".join(f"-{word.upper()}" for word in match[1].split()), _UNKNOWN)
    return _BY_FAMILY["research only"] if _RESEARCH.search(words) else _UNKNOWN


def is_known(licence: str) -> bool:
    """Whether the terms have been read; those of an unknown licence are taken to forbid everything."""
    return bool(terms(licence).family)


def strictest(licences: Iterable[str]) -> str:
    """The licence that allows least, as written; an unknown one is the strictest and is named.

    `not stated` for an empty one. Raises ValueError when there is none at all.
    """
    names = {licence.strip() or NOT_STATED for licence in licences}
    if not names:
        raise ValueError("no licence to choose from")
    return max(names, key=lambda name: (terms(name).strictness, name))


def combine(licences: Iterable[str]) -> Combination:
    """The strictest, and every reason why one work made of all may not be passed on.

    Raises ValueError when there is none at all.
    """
    names = sorted({licence.strip() or NOT_STATED for licence in licences})
    conflicts = tuple(_conflicts(names))
    return Combination(strictest(names), all(terms(name).commercial for name in names), not conflicts, conflicts)


def _conflicts(names: list[str]) -> Iterable[str]:
    families = {terms(name).family: name for name in names}
    for name in names if len(names) > 1 else ():
        if not is_known(name):
            yield f"the terms of {name!r} are not known"
        elif not terms(name).adaptations:
            yield f"{name} allows no adapted work to be passed on; ask its owner"
    if "CC BY-SA" in families:
        for family, name in sorted(families.items()):
            if family and terms(name).adaptations and not terms(name).commercial:
                own = families["CC BY-SA"]
                yield f"{own} demands that the whole be {own}, which allows commercial use; {name} forbids it"
