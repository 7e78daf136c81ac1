"""Small bundles with everything that a manifest may hold."""

from __future__ import annotations

import msgspec
import numpy as np

from epiluma.bundle import Abstention, Bundle, Calibration, KnownAnswer, Scope, build
from epiluma.inference.decide import probabilities_from_logits
from epiluma.inference.scope import Statistics
from epiluma.inference.session import Session, known_input
from tests.conftest import LEAVES, SIZE


def fully_fitted(bundle: Bundle) -> Bundle:
    """The tiny bundle with vector calibration, an abstention band, and statistics of its three features."""
    plain = bundle.manifest.calibration
    random = np.random.RandomState(7)
    calibration = Calibration(
        method="vector",
        temperature=1.3,
        scale=tuple(random.uniform(0.5, 2, LEAVES).tolist()),
        bias=tuple(random.normal(0, 0.5, LEAVES).tolist()),
        prevalence=plain.prevalence,
        prevalence_source=plain.prevalence_source,
        n=plain.n,
    )
    logits = Session(bundle).logits(known_input(1, SIZE))
    answer = KnownAnswer(seed=1, probabilities=tuple(probabilities_from_logits(logits, calibration)[0].tolist()))
    band = Abstention(lower=0.05, upper=0.19, max_share=0.1, share=0.1, error=0.1, error_outside=0.1, lesions=50)
    scope, statistics = statistics_of_three()
    return build(
        bundle.manifest,
        {**bundle.files, scope.file: statistics.to_bytes()},
        calibration=calibration,
        known_answers=(answer,),
        abstention=band,
        scope=scope,
    )


def statistics_of_three(threshold: float = 3.0) -> tuple[Scope, Statistics]:
    """Of the mean colour, the tiny bundle's features: centred on a pale pink."""
    basis = np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0]])
    statistics = Statistics(
        np.array([0.5, 0.1, 0.2]), basis, np.array([[4.0, 1], [0, 3]]), np.array([[0.5, 0.2], [-1, 0.3]])
    )
    scope = Scope(
        file="scope.bin", features=3, components=2, centres=2, residual=0.05, residual_weight=0.3, energy_mean=-1.5,
        energy_spread=0.7, energy_weight=0.1, threshold=threshold, max_share=0.05, share=0.02, lesions=50, n=100,
    )  # fmt: skip
    return scope, statistics


def with_wrong_answer(bundle: Bundle) -> Bundle:
    """The same bundle, as if this machine computed something else than its maker's."""
    first = bundle.manifest.known_answers[0]
    wrong = msgspec.structs.replace(first, probabilities=first.probabilities[::-1])
    return build(bundle.manifest, bundle.files, known_answers=(wrong,))
