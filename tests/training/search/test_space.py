from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from epiluma.errors import EpilumaError
from epiluma.training import recipe as recipes
from epiluma.training.search import space
from epiluma.training.search.space import Plan, Range, SearchError
from tests.training.search.objectives import MIXUP, RATE, RECIPE

ROOT = Path(__file__).parents[3]
STUDY = """
recipe = "{folder}/base.toml"
[space."phases.0.learning_rate"]
low = 1e-4
high = 1e-1
log = true
[space.optimiser.mixup]
choices = [0.0, 0.2]
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes a study file beside its recipe."""
    (tmp_path / "base.toml").write_text(RECIPE)

    def written(text: str) -> Path:
        path = tmp_path / "study.toml"
        path.write_text(text.format(folder=tmp_path))
        return path

    return written


def test_a_study_file_with_quoted_and_plain_fields(write: Any) -> None:
    plan = space.load(write(STUDY))
    assert list(plan.space) == [RATE, MIXUP]
    assert plan.distributions == {
        RATE: FloatDistribution(1e-4, 1e-1, log=True),
        MIXUP: CategoricalDistribution([0.0, 0.2]),
    }
    assert (plan.trials, plan.sampler, plan.pruner, plan.metric, plan.direction) == (
        20, "tpe", "median", "score", "maximise",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (Range(low=2, high=8, step=2), IntDistribution(2, 8, step=2)),
        (Range(low=1, high=64, log=True), IntDistribution(1, 64, log=True)),
        (Range(low=0, high=1, step=0.25), FloatDistribution(0.0, 1.0, step=0.25)),
        (Range(low=0.0, high=1), FloatDistribution(0.0, 1.0)),
        (Range(choices=("a", "b")), CategoricalDistribution(["a", "b"])),
        (Range(choices=(("x", "y"), ())), CategoricalDistribution(['["x", "y"]', "[]"])),
    ],
)
def test_a_range_is_whole_or_real_as_it_is_written(values: Range, expected: object) -> None:
    assert values.distribution == expected


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("low = 1", "give choices, or low and high"),
        ("low = 1\nhigh = 1", "low must be below high"),
        ("low = 0.0\nhigh = 1.0\nlog = true", "log needs low above 0"),
        ("low = 1\nhigh = 8\nstep = 2", "whole steps"),
        ("low = 1\nhigh = 8\nstep = 0", "whole steps"),
        ("choices = [1]\nlow = 1", "either choices, or low and high"),
        ("choices = [1, 1.0]", "stands twice"),
        ("low = 1\nhihg = 2", r"unknown key `hihg`; did you mean `high`\?"),
        ("low = 'a'\nhigh = 2", "`str` - at `..low`"),
    ],
)
def test_a_range_that_makes_no_sense_names_its_field(write: Any, line: str, words: str) -> None:
    text = 'recipe = "{folder}/base.toml"\n[space."phases.0.epochs"]\n' + line
    with pytest.raises(SearchError, match=rf"space\.phases\.0\.epochs: .*{words}"):
        space.load(write(text))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("recipe =", "trails = 3\nrecipe =", r"unknown key `trails`; did you mean `trials`\?"),
        ("optimiser.mixup", "optimizer.mixup", r"no `optimizer.mixup`; did you mean `optimiser.mixup`\?"),
        ("phases.0.learning_rate", "phases.0.learning_rat", r"did you mean `phases.0.learning_rate`\?"),
        ("phases.0.learning_rate", "phases.1.learning_rate", r"did you mean `phases.0.learning_rate`\?"),
        ("choices = [0.0, 0.2]", "choices = [0.0, -1.0]", "optimiser.mixup"),
        ("choices = [0.0, 0.2]", 'choices = ["much"]', "optimiser.mixup"),
        ("high = 1e-1\nlog", "high = 2e-1\nlow_ = 2\nlog", r"unknown key `low_`; did you mean `low`\?"),
        ("recipe =", 'sampler = "grid"\nrecipe =', "learning_rate: a grid needs choices or a step"),
        ("recipe =", 'sampler = "tpee"\nrecipe =', "sampler"),
        ("recipe =", 'set = ["phases.0.epoch=3"]\nrecipe =', r"did you mean `epochs`\?"),
        ("base.toml", "bose.toml", "No such file"),
        ("recipe =", "recipe ", "study.toml: "),
    ],
)
def test_a_study_file_with_a_fault_says_which(write: Any, old: str, new: str, words: str) -> None:
    assert old in STUDY
    with pytest.raises(EpilumaError, match=words):
        space.load(write(STUDY.replace(old, new)))


def test_a_missing_study_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"none\.toml: No such file"):
        space.load(tmp_path / "none.toml")


SCALARS = st.one_of(
    st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20)
)


@given(st.one_of(SCALARS, st.lists(SCALARS, max_size=3).map(tuple)))
def test_every_value_reaches_the_recipe_as_it_is(value: Any) -> None:
    values = Range(choices=(value, "another"))
    plan = Plan(recipe="", space={"data.exclude": values})
    (override,) = plan.overrides({"data.exclude": values.labels[0]})
    text = override.removeprefix("data.exclude=")
    given_back = msgspec.toml.decode(f"value = {text}".encode())["value"]
    assert given_back == (list(value) if isinstance(value, tuple) else value)
    assert type(given_back) is (list if isinstance(value, tuple) else type(value))


def test_lists_can_be_chosen(write: Any) -> None:
    plan = space.load(write(STUDY + '[space.phases.0.frozen]\nchoices = [[], ["blocks.0", "bn1"]]'))
    label = plan.space["phases.0.frozen"].labels[1]
    recipe = recipes.load(Path(plan.recipe), plan.overrides({"phases.0.frozen": label}))
    assert recipe.phases[0].frozen == ("blocks.0", "bn1")


def test_a_grid_has_every_combination_in_order() -> None:
    plan = Plan(recipe="", space={"a": Range(low=2, high=6, step=2), "b": Range(low=0.1, high=0.3, step=0.1)})
    assert [tuple(point.values()) for point in plan.grid] == [
        (a, b) for a in (2, 4, 6) for b in (0.1, 0.2, 0.3)
    ]  # fmt: skip


def test_the_number_of_trials_does_not_make_another_search() -> None:
    one, two = (Plan(recipe="", space={"a": Range(low=1, high=2)}, trials=n) for n in (1, 2))
    assert one.resolved() == two.resolved()
    assert one.resolved() != msgspec.structs.replace(one, seed=5).resolved()


@pytest.mark.parametrize("kind", [Plan, Range])
def test_the_reference_has_each_key_with_its_default(kind: type[msgspec.Struct]) -> None:
    page = (ROOT / "docs" / "reference" / "search.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `([a-z_]+)` \|[^|]*\| ([^|]*) \|", page, re.MULTILINE))
    for field in msgspec.structs.fields(kind):
        words = documented[field.name].strip("`")
        if field.required or field.default is None:
            assert words == ("required" if field.required else "unset")
        else:
            assert tomllib.loads(f"value = {words}")["value"] == json.loads(msgspec.json.encode(field.default))


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "search").glob("*.toml")), ids=lambda path: path.name)
def test_searches_that_come_with_the_project_can_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert space.load(path).space
