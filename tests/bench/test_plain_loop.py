"""The peer trains what it should, on what the files show, and counts the steps after its warm-up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from epiluma.bench.drawn import write_drawn
from epiluma.bench.plain_loop import Photos, Plain


def test_steps_are_counted_after_the_warm_up_and_all_layers_train(tmp_path: Path) -> None:
    paths = sorted(write_drawn(tmp_path, count=2).iterdir())
    peer = Plain(Photos(paths, [0, 1], size=32, count=12), torch.device("cpu"), batch=4, learning_rate=1e-3)
    before = [parameter.detach().clone() for parameter in peer.network.parameters()]
    steps = peer.block(1, 2)
    assert len(steps) == 2
    assert all(0 < step.loading < step.whole for step in steps)
    assert not any(torch.equal(a, b) for a, b in zip(before, peer.network.parameters(), strict=True))
    assert {parameter.dtype for parameter in peer.network.parameters()} == {torch.float32}


@pytest.mark.parametrize("seed", range(8))
def test_the_pictures_are_those_of_the_files(tmp_path: Path, seed: int) -> None:
    torch.manual_seed(seed)
    Image.fromarray(np.full((450, 600, 3), 128, np.uint8)).save(tmp_path / "grey.jpg", quality=95)
    pixels, label = Photos([tmp_path / "grey.jpg"], [5], size=224, count=1)[7]
    assert (tuple(pixels.shape), pixels.dtype, label) == ((3, 224, 224), torch.float32, 5)
    middle = pixels[:, 100:124, 100:124]
    # Grey stays grey: no colour cast; brightness moves by 15% at most. What was erased, to black, may be all of it.
    assert middle.std(dim=0).max() < 0.25
    shown = middle[:, (middle > -1).all(dim=0)]
    assert shown.numel() == 0 or abs(shown.mean()) < 0.3
