"""The images that an export scores, and what a graph says of them as Predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from epiluma import predictions
from epiluma.bundle import Calibration, DecisionRule
from epiluma.datasets import correlation, split
from epiluma.datasets.record import Sample
from epiluma.imaging.preprocess import normalise, resize_squares
from epiluma.imaging.quality import grade_decoded
from epiluma.inference import decide
from epiluma.inference.gate import check_photo
from epiluma.inference.view import View
from epiluma.models.registry import Input
from epiluma.predictions import Predictions
from epiluma.training.data import Corpus

PARTS = ("validation", "calibration", "test")
Logits = Mapping[str, npt.NDArray[np.float32]]
"""A graph's (n, leaves) outputs on each of `PARTS`."""


@dataclass(frozen=True)
class Scored:
    """The parts of a corpus that are held out of training, as the network sees them and as the runtime grades them."""

    corpus: Corpus
    input: Input
    size: int
    """Side of the network's input, pixels."""
    view: View = field(default_factory=lambda: View(None, None))
    """The bundle's view of photos: where it outlines the lesion, the gate looks at how it is framed."""

    def pixels(self, part: str) -> npt.NDArray[np.float32]:
        """(n, 3, S, S) of one part, normalised."""
        return self.normalised(self.corpus.parts[part])

    def normalised(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """(n, 3, S, S) of some images."""
        squares = resize_squares(self.corpus.squares[indices], self.size)
        return normalise(squares, mean=self.input.mean, std=self.input.std)

    def truth(self, part: str) -> npt.NDArray[np.intp]:
        """(n,) leaf of each image of one part."""
        return self.corpus.labels[self.corpus.parts[part]]

    def group(self, part: str) -> npt.NDArray[np.str_]:
        """(n,) lesion of each image of one part."""
        return np.array([self.group_of(i) for i in self.corpus.parts[part]])

    def group_of(self, index: int) -> str:
        """What intervals resample: a manifest's group; of a set read without one the lesion, where it names them."""
        sample = self.corpus.samples[index]
        group = self.corpus.split.of[sample.image_id].group
        return group if self.corpus.curation is not None else sample.lesion or group

    def subgroups(self, indices: npt.NDArray[np.intp]) -> dict[str, npt.NDArray[np.str_]]:
        """Columns by which figures are broken down."""
        return _subgroups([self.corpus.samples[i] for i in indices])

    def judged(self, part: str) -> npt.NDArray[np.bool_]:
        """(n,) whether the runtime's gate lets the photo pass, as far as no graph is asked."""
        return self._judged[part]

    @cached_property
    def _judged(self) -> dict[str, npt.NDArray[np.bool_]]:
        samples = self.corpus.samples
        return {
            part: np.array([self._passes(samples[i].path) for i in self.corpus.parts[part]], bool) for part in PARTS
        }

    def _passes(self, path: Path) -> bool:
        """Whether a photo file has the quality, the colours and the framing that the runtime asks for."""
        photo = self.view.open(path.read_bytes(), self.size)
        found = check_photo(photo.image, self.view.mask(photo.image), quality=grade_decoded(photo))
        return not any(finding.severity == "refuse" for finding in found)

    @cached_property
    def audit(self) -> str:
        """The manifest's own verdict, or one made here when a set was read without a manifest."""
        corpus = self.corpus
        if corpus.audit:
            return corpus.audit
        used = np.sort(np.concatenate(list(corpus.parts.values())))  # extra images may have been left out
        pairs = correlation.near_duplicates(correlation.thumbnails(corpus.photos)[used])
        return split.audit([corpus.samples[i] for i in used], ((i, j) for i, j, _ in pairs), corpus.split)

    def predictions(
        self,
        logits: Logits,
        calibration: Calibration,
        threshold: float | None,
        rule: DecisionRule,
        *,
        runner: str,
        judged: Mapping[str, npt.NDArray[np.bool_]] | None = None,
    ) -> Predictions:
        """What a graph says of all parts, decided as the bundle will; the model is named when its id is known.

        Without a threshold a photo is referred for a malignant diagnosis alone. `judged` (n,) of each part says which
        photos the runtime would score, where that is not all whose quality suffices.
        """
        corpus, taxonomy = self.corpus, self.corpus.taxonomy
        indices = np.concatenate([corpus.parts[part] for part in PARTS])
        passes = np.concatenate([judged[part] if judged else self.judged(part) for part in PARTS])
        probabilities = decide.probabilities_from_logits(np.concatenate([logits[part] for part in PARTS]), calibration)
        diagnosis = decide.diagnose(probabilities, rule, calibration)
        least = np.inf if threshold is None else threshold
        referred = decide.refers(probabilities, diagnosis, least, taxonomy)
        header = predictions.Header(
            codes=taxonomy.codes,
            groups=tuple(leaf.group for leaf in taxonomy.leaves),
            malignant=taxonomy.malignant,
            runner=runner,
            model="",
            manifest_sha256=corpus.split.sha256,
            audit=self.audit,
            prevalence=calibration.prevalence,
            threshold=threshold,
        )
        samples = [corpus.samples[i] for i in indices]
        return Predictions(
            header=header,
            image_id=np.array([sample.image_id for sample in samples]),
            group=np.concatenate([self.group(part) for part in PARTS]),
            part=np.array([corpus.split.of[sample.image_id].part for sample in samples]),
            truth=corpus.labels[indices],
            probabilities=probabilities,
            diagnosis=np.where(passes, diagnosis, -1),
            referred=passes & referred,
            subgroups=self.subgroups(indices),
        )


def _subgroups(samples: list[Sample]) -> dict[str, npt.NDArray[np.str_]]:
    columns = {
        "age": [str(sample.age) if sample.age is not None else "" for sample in samples],
        "sex": [sample.sex for sample in samples],
        "site": [sample.site for sample in samples],
        "confirmation": [sample.confirmation for sample in samples],
    }
    among = {
        "source": [sample.source for sample in samples],
        "modality": [sample.modality for sample in samples],
        "skin_type": [str(sample.skin_type or "") for sample in samples],
    }
    columns |= {name: values for name, values in among.items() if len(set(values)) > 1}
    return {name: np.array(values) for name, values in columns.items()}
