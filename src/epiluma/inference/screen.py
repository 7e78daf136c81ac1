"""A photo goes in, a screening comes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt

from epiluma.bundle import Bundle, Manifest
from epiluma.imaging.decode import MAX_BYTES, PhotoError, decode_photo
from epiluma.imaging.preprocess import normalise, to_square
from epiluma.imaging.quality import SIDE, QualityGrade, grade_quality
from epiluma.inference.decide import Floats, diagnose, malignancy_risk, probabilities_from_logits, refers
from epiluma.inference.result import BundleRef, Recommendation, Screening, ScreeningError, Timings
from epiluma.inference.session import DEFAULT_PROVIDER, Session
from epiluma.taxonomy import Diagnosis, Urgency

WEEKS: dict[Urgency, int] = {"urgent": 2, "soon": 4, "routine": 12, "none": 12}
"""Weeks within which a doctor should see a referred mark. Two weeks is what NICE guideline NG12 asks for a suspected
melanoma or squamous cell carcinoma; basal cell carcinoma and actinic keratosis grow slowly."""
CARRIES = 0.25
"""A malignant diagnosis with at least this share of the malignancy risk counts for the urgency."""

REFER = "Show this mark to a doctor within {weeks} weeks."
NO_SIGN = (
    "No sign of skin cancer was found in this photo. "
    "Come back if the mark changes, bleeds, itches or worries you: a photo can miss a cancer."
)
CANNOT_JUDGE = "Take another photo: this one cannot be judged."


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

    def screen(self, data: bytes, *, file: str) -> Screening:
        """Screen the bytes of a photo; `file` is the name that the result carries. Raises PhotoError."""
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
        verdict = unjudged(quality, self.bundle.manifest) if logits is None else judged(logits, self.bundle.manifest)
        diagnosis, probabilities, risk, recommendation = verdict
        return Screening(
            file=file,
            diagnosis=diagnosis,
            probabilities=probabilities,
            malignancy_risk=risk,
            recommendation=recommendation,
            quality=quality,
            bundle=self._reference,
            timings=Timings(
                decode=_milliseconds(decoded - started),
                network=_milliseconds(answered - ready),
                total=_milliseconds(perf_counter() - started),
            ),
            width=photo.width,
            height=photo.height,
        )

    def screen_path(self, path: Path | str) -> Screening | ScreeningError:
        """Screen a file; one that cannot be read gives a ScreeningError with its name and the reason."""
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_BYTES + 1)  # one byte more than allowed is enough to refuse it
            return self.screen(data, file=str(path))
        except PhotoError as error:
            return ScreeningError(file=str(path), error=error.reason)
        except OSError as error:
            return ScreeningError(file=str(path), error=f"The file cannot be opened ({error.strerror}).")

    def screen_paths(self, paths: Iterable[Path | str]) -> Iterator[Screening | ScreeningError]:
        """Screen files one after the other, each when it is asked for."""
        return map(self.screen_path, paths)


Verdict = tuple[str | None, dict[str, float], float | None, Recommendation]
"""Diagnosis, probabilities, malignancy risk and recommendation of one photo."""


def judged(logits: npt.NDArray[np.float32], manifest: Manifest) -> Verdict:
    """The verdict from the network's (1, leaves) output."""
    taxonomy, threshold = manifest.taxonomy, manifest.operating_point.threshold
    probabilities = probabilities_from_logits(logits, manifest.calibration)
    index = diagnose(probabilities, manifest.decision, manifest.calibration)
    risks = malignancy_risk(probabilities, taxonomy)
    risk, diagnosis = float(risks[0]), taxonomy.leaves[index[0]]
    if refers(risks, index, threshold, taxonomy)[0]:
        weeks = WEEKS[_urgency(probabilities[0], taxonomy.leaves, diagnosis)]
        recommendation = Recommendation(
            level="refer",
            text=REFER.format(weeks=weeks),
            reason=_why_refer(risk, threshold, diagnosis),
            threshold=threshold,
            within_weeks=weeks,
        )
    else:
        reason = f"The malignancy risk is {risk:.2f}, below the threshold of {threshold:.2f}."
        recommendation = Recommendation(level="no_sign", text=NO_SIGN, reason=reason, threshold=threshold)
    return diagnosis.code, dict(zip(taxonomy.codes, probabilities[0].tolist(), strict=True)), risk, recommendation


def unjudged(quality: QualityGrade, manifest: Manifest) -> Verdict:
    """The verdict on a photo that is not good enough: none, and what to do about it."""
    threshold = manifest.operating_point.threshold
    reason = " ".join(quality.reasons)
    return (
        None,
        {},
        None,
        Recommendation(level="cannot_judge", text=CANNOT_JUDGE, reason=reason, threshold=threshold),
    )


def _urgency(probabilities: Floats, leaves: tuple[Diagnosis, ...], diagnosis: Diagnosis) -> Urgency:
    """The most urgent of the malignant diagnoses that carry the risk: the chosen one, and any with its share of it."""
    malignant = [(float(p), leaf) for p, leaf in zip(probabilities, leaves, strict=True) if leaf.malignant]
    least = min(CARRIES * sum(p for p, _ in malignant), max((p for p, _ in malignant), default=0.0))
    carriers = [leaf for p, leaf in malignant if p >= least or leaf is diagnosis]
    return min((leaf.urgency for leaf in carriers), key=WEEKS.__getitem__, default="none")


def _why_refer(risk: float, threshold: float, diagnosis: Diagnosis) -> str:
    if risk >= threshold:
        return f"The malignancy risk is {risk:.2f}; from {threshold:.2f} on, a doctor should look."
    return (
        f"The malignancy risk is {risk:.2f}, below the threshold of {threshold:.2f}, "
        f"but the diagnosis that fits best, {diagnosis.name}, counts as malignant."
    )


def _milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 2)
