"""From a finished run to a verified bundle: graphs, proofs of parity, what is fitted on each graph, scorecard."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from epiluma import bundle as bundles
from epiluma import predictions, segmentations
from epiluma.datasets import split
from epiluma.errors import EpilumaError
from epiluma.evaluation.abstention import selective_figures
from epiluma.evaluation.conformal import set_figures
from epiluma.evaluation.leakage import is_leaked
from epiluma.evaluation.scorecard import score
from epiluma.export import examples as alike
from epiluma.export import fitting, variants
from epiluma.export import graph as graphs
from epiluma.export import manifest as manifests
from epiluma.export import network as networks
from epiluma.export import outline as outlines
from epiluma.export import scope as scopes
from epiluma.export.config import Shipping
from epiluma.export.picking import evenly
from epiluma.export.predict import MASKS, PREDICTIONS
from epiluma.export.scored import PARTS, Logits, Scored
from epiluma.export.variants.certificate import Judged
from epiluma.inference import decide
from epiluma.inference.outline import Outliner
from epiluma.inference.session import Session, known_input
from epiluma.inference.view import View
from epiluma.predictions import Predictions
from epiluma.training import data
from epiluma.training.recipe import Recipe, RecipeError

GRAPH = "model.onnx"
PARITY = "parity.json"
EVIDENCE = "evidence.json"
"""What sets of diagnoses and abstention are worth on the test part, by graph."""
WEIGHTS = "network.safetensors"
"""The exported network's weights, from which another run may start (`model.weights`)."""
MAX_DIFFERENCE = 1e-4
"""Largest difference of a probability between PyTorch and ONNX that is shipped."""
_KNOWN_SEEDS = (1, 2, 3)
_EXAMPLES = 256
"""Training images from which int8 takes its ranges."""


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


class Finished(NamedTuple):
    """One graph that ships, and what was fitted on its outputs."""

    facts: bundles.Graph
    files: dict[str, bytes]
    """The graph's own, it first."""
    statistics: dict[str, bytes]
    """The file by which photos outside its scope are told, and those of its examples."""
    predictions: Predictions


@dataclasses.dataclass(frozen=True)
class Export:
    """What is the same for every graph of one export."""

    recipe: Recipe
    shipping: Shipping
    rule: bundles.DecisionRule
    scored: Scored

    def outputs(self, name: str, payload: variants.Payload) -> Logits:
        """What a graph gives for the scored parts."""
        views = self.shipping.views
        return {part: variants.run(name, payload, self.scored.pixels(part), views).logits for part in PARTS}

    def examples(self) -> npt.NDArray[np.float32]:
        """Images of the training part, evenly picked, from which int8 takes its ranges."""
        training = self.scored.corpus.parts["train"]
        return self.scored.normalised(training[evenly(len(training), _EXAMPLES)])

    def finish(self, name: str, payload: variants.Payload, outputs: Logits) -> Finished:
        """Fit everything on a graph's own outputs. Raises TooFewLesions."""
        scored, corpus, part = self.scored, self.scored.corpus, "calibration"
        network = variants.load(name, payload)
        scope = scopes.fit_on(network, scored, PARTS, file=_own_file(name, scopes.FILE))
        named = None
        if self.shipping.examples:
            named = alike.fit_on(network, scored, file=_own_file(name, alike.FILE))
        judged = {part: scored.judged(part) & within for part, within in scope.within.items()}
        if not judged[part].any():
            raise RecipeError(f"{self.recipe.name}: the gate would refuse every photo of the {part} part; look at them")
        fitted = fitting.fit(
            outputs[part],
            scored.truth(part),
            scored.group(part),
            judged=judged[part],
            taxonomy=corpus.taxonomy,
            prevalence=corpus.shares("train"),
            prevalence_source=f"training part of {self.recipe.data.name}, {int(corpus.counts('train').sum())} images",
            rule=self.rule,
            shipping=self.shipping,
        )
        files = _files(name, payload)
        facts = bundles.Graph(
            **{field: getattr(fitted, field) for field in fitted.__struct_fields__},
            graph=next(iter(files)),
            known_answers=self._known_answers(name, payload, fitted.calibration),
            scope=scope.facts,
            examples=named.facts if named else None,
        )
        threshold = fitted.operating_point.threshold
        table = scored.predictions(outputs, fitted.calibration, threshold, self.rule, runner=name, judged=judged)
        statistics = {scope.facts.file: scope.data, **(named.files if named else {})}
        return Finished(facts, files, statistics, table)

    def _known_answers(
        self, name: str, payload: variants.Payload, calibration: bundles.Calibration
    ) -> tuple[bundles.KnownAnswer, ...]:
        answers = []
        for seed in _KNOWN_SEEDS:
            image = known_input(seed, self.shipping.size)
            logits = variants.run(name, payload, image, self.shipping.views, threads=1).logits
            row = decide.probabilities_from_logits(logits, calibration)[0]
            answers.append(bundles.KnownAnswer(seed=seed, probabilities=tuple(round(float(p), 6) for p in row)))
        return tuple(answers)


