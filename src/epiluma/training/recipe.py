"""The recipe of a training, read once from one TOML file."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import msgspec

from epiluma.augmentation import RECIPES
from epiluma.errors import EpilumaError
from epiluma.models import registry
from epiluma.training.schema import Centre, Data, Extra, Loss, Model, Optimiser, Part, Phase, Recipe, Share

__all__ = [
    "Centre",
    "Data",
    "Extra",
    "Loss",
    "Model",
    "Optimiser",
    "Phase",
    "Recipe",
    "RecipeError",
    "Share",
    "load",
    "parse",
]


class RecipeError(EpilumaError):
    """A recipe that cannot be used; the message names the file, the key and what is allowed."""


def load(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read a TOML recipe; `overrides` are `key.path=value` with TOML values (`phases.1.learning_rate=0.02`).

    Raises RecipeError that names the key and, for an unknown one, the nearest known.
    """
    try:
        tree = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: {error}") from error
    tree.pop("bundle", None)  # what is shipped from a run is read by epiluma.export and does not change the run
    for override in overrides:
        _apply(tree, override)
    recipe = parse(tree, path)
    _check(recipe, path)
    return recipe


def parse(tree: object, source: Path) -> Recipe:
    """A recipe from plain values, as TOML or `resolved()` give them. Raises RecipeError naming `source`."""
    try:
        return msgspec.convert(tree, Recipe, strict=True, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise RecipeError(f"{source}: {_with_nearest(str(error))}") from error


def _path(kind: type, value: object) -> Path:
    """Paths are strings in TOML."""
    if kind is not Path or not isinstance(value, str):
        raise TypeError(f"expected a path, got {value!r}")
    return Path(value)


def _check(recipe: Recipe, path: Path) -> None:
    """What one key says must fit what another says. Raises RecipeError or UnknownModel."""
    known = sorted(RECIPES)
    for i, phase in enumerate(recipe.phases):
        if phase.augmentation not in known:
            raise RecipeError(
                f"{path}: phases.{i}.augmentation: unknown {phase.augmentation!r}; known are {', '.join(known)}"
            )
    model = recipe.model
    try:
        registry.check(model.architecture, model.encoder)
    except EpilumaError as error:
        raise RecipeError(f"{path}: model: {error}") from error
    if model.masks == "none" and registry.task_of(model.architecture, 0) == "segmentation":
        raise RecipeError(f"{path}: model.masks: {model.architecture} segments; say `lesion` or `diagnosis`")
    if recipe.data.centre is not msgspec.UNSET and model.masks != "none":
        raise RecipeError(f"{path}: data.centre: follows a known outline, and {model.masks} masks are to be learned")
    if bool(model.teacher) != bool(recipe.loss.distillation):
        raise RecipeError(f"{path}: model.teacher and loss.distillation go together; give both or neither")


def _apply(tree: dict[str, object], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator:
        raise RecipeError(f"--set {override}: expected key=value")
    try:
        parsed = msgspec.toml.decode(f"value = {value}".encode())["value"]
    except msgspec.DecodeError:
        parsed = value  # a bare word is a string
    *parents, last = key.split(".")
    node: object = tree
    try:
        for name in parents:
            node = node[int(name)] if isinstance(node, list) else node.setdefault(name, {})  # type: ignore[attr-defined]
        if isinstance(node, list):
            node[int(last)] = parsed
        elif isinstance(node, dict):
            node[last] = parsed
        else:
            raise KeyError(last)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise RecipeError(f"--set {override}: the recipe has no {key!r}") from error


def _with_nearest(message: str) -> str:
    """Add the nearest known key to msgspec's "unknown field" message."""
    unknown = re.search(r"unknown field `(\w+)`", message)
    if not unknown:
        return message
    known = {field for part in Part.__subclasses__() for field in part.__struct_fields__}
    near = difflib.get_close_matches(unknown.group(1), sorted(known), n=1, cutoff=0.4)
    return f"{message}; did you mean `{near[0]}`?" if near else message
