"""The strictest licence is stated, an unknown one is the strictest of all, and share-alike conflicts are told."""

from __future__ import annotations

import itertools
import random

import pytest

from epiluma.datasets import licences

IN_ORDER = [
    "CC0", "CC BY 4.0", "CC BY-SA 4.0", "CC BY-NC 4.0", "CC BY-NC-SA 4.0", "CC BY-NC-ND 4.0",
    "for research purposes only", "All rights reserved",
]  # fmt: skip


@pytest.mark.parametrize(("weaker", "stricter"), list(itertools.combinations(IN_ORDER, 2)))
def test_of_two_the_stricter_is_stated(weaker: str, stricter: str) -> None:
    assert licences.strictest([weaker, stricter]) == stricter
    assert licences.strictest([stricter, weaker, weaker]) == stricter


def test_the_order_of_the_sets_makes_no_difference() -> None:
    names = [*IN_ORDER, "CC BY 3.0", "nobody knows"]
    expected = licences.strictest(names)
    random.Random(0).shuffle(names)
    assert licences.strictest(names) == expected == "nobody knows"


@pytest.mark.parametrize(
    ("written", "family"),
    [
        ("CC-0", "CC0"),
        ("CC0 1.0", "CC0"),
        ("public domain", "CC0"),
        ("cc-by-4.0", "CC BY"),
        ("CC-BY-NC", "CC BY-NC"),
        ("CC BY-NC-SA 3.0 IGO", "CC BY-NC-SA"),
        ("Creative Commons Attribution-NonCommercial 4.0 International", "CC BY-NC"),
        ("Creative Commons Attribution-ShareAlike 4.0", "CC BY-SA"),
        ("Stanford University Dataset Research Use Agreement", "research only"),
        ("MIT", ""),
        ("CC BY-XX 4.0", ""),
        ("CC BY-NC 4.0 except on Sundays", ""),
        ("no research whatsoever", ""),
        ("", ""),
    ],
)
def test_a_licence_is_known_in_its_usual_spellings(written: str, family: str) -> None:
    assert licences.terms(written).family == family
    assert licences.is_known(written) is bool(family)


def test_an_empty_licence_is_not_stated() -> None:
    assert licences.strictest(["CC BY-NC-ND 4.0", " "]) == "not stated"


def test_there_must_be_a_licence() -> None:
    with pytest.raises(ValueError, match="no licence to choose from"):
        licences.strictest([])


@pytest.mark.parametrize(
    ("names", "commercial", "allowed"),
    [
        (["CC0", "CC BY 4.0"], True, True),
        (["CC BY 4.0", "CC BY-SA 4.0"], True, True),
        (["CC0", "CC BY 4.0", "CC BY-NC 4.0"], False, True),
        (["CC BY-NC 4.0", "CC BY-NC-SA 4.0"], False, True),
        (["CC BY-SA 4.0", "CC BY-NC-SA 4.0"], False, False),
        (["CC BY-SA 4.0", "CC BY-NC 4.0"], False, False),
        (["CC BY-NC 4.0", "CC BY-NC-ND 4.0"], False, False),
        (["CC0", "CC BY-ND 4.0"], True, False),
        (["CC0", "research only"], False, False),
        (["CC0", "MIT"], False, False),
        (["CC BY-NC-ND 4.0"], False, True),  # alone: nothing is joined
    ],
)
def test_what_may_be_joined(names: list[str], commercial: bool, allowed: bool) -> None:
    """Against Creative Commons' compatibility chart."""
    found = licences.combine(names)
    assert (found.commercial, found.allowed) == (commercial, allowed)
    assert bool(found.conflicts) is not allowed
    assert found.licence == licences.strictest(names)


def test_a_share_alike_conflict_says_what_contradicts_what() -> None:
    assert licences.combine(["CC BY-NC-SA 3.0", "CC BY-SA 4.0"]).conflicts == (
        "CC BY-SA 4.0 demands that the whole be CC BY-SA 4.0, which allows commercial use; CC BY-NC-SA 3.0 forbids it",
    )


def test_an_unknown_licence_is_named() -> None:
    assert licences.combine(["CC0", "house rules"]).conflicts == ("the terms of 'house rules' are not known",)
