"""What the rules leave out, keep and balance, on made-up measures; nothing is lost without a reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epiluma.datasets.curate import Curated, curate
from epiluma.datasets.inspection import MEASURES, SIDE, Inspections
from epiluma.datasets.manifest import Entry, Header, Manifest
from epiluma.datasets.record import DataError, Sample
from epiluma.datasets.rules import Balance, Flags, Quality, Rules, load

GOOD = {
    **dict.fromkeys(MEASURES, 0.0),
    "sharpness": 6.0,
    "brightness": 150.0,
    "contrast": 25.0,
    "lesion_share": 0.3,
    "ita": 45.0,
}


def manifest_of(classes: str, *, parts: str = "", lesions: Sequence[str] = "") -> Manifest:
    """An entry per letter: N is NV, M is MEL, D is DF, - has no class; parts are t(rain), v(alidation), 0 to 9 for a
    fold, or - for none."""
    names = {"N": "NV", "M": "MEL", "D": "DF", "-": ""}
    part = {"t": "train", "v": "validation", "-": "", **{f"{k}": f"fold{k}" for k in range(10)}}
    entries = tuple(
        Entry(
            sample=Sample(
                image_id=f"{i:04}",
                path=Path(f"{i:04}.jpg"),
                diagnosis=names[letter],
                lesion=lesions[i] if lesions else f"lesion {i}",
                source="made",
                modality="dermoscopy",
                licence="CC0-1.0",
            ),
            part=part[parts[i]] if parts else "train",
        )
        for i, letter in enumerate(classes)
    )
    return Manifest(header=Header(sources=(), licence="CC0-1.0"), entries=entries)


def inspected(n: int, **changes: dict[int, float]) -> Inspections:
    """n good images, but for the given measures of the given rows."""
    measures = {name: np.full(n, value, np.float32) for name, value in GOOD.items()}
    for name, rows in changes.items():
        for i, value in rows.items():
            measures[name][i] = value
    return Inspections(
        sha256=np.array([f"{i:064x}" for i in range(n)]),
        error=np.array([""] * n, "<U40"),
        width=np.full(n, 600, np.int32),
        height=np.full(n, 450, np.int32),
        thumbs=np.zeros((n, SIDE, SIDE, 3), np.uint8),
        features=np.zeros((n, 0), np.float16),
        measures=measures,
    )


def reasons(found: Curated) -> list[str]:
    return [entry.excluded for entry in found.manifest.entries]


def used(found: Curated) -> Counter[str]:
    return Counter(entry.sample.diagnosis for entry in found.manifest.entries if entry.used)


def test_good_images_are_left_as_they_are_but_for_what_was_inspected() -> None:
    manifest = manifest_of("NNM", parts="t-v")
    found = curate(manifest, inspected(3), Rules())
    expected = [
        msgspec.structs.replace(entry, sha256=f"{i:064x}", width=600, height=450)
        for i, entry in enumerate(manifest.entries)
    ]
    assert list(found.manifest.entries) == expected
    assert found.manifest.header.sources == manifest.header.sources


@pytest.mark.parametrize(
    ("measure", "value", "rules", "reason"),
    [
        ("sharpness", 1.2, Quality(), "blurred (sharpness 1.2, at least 1.8)"),
        ("contrast", 2.0, Quality(), "one colour (contrast 2, at least 3.5)"),
        ("brightness", 30.0, Quality(), "too dark (brightness 30, at least 45)"),
        ("brightness", 240.0, Quality(), "too bright (brightness 240, at most 235)"),
        ("clipped_bright", 0.5, Quality(), "highlights without detail (clipped_bright 0.5, at most 0.25)"),
        ("clipped_dark", 0.5, Quality(), "shadows without detail (clipped_dark 0.5, at most 0.25)"),
        ("border", 0.75, Quality(), "flat bars (border 0.75, at most 0.5)"),
        ("lesion_share", 0.01, Quality(min_lesion_share=0.02), "lesion too small (lesion_share 0.01, at least 0.02)"),
        ("lesion_share", 0.95, Quality(max_lesion_share=0.9), "lesion too large (lesion_share 0.95, at most 0.9)"),
        ("lesion_touches", 0.4, Quality(max_lesion_touches=0.2), "lesion cut off (lesion_touches 0.4, at most 0.2)"),
    ],
)
def test_an_image_beyond_a_bound_says_so(measure: str, value: float, rules: Quality, reason: str) -> None:
    found = curate(manifest_of("NNN", parts="tv-"), inspected(3, **{measure: {1: value}}), Rules(quality=rules))
    assert reasons(found) == ["", reason, ""]


def test_a_missing_measure_excludes_nothing() -> None:
    nothing = inspected(1, **{name: {0: np.nan} for name in MEASURES})
    assert reasons(curate(manifest_of("N"), nothing, Rules(quality=Quality(min_lesion_share=0.5)))) == [""]


def test_small_and_unreadable_images_and_several_reasons() -> None:
    rows = inspected(3, brightness={1: 20.0}, sharpness={1: 1.0})
    rows.width[0], rows.error[2], rows.width[2] = 80, "The file is empty.", 0
    found = curate(manifest_of("NNN"), rows, Rules())
    assert reasons(found) == [
        "too small (side 80, at least 96)",
        "too dark (brightness 20, at least 45); blurred (sharpness 1, at least 1.8)",
        "cannot be read: The file is empty.",
    ]
    assert found.summary[0].why == {"too small": 1, "too dark": 1, "cannot be read": 1}


def test_flags_are_counted_and_exclude_only_when_asked() -> None:
    rows = inspected(4, hair={0: 0.2, 1: 0.04}, ruler={2: 0.9}, ink={2: 0.02})
    marked = curate(manifest_of("NNNN"), rows, Rules())
    assert reasons(marked) == [""] * 4
    assert marked.summary[0].flagged == {"hair": 1, "ruler": 1, "ink": 1, "dark_corners": 0}
    strict = curate(manifest_of("NNNN"), rows, Rules(flags=Flags(exclude=("hair", "ink"))))
    assert reasons(strict) == ["shows hair (0.2, flagged from 0.05)", "", "shows ink (0.02, flagged from 0.005)", ""]
    assert strict.summary[0].flagged == dict.fromkeys(("hair", "ruler", "ink", "dark_corners"), 0)


def test_an_earlier_exclusion_keeps_its_reason() -> None:
    manifest = manifest_of("NN")
    first = msgspec.structs.replace(manifest.entries[0], excluded="duplicate of made/0001")
    manifest = msgspec.structs.replace(manifest, entries=(first, manifest.entries[1]))
    found = curate(manifest, inspected(2, sharpness={0: 1.0}), Rules())
    assert reasons(found) == ["duplicate of made/0001", ""]
    assert found.summary[0].why == {"duplicate": 1}


def test_every_reason_of_an_earlier_curation_is_judged_anew() -> None:
    """A first curation finds every fault there is; a second one on good measures and without bounds forgives all."""
    measures = {"sharpness": 1.0, "contrast": 2.0, "brightness": 30.0, "clipped_bright": 0.5, "clipped_dark": 0.5}
    measures |= {"border": 0.75, "lesion_share": 0.01, "lesion_touches": 0.4}
    measures |= {"hair": 1.0, "ruler": 1.0, "ink": 1.0, "dark_corners": 1.0}
    n = len(measures) + 6
    rows = inspected(n, **{name: {i: value} for i, (name, value) in enumerate(measures.items())})
    rows.measures["brightness"][-6], rows.measures["lesion_share"][-5], rows.width[-4] = 240.0, 0.95, 80
    rows.error[-3] = "The file is empty."
    quality = Quality(min_lesion_share=0.02, max_lesion_share=0.9, max_lesion_touches=0.2)
    strict = Rules(
        quality=quality, flags=Flags(exclude=("hair", "ruler", "ink", "dark_corners")), balance=Balance(cap=1)
    )
    first = curate(manifest_of("N" * n), rows, strict)
    assert [bool(reason) for reason in reasons(first)].count(False) == 1
    assert "over the cap of 1 training images of NV" in reasons(first)
    second = curate(first.manifest, inspected(n), Rules())
    assert reasons(second) == [""] * n


def test_the_header_says_by_which_rules_and_forgets_the_verdict() -> None:
    manifest = manifest_of("NN")
    header = msgspec.structs.replace(manifest.header, steps=("merge made",), audit="clean: yes", audited="ab")
    rules = Rules(balance=Balance(caps={"MEL": 1, "DF": 2}))
    found = curate(msgspec.structs.replace(manifest, header=header), inspected(2, sharpness={0: 1.0}), rules)
    merged, step = found.manifest.header.steps
    assert merged == "merge made"
    assert re.fullmatch(r"curate [0-9a-f]{12} \(1 left out\)", step)
    assert (found.manifest.header.audit, found.manifest.header.audited) == ("not audited", "")
    turned = Rules(balance=Balance(caps={"DF": 2, "MEL": 1}))
    again = curate(found.manifest, inspected(2, sharpness={0: 1.0}), turned)
    assert again.manifest.header.steps == (merged, step, step), "the same rules, in whatever order they are written"
    other = curate(manifest, inspected(2), Rules(seed=1)).manifest.header.steps[0]
    assert other.split()[1] != step.split()[1]


BALANCED = [
    Rules(balance=Balance(cap=1)),
    Rules(balance=Balance(caps={"NV": 1})),
    Rules(balance=Balance(repeat_power=0.5)),
    Rules(balance=Balance(weight="inverse")),
    Rules(augmentation={"NV": "flips"}),
]


@pytest.mark.parametrize("rules", BALANCED)
def test_folds_are_not_balanced(rules: Rules) -> None:
    """Each is validated in its turn, so only the quality of its images is looked at."""
    manifest = manifest_of("NNM", parts="012")
    assert reasons(curate(manifest, inspected(3, sharpness={1: 1.0}), Rules()))[1].startswith("blurred")
    with pytest.raises(DataError, match=r"is validated in its turn.*take one fold first.*data\.fold"):
        curate(manifest, inspected(3), rules)


@pytest.mark.parametrize("rules", BALANCED[:2])
def test_nothing_is_capped_before_it_is_split(rules: Rules) -> None:
    with pytest.raises(DataError, match="a cap is for training images, and nothing is split yet; split first"):
        curate(manifest_of("NNM", parts="---"), inspected(3), rules)


def test_an_image_without_a_class_is_neither_capped_nor_weighed() -> None:
    rules = Rules(balance=Balance(cap=1, repeat_power=1, weight="inverse"))
    found = curate(manifest_of("NN-----"), inspected(7), rules)
    assert [entry.used for entry in found.manifest.entries].count(True) == 1 + 5
    assert {(e.repeats, e.weight) for e in found.manifest.entries} == {(1, 1.0)}
    assert [(line.diagnosis, line.after) for line in found.summary] == [("", 5), ("NV", 1)]


def test_a_lesion_that_two_sets_share_is_one_under_a_cap() -> None:
    """HAM_0000001 is one lesion wherever it is published; another set's lesion 1 is another."""
    for lesion, kept in (("HAM_0000001", 1), ("1", 2)):
        manifest = manifest_of("N" * 6, lesions=[lesion, lesion, lesion, "x", "y", "z"])
        second = manifest.entries[1]
        second = msgspec.structs.replace(second, sample=msgspec.structs.replace(second.sample, source="other"))
        manifest = msgspec.structs.replace(manifest, entries=(manifest.entries[0], second, *manifest.entries[3:]))
        cap = 4 if kept == 1 else 5
        found = curate(manifest, inspected(5), Rules(balance=Balance(cap=cap))).manifest.entries
        assert sum(entry.used for entry in found[:2]) == kept


