"""A photo goes in, a screening comes out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from epiluma.bundle import Bundle, Manifest
from epiluma.imaging.decode import MAX_BYTES, PhotoError, decode_photo
from epiluma.imaging.preprocess import normalise, to_square
from epiluma.imaging.quality import SIDE, grade_quality
from epiluma.inference.decide import diagnose, malignancy_risk, probabilities_from_logits
from epiluma.inference.recommend import SYMPTOMS, UNCERTAIN, Recommendation, Symptom, level_of, recommend
from epiluma.inference.recommend import unjudged as refuse
from epiluma.inference.result import BundleRef, Screening, ScreeningError, Timings
from epiluma.inference.session import DEFAULT_PROVIDER, Session


class Screener:
    """One bundle, opened and checked, that screens photo after photo on one thread."""

    def __init__(self, bundle: Bundle, *, provider: str = DEFAULT_PROVIDER) -> None:
        """Open the network. Raises SessionError, or KnownAnswerMismatch."""
        manifest = bundle.manifest
        self.bundle = bundle
        self.session = Session(bundle, provider=provider)
        self._shorter_side = max(SIDE, manifest.preprocessing.size)
        self._reference = BundleRef(
            id=bundle.id, name=manifest.name, modality=manifest.modality, licence=manifest.licence
        )

    def screen(self, data: bytes, *, file: str, symptoms: Collection[Symptom] = ()) -> Screening:
        """Screen the bytes of a photo. Raises PhotoError.

        `file` is the name that the result carries, `symptoms` what is reported of the mark.
        """
        started = perf_counter()
        photo = decode_photo(data, shorter_side=self._shorter_side)
        decoded = perf_counter()
        quality = grade_quality(photo.image, shorter_side=min(photo.width, photo.height))
        spec = self.bundle.manifest.preprocessing
        square = to_square(photo.image, spec.size, spec.interpolation)
        batch = normalise(square[None], mean=spec.mean, std=spec.std)
        ready = perf_counter()
        logits = self.session.logits(batch) if quality.usable else None
        answered = perf_counter()
        manifest = self.bundle.manifest
        if logits is None:
            verdict = unjudged(" ".join(quality.reasons), manifest, symptoms)
        else:
            verdict = judged(logits, manifest, symptoms)
        return Screening(
            file=file,
            diagnosis=verdict.diagnosis,
            probabilities=verdict.probabilities,
            malignancy_risk=verdict.risk,
            recommendation=verdict.recommendation,
            quality=quality,
            bundle=self._reference,
            timings=Timings(
                decode=_milliseconds(decoded - started),
                network=_milliseconds(answered - ready),
                total=_milliseconds(perf_counter() - started),
            ),
            width=photo.width,
            height=photo.height,
            symptoms=tuple(symptom for symptom in SYMPTOMS if symptom in symptoms),
        )

    def screen_path(self, path: Path | str, *, symptoms: Collection[Symptom] = ()) -> Screening | ScreeningError:
        """Screen a file; one that cannot be read gives a ScreeningError with its name and the reason."""
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_BYTES + 1)  # one byte more than allowed is enough to refuse it
            return self.screen(data, file=str(path), symptoms=symptoms)
        except PhotoError as error:
            return ScreeningError(file=str(path), error=error.reason)
        except OSError as error:
            return ScreeningError(file=str(path), error=f"The file cannot be opened ({error.strerror}).")

    def screen_paths(self, paths: Iterable[Path | str]) -> Iterator[Screening | ScreeningError]:
        """Screen files one after the other, each when it is asked for."""
        return map(self.screen_path, paths)


class Verdict(NamedTuple):
    """What the network's answer comes to."""

    diagnosis: str | None
    probabilities: dict[str, float]
    risk: float | None
    recommendation: Recommendation


def judged(logits: npt.NDArray[np.float32], manifest: Manifest, symptoms: Collection[Symptom] = ()) -> Verdict:
    """The verdict from the network's (1, leaves) output; none when the answer lies in the bundle's abstention band."""
    taxonomy = manifest.taxonomy
    probabilities = probabilities_from_logits(logits, manifest.calibration)
    index = int(diagnose(probabilities, manifest.decision, manifest.calibration)[0])
    if level_of(probabilities[0], index, manifest) == "cannot_judge":
        return unjudged(UNCERTAIN, manifest, symptoms)
    return Verdict(
        diagnosis=taxonomy.leaves[index].code,
        probabilities=dict(zip(taxonomy.codes, probabilities[0].tolist(), strict=True)),
        risk=float(malignancy_risk(probabilities, taxonomy)[0]),
        recommendation=recommend(probabilities[0], index, manifest, symptoms=symptoms),
    )


def unjudged(reason: str, manifest: Manifest, symptoms: Collection[Symptom] = ()) -> Verdict:
    """The verdict on a photo that is not judged, and why."""
    return Verdict(None, {}, None, refuse(reason, manifest, symptoms=symptoms))


def _milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 2)
