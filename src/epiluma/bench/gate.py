"""What the gate refuses: drawn pictures, phone photos, dermoscopy of its own and another source, spoilt melanomas.

The score is fitted on the training part with the threshold of the calibration part, as an export does it. Every choice
that measurement makes (how many components, how heavy residual and energy) is made without the family it is then
measured on, from drawings whose seeds nobody has looked at before.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from epiluma.bench import gate_pictures as pictures
from epiluma.bench import gate_report
from epiluma.bench.gate_pictures import Eye
from epiluma.bench.gate_report import Family, GateBench, Refused, Spoilt
from epiluma.bundle import Bundle, Scope
from epiluma.datasets import catalog, split
from epiluma.datasets.record import DataError, Sample
from epiluma.evaluation import metrics
from epiluma.evaluation.intervals import bootstrap, wilson
from epiluma.export import scope as scopes
from epiluma.export.picking import evenly
from epiluma.export.scope import CHOSEN, Seen, Shape
from epiluma.imaging.quality import grade_quality
from epiluma.imaging.synthetic.outside import FAMILIES
from epiluma.inference.decide import diagnose, probabilities_from_logits, refers
from epiluma.inference.gate import Gate, GateResult, check_photo
from epiluma.inference.locate import find_bundle
from epiluma.inference.scope import ScopeScorer, energies

CANDIDATES = tuple(Shape(k, r, e) for k in (64, 128) for r in (0.0, 0.3, 1.0) for e in (0.0, 0.05, 0.1))
MOST_ELSEWHERE = 0.1
"""A candidate that refuses more than this of dermoscopy from elsewhere is not chosen."""
CLINICAL = "clinical photos"
NEIGHBOUR = 5

Floats = npt.NDArray[np.float64]


class Sources(NamedTuple):
    """Where the pictures come from."""

    ham10000: Path
    split: Path
    isic2017: Path | None
    padufes20: Path | None


class Limits(NamedTuple):
    """How much is looked at."""

    each: int
    """Drawings of each family."""
    photos: int | None
    """At most so many photos of each part but the training part, evenly picked; None for all."""


class Fitted(NamedTuple):
    """A candidate with the scores that it gives."""

    facts: Scope
    inside: Floats
    elsewhere: float
    """Share refused of dermoscopy from elsewhere, on photos that are not measured afterwards; 0 without any."""
    outside: dict[str, Floats]


def run(sources: Sources, limits: Limits, *, bundle: Path | None, as_json: bool) -> None:
    """Measure and print. Raises DataError, BundleError or SessionError."""
    measured = measure(sources, limits, bundle=find_bundle(bundle))
    if as_json:
        sys.stdout.write(msgspec.json.encode(measured).decode() + "\n")
    else:
        gate_report.show(measured)


def measure(sources: Sources, limits: Limits, *, bundle: Bundle) -> GateBench:
    """Fit, choose, refuse. Raises DataError and SessionError."""
    eye, parts = Eye(bundle), _parts(sources, limits)
    training, calibration = (eye.seen(pictures.photos(parts[part])) for part in ("train", "calibration"))
    leaves = np.array([bundle.manifest.taxonomy.index(sample.diagnosis) for sample in parts["train"]])
    lesions = _lesions(parts["calibration"])
    seen = {name: eye.seen(pictures.drawings(name, limits.each)) for name in FAMILIES}
    if parts["clinical"]:
        seen[CLINICAL] = eye.seen(pictures.photos(parts["clinical"]))
    inside = eye.seen(pictures.photos(parts["test"]))
    tuning = eye.seen(pictures.photos(parts["tuning"])) if parts["tuning"] else None
    fits: dict[Shape, Fitted] = {}
    for width in sorted({shape.components for shape in CANDIDATES}):
        first = Shape(width, 0.0, 0.0)
        scope, data = scopes.fit_scope(training, leaves, calibration, lesions, output=eye.output, shape=first)
        for shape in (shape for shape in CANDIDATES if shape.components == width):
            facts = scopes.weighted(scope, data, shape, calibration, lesions)
            score = ScopeScorer(facts, data)
            elsewhere = float((score(*tuning) > facts.threshold).mean()) if tuning else 0.0
            fits[shape] = Fitted(facts, score(*inside), elsewhere, {name: score(*one) for name, one in seen.items()})
    scope, data = scopes.fit_scope(training, leaves, calibration, lesions, output=eye.output, shape=CHOSEN)
    shipped = scopes.with_scope(bundle, scope, data)
    known = {"test": inside, "clinical": seen.get(CLINICAL)}
    refused = _refusals(shipped, eye, parts, known)
    if bundle.manifest.scope:  # whose statistics may be of more sets than the one in hand
        own = _refusals(bundle, eye, parts, known)
        refused += [msgspec.structs.replace(row, name=f"{row.name}, by the bundle's own statistics") for row in own]
    return GateBench(
        bundle=bundle.id,
        threshold=scope.threshold,
        chosen=list(choose(fits, without="")),
        families=[_family(name, fits, parts["test"], _peers(training, inside, one)) for name, one in seen.items()],
        refused=refused,
        spoilt=_spoilt(shipped, eye, [sample for sample in parts["test"] if sample.diagnosis == "MEL"]),
        **_timings(shipped, inside, parts["test"]),
    )


def choose(fits: dict[Shape, Fitted], *, without: str) -> Shape:
    """The candidate with the best mean AUROC over all families but one; an empty name leaves out none."""

    def merit(shape: Shape) -> tuple[bool, float]:
        fit = fits[shape]
        figures = [metrics.ood_auroc(fit.inside, scores) for name, scores in fit.outside.items() if name != without]
        return fit.elsewhere <= MOST_ELSEWHERE, round(float(np.mean(figures)), 4)

    return max(fits, key=merit)


def _parts(sources: Sources, limits: Limits) -> dict[str, list[Sample]]:
    samples = catalog.read("ham10000", sources.ham10000)
    assigned = split.read(sources.split)
    parts = {part: [samples[i] for i in assigned.select(samples, part)] for part in ("train", "calibration", "test")}
    if empty := [part for part, found in parts.items() if not found]:
        raise DataError(f"{sources.split}: no image of {sources.ham10000} is in {', '.join(empty)}")
    elsewhere = catalog.read("isic2017", sources.isic2017) if sources.isic2017 else []
    parts["tuning"] = [sample for sample in elsewhere if sample.part == "validation"]
    parts["elsewhere"] = [sample for sample in elsewhere if sample.part == "test"]
    parts["clinical"] = catalog.inspect("padufes20", sources.padufes20).samples if sources.padufes20 else []
    most = dict.fromkeys(parts, limits.photos) | {"train": scopes.TRAINING}
    return {part: [found[i] for i in evenly(len(found), most[part] or len(found))] for part, found in parts.items()}


def _lesions(samples: Sequence[Sample]) -> npt.NDArray[np.str_]:
    return np.array([sample.lesion or sample.image_id for sample in samples])


def _family(name: str, fits: dict[Shape, Fitted], test: Sequence[Sample], peers: dict[str, float]) -> Family:
    """AUROC of the candidate that the other families choose, beside simpler scores of the same pictures."""
    shape = choose(fits, without=name)
    fit = fits[shape]
    scores = fit.outside[name]
    both, is_outside = np.concatenate([fit.inside, scores]), np.arange(len(test) + len(scores)) >= len(test)
    group = np.concatenate([_lesions(test), [f"outside {i}" for i in range(len(scores))]])
    interval = bootstrap(
        {"auroc": lambda weights: metrics.auc(both, is_outside, weights)}, group, stratum=is_outside.astype(np.intp)
    )["auroc"]
    return Family(
        name=name,
        n=len(scores),
        auroc=round(metrics.ood_auroc(fit.inside, scores), 4),
        lower=round(interval.lower, 4),
        upper=round(interval.upper, 4),
        refused=round(float((scores > fit.facts.threshold).mean()), 4),
        shape=list(shape),
        **peers,
    )


def _peers(training: Seen, inside: Seen, outside: Seen) -> dict[str, float]:
    """AUROC of energy alone, and of the distance to near photos."""
    near = [_neighbour_distance(training.features, one.features) for one in (inside, outside)]
    return {
        "energy": round(metrics.ood_auroc(energies(inside.logits), energies(outside.logits)), 4),
        "neighbours": round(metrics.ood_auroc(*near), 4),
    }


def _neighbour_distance(training: npt.NDArray[np.float32], features: npt.NDArray[np.float32]) -> Floats:
    """The peer: distance of unit features to the fifth nearest of the training part (Sun et al. 2022,
    arXiv:2204.06507).
    """
    known, asked = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (training, features))
    nth = min(NEIGHBOUR, len(known)) - 1
    result: Floats = np.partition(2 - 2 * (asked @ known.T).astype(np.float64), nth, axis=1)[:, nth]
    return result


def _refusals(bundle: Bundle, eye: Eye, parts: dict[str, list[Sample]], known: dict[str, Seen | None]) -> list[Refused]:
    """Shares of photos that the whole gate refuses, with statistics as an export ships them, and every finding.

    `known` is what the network gave for parts that were looked at before.
    """
    gate, rows = Gate(bundle), []
    names = {
        "test": "HAM10000, test part",
        "elsewhere": "ISIC 2017, test part",
        "clinical": "PAD-UFES-20, phone photos",
    }
    for part, name in names.items():
        if not parts[part]:
            continue
        seen = known.get(part) or eye.seen(pictures.photos(parts[part]))
        results = [
            _checked(gate, photo, Seen(seen.features[i : i + 1], seen.logits[i : i + 1]), pictures.mask_of(sample))
            for i, (sample, photo) in enumerate(zip(parts[part], pictures.photos(parts[part]), strict=True))
        ]
        refused = sum(not result.passes for result in results)
        interval = wilson(refused, len(results))
        findings = Counter(code for result in results for code in {finding.code for finding in result.findings})
        rows.append(
            Refused(
                name=name,
                n=len(results),
                refused=round(refused / len(results), 4),
                lower=round(interval.lower, 4),
                upper=round(interval.upper, 4),
                findings=dict(sorted(findings.items())),
            )
        )
    return rows


def _checked(gate: Gate, photo: Image.Image, seen: Seen, mask: npt.NDArray[np.bool_] | None = None) -> GateResult:
    return gate.check(photo, mask, features=seen.features, logits=seen.logits, quality=grade_quality(photo))


def _spoilt(bundle: Bundle, eye: Eye, melanomas: Sequence[Sample]) -> list[Spoilt]:
    """Of melanomas that are spoilt: refused, else referred, else missed. Severity 0 is the photo as it is."""
    gate, manifest, rows = Gate(bundle), bundle.manifest, []
    shots = list(pictures.photos(melanomas))
    for name, corruption in pictures.CORRUPTIONS.items():
        for severity in (0, *pictures.SEVERITIES) if name == next(iter(pictures.CORRUPTIONS)) else pictures.SEVERITIES:
            counts = {"referred": 0, "missed": 0, "refused": 0}
            for i, shot in enumerate(shots):
                photo = pictures.spoilt(shot, name, severity, seed=i) if severity else shot
                seen, logits = eye.answer(photo)
                result = _checked(gate, photo, seen)
                probabilities = probabilities_from_logits(logits, manifest.calibration)
                called = diagnose(probabilities, manifest.decision, manifest.calibration)
                referred = refers(probabilities, called, manifest.operating_point.threshold, manifest.taxonomy)[0]
                counts["refused" if not result.passes else "referred" if referred else "missed"] += 1
            parameter = corruption.parameters[severity - 1] if severity else None
            label = name if severity else "as it is"
            rows.append(Spoilt(name=label, severity=severity, parameter=parameter, n=len(shots), **counts))
    return rows


def _timings(bundle: Bundle, seen: Seen, samples: Sequence[Sample]) -> dict[str, float]:
    """Median milliseconds of the checks of a photo and of the score, one photo at a time."""
    scorer = Gate(bundle).scorer
    assert scorer is not None
    checks, scores = [], []
    for i, photo in enumerate(pictures.photos(samples[:200])):
        mask = np.zeros((photo.height, photo.width), bool)
        mask[photo.height // 4 : -photo.height // 4, photo.width // 4 : -photo.width // 4] = True
        quality = grade_quality(photo)
        begun = perf_counter()
        list(check_photo(photo, mask, quality=quality))
        between = perf_counter()
        scorer(seen.features[i : i + 1], seen.logits[i : i + 1])
        checks.append(1000 * (between - begun))
        scores.append(1000 * (perf_counter() - between))
    return {"checks_ms": round(median(checks), 3), "score_ms": round(median(scores), 3)}