def test_a_cap_keeps_one_photo_of_each_lesion_first() -> None:
    """Three lesions of 4, 2 and 1 photos: a cap of 3 keeps one of each, of 5 two of those that have two."""
    for cap, expected in ((3, [1, 1, 1]), (5, [1, 2, 2]), (6, [1, 2, 3]), (7, [1, 2, 4]), (0, [1, 2, 4])):
        found = curate(manifest_of("N" * 7, lesions="aaaabbc"), inspected(7), Rules(balance=Balance(cap=cap)))
        kept = Counter(entry.sample.lesion for entry in found.manifest.entries if entry.used)
        assert sorted(kept.values()) == expected, cap
    assert "over the cap of 3 training images of NV" in reasons(
        curate(manifest_of("N" * 7, lesions="aaaabbc"), inspected(7), Rules(balance=Balance(cap=3)))
    )


def test_a_cap_touches_only_training_and_classes_have_their_own() -> None:
    manifest = manifest_of("NNNNMMMMNN", parts="ttttttttvv")
    found = curate(manifest, inspected(10), Rules(balance=Balance(cap=1, caps={"MEL": 3})))
    assert used(found) == {"NV": 1 + 2, "MEL": 3}
    assert all(entry.used for entry in found.manifest.entries if entry.part == "validation")


