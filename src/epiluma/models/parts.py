"""Parts of a network by the names of its parameters: stages from the input towards the output, and the head."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from torch import nn

NEW = -1
"""In place of a stage's number: the head, which is new for the task."""


class Draft(NamedTuple):
    """A network with random weights, and what must be known to fill them in and to train it part by part."""

    network: nn.Module
    head: tuple[str, ...]
    """Prefixes of the parameters that are new for the task."""
    order: Mapping[str, int]
    """Number of the stage of each other parameter, rising from the input towards the output."""
    own: Mapping[str, str] = {}
    """timm's name of a parameter -> this network's, where they differ."""
    spare: tuple[str, ...] = ()
    """Prefixes of what a file of weights may hold and this network does not need."""


def within(name: str, layers: Iterable[str]) -> bool:
    """Whether a parameter or layer is part of `layers`: `blocks.1` holds `blocks.1.0.conv`, and not `blocks.10`."""
    return f"{name}.".startswith(tuple(f"{layer}." for layer in layers))


def stages(draft: Draft) -> tuple[tuple[str, ...], ...]:
    """Shortest prefixes of the parameters of each stage, every parameter outside the head in exactly one."""
    names = [name for name, _ in draft.network.named_parameters()]
    stage = {name: NEW if within(name, draft.head) else draft.order[name] for name in names}
    inside = defaultdict(set)  # prefix -> stages of the parameters below it
    for name in names:
        for prefix in _prefixes(name):
            inside[prefix].add(stage[name])
    shortest = {name: next(p for p in _prefixes(name) if len(inside[p]) == 1) for name in names}
    return tuple(
        tuple(dict.fromkeys(shortest[name] for name in names if stage[name] == number))
        for number in sorted(set(stage.values()) - {NEW})
    )


def _prefixes(name: str) -> list[str]:
    """`a.b.c` -> `a`, `a.b`, `a.b.c`."""
    parts = name.split(".")
    return [".".join(parts[: n + 1]) for n in range(len(parts))]
