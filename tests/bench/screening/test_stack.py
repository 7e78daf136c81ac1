"""The usual stack runs on one thread at the stated resolutions; without PyTorch its rows say so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from epiluma import bundle as bundles
from epiluma.bench.screening.rows import Row
from epiluma.bench.screening.stack import _input, masked_sides, one_thread, stack
from epiluma.bench.screening.subject import Effort, Subject
from epiluma.imaging.decode import decode_photo

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from pathlib import Path
import msgspec
from epiluma.bench.screening.stack import stack
from epiluma.bench.screening.subject import Effort, Subject
rows = stack(Subject([Path(sys.argv[1])], Path(sys.argv[2])), Effort(1, 1), lambda *_: None)
print(msgspec.json.encode(rows).decode())
"""


def test_whole_screenings_beside_both_resolutions(subject: Subject) -> None:
    threads = torch.get_num_threads()
    rows = stack(subject, Effort(screenings=1, runs=1), lambda *_: None)
    assert [row.task for row in rows] == [f"beside usual stack, U-Net {side} px" for side in (32, 256)]
    for row in rows:
        (ours,), (usual,) = row.figures["ours/s"], row.figures["usual/s"]
        assert row.value == pytest.approx(ours / usual, rel=1e-3)
        assert row.aim
        assert row.aim.value == 5
        assert "mobilenetv2_100 at 224 px and U-Net (mobilenet_v2) at" in row.note
    assert rows[0].figures["usual/s"] > rows[1].figures["usual/s"]
    assert torch.get_num_threads() == threads


def test_one_thread_only_meanwhile() -> None:
    threads = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert torch.get_num_threads() == threads


def test_without_torch_the_rows_say_what_they_need(photos: Path, outlining_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, str(photos), str(outlining_path)]
    done = subprocess.run(command, capture_output=True, check=True)
    rows = msgspec.json.decode(done.stdout, type=list[Row])
    assert [row.task for row in rows] == [f"beside usual stack, U-Net {side} px" for side in (32, 256)]
    for row in rows:
        assert (row.value, row.reached) == (None, None)
        assert row.note == "needs torch: pip install 'epiluma[train]'"


@pytest.mark.parametrize(("own", "sides"), [(160, [160, 256]), (150, [160, 256]), (256, [256]), (None, [256])])
def test_the_resolution_is_that_of_the_bundle(
    photos: Path, outlining_path: Path, tiny_bundle_path: Path, own: int | None, sides: list[int]
) -> None:
    subject = Subject([photos], outlining_path if own else tiny_bundle_path)
    manifest = subject.screener.bundle.manifest
    if own and manifest.outline:
        changed = msgspec.structs.replace(manifest, outline=msgspec.structs.replace(manifest.outline, size=own))
        subject.screener.bundle = bundles.Bundle(changed, subject.screener.bundle.files, subject.screener.bundle.id)
    assert masked_sides(subject) == sides


def test_its_input_is_the_whole_photo_normalised_as_for_imagenet(subject: Subject) -> None:
    photo = decode_photo(subject.photos[0].data).image
    found = _input(photo, 64)
    assert (found.shape, found.dtype) == ((1, 3, 64, 64), np.float32)
    red = np.asarray(photo)[..., 0].mean() / 255
    assert found[0, 0].mean() == pytest.approx((red - 0.485) / 0.229, abs=0.02)
