"""From a finished run to a verified bundle: graph, parity proof, calibration, operating point, scorecard."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from epiluma import __version__, predictions
from epiluma import bundle as bundles
from epiluma.datasets import correlation, split
from epiluma.datasets.record import Sample
from epiluma.errors import EpilumaError
from epiluma.evaluation.calibration import choose_operating_point, fit_temperature
from epiluma.evaluation.scorecard import score
from epiluma.export import graph as graphs
from epiluma.export.config import Epoch, Shipping
from epiluma.imaging.preprocess import normalise, resize_squares
from epiluma.imaging.quality import grade_quality
from epiluma.inference import decide
from epiluma.inference.session import Session, known_input
from epiluma.models import registry
from epiluma.predictions import Predictions
from epiluma.taxonomy import ISIC_2019
from epiluma.training import data
from epiluma.training.classify import Classifier
from epiluma.training.recipe import Recipe, RecipeError
from epiluma.training.run import BEST, CHECKPOINT, RECIPE

GRAPH = "model.onnx"
PREDICTIONS = "predictions.csv"
PARITY = "parity.json"
WEIGHTS = "network.safetensors"
"""The exported network's weights, from which another run may start (`model.weights`)."""
MAX_DIFFERENCE = 1e-4
"""Largest difference of a probability between PyTorch and ONNX that is shipped."""
_KNOWN_SEEDS = (1, 2, 3)
_SCORED_PARTS = ("validation", "calibration", "test")


class ParityError(EpilumaError):
    """The exported graph does not compute what the checkpoint computes."""


class LeakingData(EpilumaError):
    """The data that a run was trained on leak: its figures would flatter."""


class Shipped(NamedTuple):
    """What an export made."""

    bundle: bundles.Bundle
    predictions: Predictions
    parity: float
    """Largest probability difference between PyTorch and ONNX over the validation part."""


def ship(recipe: Recipe, shipping: Shipping, run: Path, out: Path) -> Shipped:
    """Export the run's network, prove parity, calibrate on the graph's own outputs, score test once, write `out`.

    Predictions and the parity proof are written into the run's folder. Raises RecipeError when `run` is not a
    finished run of this recipe, ParityError, and TooFewLesions.
    """
    network = trained_network(recipe, run, shipping.epoch)
    corpus = data.load(recipe, needed=split.SHARES)
    graph, parity, logits = _export(network, corpus, recipe, shipping)
    manifest = _manifest(recipe, shipping, corpus, graph, logits["calibration"])
    table = _predictions(manifest, corpus, logits)
    if table.header.audit.startswith("leak"):
        predictions.write(table, run / PREDICTIONS)
        raise LeakingData(
            f"{run}: {table.header.audit}; no bundle is made. `epiluma evaluate {run / PREDICTIONS} --allow-leakage` "
            f"scores the predictions all the same, and says so on every page"
        )
    scorecard = score(table, part="test").to_scorecard(f"epiluma evaluate {PREDICTIONS}")
    bundle = bundles.build(msgspec.structs.replace(manifest, scorecard=scorecard), {GRAPH: graph})
    Session(bundle)  # the known answers hold here, in the runtime that people will use
    bundles.write(bundle, out)
    save_weights(network, run / WEIGHTS)

    table = dataclasses.replace(table, header=msgspec.structs.replace(table.header, model=bundle.id))
    predictions.write(table, run / PREDICTIONS)
    proof = {"largest_probability_difference": parity, "images": len(logits["validation"]), "bundle": bundle.id}
    (run / PARITY).write_text(json.dumps(proof, indent=2) + "\n", encoding="utf-8")
    return Shipped(bundle, table, parity)


def _export(
    network: torch.nn.Module, corpus: data.Corpus, recipe: Recipe, shipping: Shipping
) -> tuple[bytes, float, dict[str, npt.NDArray[np.float32]]]:
    """The graph, its largest difference from the checkpoint on validation, and its logits on the scored parts."""
    entry = registry.architecture(recipe.model.architecture)
    shipped = graphs.shipped(network, corpus.shares("train"), entry.head[0])
    graph = graphs.to_onnx(shipped, shipping.size)
    pixels = {part: _pixels(corpus, part, recipe, shipping.size) for part in _SCORED_PARTS}
    logits = {part: graphs.run(graph, batch, views=shipping.views) for part, batch in pixels.items()}
    parity = graphs.largest_difference(shipped, logits["validation"], pixels["validation"], views=shipping.views)
    if parity > MAX_DIFFERENCE:
        raise ParityError(f"probabilities of PyTorch and ONNX differ by {parity:.2e}, more than {MAX_DIFFERENCE}")
    return graph, parity, logits