def test_an_excluded_image_does_not_use_up_the_cap() -> None:
    found = curate(manifest_of("NNN"), inspected(3, sharpness={0: 1.0, 1: 1.0}), Rules(balance=Balance(cap=1)))
    assert [bool(reason) for reason in reasons(found)] == [True, True, False]


@settings(max_examples=40, deadline=None)
@given(
    classes=st.text("NMD", min_size=1, max_size=40),
    cap=st.integers(0, 10),
    seed=st.integers(0, 5),
    order=st.randoms(),
    data=st.data(),
)
def test_counts_add_up_and_the_order_makes_no_difference(
    classes: str, cap: int, seed: int, order: st.randoms, data: st.DataObject
) -> None:
    n = len(classes)
    manifest = manifest_of(classes, parts=data.draw(st.text("tv-", min_size=n, max_size=n)))
    sharpness = data.draw(st.lists(st.sampled_from([1.0, 6.0]), min_size=n, max_size=n))
    rules = Rules(seed=seed, balance=Balance(cap=cap if any(entry.part for entry in manifest.entries) else 0))
    found = curate(manifest, inspected(n, sharpness=dict(enumerate(sharpness))), rules)
    assert len(found.manifest.entries) == n
    assert sum(line.before for line in found.summary) == n
    assert all(line.before == line.after + sum(line.why.values()) for line in found.summary)
    assert all(bool(entry.excluded) != entry.used for entry in found.manifest.entries)
    shuffled = list(range(n))
    order.shuffle(shuffled)
    again = curate(
        msgspec.structs.replace(manifest, entries=tuple(manifest.entries[i] for i in shuffled)),
        inspected(n, sharpness={k: sharpness[i] for k, i in enumerate(shuffled)}),
        rules,
    )
    assert [reasons(again)[shuffled.index(i)] for i in range(n)] == reasons(found)


