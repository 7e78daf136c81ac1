"""Images a second beside the usual stack: Pillow decodes in full, PyTorch runs timm's MobileNetV2 and a U-Net.

The U-Net is that of segmentation_models_pytorch on the encoder `mobilenet_v2`, eager, in float32. Its weights are
random, as no time hangs on them. At how many pixels its masks are as good as the bundle's was not measured, so it
stands here twice: at the resolution of the bundle's own outline, where it is fastest, and at the usual 256 px. The
stack decodes, resizes and runs both networks; it has no gate and measures nothing.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.bench.screening.clock import Advance, a_second, in_turn
from epiluma.bench.screening.rows import Aim, Row, missing, row
from epiluma.bench.screening.subject import Effort, Subject, sizes

CLASSIFIER, CLASSIFIED = "mobilenetv2_100", 224
"""timm's name, and the side of its input in pixels."""
ENCODER, USUAL = "mobilenet_v2", 256
_STEP = 32
"""The sides of a U-Net's input are multiples of it."""
FASTER = Aim(5, "at least")
_MEAN, _SPREAD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


def stack(subject: Subject, effort: Effort, advance: Advance) -> list[Row]:
    """Whole screenings, taken in turn with the usual stack."""
    sides = masked_sides(subject)
    try:
        works = [usual(side) for side in sides]
    except ImportError as error:
        needs = f"needs {error.name or 'torch'}: pip install 'epiluma[train]'"
        return [missing("stack", _task(side), "times", aim=FASTER, note=needs) for side in sides]
    return [_beside(subject, effort, advance, side, work) for side, work in zip(sides, works, strict=True)]


def _task(side: int) -> str:
    return f"beside usual stack, U-Net {side} px"


def masked_sides(subject: Subject) -> list[int]:
    """Pixels of the U-Net's input: as many as the bundle's outline sees, and the usual 256."""
    facts = subject.screener.bundle.manifest.outline
    own = [-(-facts.size // _STEP) * _STEP] if facts else []
    return sorted({*own, USUAL})


def usual(masked: int) -> Callable[[bytes], None]:
    """The usual stack, its U-Net at `masked` px: the bytes of a photo in. Raises ImportError."""
    import segmentation_models_pytorch
    import timm
    import torch

    classifier = timm.create_model(CLASSIFIER, pretrained=False, num_classes=8).eval()
    outliner = segmentation_models_pytorch.Unet(ENCODER, encoder_weights=None, classes=1).eval()

    def run(data: bytes) -> None:
        with torch.inference_mode(), Image.open(io.BytesIO(data)) as photo:
            pixels = photo.convert("RGB")
            for network, side in ((classifier, CLASSIFIED), (outliner, masked)):
                network(torch.from_numpy(_input(pixels, side)))

    return run


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch use one thread meanwhile. Raises ImportError."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _input(photo: Image.Image, side: int) -> npt.NDArray[np.float32]:
    """(1, 3, side, side), the whole photo."""
    pixels = np.asarray(photo.resize((side, side), Image.Resampling.BILINEAR), np.float32) / 255
    return np.ascontiguousarray(((pixels - _MEAN) / _SPREAD).transpose(2, 0, 1)[None])


def _beside(subject: Subject, effort: Effort, advance: Advance, side: int, peer: Callable[[bytes], None]) -> Row:
    photos, count = subject.photos, effort.share(40)
    works = (
        lambda turn: subject.screen(photos[turn % len(photos)]),
        lambda turn: peer(photos[turn % len(photos)].data),
    )
    rates: dict[str, list[float]] = {"ours/s": [], "usual/s": []}
    for _ in range(effort.runs):
        with one_thread():
            taken = in_turn(works, count, advance)
        for name, times in zip(rates, taken, strict=True):
            rates[name].append(a_second(times))
    faster = [ours / usual for ours, usual in zip(*rates.values(), strict=True)]
    note = (
        f"Pillow, eager PyTorch {CLASSIFIER} at {CLASSIFIED} px and U-Net ({ENCODER}) at {side} px; "
        f"{sizes(photos)} px, n {count}"
    )
    return row("stack", _task(side), "times", faster, aim=FASTER, figures=rates, note=note)
