"""The parts of a screening, each beside its plain counterpart, timed in turn in one process."""

from __future__ import annotations

import io
from collections.abc import Callable
from statistics import median
from time import perf_counter

import msgspec
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

from epiluma.bundle import Bundle
from epiluma.imaging.preprocess import normalise, to_square
from epiluma.inference.screen import Screener
from epiluma.inference.session import DEFAULT_PROVIDER, known_input, open_graph

LARGE = (4000, 3000)
"""Pixels of a 12-megapixel photo."""
TURNS = 12
Work = Callable[[], object]


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """One task, done by Epiluma and done plainly, medians in milliseconds."""

    task: str
    ours_ms: float
    peer: str
    peer_ms: float
    speedup: float
    """`peer_ms` over `ours_ms`: above 1 where the peer takes longer."""


def measure_peers(bundle: Bundle, photo: bytes, *, turns: int = TURNS) -> tuple[Peer, ...]:
    """Time each task `turns` times, in turn with its peer, after one round that is not counted.

    `photo` is the bytes of one photo; it is enlarged to 12 megapixels where a large one is needed. Raises PhotoError.
    """
    screener, large = Screener(bundle), enlarged(photo)
    bare = _bare(bundle)
    tasks: list[tuple[str, Work, str, Work]] = [
        (
            "screening",
            lambda: screener.screen(photo, file="photo"),
            "scaled decoding and bare networks",
            lambda: (_draft(photo, screener), bare()),
        ),
        (
            "screening, 12 MP",
            lambda: screener.screen(large, file="photo"),
            "scaled decoding and bare networks",
            lambda: (_draft(large, screener), bare()),
        ),
        (
            "12 MP JPEG to tensor",
            lambda: _tensor(screener.view.open(large, screener.session.size).image, bundle),
            "Pillow, decoded in full",
            lambda: _tensor(Image.open(io.BytesIO(large)).convert("RGB"), bundle),
        ),
    ]
    if outliner := screener.view.outliner:
        ready, square = known_input(0, outliner.facts.size), Image.open(io.BytesIO(photo)).convert("RGB")
        tasks.append(
            ("photo to outline", lambda: outliner.mask(square), "its network alone", lambda: outliner.logits(ready))
        )
    return tuple(_in_turn(task, ours, peer, plain, turns) for task, ours, peer, plain in tasks)


def enlarged(photo: bytes) -> bytes:
    """The photo as a JPEG of 12 megapixels."""
    file = io.BytesIO()
    Image.open(io.BytesIO(photo)).convert("RGB").resize(LARGE, Image.Resampling.BICUBIC).save(file, "JPEG", quality=92)
    return file.getvalue()


def _in_turn(task: str, ours: Work, peer: str, plain: Work, turns: int) -> Peer:
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(turns + 1):
        for work, times in zip((ours, plain), taken, strict=True):
            begun = perf_counter()
            work()
            if turn:
                times.append(1000 * (perf_counter() - begun))
    ours_ms, peer_ms = median(taken[0]), median(taken[1])
    return Peer(
        task=task, ours_ms=round(ours_ms, 3), peer=peer, peer_ms=round(peer_ms, 3), speedup=round(peer_ms / ours_ms, 3)
    )


def _bare(bundle: Bundle) -> Work:
    """All of the bundle's networks on ready tensors, with as many views as a screening has."""
    manifest, outline = bundle.manifest, bundle.manifest.outline
    ready = np.repeat(known_input(0, manifest.preprocessing.size), manifest.views, axis=0)
    sessions: list[tuple[ort.InferenceSession, npt.NDArray[np.float32]]] = [
        (open_graph(bundle.graph, manifest.graph, DEFAULT_PROVIDER), ready)
    ]
    if outline:
        sessions.append(
            (open_graph(bundle.files[outline.graph], outline.graph, DEFAULT_PROVIDER), known_input(0, outline.size))
        )
    return lambda: [session.run(None, {"image": tensor}) for session, tensor in sessions]


def _draft(photo: bytes, screener: Screener) -> Image.Image:
    """Decoded by Pillow at the scale at which a screening decodes."""
    side = 2 * screener.view.decoded_side(screener.session.size)
    with Image.open(io.BytesIO(photo)) as picture:
        picture.draft("RGB", (side, side))
        picture.load()
        return picture


def _tensor(photo: Image.Image, bundle: Bundle) -> npt.NDArray[np.float32]:
    spec = bundle.manifest.preprocessing
    return normalise(to_square(photo, spec.size, spec.interpolation)[None], mean=spec.mean, std=spec.std)
