"""A photo goes in, a screening comes out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.bundle import Bundle, Manifest
from epiluma.imaging.decode import MAX_BYTES, Decoded, PhotoError
from epiluma.imaging.measure import Measurements, Scale, measure, scale_from_exif, scale_from_ruler
from epiluma.imaging.preprocess import Box, normalise
from epiluma.imaging.quality import QualityGrade, grade_decoded
from epiluma.inference.decide import diagnose, malignancy_risk, probabilities_from_logits
from epiluma.inference.examples import open_examples
from epiluma.inference.explain import Heat, explain, heat_of
from epiluma.inference.gate import Gate, GateResult
from epiluma.inference.recommend import SYMPTOMS, UNCERTAIN, Recommendation, Symptom, is_uncertain, recommend
from epiluma.inference.recommend import unjudged as refuse
from epiluma.inference.result import BundleRef, Example, Screening, ScreeningError, Timings
from epiluma.inference.session import DEFAULT_PROVIDER, Answer, open_session
from epiluma.inference.view import Mask, View


class Screened(NamedTuple):
    """A screening, and the pictures that belong to it."""

    screening: Screening
    mask: Mask | None
    """(height, width) of the decoded photo, true on the lesion; None when the bundle does not outline it."""
    heat: Heat | None
    """(h, w): what in `box` speaks for the diagnosis; None for a photo that is not judged, or without such a map."""
    box: Box
    """The square of the decoded photo that the network was shown."""
    photo: Image.Image
    """Upright, as it was decoded."""


class Screener:
    """One bundle, opened and checked, that screens photo after photo on one thread."""

    def __init__(self, bundle: Bundle, *, graph: str | None = None, provider: str = DEFAULT_PROVIDER) -> None:
        """Open the networks, of the bundle's graphs the one that is named or preferred.

        Raises SessionError, ProviderError, KnownAnswerMismatch, and BundleError.
        """
        self.session = open_session(bundle, graph, provider=provider)
        self.bundle = self.session.bundle
        self.view = View.of(bundle, provider=provider)
        self.gate = Gate(self.bundle)
        self._examples = open_examples(self.bundle)
        manifest = bundle.manifest
        self._reference = BundleRef(
            id=bundle.id,
            name=manifest.name,
            modality=manifest.modality,
            licence=manifest.licence,
            graph=self.bundle.running,
        )

    def screen(
        self, data: bytes, *, file: str, symptoms: Collection[Symptom] = (), scale: Scale | None = None
    ) -> Screening:
        """Screen the bytes of a photo. Raises PhotoError.

        `file` is the name that the result carries, `symptoms` what is reported of the mark, `scale` how large a pixel
        of the file is on the skin, where that is known.
        """
        return self.look(data, file=file, symptoms=symptoms, scale=scale).screening

    def look(
        self,
        data: bytes,
        *,
        file: str,
        symptoms: Collection[Symptom] = (),
        scale: Scale | None = None,
        ruler: float | None = None,
    ) -> Screened:
        """As `screen`, with the mask and the heat map. Raises PhotoError, and ImpossibleScale for a ruler that is none.

        `ruler` says how many millimetres lie between the ticks of a ruler in the photo, where there may be one. A scale
        that is given comes first, then the ruler's, then the camera's.
        """
        laps = _Laps()
        decoded = self.view.open(data, self.bundle.manifest.preprocessing.size)
        laps.end("decode")
        photo, manifest = decoded.image, self.bundle.manifest
        quality = grade_decoded(decoded)
        laps.end("gate")
        mask = self.view.mask(photo)
        box = self.view.box(photo, mask)
        laps.end("outline")
        answer = self._answer(photo, box) if quality.usable else None
        laps.end("network")
        gated = self._gated(photo, mask, answer, quality)
        laps.end("gate")
        verdict = unjudged(" ".join(gated.reasons), manifest, symptoms)
        if gated.passes and answer:
            verdict = judged(answer.logits, manifest, symptoms)
        measured = self._measured(decoded, mask, scale, ruler)
        heat = self._heat(answer, verdict)
        explanation = explain(heat, verdict.diagnosis, mask, box) if heat is not None and verdict.diagnosis else None
        laps.end("measure")
        screening = Screening(
            file=file,
            diagnosis=verdict.diagnosis,
            probabilities=verdict.probabilities,
            malignancy_risk=verdict.risk,
            recommendation=verdict.recommendation,
            quality=quality,
            bundle=self._reference,
            timings=Timings(**laps.milliseconds, total=laps.total),
            width=decoded.width,
            height=decoded.height,
            symptoms=tuple(symptom for symptom in SYMPTOMS if symptom in symptoms),
            findings=gated.findings,
            ood_score=gated.score,
            measurements=measured,
            explanation=explanation,
            examples=self._alike(answer, verdict),
        )
        return Screened(screening, mask, heat, box, photo)

    def _answer(self, photo: Image.Image, box: Box) -> Answer:
        spec = self.bundle.manifest.preprocessing
        return self.session.look(normalise(self.view.square(photo, box, spec.size)[None], mean=spec.mean, std=spec.std))

    def _gated(self, photo: Image.Image, mask: Mask | None, answer: Answer | None, quality: QualityGrade) -> GateResult:
        scoped, logits = (answer.scoped(self.bundle.manifest.scope), answer.own) if answer else (None, None)
        return self.gate.check(photo, mask, features=scoped, logits=logits, quality=quality)

    def _measured(
        self, decoded: Decoded, mask: Mask | None, scale: Scale | None, ruler: float | None
    ) -> Measurements | None:
        if mask is None or not mask.any():
            return None
        pixels, reduced = np.asarray(decoded.image), decoded.width / decoded.image.width
        if scale is None and ruler is not None and (found := scale_from_ruler(pixels, tick_mm=ruler)):
            scale = msgspec.structs.replace(found, mm_per_pixel=found.mm_per_pixel / reduced)
        if scale is None:
            scale = scale_from_exif(decoded.camera, longest_side=max(decoded.width, decoded.height))
        return measure(pixels, mask, scale=scale, reduced=reduced)

    def _heat(self, answer: Answer | None, verdict: Verdict) -> Heat | None:
        if answer is None or answer.activations is None or verdict.diagnosis is None:
            return None
        return heat_of(answer.activations[0], self.bundle.manifest.taxonomy.codes.index(verdict.diagnosis))

    def _alike(self, answer: Answer | None, verdict: Verdict) -> tuple[Example, ...]:
        if self._examples is None or answer is None or answer.features is None or verdict.diagnosis is None:
            return ()
        return self._examples(answer.features)

    def screen_path(self, path: Path | str, *, symptoms: Collection[Symptom] = ()) -> Screening | ScreeningError:
        """Screen a file; one that cannot be read gives a ScreeningError with its name and the reason."""
        found = self.look_path(path, symptoms=symptoms)
        return found.screening if isinstance(found, Screened) else found

    def look_path(
        self,
        path: Path | str,
        *,
        symptoms: Collection[Symptom] = (),
        scale: Scale | None = None,
        ruler: float | None = None,
    ) -> Screened | ScreeningError:
        """As `screen_path`, with the mask and the heat map."""
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_BYTES + 1)  # one byte more than allowed is enough to refuse it
            return self.look(data, file=str(path), symptoms=symptoms, scale=scale, ruler=ruler)
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
    if is_uncertain(probabilities[0], index, manifest):
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


class _Laps:
    """Milliseconds of one step after the other."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._begun = self._last = perf_counter()

    def end(self, step: str) -> None:
        """The step that began when the last one ended is over, for now."""
        now = perf_counter()
        self.milliseconds[step] = round(self.milliseconds.get(step, 0) + 1000 * (now - self._last), 2)
        self._last = now

    @property
    def total(self) -> float:
        """Since the start."""
        return round(1000 * (perf_counter() - self._begun), 2)