def test_another_seed_keeps_others() -> None:
    kept = {
        tuple(reasons(curate(manifest_of("N" * 30), inspected(30), Rules(seed=seed, balance=Balance(cap=5)))))
        for seed in range(3)
    }
    assert len(kept) == 3


def balanced(balance: Balance, classes: str = "N" * 12 + "M" * 4 + "D") -> dict[str, tuple[int, float]]:
    found = curate(manifest_of(classes), inspected(len(classes)), Rules(balance=balance))
    return {entry.sample.diagnosis: (entry.repeats, entry.weight) for entry in found.manifest.entries}


@pytest.mark.parametrize(
    ("balance", "repeats"),
    [
        (Balance(), (1, 1, 1)),
        (Balance(repeat_power=1), (1, 3, 12)),
        (Balance(repeat_power=1, max_repeats=5), (1, 3, 5)),
        (Balance(repeat_power=0.5), (1, 2, 3)),
    ],
)
def test_rare_classes_are_drawn_more_often(balance: Balance, repeats: tuple[int, int, int]) -> None:
    assert tuple(balanced(balance)[name][0] for name in ("NV", "MEL", "DF")) == repeats


def test_inverse_weights_give_every_class_the_same_loss() -> None:
    """17 images in 3 classes: 17 / (3 n) each."""
    found = balanced(Balance(weight="inverse"))
    expected = {"NV": 17 / 36, "MEL": 17 / 12, "DF": 17 / 3}
    assert {name: weight for name, (_, weight) in found.items()} == pytest.approx(expected)


