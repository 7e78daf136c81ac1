"""The same work with nothing of ours around it: onnxruntime on ready tensors, and Pillow's decoder."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

from epiluma.bundle import Bundle
from epiluma.imaging.preprocess import normalise, to_square
from epiluma.inference.session import known_input

Work = Callable[[], object]


def networks(bundle: Bundle) -> Work:
    """All networks of the bundle that a screener runs, on ready tensors, with as many views as a screening has."""
    manifest = bundle.manifest
    ready = np.repeat(known_input(0, manifest.preprocessing.size), manifest.views, axis=0)
    works = [_network(bundle.graph, ready)]
    if alone := outline(bundle):
        works.append(alone)
    return lambda: [work() for work in works]


def outline(bundle: Bundle) -> Work | None:
    """The network that outlines the lesion, on a ready tensor; None for a bundle without one."""
    facts = bundle.manifest.outline
    return _network(bundle.files[facts.graph], known_input(0, facts.size)) if facts else None


def _network(graph: bytes, ready: npt.NDArray[np.float32]) -> Work:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"image": ready})


def decode_scaled(photo: bytes, shorter_side: int) -> Image.Image:
    """Decoded by Pillow at the scale at which a screening decodes."""
    with Image.open(io.BytesIO(photo)) as picture:
        picture.draft("RGB", (2 * shorter_side, 2 * shorter_side))
        picture.load()
        return picture


def full_tensor(photo: bytes, bundle: Bundle) -> npt.NDArray[np.float32]:
    """Decoded in full and resized by Pillow, then normalised."""
    with Image.open(io.BytesIO(photo)) as picture:
        return tensor_of(picture.convert("RGB"), bundle)


def tensor_of(photo: Image.Image, bundle: Bundle) -> npt.NDArray[np.float32]:
    """(1, 3, S, S) of the photo's largest centred square."""
    spec = bundle.manifest.preprocessing
    return normalise(to_square(photo, spec.size, spec.interpolation)[None], mean=spec.mean, std=spec.std)
