"""Stages by prefixes, against groupings written down by hand."""

from __future__ import annotations

import pytest
from torch import nn

from epiluma.models.parts import Draft, stages, within


@pytest.mark.parametrize(
    ("name", "layers", "expected"),
    [
        ("blocks.1.0.conv", ("blocks.1",), True),
        ("blocks.10.0.conv", ("blocks.1",), False),
        ("blocks.1", ("blocks.1",), True),
        ("blocks", ("blocks.1",), False),
        ("fc.weight", ("head", "fc"), True),
        ("fc.weight", (), False),
    ],
)
def test_a_layer_holds_what_is_below_it_and_no_namesake(name: str, layers: tuple[str, ...], expected: bool) -> None:
    assert within(name, layers) is expected


def test_stages_are_the_shortest_prefixes_that_hold_nothing_else() -> None:
    network = nn.ModuleDict(
        {
            "stem": nn.Linear(1, 1),
            "blocks": nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1)),
            "norm": nn.BatchNorm1d(1),
            "head": nn.ModuleDict({"norm": nn.BatchNorm1d(1), "fc": nn.Linear(1, 1)}),
        }
    )
    group = {"stem": 0, "blocks.0": 3, "blocks.1": 3, "blocks.2": 7, "norm": 7, "head.norm": 7}
    order = {
        name: number
        for name, _ in network.named_parameters()
        for prefix, number in group.items()
        if within(name, (prefix,))
    }
    found = stages(Draft(network, ("head.fc",), order))
    assert found == (("stem",), ("blocks.0", "blocks.1"), ("blocks.2", "norm", "head.norm"))