def test_effective_numbers_follow_cui() -> None:
    found = balanced(Balance(weight="effective", beta=0.9))
    number = {name: (1 - 0.9**n) / (1 - 0.9) for name, n in (("NV", 12), ("MEL", 4), ("DF", 1))}
    assert found["DF"][1] / found["NV"][1] == pytest.approx(number["NV"] / number["DF"])
    assert found["MEL"][1] / found["NV"][1] == pytest.approx(number["NV"] / number["MEL"])
    assert 12 * found["NV"][1] + 4 * found["MEL"][1] + found["DF"][1] == pytest.approx(17)


def test_weights_count_what_is_drawn() -> None:
    """Full oversampling leaves nothing to weigh."""
    assert balanced(Balance(repeat_power=1, weight="inverse")) == {
        "NV": (1, pytest.approx(1.0)),
        "MEL": (3, pytest.approx(1.0)),
        "DF": (12, pytest.approx(1.0)),
    }


def test_only_what_is_trained_on_is_balanced() -> None:
    manifest = manifest_of("NNNMNM", parts="tttt" + "vv")
    rules = Rules(balance=Balance(repeat_power=1, weight="inverse"), augmentation={"MEL": "dermoscopy"})
    entries = curate(manifest, inspected(6), rules).manifest.entries
    assert (entries[3].repeats, entries[3].augmentation) == (3, "dermoscopy")
    assert {(e.repeats, e.weight, e.augmentation) for e in entries[4:]} == {(1, 1.0, "")}


def test_rules_are_read_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(
        'seed = 3\n[quality]\nmin_side = 64\n[flags]\nexclude = ["ink"]\n'
        '[balance]\ncap = 2000\ncaps = {DF = 10}\nweight = "effective"\n[augmentation]\nNV = "flips"\n'
    )
    assert load(path) == Rules(
        seed=3,
        quality=Quality(min_side=64),
        flags=Flags(exclude=("ink",)),
        balance=Balance(cap=2000, caps={"DF": 10}, weight="effective"),
        augmentation={"NV": "flips"},
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[quality]\nmin_sharpnes = 2", r"unknown field `min_sharpnes`.*did you mean `min_sharpness`"),
        ("[balanse]\ncap = 2", r"did you mean `balance`"),
        ("[balance]\ncap = -1", r"balance\.cap"),
        ('[flags]\nexclude = ["freckles"]', "freckles"),
        ("seed = ", "rules.toml: "),
    ],
)
def test_bad_rules_are_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=reason):
        load(path)


def test_missing_rules_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rules\.toml: No such file"):
        load(tmp_path / "rules.toml")


def test_a_class_that_nobody_knows_is_named_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"balance\.caps: unknown class 'MELL'; did you mean 'MEL'"):
        curate(manifest_of("N"), inspected(1), Rules(balance=Balance(caps={"MELL": 3})))


def test_rows_of_other_images_are_refused() -> None:
    with pytest.raises(DataError, match="the manifest has 2 images, 3 were inspected"):
        curate(manifest_of("NN"), inspected(3), Rules())
    manifest = manifest_of("N")
    entry = msgspec.structs.replace(manifest.entries[0], sha256="f" * 64)
    with pytest.raises(DataError, match=r"0000\.jpg: has changed since the manifest was made"):
        curate(msgspec.structs.replace(manifest, entries=(entry,)), inspected(1), Rules())
