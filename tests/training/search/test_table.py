from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from epiluma.training.search import table
from epiluma.training.search.space import Plan, Range, SearchError
from epiluma.training.search.table import Row

PLAN = Plan(
    recipe="",
    space={
        "a": Range(low=0.0, high=1.0),
        "b": Range(low=1, high=9),
        "c": Range(choices=("x", True, 2, 0.5)),
        "d": Range(choices=(("p", "q, r"), ())),
    },
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.lists(
    st.builds(
        Row,
        number=st.integers(0, 10**6),
        state=st.sampled_from(["complete", "pruned", "failed", "running", "waiting"]),
        value=FINITE,
        epochs=st.integers(0, 1000),
        note=st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=20),
        parameters=st.one_of(
            st.just({}),
            st.fixed_dictionaries(
                {
                    "a": st.floats(0, 1),
                    "b": st.integers(1, 9),
                    "c": st.sampled_from(PLAN.space["c"].labels),
                    "d": st.sampled_from(PLAN.space["d"].labels),
                }
            ),
        ),
        figures=st.dictionaries(st.sampled_from(["loss", "miou", "a"]), FINITE),
    ),
    max_size=4,
)


@given(rows=ROWS)
def test_a_table_that_is_written_is_read_as_it_was(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    path = tmp_path_factory.mktemp("table") / "trials.csv"
    path.write_text(table.to_csv(PLAN, rows), encoding="utf-8")
    assert table.from_csv(PLAN, path) == rows


def test_a_trial_without_a_value_stays_one(tmp_path: Path) -> None:
    row = Row(0, "failed", math.nan, 0, "no memory", {}, {})
    path = tmp_path / "trials.csv"
    path.write_text(table.to_csv(PLAN, [row]), encoding="utf-8")
    (found,) = table.from_csv(PLAN, path)
    assert math.isnan(found.value)
    assert table.best_of(PLAN, [found]) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("trial,state\n0,complete\n", "line 2"),
        ("trial,state,value,epochs,note,a,b,c,d\n0,complete,1,1,,0.5,2,z,[]\n", "line 2"),
        ("trial,state,value,epochs,note,a,b,c,d\n0,complete,1,1,,0.5,2,x,[]\n1,done,1,1,,0.5,2,x,[]\n", "line 3.*done"),
    ],
)
def test_a_table_of_something_else_names_the_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "trials.csv"
    if text:
        path.write_text(text)
    with pytest.raises(SearchError, match=words):
        table.from_csv(PLAN, path)


def test_importance_is_the_share_of_the_variance() -> None:
    # y = 3 u + v on independent uniform u, v: variances 9/12 and 1/12, so nine tenths lie with u.
    random = np.random.default_rng(0)
    plan = Plan(recipe="", space={name: Range(low=0.0, high=1.0) for name in "uvw"})
    drawn = random.random((150, 3))
    rows = [
        Row(i, "complete", 3 * u + v, 1, "", {"u": u, "v": v, "w": w}, {}) for i, (u, v, w) in enumerate(drawn.tolist())
    ]
    rows.append(Row(150, "pruned", 1000.0, 1, "", {"u": 0.0, "v": 0.0, "w": 1.0}, {}))
    shares = table.importance(plan, rows)
    assert list(shares)[:2] == ["u", "v"]
    assert shares["u"] == pytest.approx(0.9, abs=0.05)
    assert shares["v"] == pytest.approx(0.1, abs=0.05)
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "step"), [([1.0, 2.0, 3.0], 0.1), ([1.0] * 10, 0.1), ([float(i) for i in range(10)], 0.0)]
)
def test_importance_is_not_said_of_too_few_trials_or_equal_ones(values: list[float], step: float) -> None:
    plan = Plan(recipe="", space={"u": Range(low=0.0, high=1.0)})
    rows = [Row(i, "complete", value, 1, "", {"u": i * step}, {}) for i, value in enumerate(values)]
    assert table.importance(plan, rows) == {}


@pytest.mark.parametrize(("direction", "number"), [("maximise", 2), ("minimise", 1)])
def test_the_best_is_a_completed_trial_and_the_first_of_equals(direction: str, number: int) -> None:
    plan = Plan(recipe="", space={"u": Range(low=0.0, high=1.0)}, direction=direction)  # type: ignore[arg-type]
    states = [
        ("complete", 0.5),
        ("complete", 0.1),
        ("complete", 0.9),
        ("complete", 0.9),
        ("pruned", 1.0),
        ("failed", 0),
    ]
    rows = [Row(i, state, value, 1, "", {}, {}) for i, (state, value) in enumerate(states)]
    best = table.best_of(plan, rows)
    assert best is not None
    assert best.number == number