def ship(recipe: Recipe, shipping: Shipping, run: Path, out: Path) -> Shipped:
    """Export the run's network, prove parity, fit on each graph's own outputs, score test once, write `out`.

    Predictions, evidence and the parity proof are written into the run's folder. Raises RecipeError when `run` is not
    a finished run of this recipe, UnknownDiagnosis, ParityError, VariantError, LeakingData, and TooFewLesions.
    """
    outlines.check(recipe, shipping)
    networks.check(recipe, run)
    shown = outlines.shown(recipe, shipping)
    corpus = data.load(shown, needed=split.SHARES, size=shipping.size)
    trained = networks.trained(recipe, corpus, run, shipping.epoch)
    outlined = outlines.of(shown, shipping)
    view = View(Outliner(outlined.facts, outlined.graph), outlined.crop) if outlined else View(None, None)
    rule = fitting.decision_rule(shipping, corpus.taxonomy)
    export = Export(recipe, shipping, rule, Scored(corpus, trained.input, shipping.size, view))
    graph, outputs, parity = _graph(export, trained)
    plain = export.finish(bundles.FP32, graph, outputs)
    if is_leaked(export.scored.audit):
        predictions.write(plain.predictions, run / PREDICTIONS)
        raise LeakingData(
            f"{run}: {export.scored.audit}; no bundle is made. `epiluma evaluate {run / PREDICTIONS} "
            f"--allow-leakage` scores the predictions all the same, and says so on every page"
        )
    finished = {bundles.FP32: plain}
    for name in shipping.variants:
        payload = variants.convert(name, graph, export.examples())
        finished[name] = export.finish(name, payload, export.outputs(name, payload))
    bundle = _bundle(export, trained, finished, outlined)
    bundles.write(bundle, out)
    if outlined and outlined.table:
        segmentations.write(outlines.named(outlined.table, bundle.id), run / MASKS)
    networks.save_weights(trained.network, run / WEIGHTS)
    proof = {"largest_probability_difference": parity, "images": len(outputs["validation"]), "bundle": bundle.id}
    _write_json(run / PARITY, proof)
    return Shipped(bundle, _write_tables(bundle, finished, export, run), parity)


def _graph(export: Export, trained: networks.Trained) -> tuple[bytes, Logits, float]:
    """The fp32 graph, its outputs, and its largest difference from the checkpoint on validation. Raises ParityError."""
    scored, shipping = export.scored, export.shipping
    shipped = graphs.shipped(trained.network, scored.corpus.shares("train"), trained.head, trained.offset)
    graph = graphs.to_onnx(shipped, shipping.size)
    outputs = export.outputs(bundles.FP32, graph)
    parity = graphs.largest_difference(
        shipped, outputs["validation"], scored.pixels("validation"), views=shipping.views
    )
    if parity > MAX_DIFFERENCE:
        raise ParityError(f"probabilities of PyTorch and ONNX differ by {parity:.2e}, more than {MAX_DIFFERENCE}")
    return graph, outputs, parity