def _manifest(
    recipe: Recipe, shipping: Shipping, corpus: data.Corpus, graph: bytes, logits: npt.NDArray[np.float32]
) -> bundles.Manifest:
    """The manifest without its scorecard; `logits` are the graph's own, on the calibration part."""
    calibration = _calibration(recipe, corpus, logits)
    rule = bundles.DecisionRule(prior_power=shipping.prior_power, cost=(1.0,) * len(ISIC_2019.leaves))
    entry = registry.architecture(recipe.model.architecture)
    return bundles.Manifest(
        format=1,
        name=shipping.name,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        modality=shipping.modality,
        taxonomy=ISIC_2019,
        graph=GRAPH,
        preprocessing=bundles.Preprocessing(size=shipping.size, mean=entry.mean, std=entry.std),
        views=shipping.views,
        calibration=calibration,
        decision=rule,
        operating_point=_operating_point(shipping, corpus, logits, calibration, rule),
        known_answers=_known_answers(graph, shipping, calibration),
        scorecard=None,
        provenance=_provenance(recipe, shipping, corpus.split.sha256),
        licence=shipping.licence,
        licence_note=shipping.licence_note,
        non_commercial=shipping.non_commercial,
        files={GRAPH: bundles.FileEntry(sha256="", bytes=0)},
    )


def trained_network(recipe: Recipe, run: Path, epoch: Epoch) -> torch.nn.Module:
    """The network of a finished run of this recipe. Raises RecipeError."""
    checkpoint = run / CHECKPOINT
    if not checkpoint.is_file():
        raise RecipeError(f"{checkpoint}: no checkpoint; `epiluma train` makes one")
    if (run / RECIPE).read_bytes() != recipe.resolved():
        raise RecipeError(f"{run}: holds a run of another recipe")
    last = torch.load(checkpoint, map_location="cpu", weights_only=True)
    if last["epoch"] + 1 < recipe.epochs:
        raise RecipeError(f"{run}: stopped after epoch {last['epoch'] + 1} of {recipe.epochs}; train to the end first")
    saved = last if epoch == "last" else torch.load(run / BEST, map_location="cpu", weights_only=True)
    without_weights = msgspec.structs.replace(recipe, model=msgspec.structs.replace(recipe.model, weights=""))
    module = Classifier(without_weights, np.ones(len(ISIC_2019.leaves)), steps_per_epoch=1)
    module.load_state_dict(saved["state_dict"])
    return module.best_network


def save_weights(network: torch.nn.Module, path: Path) -> None:
    """Write all parameters and batch statistics under timm's names."""
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, path)


def _pixels(corpus: data.Corpus, part: str, recipe: Recipe, size: int) -> npt.NDArray[np.float32]:
    entry = registry.architecture(recipe.model.architecture)
    squares = resize_squares(corpus.squares[corpus.parts[part]], size)
    return normalise(squares, mean=entry.mean, std=entry.std)


def _calibration(recipe: Recipe, corpus: data.Corpus, logits: npt.NDArray[np.float32]) -> bundles.Calibration:
    """The temperature, fitted on the calibration part's logits."""
    truth = corpus.labels[corpus.parts["calibration"]]
    return bundles.Calibration(
        method="temperature",
        temperature=round(fit_temperature(logits, truth), 6),
        prevalence=tuple(round(float(share), 6) for share in corpus.shares("train")),
        prevalence_source=f"training part of {recipe.data.name}, {int(corpus.counts('train').sum())} images",
        n=len(truth),
    )


