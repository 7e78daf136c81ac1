"""What a trained network says of the held-out parts, as the tables that `epiluma evaluate` reads; no bundle is made."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from epiluma import predictions, segmentations
from epiluma.datasets import cache, split
from epiluma.evaluation import masks
from epiluma.evaluation.calibration import fit_calibration
from epiluma.evaluation.operating_points import TooFewLesions
from epiluma.export import fitting
from epiluma.export import graph as graphs
from epiluma.export import network as networks
from epiluma.export.config import Shipping
from epiluma.export.scored import PARTS, Scored
from epiluma.inference import timing
from epiluma.segmentations import Segmentations
from epiluma.training import data, scoring
from epiluma.training.recipe import Recipe

PREDICTIONS, MASKS = "predictions.csv", "masks.csv"
RUNNER = "checkpoint"
Logits = Mapping[str, npt.NDArray[np.float32]]


def predict(recipe: Recipe, shipping: Shipping, run: Path) -> list[Path]:
    """Write Predictions, segmentations, or both, and timing.json into the folder of a finished run.

    What is fitted is fitted on the calibration part, as an export does. Raises RecipeError when `run` is not a finished
    run of the recipe, and DataError.
    """
    networks.check(recipe, run)
    corpus = data.load(recipe, needed=split.SHARES)
    trained = networks.trained(recipe, corpus, run, shipping.epoch)
    scored = Scored(corpus, trained.input, shipping.size)
    written, logits, seconds = [], {}, 0.0
    for part in PARTS:
        started = time.perf_counter()
        found = scoring.score(
            trained.network, corpus, corpus.parts[part], trained.input, shipping.size, views=shipping.views
        )
        seconds = time.perf_counter() - started  # in the end those of the last part, the test part
        if found.logits is not None:
            at_prevalence = np.log(np.maximum(corpus.shares("train"), 1e-6)) - trained.offset
            logits[part] = (found.logits + at_prevalence).astype(np.float32)
    if logits:
        predictions.write(_predictions(recipe, shipping, scored, logits), run / PREDICTIONS)
        written.append(run / PREDICTIONS)
    if corpus.masks is not None:
        segmentations.write(outlines(recipe, trained, scored, runner=RUNNER), run / MASKS)
        written.append(run / MASKS)
    taken = timed(trained, shipping, corpus.shares("train"))
    images = len(corpus.parts["test"])
    taken = msgspec.structs.replace(taken, evaluation_seconds=round(seconds, 1), evaluation_images=images)
    timing.write(taken, run)
    return [*written, run / timing.TIMING]


def _predictions(recipe: Recipe, shipping: Shipping, scored: Scored, logits: Logits) -> predictions.Predictions:
    """Calibrated, and with the referral threshold where the calibration part is large enough to promise one."""
    corpus, part = scored.corpus, "calibration"
    facts = (logits[part], scored.truth(part), scored.group(part))
    shares, source = corpus.shares("train"), f"training part of {recipe.data.name}"
    rule = fitting.decision_rule(shipping, corpus.taxonomy)
    threshold = None
    try:
        fitted = fitting.fit(
            *facts,
            judged=scored.judged(part),
            taxonomy=corpus.taxonomy,
            prevalence=shares,
            prevalence_source=source,
            rule=rule,
            shipping=shipping,
        )
        calibration, threshold = fitted.calibration, fitted.operating_point.threshold
    except TooFewLesions:
        calibration = fit_calibration(*facts, prevalence=shares, prevalence_source=source, method=shipping.calibration)
    table = scored.predictions(logits, calibration, threshold, rule, runner=RUNNER)
    return dataclasses.replace(table, header=msgspec.structs.replace(table.header, model=recipe.name))


def outlines(recipe: Recipe, trained: networks.Trained, scored: Scored, *, runner: str) -> Segmentations:
    """Each held-out image whose outline is known, compared at the size of the cache."""
    corpus = scored.corpus
    assert corpus.masks is not None
    indices = np.concatenate([corpus.parts[part] for part in PARTS])
    indices = indices[corpus.masks[indices, 0, 0] != cache.NO_MASK]
    groups = corpus.taxonomy.groups if recipe.model.masks == "diagnosis" else ("lesion",)
    header = segmentations.Header(
        classes=("background", *groups),
        runner=runner,
        model=recipe.name,
        network_size=(scored.size,) * 2,
        scored_size=(corpus.squares.shape[1],) * 2,
        manifest_sha256=corpus.split.sha256,
        audit=scored.audit,
    )
    maps = scoring.label_maps(trained.network, corpus, indices, trained.input, scored.size)
    samples = [corpus.samples[i] for i in indices]
    return masks.tabulate(
        header,
        [masks.measure(predicted, truth, len(header.classes)) for predicted, truth in maps],
        image_id=[sample.image_id for sample in samples],
        group=[scored.group_of(i) for i in indices],
        part=[corpus.split.of[sample.image_id].part for sample in samples],
        subgroups={name: list(map(str, column)) for name, column in scored.subgroups(indices).items()},
    )


def timed(trained: networks.Trained, shipping: Shipping, prevalence: npt.NDArray[np.float64]) -> timing.Timing:
    """How long the network takes as it would ship, and how large it is."""
    graph = graphs.to_onnx(networks.exportable(trained, prevalence), shipping.size)
    return timing.Timing(
        latency=timing.time_graph(graph, size=shipping.size, views=shipping.views),
        graph_bytes=len(graph),
        parameters=sum(parameter.numel() for parameter in trained.network.parameters()),
    )
