"""A study file: which recipe fields a search may change, and how it looks for the best values."""

from __future__ import annotations

import difflib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from epiluma.errors import EpilumaError

_T = TypeVar("_T", bound=msgspec.Struct)
Scalar = bool | int | float | str
Count = Annotated[int, msgspec.Meta(ge=1)]
Parameters = dict[str, Any]
"""Recipe field -> value as Optuna keeps it: a list is its TOML text."""


class SearchError(EpilumaError):
    """A search that cannot be made or continued; the message says what to change."""


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Values of one recipe field: `choices`, or what lies from `low` to `high`, both included."""

    choices: tuple[Scalar | tuple[Scalar, ...], ...] = ()
    low: int | float | None = None
    """Whole numbers when low, high and step all are."""
    high: int | float | None = None
    step: int | float | None = None
    log: bool = False
    """Even in the logarithm: as many values between 0.001 and 0.01 as between 0.01 and 0.1."""

    def __post_init__(self) -> None:
        if self.choices:
            if self.log or (self.low, self.high, self.step) != (None, None, None):
                raise ValueError("give either choices, or low and high")
            if len(set(self.labels)) < len(self.choices):
                raise ValueError("the same choice stands twice")
        elif self.low is None or self.high is None:
            raise ValueError("give choices, or low and high")
        elif not self.low < self.high:
            raise ValueError(f"low must be below high, but is {self.low} with high {self.high}")
        elif self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs low above 0, and no step")
        elif self.step is not None:
            self._check_step(self.high - self.low, self.step)

    @staticmethod
    def _check_step(width: float, step: float) -> None:
        if step <= 0 or abs(width / step - round(width / step)) > 1e-9:
            raise ValueError(f"step must divide high - low = {width:g} into whole steps, but is {step}")

    @property
    def labels(self) -> tuple[Scalar, ...]:
        """The choices as Optuna takes them: a list becomes its TOML text."""
        return tuple(_toml(c) if isinstance(c, tuple) else c for c in self.choices)

    @property
    def distribution(self) -> BaseDistribution:
        """The same as Optuna's distribution."""
        if self.choices:
            return CategoricalDistribution(self.labels)
        low, high, step = self.low, self.high, self.step
        if isinstance(low, int) and isinstance(high, int) and not isinstance(step, float):
            return IntDistribution(low, high, log=self.log, step=step or 1)
        assert low is not None
        assert high is not None
        return FloatDistribution(low, high, log=self.log, step=step)

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """Values that the recipe must accept for it to accept all: each choice, or low and high."""
        distribution = self.distribution
        if isinstance(distribution, IntDistribution | FloatDistribution):
            return distribution.low, distribution.high
        return self.labels

    @property
    def points(self) -> tuple[Scalar, ...]:
        """Every value, for a grid. Raises ValueError when there are infinitely many."""
        distribution = self.distribution
        if isinstance(distribution, IntDistribution):
            return tuple(range(distribution.low, distribution.high + 1, distribution.step))
        if isinstance(distribution, FloatDistribution):
            if distribution.step is None:
                raise ValueError("a grid needs choices or a step")
            count = round((distribution.high - distribution.low) / distribution.step)
            return tuple(round(distribution.low + i * distribution.step, 12) for i in range(count + 1))
        return self.labels

    def as_toml(self, value: Scalar) -> str:
        """A value of `distribution` as TOML writes it, for `--set`."""
        listed = any(isinstance(c, tuple) and _toml(c) == value for c in self.choices)
        return str(value) if listed else _toml(value)


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a study file says."""

    recipe: str
    """Base recipe; relative to the working directory."""
    space: Annotated[dict[str, Range], msgspec.Meta(min_length=1)]
    """Recipe field, such as `phases.0.learning_rate` -> its values."""
    set: tuple[str, ...] = ()
    """Changes to the recipe that all trials share, `key=value`."""
    trials: Count = 20
    """Completed and pruned ones together."""
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    pruner: Literal["none", "median", "halving"] = "median"
    metric: str = "score"
    """Figure of the run's log; a trial's value is that of its best epoch."""
    direction: Literal["maximise", "minimise"] = "maximise"
    seed: Annotated[int, msgspec.Meta(ge=0, lt=2**32)] = 0
    """Of the sampler; the runs have the recipe's own."""

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Recipe field -> Optuna's distribution."""
        return {key: values.distribution for key, values in self.space.items()}

    @property
    def grid(self) -> Iterator[Parameters]:
        """Every combination, the last field changing fastest."""
        for values in itertools.product(*(self.space[key].points for key in self.space)):
            yield dict(zip(self.space, values, strict=True))

    def overrides(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """`key=value` of one trial, as `epiluma train --set` takes it."""
        return tuple(f"{key}={self.space[key].as_toml(value)}" for key, value in parameters.items())

    def better(self, values: Iterable[float]) -> float:
        """The best of some values."""
        return max(values) if self.direction == "maximise" else min(values)

    def resolved(self) -> bytes:
        """What two searches of one folder must share: all but the number of trials, as JSON."""
        facts = msgspec.to_builtins(self)
        del facts["trials"]
        return msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n"


def load(path: Path) -> Plan:
    """Read a study file and try every end of every range on its recipe.

    Raises SearchError or RecipeError that names the key and, for an unknown one, the nearest known.
    """
    try:
        tree = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise SearchError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SearchError(f"{path}: {error}") from error
    space = tree.get("space")
    if isinstance(space, dict):
        tree["space"] = {key: _convert(value, Range, f"{path}: space.{key}") for key, value in _flat(space)}
    plan = _convert(tree, Plan, str(path))
    check(plan, path)
    return plan


def check(plan: Plan, source: Path) -> None:
    """Each field of the space exists, the recipe takes its values, and a grid is finite. Raises as `load` does."""
    from epiluma.training import recipe as recipes  # here, so that a worker can be told its threads before torch starts

    known = sorted(_fields(recipes.load(Path(plan.recipe), plan.set)))
    for key, values in plan.space.items():
        if key not in known:
            raise SearchError(f"{source}: space: the recipe has no `{key}`{nearest(key, known)}")
        for end in values.ends:
            recipes.load(Path(plan.recipe), (*plan.set, *plan.overrides({key: end})))
        if plan.sampler == "grid":
            try:
                _ = values.points
            except ValueError as error:
                raise SearchError(f"{source}: space.{key}: {error}") from error


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` with the known name most like this one, or nothing."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.4)
    return f"; did you mean `{near[0]}`?" if near else ""


def _toml(value: Scalar | tuple[Scalar, ...]) -> str:
    """JSON writes scalars and lists as TOML does, except that TOML allows no bare delete character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _convert(tree: object, kind: type[_T], where: str) -> _T:
    known = kind.__struct_fields__
    if isinstance(tree, dict) and (unknown := next((key for key in tree if key not in known), None)):
        raise SearchError(f"{where}: unknown key `{unknown}`{nearest(unknown, known)}")
    try:
        return msgspec.convert(tree, kind, strict=True)
    except msgspec.ValidationError as error:
        raise SearchError(f"{where}: {error}") from error


def _flat(tree: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """[space."a.b"] and [space.a.b] are the same: a table of tables is a level, not a range."""
    for name, value in tree.items():
        key = f"{above}{name}"
        if isinstance(value, dict) and value and all(isinstance(inner, dict) for inner in value.values()):
            yield from _flat(value, f"{key}.")
        else:
            yield key, value


def _fields(value: object, path: str = "") -> Iterator[str]:
    """Dotted path of everything in a recipe."""
    if path:
        yield path
    parts: Iterable[tuple[str, object]] = ()
    if isinstance(value, msgspec.Struct):
        parts = ((name, getattr(value, name)) for name in value.__struct_fields__)
    elif isinstance(value, tuple):
        parts = ((str(i), item) for i, item in enumerate(value))
    elif isinstance(value, dict):
        parts = value.items()
    for name, inner in parts:
        yield from _fields(inner, f"{path}.{name}" if path else name)