def _operating_point(
    shipping: Shipping,
    corpus: data.Corpus,
    logits: npt.NDArray[np.float32],
    calibration: bundles.Calibration,
    rule: bundles.DecisionRule,
) -> bundles.OperatingPoint:
    """The referral threshold, set on the calibration part alone, for the rule that ships."""
    indices = corpus.parts["calibration"]
    truth, malignant = corpus.labels[indices], np.array(ISIC_2019.malignant)
    probabilities = decide.probabilities_from_logits(logits, calibration)
    return choose_operating_point(
        decide.malignancy_risk(probabilities, ISIC_2019),
        truth == ISIC_2019.index("MEL"),
        ~malignant[truth],
        np.array([_group(corpus, corpus.samples[i]) for i in indices]),
        sensitivity=shipping.sensitivity,
        lower_bound=shipping.lower_bound,
        also_referred=malignant[decide.diagnose(probabilities, rule, calibration)],
    )


def _known_answers(
    graph: bytes, shipping: Shipping, calibration: bundles.Calibration
) -> tuple[bundles.KnownAnswer, ...]:
    answers = []
    for seed in _KNOWN_SEEDS:
        logits = graphs.run(graph, known_input(seed, shipping.size), views=shipping.views)
        row = decide.probabilities_from_logits(logits, calibration)[0]
        answers.append(bundles.KnownAnswer(seed=seed, probabilities=tuple(round(float(p), 6) for p in row)))
    return tuple(answers)


def _provenance(recipe: Recipe, shipping: Shipping, split_sha256: str) -> bundles.Provenance:
    return bundles.Provenance(
        recipe=recipe.name,
        recipe_sha256=recipe.sha256,
        data_manifest_sha256=split_sha256,
        architecture=recipe.model.architecture,
        starting_weights=Path(recipe.model.weights).name or "random",
        epiluma_version=__version__,
        training_data=shipping.training_data,
    )


def _predictions(
    manifest: bundles.Manifest, corpus: data.Corpus, logits: dict[str, npt.NDArray[np.float32]]
) -> Predictions:
    indices = np.concatenate([corpus.parts[part] for part in _SCORED_PARTS])
    samples = [corpus.samples[i] for i in indices]
    all_logits = np.concatenate([logits[part] for part in _SCORED_PARTS])
    probabilities = decide.probabilities_from_logits(all_logits, manifest.calibration)
    diagnosis = decide.diagnose(probabilities, manifest.decision, manifest.calibration)
    threshold = manifest.operating_point.threshold
    judged = np.array([_is_judged(sample, corpus.squares[i]) for sample, i in zip(samples, indices, strict=True)])
    risk = decide.malignancy_risk(probabilities, ISIC_2019)
    header = predictions.Header(
        codes=ISIC_2019.codes,
        groups=tuple(leaf.group for leaf in ISIC_2019.leaves),
        malignant=ISIC_2019.malignant,
        runner="onnx-fp32",
        model="",
        manifest_sha256=corpus.split.sha256,
        audit=_verdict(corpus),
        prevalence=manifest.calibration.prevalence,
        threshold=threshold,
    )
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
    return Predictions(
        header=header,
        image_id=np.array([sample.image_id for sample in samples]),
        group=np.array([_group(corpus, sample) for sample in samples]),
        part=np.array([corpus.split.of[sample.image_id].part for sample in samples]),
        truth=corpus.labels[indices],
        probabilities=probabilities,
        diagnosis=np.where(judged, diagnosis, -1),
        referred=judged & decide.refers(risk, diagnosis, threshold, ISIC_2019),
        subgroups={name: np.array(values) for name, values in columns.items()},
    )


def _verdict(corpus: data.Corpus) -> str:
    """The manifest's own verdict, or one made here when a set was read without a manifest."""
    if corpus.audit:
        return corpus.audit
    used = np.sort(np.concatenate(list(corpus.parts.values())))  # extra images may have been left out
    pairs = correlation.near_duplicates(correlation.thumbnails(corpus.squares)[used])
    return split.audit([corpus.samples[i] for i in used], ((i, j) for i, j, _ in pairs), corpus.split)


def _group(corpus: data.Corpus, sample: Sample) -> str:
    """What intervals resample: a manifest's group; of a set read without one the lesion, where it names lesions."""
    group = corpus.split.of[sample.image_id].group
    return group if corpus.curation is not None else sample.lesion or group


def _is_judged(sample: Sample, square: npt.NDArray[np.uint8]) -> bool:
    """Whether the runtime would score this photo, or ask for another one."""
    with Image.open(sample.path) as photo:
        shorter_side = min(photo.size)
    return grade_quality(Image.fromarray(square), shorter_side=shorter_side).usable
