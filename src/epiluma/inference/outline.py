"""Where the lesion is, by the bundle's own network for that."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from PIL import Image

from epiluma.bundle import Bundle, Outline
from epiluma.imaging.preprocess import normalise
from epiluma.inference.session import (
    DEFAULT_PROVIDER,
    TOLERANCE,
    KnownAnswerMismatch,
    SessionError,
    UnusableOutput,
    known_input,
    open_graph,
)

LEVELS = 6
"""Grey levels to one logit: those within 21 of zero keep their steps, on which the edge between two pixels depends."""


class Outliner:
    """onnxruntime on one thread; a photo in, a mask of its own size out."""

    def __init__(self, facts: Outline, graph: bytes, *, provider: str = DEFAULT_PROVIDER) -> None:
        """Raises SessionError when the graph cannot be run, and KnownAnswerMismatch."""
        self.facts = facts
        self._session = open_graph(graph, self.facts.graph, provider)
        for answer in self.facts.known_answers:
            found = float(lesion_shares(self.logits(known_input(answer.seed, self.facts.size)))[0])
            if abs(found - answer.share) > TOLERANCE:
                raise KnownAnswerMismatch(
                    f"{self.facts.graph}: of known input {answer.seed} it takes "
                    f"{found:.4f} for lesion, and not the recorded {answer.share:.4f}; this processor or onnxruntime "
                    f"{ort.__version__} does not run the network faithfully"
                )

    @classmethod
    def of(cls, bundle: Bundle, *, provider: str = DEFAULT_PROVIDER) -> Outliner:
        """The bundle's own. Raises SessionError, also when it has none, and KnownAnswerMismatch."""
        facts = bundle.manifest.outline
        if facts is None:
            raise SessionError(f"bundle {bundle.manifest.name!r} has no network that outlines the lesion")
        return cls(facts, bundle.files[facts.graph], provider=provider)

    def logits(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, 3, S, S) normalised float32 -> (n, S, S) float32, above 0 on the lesion. Raises UnusableOutput."""
        try:
            found: npt.NDArray[np.float32] = self._session.run(["masks"], {"image": batch})[0][:, 0]
        except Exception as error:  # onnxruntime's own exception classes have no common base but Exception
            raise SessionError(f"{self.facts.graph}: the network could not be run ({error})") from error
        if not np.isfinite(found).all():
            raise UnusableOutput(f"{self.facts.graph}: the network gave a value that is not a finite number")
        return found

    def mask(self, photo: Image.Image) -> npt.NDArray[np.bool_]:
        """(height, width) of an upright RGB photo: true on the lesion. The whole photo is seen, as a square."""
        side = self.facts.size
        square = np.asarray(photo.resize((side, side), Image.Resampling.BILINEAR))
        logits = self.logits(normalise(square[None], mean=self.facts.mean, std=self.facts.std))[0]
        levels = np.clip(np.floor(logits * LEVELS) + 128, 0, 255).astype(np.uint8)  # enlarged in a third of the time
        full = Image.fromarray(levels).resize(photo.size, Image.Resampling.BILINEAR)
        result: npt.NDArray[np.bool_] = np.asarray(full) >= 128
        return result


def lesion_shares(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """(n, S, S) logits -> (n,) mean over the pixels of the probability of lesion."""
    result: npt.NDArray[np.float64] = (1 / (1 + np.exp(-logits.astype(np.float64)))).mean(axis=(1, 2))
    return result
