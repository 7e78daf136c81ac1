"""What a bundle's network sees in a photo, as one vector of unit length: near-duplicates lie close together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.bundle import Bundle
from epiluma.imaging.preprocess import normalise, to_square
from epiluma.inference.session import DEFAULT_PROVIDER, SessionError, UnusableOutput, open_graph

REDUCED = 160
"""Side of the input, pixels, where the graph takes any: 2.6 times quicker than 256, enough to know a photo again."""


class FeatureSession:
    """A bundle's graph on one thread; photos in, (n, d) float32 rows of unit length out.

    The output `features` is used where the graph has one. Older graphs have only `logits`: then each row is the
    logits minus their mean, which tells photos apart far less well. Known answers are not checked, since no verdict
    follows from these vectors.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Build the graph. Raises SessionError."""
        self._bundle = bundle
        self._session = open_graph(bundle.graph, bundle.manifest.graph, DEFAULT_PROVIDER)
        outputs = [value.name for value in self._session.get_outputs()]
        self.output = next((name for name in ("features", "logits") if name in outputs), "")
        if not self.output:
            raise SessionError(f"{bundle.manifest.graph}: has neither an output `features` nor `logits`")
        sides = self._session.get_inputs()[0].shape[2:]
        fixed = any(isinstance(side, int) for side in sides)
        size = bundle.manifest.preprocessing.size
        self.size = size if fixed else min(size, REDUCED)
        """Side of the input, pixels."""

    def of_photo(self, photo: Image.Image) -> npt.NDArray[np.float32]:
        """(d,) for an upright RGB photo of any size. Raises SessionError or UnusableOutput."""
        preprocessing = self._bundle.manifest.preprocessing
        square = to_square(photo, self.size, preprocessing.interpolation)
        row: npt.NDArray[np.float32] = self.of_batch(
            normalise(square[None], mean=preprocessing.mean, std=preprocessing.std)
        )[0]
        return row

    def of_batch(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, 3, S, S) normalised -> (n, d); a row of zeros stays zero. Raises SessionError or UnusableOutput."""
        name = self._bundle.manifest.graph
        try:
            found: npt.NDArray[np.float32] = self._session.run([self.output], {"image": batch})[0]
        except Exception as error:  # onnxruntime's own exception classes have no common base but Exception
            raise SessionError(f"{name}: the network could not be run ({error})") from error
        rows = found.reshape(len(batch), -1).astype(np.float64)
        if not np.isfinite(rows).all():
            raise UnusableOutput(f"{name}: the network gave a value that is not a finite number")
        if self.output == "logits":
            rows -= rows.mean(axis=1, keepdims=True)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.where(lengths > 0, lengths, 1), np.float32)