def _bundle(
    export: Export, trained: networks.Trained, finished: dict[str, Finished], outlined: outlines.Outlined | None
) -> bundles.Bundle:
    """All graphs in one bundle, with the scorecard of the default one, checked in the runtime."""
    manifest = manifests.make(
        export.recipe,
        export.shipping,
        export.scored.corpus,
        pixels=trained.input,
        rule=export.rule,
        graphs={name: one.facts for name, one in finished.items()},
    )
    table = finished[bundles.FP32].predictions
    scorecard = score(table, part="test").to_scorecard(f"epiluma evaluate {PREDICTIONS}")
    files = {file: content for one in finished.values() for file, content in (one.files | one.statistics).items()}
    if outlined:
        files[outlined.facts.graph] = outlined.graph
    bundle = bundles.build(
        manifest,
        files,
        scorecard=scorecard,
        outline=outlined.facts if outlined else None,
        crop=outlined.crop if outlined else None,
    )
    for name in bundle.graphs:
        if bundle.using(name).manifest.graph.endswith(".onnx"):
            Session(bundle.using(name))  # the known answers hold here, in the runtime that people will use
    return bundle


def _own_file(name: str, file: str) -> str:
    return file if name == bundles.FP32 else f"{name}-{file}"


def _files(name: str, payload: variants.Payload) -> dict[str, bytes]:
    """The payload by file name in the bundle, the graph first."""
    if name == bundles.FP32:
        assert isinstance(payload, bytes)
        return {GRAPH: payload}
    if isinstance(payload, bytes):
        return {f"{name}.onnx": payload}
    return {f"{name}{Path(file).suffix}": data for file, data in payload.items()}


def _write_tables(bundle: bundles.Bundle, finished: dict[str, Finished], export: Export, run: Path) -> Predictions:
    """Each graph's Predictions, now that the id of the bundle is known, with its evidence and certificate.

    Gives those of the default graph.
    """
    tables = {
        name: dataclasses.replace(
            one.predictions, header=msgspec.structs.replace(one.predictions.header, model=bundle.id)
        )
        for name, one in finished.items()
    }
    plain = tables[bundles.FP32]
    for name, table in tables.items():
        predictions.write(table, run / (PREDICTIONS if table is plain else f"predictions-{name}.csv"))
        if table is not plain:
            _write_json(run / f"certificate-{name}.json", _certificate(name, finished, export))
    _write_json(run / EVIDENCE, {name: _evidence(tables[name], one.facts) for name, one in finished.items()})
    return plain


def _certificate(name: str, finished: dict[str, Finished], export: Export) -> variants.Certificate:
    """The variant beside the fp32 graph, each by its own fit, on all scored images."""
    found, expected = (
        Judged(table.probabilities, table.diagnosis, table.referred, None)
        for table in (finished[name].predictions, finished[bundles.FP32].predictions)
    )
    files, data = finished[name].files, export.recipe.data.name
    return variants.certificate(
        name,
        files,
        found,
        expected,
        ids=finished[name].predictions.image_id.tolist(),
        reference_bytes=len(finished[bundles.FP32].files[GRAPH]),
        views=export.shipping.views,
        photos=f"images of {data} outside its training part",
        calibrated_on=f"{_EXAMPLES} images of the training part of {data}" if variants.FORMATS[name].learns else "",
    )


def _evidence(table: Predictions, facts: bundles.Fitted) -> dict[str, Any]:
    """What sets of diagnoses and abstention are worth on the test part."""
    test = table.only("test")
    found: dict[str, Any] = {}
    if facts.conformal:
        found["sets"] = set_figures(test, facts.conformal)._asdict()
    if facts.abstention:
        found["abstention"] = selective_figures(test, facts.abstention)._asdict()
    return found


def _write_json(path: Path, content: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
